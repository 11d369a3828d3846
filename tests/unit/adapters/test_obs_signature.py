"""OBS's signature against its oracle: esdk-obs-python's own signer."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
from obs import const
from obs.auth import Authentication
from obs.convertor import Adapter

from oms_adapters.signing.obs import SUB_RESOURCES, ObsSignature, http_date
from oms_adapters.signing.quoting import quote_key
from oms_engine.model import Credentials, Secret
from oms_engine.store import Endpoint, Request

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ascii_values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
header_names = st.one_of(
    st.from_regex(r"x-obs-(meta-)?[a-z0-9-]{1,8}", fullmatch=True).filter(
        lambda n: n not in {"x-obs-date", "x-obs-security-token"}
    ),
    st.sampled_from(["content-type", "content-md5", "range", "if-match", "x-obs-storage-class", "x-obs-acl"]),
)
query_names = st.one_of(
    st.sampled_from(
        [
            "uploads",
            "uploadId",
            "partNumber",
            "restore",
            "acl",
            "versionId",
            "prefix",
            "marker",
            "max-keys",
            "encoding-type",
        ]
    ),
    st.from_regex(r"x-obs-[a-z]{1,6}", fullmatch=True),
)


def esdk_authorization(request: Request, key: str, bucket: str, *, path_style: bool, token: str | None) -> str:
    """Return what the SDK would send as Authorization."""
    signer = Authentication("AK", "SK+/", path_style, Adapter("obs"), "server", False)
    headers = {**request.headers, "date": http_date(request_time), **({"x-obs-security-token": token} if token else {})}
    return signer.doAuth(request.method, bucket, key, dict(request.query), headers)[const.AUTHORIZATION_HEADER]


request_time = 1_795_219_417


@given(
    method=st.sampled_from(["GET", "PUT", "HEAD", "POST", "DELETE"]),
    key=text.filter(bool),
    query=st.dictionaries(query_names, st.one_of(st.none(), text), max_size=4),
    headers=st.dictionaries(header_names, ascii_values, max_size=6),
    path_style=st.booleans(),
    token=st.one_of(st.none(), st.just("tok/en+=")),
)
def test_equals_esdk(method, key, query, headers, path_style, token):
    """Any request carries the signature that Huawei Cloud's SDK would give it."""
    path = f"/bucket/{quote_key(key)}" if path_style else f"/{quote_key(key)}"
    request = Request(method, Endpoint("https", "h", 443), path, tuple(query.items()), headers)
    credentials = Credentials("AK", Secret("SK+/"), Secret(token) if token else None)
    signed = ObsSignature(credentials, None if path_style else "bucket")(request, float(request_time))
    assert signed.headers["authorization"] == esdk_authorization(
        request, key, "bucket", path_style=path_style, token=token
    )
    assert signed[:4] == request[:4]


@given(path_style=st.booleans(), query=st.dictionaries(query_names, text, max_size=4))
def test_bucket_calls_equal_esdk(path_style, query):
    """A call that names no object is signed as the SDK does, in path style and as virtual host."""
    request = Request("GET", Endpoint("https", "h", 443), "/bucket" if path_style else "/", tuple(query.items()), {})
    signed = ObsSignature(Credentials("AK", Secret("SK+/")), None if path_style else "bucket")(
        request, float(request_time)
    )
    assert signed.headers["authorization"] == esdk_authorization(
        request, "", "bucket", path_style=path_style, token=None
    )


def test_signed_parameters_include_the_sdks():
    """Every query parameter that the vendor's SDK signs is signed here."""
    assert not set(const.ALLOWED_RESOURCE_PARAMTER_NAMES) - SUB_RESOURCES - {"x-obs-accesslabel"} - workflow_names()


def workflow_names() -> set[str]:
    """Return the parameters of OBS's workflow service, which is another API."""
    return {name for name in const.ALLOWED_RESOURCE_PARAMTER_NAMES if "workflow" in name}


def test_an_own_date_header_is_signed_instead():
    """x-obs-date takes the place of Date, whose line is then empty."""
    request = Request("GET", Endpoint("https", "h", 443), "/k", (), {"x-obs-date": "Thu, 01 Jan 1970 00:00:00 GMT"})
    signed = ObsSignature(Credentials("AK", Secret("SK+/")), "bucket")(request, 5.0)
    assert "date" not in signed.headers
    oracle = Authentication("AK", "SK+/", False, Adapter("obs"), "server", False)
    assert (
        signed.headers["authorization"]
        == oracle.doAuth("GET", "bucket", "k", {}, dict(request.headers))["Authorization"]
    )


def test_header_bytes_are_signed_as_sent():
    """A header value of UTF-8 bytes is signed by those bytes, as the SDK signs the text."""
    request = Request("GET", Endpoint("https", "h", 443), "/k", (), {"x-obs-meta-a": "é".encode().decode("latin-1")})
    signed = ObsSignature(Credentials("AK", Secret("SK+/")), "bucket")(request, float(request_time))
    shown = SimpleNamespace(method="GET", headers={"x-obs-meta-a": "é"}, query=())
    assert signed.headers["authorization"] == esdk_authorization(shown, "k", "bucket", path_style=False, token=None)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8))
def test_no_byte_of_a_value_is_lost(value):
    """UTF-8 that ends in A0 or 85 (as "\u00e0" and "\u00c5" do) keeps its last byte, which is a blank in latin-1."""
    for word in (value, f"{value}\u00e0", f"{value}\u00c5"):
        sent = {"x-obs-meta-a": word.encode().decode("latin-1")}
        request = Request("GET", Endpoint("https", "h", 443), "/k", (), sent)
        signed = ObsSignature(Credentials("AK", Secret("SK+/")), "bucket")(request, float(request_time))
        shown = SimpleNamespace(method="GET", headers={"x-obs-meta-a": word}, query=())
        assert signed.headers["authorization"] == esdk_authorization(shown, "k", "bucket", path_style=False, token=None)
