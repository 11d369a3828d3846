"""Opening a bucket: what is known, what is refused, and with which remedy."""

import pickle
from functools import partial
from importlib.metadata import EntryPoint

import pytest

from oms_adapters import registry
from oms_adapters.config import StoreConfig, parse_endpoint
from oms_adapters.registry import Adapter, adapter_for, known_adapters, open_store
from oms_engine.errors import ConfigError
from oms_engine.model import Credentials, Secret
from oms_engine.store import ArchiveStore, MultipartStore

KEYS = Credentials("AK", Secret("a-secret"), Secret("a-token"))


@pytest.fixture
def fresh_registry(monkeypatch):
    """Forget what was loaded, before and after; give a way to fake the installed entry points."""

    def forget():
        registry._load.cache_clear()
        registry.known_adapters.cache_clear()
        registry._targets.cache_clear()

    def install(**targets):
        points = [EntryPoint(name, value, registry.GROUP) for name, value in targets.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: points)
        forget()

    yield install
    forget()


@pytest.mark.parametrize(
    ("name", "cloud"), [("AWS", "AWS"), ("s3", "AWS"), ("obs", "HuaweiCloud"), ("huaweicloud", "HuaweiCloud")]
)
def test_clouds_are_found_by_type_and_scheme(name, cloud):
    """OMS's word and the URL scheme both name a cloud, in any case of letters."""
    assert adapter_for(name).cloud_type == cloud
    assert isinstance(adapter_for(name.upper()), Adapter)


def test_the_builtin_table_serves_without_metadata(fresh_registry):
    """From a source tree that is not installed, the shipped clouds are known all the same."""
    fresh_registry()
    assert {"AWS", "HuaweiCloud", "Tencent"} <= set(known_adapters())


def test_an_unknown_cloud_lists_the_known_ones():
    """The error names what can be written instead."""
    with pytest.raises(ConfigError, match=r"AWS \(s3://\).*HuaweiCloud \(obs://\)"):
        open_store(StoreConfig("Floppy", "b-b"))


def test_a_missing_extra_names_its_pip_install(fresh_registry):
    """An adapter whose SDK is missing tells the command that mends it, and does not hide the others."""
    fresh_registry(floppy="no_such_package_of_ours:ADAPTER")
    with pytest.raises(ConfigError, match=r"pip install 'openoms\[floppy\]'"):
        adapter_for("floppy")
    assert "AWS" in known_adapters()


def test_a_foreign_object_is_no_adapter(fresh_registry):
    """An entry point that leads to something else is named."""
    fresh_registry(floppy="math:pi")
    with pytest.raises(ConfigError, match="math:pi"):
        adapter_for("floppy")


def test_a_store_is_opened_in_another_process():
    """The opener of a store can be pickled, secrets included, and shows none of them."""
    opener = partial(open_store, StoreConfig("s3", "bucket", region="eu-west-1", credentials=KEYS))
    again = pickle.loads(pickle.dumps(opener))
    request = again().head("k")
    assert request.sign(request.request, 0.0) == opener().head("k").sign(opener().head("k").request, 0.0)
    assert "a-secret" not in repr(opener)
    assert "a-token" not in repr(opener)


@pytest.mark.parametrize("cloud", ["s3", "obs"])
def test_stores_satisfy_the_protocols(cloud):
    """Both clouds are multipart and archive stores."""
    store = open_store(StoreConfig(cloud, "bucket", endpoint="http://127.0.0.1:9"))
    assert isinstance(store, MultipartStore)
    assert isinstance(store, ArchiveStore)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (StoreConfig("s3", "bucket"), "needs its region"),
        (StoreConfig("obs", "bucket"), "needs its region"),
        (StoreConfig("s3", "bucket", region="Mars"), "no AWS region"),
        (StoreConfig("obs", "bucket", region="Mars"), "no Huawei Cloud region"),
        (StoreConfig("s3", "a", region="eu-west-1"), "cannot be a bucket"),
        (StoreConfig("obs", "a b", region="cn-north-4"), "cannot be a bucket"),
        (StoreConfig("s3", "", region="eu-west-1"), "cannot be a bucket"),
        (StoreConfig("s3", "bucket", endpoint="ftp://h"), "http:// or https://"),
        (StoreConfig("s3", "bucket", endpoint="https://[::1"), "names no host"),
        (StoreConfig("s3", "bucket", endpoint="https://h:99999"), "the port .* is none"),
        (StoreConfig("s3", "bucket", endpoint="https://h/path"), "only scheme, host and port"),
        (StoreConfig("s3", "bucket", endpoint="https://u:pw@h"), "no user name or password"),
        (StoreConfig("s3", "bucket", endpoint="https://h:port"), "the port .* is none"),
        (StoreConfig("s3", "bucket", endpoint="https://"), "only scheme, host and port"),
        (StoreConfig("s3", "bucket", endpoint="http://127.0.0.1:1", addressing="virtual"), "path addressing"),
        (StoreConfig("obs", "bucket", endpoint="http://127.0.0.1:1", addressing="virtual"), "path addressing"),
        (StoreConfig("s3", "bucket", region="eu-west-1", extra={"lits_version": "1"}), "unknown option 'lits_version'"),
        (StoreConfig("obs", "bucket", region="cn-north-4", extra={"etag_is_md5": "no"}), "must be a bool"),
    ],
)
def test_bad_configurations_are_refused_with_a_remedy(config, told):
    """Each mistake is one sentence that names the cause; a password in a URL is not repeated."""
    with pytest.raises(ConfigError, match=told) as caught:
        open_store(config)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "host", "path"),
    [
        (StoreConfig("s3", "bucket", endpoint="http://minio.lan:9000"), "minio.lan", "/bucket/k"),
        (StoreConfig("s3", "bucket", endpoint="http://minio.lan:9000", addressing="virtual"), "bucket.minio.lan", "/k"),
        (StoreConfig("s3", "bucket", endpoint="https://s3.eu-west-3.amazonaws.com"), "bucket.s3.eu-west-3.amazonaws.com", "/k"),
        (StoreConfig("s3", "my.bucket", region="eu-west-3"), "s3.eu-west-3.amazonaws.com", "/my.bucket/k"),
        (StoreConfig("s3", "bucket", region="cn-north-1"), "bucket.s3.cn-north-1.amazonaws.com.cn", "/k"),
        (StoreConfig("s3", "bucket", region="eu-west-1", addressing="path"), "s3.eu-west-1.amazonaws.com", "/bucket/k"),
        (StoreConfig("obs", "bucket", endpoint="obs.lan"), "bucket.obs.lan", "/k"),
        (StoreConfig("obs", "bucket", endpoint="http://10.0.0.1"), "10.0.0.1", "/bucket/k"),
        (StoreConfig("obs", "my.bucket", region="eu-west-101"), "obs.eu-west-101.myhuaweicloud.eu", "/my.bucket/k"),
    ],
)  # fmt: skip
def test_where_the_bucket_stands(config, host, path):
    """Own clouds and names take the bucket in front, addresses and S3-compatible endpoints take it in the path."""
    request = open_store(config).head("k").request
    assert (request.endpoint.host, request.path) == (host, path)


def test_the_region_is_taken_from_the_endpoint():
    """AWS's own hosts name the region to sign for; other endpoints are signed for us-east-1."""
    for endpoint, region in (("https://s3.eu-west-3.amazonaws.com", "eu-west-3"), ("http://h:9000", "us-east-1")):
        call = open_store(StoreConfig("s3", "bucket", endpoint=endpoint, credentials=KEYS)).head("k")
        assert f"/{region}/s3/" in call.sign(call.request, 0.0).headers["authorization"]


def test_options_of_a_dialect():
    """Stores without ListObjectsV2, with opaque ETags, or that want payload hashes are spoken to accordingly."""
    extra = {"list_version": "1", "etag_is_md5": False, "sign_payload": True}
    store = open_store(StoreConfig("s3", "bucket", endpoint="http://h:9000", credentials=KEYS, extra=extra))
    assert ("marker", "a") in store.list_page("", start_after="a").request.query
    assert not store.capabilities.etag_is_md5
    call = store.head("k")
    assert call.sign(call.request, 0.0).headers["x-amz-content-sha256"] != "UNSIGNED-PAYLOAD"


@pytest.mark.parametrize(
    ("url", "netloc"),
    [("HTTP://Host:80/", "host"), ("h", "h"), ("https://[::1]:9000", "[::1]:9000"), ("http://h:443", "h:443")],
)
def test_endpoints_are_normalised(url, netloc):
    """Hosts are lower case, the scheme's own port is not repeated, IPv6 keeps its brackets."""
    assert parse_endpoint(url).netloc == netloc
