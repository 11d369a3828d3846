"""SigV4 against its oracle: botocore's own S3 signer."""

from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.regions.aws import region_of_host
from oms_adapters.signing.quoting import quote_key, render_query
from oms_adapters.signing.sigv4 import SigV4, anonymous
from oms_engine.model import Credentials, Secret
from oms_engine.store import Endpoint, Request

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.from_regex(r"x-amz-meta-[a-z0-9-]{1,10}", fullmatch=True)
values = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], include_characters=" "), max_size=20)
headers = st.dictionaries(
    st.one_of(names, st.sampled_from(["range", "if-match", "content-type", "content-md5", "x-amz-storage-class"])),
    values,
    max_size=6,
)
queries = st.lists(st.tuples(text.filter(bool), st.one_of(st.none(), text)), max_size=4, unique_by=lambda pair: pair[0])
endpoints = st.sampled_from(
    [
        Endpoint("https", "b.s3.eu-west-1.amazonaws.com", 443),
        Endpoint("http", "127.0.0.1", 9000),
        Endpoint("http", "h", 80),
    ]
)


def latin(value: str) -> str:
    """Return the UTF-8 bytes of a text as the latin-1 text a request holds."""
    return value.encode().decode("latin-1")


def botocore_authorization(
    request: Request, given_headers: dict[str, str], region: str, token: str | None, now: float
) -> str:
    """Sign the same bytes with the SDK; it works on text, so it gets the text whose UTF-8 bytes we send."""
    url = f"{request.endpoint.scheme}://{request.endpoint.netloc}{request.path}"
    asked = AWSRequest(
        request.method, f"{url}?{render_query(request.query)}" if request.query else url, headers=given_headers
    )
    asked.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    asked.context["client_config"] = None
    asked.context["payload_signing_enabled"] = False
    signer = S3SigV4Auth(BotoCredentials("AKID", "SECRET/+x", token), "s3", region)
    moment = datetime.fromtimestamp(now, UTC)
    with (
        patch("botocore.auth.get_current_datetime", return_value=moment),
        patch.object(S3SigV4Auth, "payload", return_value="UNSIGNED-PAYLOAD"),
    ):
        signer.add_auth(asked)
    return asked.headers["Authorization"]


@given(
    method=st.sampled_from(["GET", "PUT", "HEAD", "POST", "DELETE"]),
    endpoint=endpoints,
    key=text,
    query=queries,
    given_headers=headers,
    token=st.one_of(st.none(), st.just("tok/en+=")),
    now=st.integers(0, 4_000_000_000),
)
def test_equals_botocore(method, endpoint, key, query, given_headers, token, now):
    """Any request carries the signature that AWS's SDK would give it."""
    path = f"/bucket/{quote_key(key)}"
    request = Request(
        method, endpoint, path, tuple(query), {name: latin(value) for name, value in given_headers.items()}
    )
    credentials = Credentials("AKID", Secret("SECRET/+x"), Secret(token) if token else None)
    signed = SigV4(credentials, "eu-west-1")(request, float(now))
    assert signed.headers["authorization"] == botocore_authorization(request, given_headers, "eu-west-1", token, now)
    assert signed[:4] == request[:4]


def test_region_follows_the_host():
    """After a redirect to another region's host the request is signed for that region."""
    credentials = Credentials("AKID", Secret("s"))
    sign = SigV4(credentials, "us-east-1", region_of=region_of_host)
    request = Request("GET", Endpoint("https", "b.s3.ap-south-1.amazonaws.com", 443), "/k", (), {})
    assert "/ap-south-1/s3/" in sign(request, 0.0).headers["authorization"]
    assert (
        "/us-east-1/s3/"
        in sign(request._replace(endpoint=Endpoint("https", "other", 443)), 0.0).headers["authorization"]
    )


def test_request_is_not_changed():
    """A request can be signed again: its own headers stay as they were."""
    request = Request("GET", Endpoint("http", "h", 80), "/k", (), {"range": "bytes=0-1"})
    SigV4(Credentials("AKID", Secret("s")), "r")(request, 0.0)
    assert request.headers == {"range": "bytes=0-1"}


def test_payload_is_hashed_on_request():
    """With sign_payload a body in memory is hashed, a streamed one stays unsigned."""
    sign = SigV4(Credentials("AKID", Secret("s")), "r", sign_payload=True)
    request = Request("PUT", Endpoint("http", "h", 80), "/k", (), {}, b"abc")
    hashed = sign(request, 0.0).headers["x-amz-content-sha256"]
    assert hashed == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sign(request._replace(body=b"", body_size=3), 0.0).headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


def test_secret_is_not_in_the_signer():
    """A signer shown in a log tells no secret."""
    sign = SigV4(Credentials("AKID", Secret("hush-hush"), Secret("tokentoken")), "r")
    assert "hush" not in repr(sign)
    assert "tokentoken" not in repr(sign)


def test_anonymous_requests_carry_no_signature():
    """Without credentials nothing is added."""
    request = Request("GET", Endpoint("http", "h", 80), "/k", (), {})
    assert anonymous(request, 1.0) is request


@given(key=st.text(max_size=30).filter(lambda key: not any("\ud800" <= c <= "\udfff" for c in key)))
def test_key_quoting_equals_urllib(key):
    """Every byte outside the unreserved set and the slash is percent-encoded."""
    assert quote_key(key) == quote(key.encode(), safe="/~")
