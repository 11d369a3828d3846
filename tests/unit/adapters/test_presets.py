"""Presets: what their file may hold, where their buckets stand, and what is never guessed."""

import tomllib
from importlib.resources import files
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.config import StoreConfig
from oms_adapters.dialects.preset import PresetDialect, Terms
from oms_adapters.presets import parse_preset, read_presets, shipped_presets
from oms_adapters.registry import adapter_for, open_store
from oms_adapters.s3like import PresetAdapter
from oms_adapters.signing.sigv4 import anonymous
from oms_engine.errors import (
    AccessDenied,
    BadCredentials,
    BucketNotFound,
    ConfigError,
    InvalidRequest,
    Throttled,
    UnexpectedReply,
)
from oms_engine.model import Credentials, RestoreTier, Secret, StorageClass, WriteOptions
from oms_engine.store import Endpoint, Reply

KEYS = Credentials("AK", Secret("a-secret"))
NAMES = ("qingcloud", "kingsoftcloud", "baidu", "qiniu", "ucloud")
TEXT = files("oms_adapters").joinpath("presets.toml").read_text(encoding="utf-8")

EACH = pytest.mark.parametrize("name", NAMES)


def adapter(name):
    """Return a shipped adapter."""
    return adapter_for(name)


def table(**changes):
    """Return a small table that is right, changed."""
    plain = {
        "cloud_type": "Acme",
        "scheme": "acme",
        "title": "Acme",
        "source": "https://acme.example/s3",
        "endpoint": "https://s3.{label}.acme.example",
        "regions": {"north": "north"},
        "classes": {"STANDARD": "STANDARD"},
    }
    return {**plain, **changes}


def quirk(**changes):
    """Return a quirk that is right, changed."""
    return {"set": "list_version", "to": 1, "reason": "because", "source": "https://acme.example/list", **changes}


def test_five_vendors_ship():
    """The file holds exactly the vendors that have a module, under OMS's words and schemes."""
    found = {preset.cloud_type: preset.scheme for preset in shipped_presets().values()}
    assert found == {
        "QingCloud": "qingstor",
        "KingsoftCloud": "ks3",
        "Baidu": "bos",
        "Qiniu": "kodo",
        "UCloud": "us3",
    }
    assert tuple(shipped_presets()) == NAMES


@EACH
def test_every_quirk_has_its_reason_and_page(name):
    """Each quirk and note says why in words and names a public page."""
    preset = shipped_presets()[name]
    assert preset.source.startswith("https://")
    for item in (*preset.quirks, *preset.notes):
        assert len(item.reason) > 10
        assert item.date is not None, item.name
        assert item.source.startswith("https://")


@EACH
def test_every_quirk_changes_something(name):
    """No quirk states what S3 does anyway, unless it is there to mark what is unverified."""
    preset = shipped_presets()[name]
    document = tomllib.loads(TEXT)[name]
    for item in preset.quirks:
        others = [entry for entry in document["quirk"] if entry["set"] != item.name]
        plain = PresetAdapter(parse_preset(name, {**document, "quirk": others}))
        ours = PresetAdapter(preset)
        same = (plain.profile, plain._terms) == (ours.profile, ours._terms)
        assert not same or item.name == "addressing" or not item.verified, item.name


@EACH
def test_regions_and_hosts_name_each_other(name):
    """A region's endpoint leads back to the region, with a bucket in front and under the vendor's other names too."""
    found = adapter(name)
    for region, label in found.preset.regions.items():
        host = found.endpoint_for(region).partition("://")[2]
        others = [other.replace("{label}", label) for other in found.preset.other_hosts]
        for each in (host, f"a-bucket.{host}", *others):
            assert found.region_of_host(each) == region, each
        assert found.region_named(label.upper()) == region
        assert found.region_named(host.partition(".")[0]) in found.preset.regions
    assert found.region_of_host("storage.example.com") is None


@EACH
def test_an_unknown_region_lists_the_known_ones(name):
    """The message names every region of the table; what merely is newer than it is let through."""
    found = adapter(name)
    with pytest.raises(ConfigError) as caught:
        open_store(StoreConfig(found.cloud_type, "bucket", region="no such!"))
    assert all(region in str(caught.value) for region in found.preset.regions)
    assert found.preset.title in str(caught.value)
    with pytest.raises(ConfigError, match="needs its region") as caught:
        open_store(StoreConfig(found.cloud_type, "bucket"))
    assert all(region in str(caught.value) for region in found.preset.regions)


@pytest.mark.parametrize(
    ("config", "host", "path", "region"),
    [
        (StoreConfig("qingstor", "bucket", region="pek3b"), "bucket.s3.pek3b.qingstor.com", "/k", "pek3b"),
        (StoreConfig("qingstor", "my.bucket", region="pek3b"), "s3.pek3b.qingstor.com", "/my.bucket/k", "pek3b"),
        (StoreConfig("qingstor", "bucket", endpoint="https://s3.pek3a.qsstor.com"), "bucket.s3.pek3a.qsstor.com", "/k", "pek3a"),
        (StoreConfig("qingstor", "bucket", region="ap9x"), "bucket.s3.ap9x.qingstor.com", "/k", "ap9x"),
        (StoreConfig("ks3", "bucket", region="BEIJING"), "bucket.ks3-cn-beijing.ksyuncs.com", "/k", "BEIJING"),
        (StoreConfig("ks3", "bucket", region="ks3-cn-hk-1"), "bucket.ks3-cn-hk-1.ksyuncs.com", "/k", "HONGKONG"),
        (StoreConfig("ks3", "bucket", endpoint="http://127.0.0.1:1"), "bucket.localhost", "/k", "BEIJING"),
        (StoreConfig("bos", "bucket", region="gz"), "bucket.s3.gz.bcebos.com", "/k", "gz"),
        (StoreConfig("bos", "bucket", region="gz", addressing="path"), "s3.gz.bcebos.com", "/bucket/k", "gz"),
        (StoreConfig("kodo", "bucket", region="cn-south-1"), "s3.cn-south-1.qiniucs.com", "/bucket/k", "cn-south-1"),
        (StoreConfig("kodo", "bucket", endpoint="https://s3-us-north-1.qiniucs.com"), "s3-us-north-1.qiniucs.com", "/bucket/k", "us-north-1"),
        (StoreConfig("us3", "bucket", region="hk"), "s3-hk.ufileos.com", "/bucket/k", "hk"),
    ],
)  # fmt: skip
def test_where_the_bucket_stands(config, host, path, region):
    """Bucket, endpoint and the region that is signed for follow from the preset; an endpoint overrides its own."""
    from dataclasses import replace

    call = open_store(replace(config, credentials=KEYS)).head("k")
    assert (call.request.endpoint.host, call.request.path) == (host, path)
    assert f"/{region}/s3/" in call.sign(call.request, 0.0).headers["authorization"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"region": "x"}, "unknown key 'region'"),
        ({"endpoint": "https://s3.acme.example"}, "names no {label}"),
        ({"classes": {"STANDARD": "HOT"}}, "'HOT' is no class of OMS"),
        ({"archived": ["COLD"]}, "'COLD' is not among the classes"),
        ({"quirk": [quirk(set="lits_version")]}, "no quirk can set 'lits_version'"),
        ({"quirk": [quirk(to="1")]}, "list_version must be a int"),
        ({"quirk": [quirk(set="kms", to=1)]}, "kms must be a bool"),
        ({"quirk": [quirk(set="addressing", to="sideways")]}, "addressing must be path or virtual"),
        ({"quirk": [{"set": "kms", "to": True, "reason": "r"}]}, "lacks 'source'"),
        ({"quirk": [quirk(set="writes", to=["COLD"])]}, "'COLD' is not among the classes"),
        ({"codes": {"Odd": "Strange"}}, "no error class 'Strange'"),
        ({"quirk": [quirk(set="plain_regions", to=["south"])]}, "'south' is not among the regions"),
        ({"quirk": [quirk(set="restore_max_days_of", to={"COLD": 9})]}, "'COLD' is not among the classes"),
        ({"quirk": [quirk(set="restore_tiers_of", to=["COLD"])]}, "'COLD' is not among the classes"),
    ],
)
def test_a_wrong_table_is_refused(changes, told):
    """A mistake in a preset is told when it is read, with the name of the preset."""
    with pytest.raises(ValueError, match="preset acme") as caught:
        parse_preset("acme", table(**changes))
    assert told in str(caught.value)


def test_a_missing_key_is_named():
    """A table without its endpoint says which key it lacks."""
    short = table()
    del short["endpoint"]
    with pytest.raises(ValueError, match="endpoint"):
        parse_preset("acme", short)


def test_quirks_reach_the_store():
    """What a quirk sets is how the store is spoken to."""
    quirks = [quirk(), quirk(set="max_parts", to=77), quirk(set="etag_is_md5", to=False)]
    store = PresetAdapter(parse_preset("acme", table(quirk=quirks))).open(StoreConfig("acme", "bucket", region="north"))
    assert ("marker", "a") in store.list_page("", start_after="a").request.query
    assert (store.capabilities.max_parts, store.capabilities.part_etag_is_md5) == (77, False)


def test_options_of_a_bucket_override_its_preset():
    """A gateway that is newer than its preset is spoken to as it is."""
    extra = {"list_version": "2", "etag_is_md5": True, "sign_payload": True, "list_url_encode": False}
    store = open_store(StoreConfig("us3", "bucket", region="hk", credentials=KEYS, extra=extra))
    query = store.list_page("", start_after="a").request.query
    assert ("start-after", "a") in query
    assert ("encoding-type", "url") not in query
    assert store.capabilities.etag_is_md5
    call = store.head("k")
    assert call.sign(call.request, 0.0).headers["x-amz-content-sha256"] != "UNSIGNED-PAYLOAD"
    with pytest.raises(ConfigError, match="unknown option 'lits'"):
        open_store(StoreConfig("us3", "bucket", region="hk", extra={"lits": True}))


@EACH
def test_requester_pays_is_sent_or_refused(name):
    """Baidu documents it, and the header is sent; of the others no page does, so it is refused rather than ignored."""
    found = adapter(name)
    config = StoreConfig(found.cloud_type, "bucket", region=next(iter(found.preset.regions)), requester_pays=True)
    if name == "baidu":
        assert open_store(config).head("k").request.headers["x-amz-request-payer"] == "requester"
        return
    with pytest.raises(ConfigError, match="requester pays"):
        open_store(config)


@EACH
def test_temporary_keys_are_sent_or_refused(name):
    """Where the vendor states its S3 protocol takes no session token, a sentence says so before anything is sent."""
    found = adapter(name)
    keys = Credentials("AK", Secret("a-secret"), Secret("a-token"))
    region = next(iter(found.preset.regions))
    if name in {"qingcloud", "qiniu"}:
        for reach in (open_store, found.account):
            with pytest.raises(ConfigError, match="takes no temporary keys") as caught:
                reach(StoreConfig(found.cloud_type, "bucket", region=region, credentials=keys))
            assert "a-token" not in str(caught.value)
        return
    call = open_store(StoreConfig(found.cloud_type, "bucket", region=region, credentials=keys)).head("k")
    assert call.sign(call.request, 0.0).headers["x-amz-security-token"] == "a-token"


@pytest.mark.parametrize("region", ["hkg", "fwh"])
def test_a_region_without_tls_asks_for_a_word(region):
    """Nothing is sent in the clear because a region was named: the endpoint has to be given, in either scheme."""
    with pytest.raises(ConfigError, match=f"http://s3.{region}.bcebos.com"):
        open_store(StoreConfig("bos", "bucket", region=region))
    for scheme in ("http", "https"):
        endpoint = f"{scheme}://s3.{region}.bcebos.com"
        store = open_store(StoreConfig("bos", "bucket", region=region, endpoint=endpoint, credentials=KEYS))
        call = store.head("k")
        assert call.request.endpoint.scheme == scheme
        assert f"/{region}/s3/" in call.sign(call.request, 0.0).headers["authorization"]


@pytest.mark.parametrize(
    ("name", "word", "ours", "archived"),
    [
        ("kingsoftcloud", "COLD_ARCHIVE", StorageClass.DEEP_ARCHIVE, True),
        ("kingsoftcloud", "DEEP_COLD_ARCHIVE", StorageClass.DEEP_ARCHIVE, True),
        ("kingsoftcloud", "DEEP_IA", StorageClass.IA, False),
        ("kingsoftcloud", "EXTREME_PL3", StorageClass.STANDARD, False),
        ("qiniu", "INTELLIGENT_TIERING", StorageClass.STANDARD, False),
        ("qiniu", "GLACIER_IR", StorageClass.ARCHIVE, False),
        ("ucloud", "STANDARD_IA", StorageClass.STANDARD, False),
        ("ucloud", "ONEZONE_IA", StorageClass.IA, False),
        ("ucloud", "DEEP_ARCHIVE", StorageClass.ARCHIVE, True),
        ("baidu", "COLD", StorageClass.ARCHIVE, False),
    ],
)
def test_what_the_vendors_words_of_classes_mean(name, word, ours, archived):
    """Each word leads to OMS's class, and says whether its objects are read at once."""
    capabilities = adapter(name).profile.capabilities
    assert (capabilities.class_of(word), capabilities.is_archived_class(word)) == (ours, archived)


def test_an_etag_of_bos_is_never_taken_for_an_md5():
    """No page says what that of an object in parts is, and 32 digits without a dash are possible."""
    assert not adapter("baidu").profile.capabilities.etag_is_md5


def test_us3_restores_for_days_alone():
    """RestoreObject is among its calls; it restores at one speed."""
    store = open_store(StoreConfig("us3", "bucket", region="hk"))
    assert store.capabilities.restore
    body = store.restore("k", days=3, tier=RestoreTier.BULK, storage_class="GLACIER").request.body
    assert body == b"<RestoreRequest><Days>3</Days></RestoreRequest>"


@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), min_size=1, max_size=4))
def test_a_listing_that_left_encoding_alone_is_exact_or_refused(keys):
    """A gateway that ignores encoding-type gives plain XML: what that cannot show is refused, though it was asked for."""
    ordered = sorted(keys, key=str.encode)
    call = dialect().list_page("")
    assert ("encoding-type", "url") in call.request.query
    try:
        page = call.read(listing(map(go_text, ordered)))
    except UnexpectedReply:
        assert any(ord(char) < 32 or char in "\ufffd\ufffe\uffff" for key in keys for char in key)
    else:
        assert [item.key for item in page.objects] == ordered


@EACH
def test_a_class_the_vendor_lacks_is_refused(name):
    """An object asked for in a class without a word is refused before anything is sent; others carry theirs."""
    found = adapter(name)
    store = open_store(StoreConfig(found.cloud_type, "bucket", region=next(iter(found.preset.regions))))
    for wanted in StorageClass:
        options = WriteOptions(storage_class=wanted)
        word = found.profile.class_words.get(wanted)
        for describe in (
            lambda options=options: store.write("k", size=1, options=options, body=b"x"),
            lambda options=options: store.start_upload("k", options=options),
        ):
            if word is None:
                with pytest.raises(InvalidRequest, match=f"no objects in class {wanted}"):
                    describe()
            else:
                assert describe().request.headers["x-amz-storage-class"] == word
                assert store.capabilities.class_of(word) is wanted


def dialect(**terms):
    """Return a store of a made-up vendor."""
    profile = PresetAdapter(parse_preset("acme", table())).profile
    endpoint = Endpoint("https", "acme.example", 443)
    return PresetDialect(profile, Terms(**terms), bucket="bucket", endpoint=endpoint, path_style=True, signer=anonymous)


def go_text(key):
    """Return a key as Go's encoding/xml writes it."""
    text = escape(key, {"\r": "&#xD;", "\n": "&#xA;", "\t": "&#x9;"})
    return "".join(
        "\ufffd" if (ord(char) < 32 and char not in "\t\n\r") or char in "\ufffe\uffff" else char for char in text
    )


def listing(keys):
    """Return a page with these keys, as they are to be written."""
    objects = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>x</ETag>"
        "<Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key in keys
    )
    page = f"<ListBucketResult><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>"
    return Reply(200, {}, page.encode())


KEY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(st.sets(KEY, min_size=1, max_size=4), st.sampled_from([go_text, escape]))
def test_keys_of_plain_listings_are_exact_or_refused(keys, write):
    """Whatever keys there are, a listing in plain XML gives exactly them or an error; never another object's key."""
    ordered = sorted(keys, key=str.encode)
    call = dialect(list_url_encode=False).list_page("")
    try:
        page = call.read(listing(map(write, ordered)))
    except UnexpectedReply:
        assert any(ord(char) < 32 or char in "\ufffd\ufffe\uffff" for key in keys for char in key)
    else:
        assert [item.key for item in page.objects] == ordered


@pytest.mark.parametrize("key", ["a\x10b", "a\rb", "a\r\nb"])
def test_a_key_that_xml_cannot_hold_is_named(key):
    """The refusal says which key it is and what to do."""
    written = key.replace("\x10", "\ufffd")
    with pytest.raises(UnexpectedReply, match=r"rename that object") as caught:
        dialect(list_url_encode=False).list_page("").read(
            listing(["ok", written] if written > "ok" else [written, "ok"])
        )
    assert "a" in str(caught.value)


def test_restores_are_worded_as_the_vendor_wants():
    """Days are cut to the vendor's most, and the tier is left out where it knows none."""
    wide, narrow = dialect(), dialect(restore_tiers=False, restore_max_days=7)
    assert b"<Tier>Bulk</Tier>" in wide.restore("k", days=30, tier=RestoreTier.BULK).request.body
    assert b"<Days>30</Days>" in wide.restore("k", days=30, tier=RestoreTier.BULK).request.body
    assert narrow.restore("k", days=30, tier=RestoreTier.BULK).request.body == (
        b"<RestoreRequest><Days>7</Days></RestoreRequest>"
    )
    assert b"<Days>3</Days>" in narrow.restore("k", days=3, tier=RestoreTier.BULK).request.body


@pytest.mark.parametrize(
    ("name", "status", "code", "kind", "told"),
    [
        ("baidu", 403, "AccountOverdue", AccessDenied, "in arrears"),
        ("baidu", 400, "InvalidHTTPAuthHeader", BadCredentials, "does not accept the credentials"),
        ("kingsoftcloud", 400, "InvalidKey", InvalidRequest, "no such key"),
        ("ucloud", 403, "RequestTimeTooSkewed", BadCredentials, "clock"),
        ("qiniu", 503, "SlowDown", Throttled, "fewer requests"),
        ("qingcloud", 404, "NoSuchBucket", BucketNotFound, "does not exist"),
        ("qiniu", 404, "NoSuchBucket", BucketNotFound, "S3 name may differ"),
    ],
)
def test_error_codes(name, status, code, kind, told):
    """A vendor's own codes and S3's mean what they say, each with a sentence that helps."""
    found = adapter(name)
    region = next(iter(found.preset.regions))
    call = open_store(StoreConfig(found.cloud_type, "bucket", region=region)).list_page("")
    reply = Reply(status, {}, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode())
    with pytest.raises(kind, match=told) as caught:
        call.read(reply)
    assert caught.value.vendor_code == code


def test_a_text_without_tables_is_no_preset():
    """Anything but tables is refused."""
    with pytest.raises((ValueError, AttributeError)):
        read_presets("acme = 1")
