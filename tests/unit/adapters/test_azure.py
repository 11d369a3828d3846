"""Azure: how an account is reached, what replies mean, what requests say. No sockets."""

import re
from base64 import b64encode
from xml.sax.saxutils import escape

import pytest
from azure.storage.blob import BlobServiceClient, StorageErrorCode
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.azure import ADAPTER, CLASSES
from oms_adapters.config import StoreConfig
from oms_adapters.dialects.azure_errors import CODES, SPECIAL, error_of
from oms_adapters.dialects.azure_heads import read_head
from oms_adapters.dialects.azure_listing import Directories, parse_blobs, parse_fast, parse_slow
from oms_adapters.regions.azure import REGIONS
from oms_engine.errors import (
    AccessDenied,
    AccountRefused,
    Archived,
    BadCredentials,
    BucketNotFound,
    ConfigError,
    NotFound,
    RangeIgnored,
    Retry,
    Throttled,
    UnexpectedReply,
    UploadGone,
)
from oms_engine.model import ArchiveState, Credentials, Restore, RestoreTier, Secret, Span, StorageClass
from oms_engine.store import BucketStore, Reply

KEY = b64encode(b"an account's key").decode()
DATE = "Fri, 20 Nov 2026 23:53:44 GMT"


def opened(bucket="photos", access_key="acct", secret=KEY, token=None, **changes):
    """Open a container."""
    keys = Credentials(access_key, Secret(secret), Secret(token) if token else None)
    return ADAPTER.open(StoreConfig("Azure", bucket, credentials=keys, **changes))


def target(store):
    """Return scheme, authority and path of a HEAD."""
    request = store.head("k").request
    return f"{request.endpoint.scheme}://{request.endpoint.netloc}{request.path}"


def test_it_is_a_store_of_every_kind():
    """The engine's protocols are all there."""
    assert isinstance(opened(), BucketStore)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "https://acct.blob.core.windows.net/photos/k"),
        ({"region": "westeurope"}, "https://acct.blob.core.windows.net/photos/k"),
        ({"region": "China North 3"}, "https://acct.blob.core.chinacloudapi.cn/photos/k"),
        ({"region": "usgovvirginia"}, "https://acct.blob.core.usgovcloudapi.net/photos/k"),
        ({"endpoint": "https://cdn.example.com"}, "https://cdn.example.com/photos/k"),
        ({"endpoint": "http://127.0.0.1:10000"}, "http://127.0.0.1:10000/acct/photos/k"),
        ({"endpoint": "http://azurite:10000/acct"}, "http://azurite:10000/acct/photos/k"),
        ({"endpoint": "http://azurite:10000", "addressing": "path"}, "http://azurite:10000/acct/photos/k"),
        ({"bucket": "$web"}, "https://acct.blob.core.windows.net/%24web/k"),
    ],
)
def test_the_account_is_found(changes, expected):
    """Cloud and account make the address; an endpoint may replace it, and name the account in its path."""
    assert target(opened(**changes)) == expected


FIELDS = {
    "DefaultEndpointsProtocol": st.sampled_from(["https", "http"]),
    "AccountName": st.from_regex(r"[a-z0-9]{3,24}", fullmatch=True),
    "AccountKey": st.binary(min_size=1, max_size=64).map(lambda raw: b64encode(raw).decode()),
    "EndpointSuffix": st.sampled_from(["core.windows.net", "core.chinacloudapi.cn", "example.org"]),
}


@given(st.fixed_dictionaries(FIELDS), st.permutations(list(FIELDS)), st.booleans())
def test_connection_strings_lead_where_the_sdk_goes(fields, order, tail):
    """Any order of fields leads to the address the vendor's SDK makes of the string."""
    text = ";".join(f"{name}={fields[name]}" for name in order) + (";" if tail else "")
    store = opened(access_key="", secret=text, bucket="abc")
    theirs = BlobServiceClient.from_connection_string(text).get_blob_client("abc", "k")
    assert target(store) == theirs.url
    signed = store.head("k").sign(store.head("k").request, 1.0)
    assert signed.headers["authorization"].startswith(f"SharedKey {fields['AccountName']}:")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("AccountName=a;nonsense", "name=value pairs"),
        ("AccountName=acct;EndpointSuffix=core.windows.net", "AccountKey, or SharedAccessSignature"),
        ("UseDevelopmentStorage=true;", "UseDevelopmentStorage"),
        ("BlobEndpoint=https://a.blob.core.windows.net;SharedAccessSignature=sv=1&sp=r", "no sig="),
        ("AccountName=acct;AccountKey=not base64!;", "not base64"),
    ],
)
def test_bad_connection_strings_are_told_without_showing_them(text, told):
    """Each fault of a connection string is one sentence, which holds none of its values."""
    with pytest.raises(ConfigError, match=re.escape(told)) as caught:
        opened(access_key="", secret=text)
    assert "not base64!" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bucket": "Photos"}, "cannot be a container"),
        ({"bucket": "a--b"}, "cannot be a container"),
        ({"bucket": "ab"}, "cannot be a container"),
        ({"access_key": "Not An Account"}, "no storage account"),
        ({"region": "12"}, "no Azure region"),
        ({"requester_pays": True}, "no requester pays"),
        ({"extra": {"rehydrate_to": "Archive"}}, "Hot, Cool or Cold"),
        ({"extra": {"nonsense": True}}, "unknown option"),
        ({"endpoint": "https://a.b", "access_key": ""}, "needs the storage account's name"),
    ],
)
def test_bad_configurations_are_told(changes, told):
    """What cannot be opened says why."""
    with pytest.raises(ConfigError, match=told):
        opened(**changes)


def test_an_endpoint_names_its_account():
    """With an account in the host, a SAS token needs no access key."""
    store = opened(access_key="", secret="", token="sv=1&sig=x", endpoint="https://acct.blob.core.windows.net")
    assert target(store) == "https://acct.blob.core.windows.net/photos/k"


def test_a_public_container_is_read_unsigned():
    """Without credentials nothing is signed."""
    store = ADAPTER.open(StoreConfig("az", "public", endpoint="https://acct.blob.core.windows.net"))
    call = store.head("k")
    assert call.sign(call.request, 1.0) == call.request


# Replies


def reply(status, code="", body=b"", **headers):
    """Return a reply with Azure's headers."""
    given = {"x-ms-error-code": code} if code else {}
    return Reply(status, {**given, "x-ms-request-id": "r-1", **headers}, body)


def error(status, code="", operation="read", **more):
    """Return the error a reply means."""
    return error_of(reply(status, code, **more), store="az://c", operation=operation, key="k")


def test_every_blob_error_code_of_the_sdk_has_a_meaning():
    """Codes the SDK knows for blobs are mapped, or are of calls that are never made (leases, pages, copies, queues)."""
    foreign = re.compile(
        "lease|page|copy|incremental|snapshot|sequence|append|queue|message|pop|share|file|directory|path|destination"
        "|source|flush|property|already|system|overwrit|unauthorized|xml|verb|url|missing|unsupported|multiple|lower"
        "|tier_inadeq|tier_limit|length|maxblob|notarchived|marker|conditionheaders|invalidoperation|snaphot|policy"
        "|quota|pending|parent|readonly|sharing",
        re.IGNORECASE,
    )
    unknown = {str(code.value) for code in StorageErrorCode} - CODES.keys()
    assert not {code for code in unknown if not foreign.search(code)}
    assert SPECIAL.keys() <= CODES.keys()


@pytest.mark.parametrize(
    ("status", "code", "operation", "kind"),
    [
        (404, "BlobNotFound", "read", NotFound),
        (404, "ContainerNotFound", "read", BucketNotFound),
        (404, "", "head", NotFound),
        (404, "", "list_page", BucketNotFound),
        (403, "AuthenticationFailed", "read", BadCredentials),
        (401, "NoAuthenticationInformation", "read", BadCredentials),
        (403, "AuthorizationPermissionMismatch", "read", AccessDenied),
        (403, "AccountIsDisabled", "read", AccountRefused),
        (409, "BlobArchived", "read", Archived),
        (409, "BlobBeingRehydrated", "read", Archived),
        (503, "ServerBusy", "read", Throttled),
        (400, "InvalidBlockList", "complete_upload", UploadGone),
        (404, "BlobNotFound", "list_parts", UploadGone),
        (302, "", "read", UnexpectedReply),
    ],
)
def test_errors_are_told_by_class(status, code, operation, kind):
    """The header's code decides, then the status; HEAD has no body and says as much."""
    found = error(status, code, operation)
    assert type(found) is kind
    assert (found.vendor_code, found.request_id, found.status) == (code, "r-1", status)


def test_a_busy_service_slows_the_pace():
    """ServerBusy asks for fewer requests."""
    assert error(503, "ServerBusy").retry is Retry.SLOW_DOWN


def test_details_that_quote_the_signature_are_not_told():
    """What Azure says beside a refused signature holds the string it signed: it is left out."""
    body = (
        b"\xef\xbb\xbf<?xml version='1.0'?><Error><Code>AuthenticationFailed</Code><Message>Server failed.\nRequestId:1"
        b"</Message><AuthenticationErrorDetail>The MAC signature 'TOPSECRET' is not ...</AuthenticationErrorDetail></Error>"
    )
    found = error(403, body=body)
    assert type(found) is BadCredentials
    assert "TOPSECRET" not in str(found)
    assert "RequestId" not in str(error(404, "BlobNotFound", body=body))


def test_a_clock_that_differs_is_told():
    """Only a refusal whose Date is far from this machine's clock speaks of clocks."""
    assert "clock" in str(error(403, "AuthenticationFailed", date="Fri, 20 Nov 2015 23:53:44 GMT"))
    assert "clock" not in str(error(403, "AuthenticationFailed"))


@pytest.mark.parametrize(
    ("headers", "state"),
    [
        ({}, ArchiveState.READABLE),
        ({"x-ms-access-tier": "Cold"}, ArchiveState.READABLE),
        ({"x-ms-access-tier": "Archive"}, ArchiveState.ARCHIVED),
        ({"x-ms-access-tier": "Archive", "x-ms-archive-status": "rehydrate-pending-to-cool"}, ArchiveState.RESTORING),
    ],
)
def test_archive_states(headers, state):
    """The tier archives, a pending rehydration restores."""
    assert read_head("k", headers, opened().capabilities).archive is state


def test_tiers_are_omss_classes():
    """Hot, Cool, Cold and Archive are OMS's four classes; only Archive needs a restore."""
    assert [CLASSES.class_of(tier) for tier in ("Hot", "Cool", "Cold", "Archive", "?")] == [
        *StorageClass,
        StorageClass.STANDARD,
    ]
    assert [tier for tier in ("Hot", "Cool", "Cold", "Archive", "") if CLASSES.is_archived(tier)] == ["Archive"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (reply(202), Restore.REQUESTED),
        (reply(200), Restore.READABLE),
        (reply(409, "BlobBeingRehydrated"), Restore.IN_PROGRESS),
    ],
)
def test_restores_are_answered(given, expected):
    """A rehydration that begins, that is not needed, that runs already."""
    call = opened(extra={"rehydrate_to": "Cool"}).restore("k", days=3, tier=RestoreTier.EXPEDITED)
    sent = call.request.headers
    assert (sent["x-ms-access-tier"], sent["x-ms-rehydrate-priority"]) == ("Cool", "High")
    assert call.read(given) is expected


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "10"},
        {"content-length": "3", "content-range": "bytes 0-2/10"},
        {"content-length": "0", "content-range": "bytes 10-9/10"},
    ],
)
def test_other_bytes_than_asked_for_are_refused(headers):
    """A range that was ignored or moved is never taken for the one asked for."""
    with pytest.raises(RangeIgnored):
        opened().read("k", span=Span(10 if "10-9" in str(headers) else 1, 3)).read(Reply(206, headers, b""))


def test_the_md5_of_a_range_is_not_the_blobs():
    """Content-MD5 of a ranged reply is that of the range; the blob's has a header of its own."""
    ranged = {"content-range": "bytes 0-1/10", "content-md5": b64encode(b"r" * 16).decode()}
    assert read_head("k", ranged, opened().capabilities).claimed_md5 is None
    both = {**ranged, "x-ms-blob-content-md5": b64encode(b"w" * 16).decode()}
    assert read_head("k", both, opened().capabilities).claimed_md5 == b"w" * 16
    assert read_head("k", {"content-md5": "nonsense"}, opened().capabilities).claimed_md5 is None


# Listings


def blob(name, *, size=1, tier="Hot", attributes="", more=""):
    """Return one element as the service writes it."""
    tiers = f"<AccessTier>{tier}</AccessTier><AccessTierInferred>true</AccessTierInferred>" if tier else ""
    return (
        f"<Blob><Name{attributes}>{escape(name)}</Name>{more}<Properties><Creation-Time>{DATE}</Creation-Time>"
        f"<Last-Modified>{DATE}</Last-Modified><Etag>0x8DE</Etag><Content-Length>{size}</Content-Length>"
        f"<Content-Type>a/b</Content-Type><Content-Encoding /><Content-MD5 />{tiers}<LeaseStatus>unlocked</LeaseStatus>"
        "</Properties><OrMetadata /></Blob>"
    )


def page(*blobs, marker="<NextMarker />"):
    """Return a page, with the service's byte order mark."""
    inner = "".join(blobs)
    return (
        '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://a.blob/" '
        f'ContainerName="c"><Prefix>p</Prefix><Blobs>{inner}</Blobs>{marker}</EnumerationResults>'
    ).encode()


xml_names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=12
)
elements = st.builds(
    blob,
    xml_names,
    size=st.integers(0, 10**15),
    tier=st.sampled_from(["", "Hot", "Archive"]),
    more=st.sampled_from(["", "<VersionId>2026</VersionId><IsCurrentVersion>true</IsCurrentVersion>"]),
)


@given(st.lists(elements, max_size=5), st.sampled_from(["<NextMarker />", "<NextMarker>2!88!MDA-</NextMarker>"]))
def test_the_fast_path_reads_what_expat_reads(blobs, marker):
    """Both readings of a page are the same, whatever the names hold; plain pages take the fast one."""
    body = page(*blobs, marker=marker)
    fast, slow = parse_fast(body), parse_slow(body)
    if fast is None:
        assert "&" in body.decode()
    else:
        assert fast == slow


def test_names_that_xml_cannot_hold_are_decoded():
    """Encoded="true" names are percent-encoded; others are not, whatever they look like."""
    body = page(blob("a%0Fb%EF%BF%BF", attributes=' Encoded="true"'), blob("a%41"))
    assert [entry.key for entry in parse_blobs(body)[0]] == ["a\x0fb\uffff", "a%41"]


def test_what_a_listing_states():
    """Size, time, ETag without quotes, and the tier, empty where the account has none."""
    (entry, plain), marker = parse_blobs(page(blob("k", size=7, tier="Cool"), blob("l", tier="")))
    assert entry[1:] == (7, 1795218824.0, "0x8DE", "Cool")
    assert (plain.storage_class, marker) == ("", "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a/>",
        b"<EnumerationResults/>",
        page(blob("k"))[:-30],
        page(blob("k").replace("<Content-Length>1", "<Content-Length>many")),
        page(blob("k").replace("<Name>k</Name>", "")),
    ],
)
def test_what_is_no_listing_is_refused(body):
    """Anything else than a whole page is an error, never a short listing."""
    with pytest.raises(UnexpectedReply):
        parse_blobs(body)


def test_a_listing_asks_for_one_more_because_its_start_comes_again():
    """A listing begins at startFrom itself: a page of one key would else hold only what is known."""
    query = dict(opened().list_page("p/", start_after="p/a", limit=1).request.query)
    assert (query["startFrom"], query["maxresults"], query["prefix"]) == ("p/a", "2", "p/")
    assert "startFrom" not in dict(opened().list_page("p/", start_after="a").request.query), "before the prefix"


def test_the_region_table_leads_somewhere():
    """Every region of the table has an endpoint in its cloud, under one of the three domains."""
    domains = {ADAPTER.endpoint_for(region) for region in REGIONS}
    assert domains == {
        "https://blob.core.windows.net",
        "https://blob.core.chinacloudapi.cn",
        "https://blob.core.usgovcloudapi.net",
    }
    assert len(set(REGIONS)) == len(REGIONS)


@pytest.mark.parametrize(
    ("extra", "version", "anywhere"),
    [
        ({}, "2026-02-06", True),
        ({"list_start_from": False}, "2019-07-07", False),
        ({"api_version": "2021-02-12"}, "2021-02-12", False),
        ({"api_version": "2026-12-01"}, "2026-12-01", True),
        ({"api_version": "2026-12-01", "list_start_from": False}, "2026-12-01", False),
    ],
)
def test_the_version_is_that_of_what_is_asked_for(extra, version, anywhere):
    """Every request carries the version the service has to know, and no listing asks for what that version lacks."""
    store = opened(extra=extra)
    calls = [store.head("k"), store.read("k"), store.list_page("p"), store.delete("k"), store.list_parts("k", "t.e30=")]
    assert {call.request.headers["x-ms-version"] for call in calls} == {version}
    assert store.capabilities.list_start_anywhere is anywhere
    assert ("startFrom" in dict(store.list_page("p", start_after="q").request.query)) is anywhere
    config = StoreConfig("Azure", "photos", credentials=Credentials("acct", Secret(KEY)), extra=extra)
    assert ADAPTER.account(config).bucket_region().request.headers["x-ms-version"] == version


@pytest.mark.parametrize("word", ["2019-02-01", "latest", "2026-13-01", "2026-02-06; DROP"])
def test_what_is_no_version_is_refused(word):
    """A wrong or too old version is named before anything is sent."""
    with pytest.raises(ConfigError, match="api_version"):
        opened(extra={"api_version": word})


def test_an_older_version_has_smaller_limits():
    """Blocks and blobs are no larger than the version takes."""
    old, new = opened(extra={"list_start_from": False}).capabilities, opened().capabilities
    assert (old.max_part_size, old.max_single_write) == (100 * 2**20, 256 * 2**20)
    assert (new.max_part_size, new.max_single_write) == (4000 * 2**20, 5000 * 2**20)


@pytest.mark.parametrize(
    "message", ["HeaderName: x-ms-version", "The API version 2026-02-06 is not supported by Azurite. Please upgrade"]
)
def test_a_version_the_service_refuses_names_the_option(message):
    """The sentence says what to set; other headers that are wrong are not taken for the version."""
    body = f"<Error><Code>InvalidHeaderValue</Code><Message>{message}</Message></Error>".encode()
    with pytest.raises(Exception, match="list_start_from=false"):
        opened().list_page("").read(Reply(400, {"x-ms-error-code": "InvalidHeaderValue"}, body))
    other = b"<Error><Code>InvalidHeaderValue</Code><Message>HeaderName: x-ms-access-tier</Message></Error>"
    with pytest.raises(Exception, match="access-tier") as caught:
        opened().list_page("").read(Reply(400, {"x-ms-error-code": "InvalidHeaderValue"}, other))
    assert "list_start_from" not in str(caught.value)


def directory(name, kind="<ResourceType>directory</ResourceType>", metadata="", size=0):
    """Return a blob element as the service writes it."""
    return (
        f"<Blob><Name>{name}</Name><Properties><Creation-Time>{DATE}</Creation-Time><Last-Modified>{DATE}"
        f"</Last-Modified><Etag>0x8</Etag>{kind}<Content-Length>{size}</Content-Length><AccessTier>Hot</AccessTier>"
        f"</Properties>{metadata}<OrMetadata /></Blob>"
    )


MARKED = "<Metadata><hdi_isfolder>True</hdi_isfolder></Metadata>"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("plain", ["A/b", "stub", "full", "z"]),
        ("skip", ["A/b", "full", "z"]),
        ("keep", ["A/", "A/b", "stub/", "full", "z"]),
    ],
)
def test_what_becomes_of_directories(word, expected):
    """A hierarchy's directories never are objects of their names; marked blobs follow the option, never one with bytes."""
    blobs = [
        directory("A"),
        directory("A/b", kind=""),
        directory("stub", kind="", metadata=MARKED),
        directory("full", kind="", metadata=MARKED, size=3),
        directory("z", kind="<ResourceType>file</ResourceType>"),
    ]
    page = f"<EnumerationResults><Blobs>{''.join(blobs)}</Blobs><NextMarker /></EnumerationResults>".encode()
    assert [item.key for item in parse_fast(page, Directories(word))[0]] == expected
    assert parse_fast(page, Directories(word)) == parse_slow(page, Directories(word))
    store = opened(extra={"directories": word})
    assert ("include" in dict(store.list_page("").request.query)) is (word != "plain")
    assert [item.key for item in store.list_page("").read(Reply(200, {}, page)).objects] == expected


def test_a_kept_directory_is_read_where_it_lies():
    """`A/` is asked for as `A`; what is no directory there is not found, so no other blob's bytes are taken for it."""
    store = opened(extra={"directories": "keep"})
    for call in (store.head("A/"), store.read("A/")):
        assert call.request.path == "/photos/A"
        head = call.read(Reply(200, {"content-length": "0", "x-ms-meta-hdi_isfolder": "true", "x-ms-meta-a": "1"}, b""))
        assert (head.key, head.size, head.attributes.user) == ("A/", 0, {"a": "1"})
        with pytest.raises(NotFound, match="directories=keep"):
            call.read(Reply(200, {"content-length": "3"}, b""))
    assert opened().head("A/").request.path == "/photos/A/"
    with pytest.raises(ConfigError, match="directories"):
        opened(extra={"directories": "drop"})
