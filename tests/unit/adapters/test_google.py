"""Google: key files, tokens, what requests say and what replies mean. No sockets."""

import datetime as dt
import json
import re
from base64 import b64encode
from functools import cache
from unittest.mock import patch
from urllib.parse import parse_qs

import pytest
from google.oauth2 import service_account
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.config import StoreConfig
from oms_adapters.dialects.google import GoogleHeads, json_error
from oms_adapters.google import ADAPTER, CLASSES, PROFILE
from oms_adapters.regions.google import MULTI_REGIONS, REGIONS
from oms_adapters.sandbox.google import key_file
from oms_adapters.signing.google import MARGIN, SCOPE, AccessToken, parse_service_account
from oms_engine.errors import (
    AccessDenied,
    AccountRefused,
    BadCredentials,
    BucketNotFound,
    ConfigError,
    InvalidRequest,
    Retry,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from oms_engine.model import Credentials, Secret, Span, StorageClass
from oms_engine.store import BucketStore, Reply
from support.google_account import EMAIL, private_key

DAY = 1_795_219_417.0


def account_text(**changes):
    """Return a key file, changed."""
    info = json.loads(key_file("https://oauth2.googleapis.com", EMAIL, private_key(0))) | changes
    return json.dumps({name: value for name, value in info.items() if value is not None})


def opened(text=None, **changes):
    """Open a bucket by a service account."""
    keys = Credentials("", Secret(text if text is not None else account_text()))
    return ADAPTER.open(StoreConfig("Google", changes.pop("bucket", "photos"), credentials=keys, **changes))


def granted(store, token="ya29.abc", seconds=3600, now=DAY):
    """Renew a store's token, return its renewable."""
    renewable = store.head("k").renewable
    call = renewable.renewal()
    call.sign(call.request, now)
    body = json.dumps({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}).encode()
    call.read(Reply(200, {}, body))
    return renewable


def test_it_is_a_store_of_every_kind():
    """The engine's protocols are all there."""
    assert isinstance(opened(), BucketStore)


# Key files and tokens


@cache
def both_accounts():
    """Return the account as google-auth and as we read it; reading a key takes long."""
    info = json.loads(account_text())
    theirs = service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])
    return theirs, parse_service_account(Secret(account_text()))


@given(st.integers(10**9, 4 * 10**9))
def test_the_assertion_is_google_auths(now):
    """What is exchanged for a token is, to the byte, what google-auth would send at that moment."""
    theirs, account = both_accounts()
    moment = dt.datetime.fromtimestamp(now, dt.UTC).replace(tzinfo=None)
    with patch("google.auth._helpers.utcnow", return_value=moment):
        expected = theirs._make_authorization_grant_assertion().decode()
    call = AccessToken(account, "gs://b").renewal()
    (assertion,) = parse_qs(call.sign(call.request, float(now)).body.decode())["assertion"]
    assert assertion == expected


def test_the_exchange_goes_where_the_key_file_says():
    """The token endpoint is the file's; the body is a form."""
    call = opened(account_text(token_uri="https://token.example.com:8443/x")).head("k").renewable.renewal()
    assert (call.request.method, call.request.path) == ("POST", "/x")
    assert call.request.endpoint[:3] == ("https", "token.example.com", 8443)
    assert call.request.headers["content-type"] == "application/x-www-form-urlencoded"


def test_a_token_signs_until_shortly_before_its_end():
    """A token is due five minutes before its end, and usable to it."""
    renewable = opened().head("k").renewable
    assert renewable.due(DAY)
    assert not renewable.usable(DAY)
    store = opened()
    renewable = granted(store)
    assert not renewable.due(DAY + 3600 - MARGIN - 1)
    assert renewable.due(DAY + 3600 - MARGIN + 1)
    assert renewable.usable(DAY + 3599)
    assert not renewable.usable(DAY + 3601)
    call = store.read("k")
    assert call.sign(call.request, DAY).headers["authorization"] == "Bearer ya29.abc"


def test_every_call_is_renewed():
    """Listing, reading and writing wait for the token alike."""
    store = opened()
    for call in (store.list_page(""), store.head("k"), store.read("k", span=Span(0, 1)), store.delete("k")):
        assert call.renewable is store.head("k").renewable


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(400, {}, b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}'), BadCredentials),
        (Reply(401, {}, b'{"error": "invalid_client"}'), BadCredentials),
        (Reply(429, {}, b"slow"), Throttled),
        (Reply(503, {}, b"<html>"), Unavailable),
        (Reply(200, {}, b"{}"), UnexpectedReply),
        (Reply(200, {}, b"[]"), UnexpectedReply),
        (Reply(200, {}, b'{"access_token": "t", "expires_in": "soon"}'), UnexpectedReply),
    ],
)
def test_refused_grants(reply, kind):
    """Each way in which no token comes has its own class; a refusal speaks of account, key and clock."""
    call = opened().head("k").renewable.renewal()
    with pytest.raises(kind) as caught:
        call.read(reply)
    if kind is BadCredentials:
        assert "clock" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not JSON"),
        ("{", "not JSON (line 1, column 2)"),
        ("[]", "no JSON object"),
        ("/home/me/key.json", "not JSON"),
        ('{"type": "authorized_user"}', "service account"),
        (account_text(client_email=None), "lacks client_email"),
        (account_text(private_key="", token_uri=None), "lacks private_key, token_uri"),
        (account_text(private_key="-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"), "no PEM key"),
        (account_text(token_uri="ftp://x"), "must start with"),
    ],
)
def test_bad_key_files_are_told_without_showing_them(text, told):
    """A malformed json_auth_file is one clear sentence, which holds nothing of the file."""
    with pytest.raises(ConfigError, match=re.escape(told)) as caught:
        opened(text)
    assert "c2VjcmV0" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_nothing_shows_the_key():
    """Neither the token's holder nor a call renders key or token."""
    store = opened()
    granted(store, token="ya29.SECRET")
    shown = repr(store.head("k")) + repr(vars(store)) + repr(parse_service_account(Secret(account_text())))
    assert "ya29.SECRET" not in shown
    assert "PRIVATE KEY" not in shown


# Opening


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bucket": "x"}, "cannot be a bucket"),
        ({"region": "no such place"}, "no Google Cloud Storage location"),
        ({"extra": {"nonsense": "x"}}, "unknown option"),
        ({"text": account_text(project_id=None), "requester_pays": True}, "needs user_project"),
    ],
)
def test_bad_configurations_are_told(changes, told):
    """What cannot be opened says why."""
    with pytest.raises(ConfigError, match=told):
        opened(**changes)


def test_requester_pays_names_a_project():
    """The project that pays is the account's own, or the one that is given, on every call."""
    for extra, project in (({}, "sandbox-project"), ({"user_project": "mine"}, "mine")):
        store = opened(requester_pays=True, extra=extra)
        for call in (store.list_page(""), store.head("k"), store.read("k"), store.delete("k")):
            assert call.request.headers["x-goog-user-project"] == project
    assert "x-goog-user-project" not in opened().head("k").request.headers


def test_hmac_keys_speak_s3():
    """Interoperability keys sign with SigV4, in x-amz- headers, without a token to renew."""
    keys = Credentials("GOOG1EABC", Secret("s"))
    store = ADAPTER.open(StoreConfig("gs", "photos", credentials=keys))
    call = store.head("k")
    signed = call.sign(call.request, DAY)
    assert signed.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=GOOG1EABC/20261121/auto/s3/")
    assert signed.headers["accept-encoding"] == "gzip"
    assert call.renewable is None
    with pytest.raises(ConfigError, match="service account"):
        ADAPTER.open(StoreConfig("gs", "photos", credentials=keys, requester_pays=True))


def test_hmac_keys_copy_nothing_that_a_reply_makes_up():
    """Google's default caching and its Expires are no metadata; the MD5 that it states counts before an ETag's."""
    store = ADAPTER.open(StoreConfig("gs", "photos", credentials=Credentials("GOOG1EABC", Secret("s"))))
    digest = b64encode(bytes(range(16))).decode()
    made_up = {"cache-control": "private, max-age=0", "expires": "Fri, 20 Nov 2026 23:53:44 GMT", "content-length": "1"}
    head = store.head("k").read(
        Reply(200, made_up | {"etag": '"0"', "x-goog-hash": f"crc32c=AAAAAA==,md5={digest}"}, b"")
    )
    assert (head.attributes.cache_control, head.attributes.expires) == (None, None)
    assert head.md5 == bytes(range(16))
    own = store.head("k").read(Reply(200, made_up | {"cache-control": "no-store", "etag": f'"{"0" * 31}-"'}, b""))
    assert (own.attributes.cache_control, own.md5) == ("no-store", None)


def test_classes_are_omss():
    """Four classes, none of which needs a restore."""
    words = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
    assert [CLASSES.class_of(word) for word in words] == list(StorageClass)
    assert not any(CLASSES.is_archived(word) for word in words)
    assert CLASSES.class_of("REGIONAL") is StorageClass.STANDARD


# Requests and replies


def test_reads_take_gzip_and_listings_do_not():
    """Google unpacks objects of Content-Encoding gzip for who does not take gzip; listings need no packing."""
    store = opened()
    assert store.read("k").request.headers["accept-encoding"] == "gzip"
    assert store.head("k").request.headers["accept-encoding"] == "gzip"
    assert store.list_page("").request.headers["accept-encoding"] == "identity"


def test_a_read_is_pinned_to_a_generation():
    """An ETag of ours is a generation: it is matched as one."""
    headers = opened().read("k", if_match="1777369647609324").request.headers
    assert headers["x-goog-if-generation-match"] == "1777369647609324"
    assert "if-match" not in headers


HEADERS = {
    "content-length": "20",
    "x-goog-stored-content-length": "20",
    "x-goog-stored-content-encoding": "identity",
    "x-goog-generation": "17",
    "x-goog-hash": "crc32c=AAAAAA==,md5=" + b64encode(b"m" * 16).decode(),
    "etag": '"md5 in hex"',
    "last-modified": "Tue, 28 Apr 2026 09:47:27 GMT",
    "x-goog-storage-class": "NEARLINE",
    "x-goog-meta-a": "1",
    "content-type": "a/b",
}


def head_of(**changes):
    """Read a head."""
    headers = HEADERS | {name.replace("_", "-"): value for name, value in changes.items()}
    return GoogleHeads(PROFILE).head("k", headers)


def test_a_head_states_generation_hash_and_metadata():
    """ETag is the generation; the MD5 is x-goog-hash's; everything else as S3's family has it."""
    head = head_of()
    assert (head.size, head.etag, head.md5, head.storage_class) == (20, "17", b"m" * 16, "NEARLINE")
    assert (head.attributes.user, head.attributes.content_encoding) == ({"a": "1"}, None)


def test_composite_objects_have_no_md5():
    """Without md5 in x-goog-hash none is stated, whatever the ETag looks like."""
    assert head_of(x_goog_hash="crc32c=AAAAAA==", etag='"0123456789abcdef0123456789abcdef"').md5 is None


def test_what_google_makes_up_is_not_migrated():
    """Expires, and the Cache-Control of private objects stored without one, are no metadata; a real one is."""
    assert head_of(cache_control="private, max-age=0", expires="x").attributes.cache_control is None
    assert head_of(expires="x").attributes.expires is None
    assert head_of(cache_control="public, max-age=60").attributes.cache_control == "public, max-age=60"


def test_a_packed_object_states_its_stored_size():
    """Size and coding are the stored ones, whichever of the two headers states them."""
    head = head_of(x_goog_stored_content_encoding="gzip", content_length="999")
    assert (head.size, head.attributes.content_encoding) == (20, "gzip")


def test_keys_of_others_are_stated():
    """KMS and customer keys are told."""
    assert head_of(x_goog_encryption_kms_key_name="projects/p/k").encryption == "kms"
    assert head_of(x_goog_encryption_algorithm="AES256").encryption == "customer"
    assert head_of().encryption is None


def listing(*items, token=None):
    """Return a reply of the JSON API."""
    page = {"items": list(items)} if items else {}
    return Reply(200, {}, json.dumps(page | ({"nextPageToken": token} if token else {})).encode())


def item(name):
    """Return one object as the API states it."""
    return {
        "name": name,
        "size": "7",
        "updated": "2026-04-28T09:47:27.648Z",
        "generation": "17",
        "storageClass": "COLDLINE",
    }


def test_listings_start_after_a_key():
    """A listing begins at startOffset itself: the key comes again and is dropped, and one more is asked for."""
    call = opened().list_page("p/", start_after="p/a", limit=2)
    query = dict(call.request.query)
    assert (query["startOffset"], query["maxResults"], query["prefix"]) == ("p/a", "3", "p/")
    page = call.read(listing(item("p/a"), item("p/b"), item("p/é"), token="t"))
    assert [entry.key for entry in page.objects] == ["p/b", "p/é"]
    assert page.objects[0][1:] == (7, 1777369647.648, "17", "COLDLINE")
    assert page.next_start == "p/é"
    assert call.read(listing()).next_start is None


def test_a_page_of_nothing_but_a_token_goes_on():
    """Google may answer a page without objects: its token leads on."""
    store = opened()
    page = store.list_page("", start_after="a").read(listing(token="tok+en"))
    query = dict(store.list_page("", start_after=page.next_start, token=page.token).request.query)
    assert (page.objects, page.next_start, query["pageToken"]) == ([], "a", "tok+en")
    assert "startOffset" not in query


@pytest.mark.parametrize("body", [b"", b"[]", b'{"items": [{}]}', b'{"items": [{"name": "a", "size": "x"}]}'])
def test_what_is_no_listing_is_refused(body):
    """Anything else than a page is an error."""
    with pytest.raises(UnexpectedReply):
        opened().list_page("").read(Reply(200, {}, body))


def error(status, reason="", message="why"):
    """Return the error a reply of the JSON API means."""
    errors = [{"reason": reason, "message": message}] if reason else []
    body = json.dumps({"error": {"code": status, "message": message, "errors": errors}}).encode()
    return json_error(Reply(status, {"x-guploader-uploadid": "u"}, body), store="gs://b", operation="list_page")


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (404, "notFound", BucketNotFound),
        (403, "forbidden", AccessDenied),
        (401, "authError", BadCredentials),
        (401, "", BadCredentials),
        (403, "accountDisabled", AccountRefused),
        (400, "userProjectMissing", InvalidRequest),
        (429, "rateLimitExceeded", Throttled),
        (403, "rateLimitExceeded", Throttled),
        (503, "backendError", Unavailable),
        (500, "", Unavailable),
        (302, "", UnexpectedReply),
    ],
)
def test_json_errors_are_told_by_class(status, reason, kind):
    """The reason decides, then the status."""
    found = error(status, reason)
    assert type(found) is kind
    assert (found.vendor_code, found.request_id) == (reason, "u")


def test_a_throttled_listing_slows_the_pace():
    """Rate limits ask for fewer requests, whichever status they come with."""
    assert error(403, "rateLimitExceeded").retry is Retry.SLOW_DOWN


def test_replies_that_are_no_json_still_have_a_class():
    """A proxy's page is told by its status."""
    for body in (b"<html>", b"[]", b'{"error": "x"}', b""):
        assert type(json_error(Reply(403, {}, body), store="gs://b", operation="list_page")) is AccessDenied


def test_requester_pays_is_told():
    """A bucket whose requester pays says which option is missing, in either API's words."""
    assert "user_project" in str(error(400, "userProjectMissing"))
    body = b"<Error><Code>UserProjectMissing</Code><Message>x</Message></Error>"
    with pytest.raises(InvalidRequest, match="user_project"):
        opened().read("k").read(Reply(400, {}, body))


def test_the_region_table_leads_to_one_endpoint():
    """Every location, in any case of letters, is reached through the same endpoint."""
    names = [*REGIONS, *MULTI_REGIONS, "EU", "EUROPE-WEST3"]
    assert {ADAPTER.endpoint_for(name) for name in names} == {"https://storage.googleapis.com"}
    assert opened(region="EU").endpoint.host == "storage.googleapis.com"


def test_names_are_one_segment_of_the_path():
    """Slashes of a name are encoded: nothing on the way takes dots between them for folders."""
    assert opened().head("a/../b c").request.path == "/photos/a%2F..%2Fb%20c"
