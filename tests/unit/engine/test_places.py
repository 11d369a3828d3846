"""Whether a migration would write into its own source: spellings of one bucket, and where copies meet originals."""

from contextlib import suppress
from itertools import product
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.config import StoreConfig, parse_endpoint
from oms_adapters.registry import open_store
from oms_engine.errors import ConfigError, KeyRejected
from oms_engine.model import Credentials, Secret, TaskType
from oms_engine.places import names_object, place_of, refuse_same_place, same_place, trouble_in_one_bucket
from oms_engine.plan import destination_key
from oms_engine.store import Capabilities
from oms_engine.task import KeyRange, MigrationSpec, Scope


def store(url, bucket="photos"):
    """A bucket of a store that nobody knows."""
    return SimpleNamespace(bucket=bucket, endpoint=parse_endpoint(url), capabilities=Capabilities())


SPELLINGS = [
    ["https://s3.example.com", "https://S3.Example.COM:443", "http://s3.example.com:80", "s3.example.com."],
    ["https://photos.s3.example.com", "https://s3.example.com", "https://PHOTOS.s3.example.com"],
    ["http://127.0.0.1:9000", "http://localhost:9000", "http://LOCALHOST:9000", "http://[::1]:9000", "http://0:9000",
     "https://127.0.0.1:9000", "http://127.1:9000", "http://0x7f000001:9000", "http://[::ffff:127.0.0.1]:9000",
     "http://0.0.0.0:9000", "http://[::]:9000", "http://minio.localhost:9000", "http://photos.localhost:9000"],
    ["http://10.0.0.1:9000", "http://10.1:9000", "http://[::ffff:10.0.0.1]:9000"],
    ["http://[2001:db8::1]", "http://[2001:DB8:0::1]"],
]  # fmt: skip
"""Lists of one place each."""


@pytest.mark.parametrize("urls", SPELLINGS, ids=lambda urls: urls[0])
def test_one_place_has_many_spellings(urls):
    """Scheme, default ports, capitals, final dots, the bucket in front and loopback's names change nothing."""
    for one, other in product(urls, urls):
        assert same_place(store(one), store(other))
        assert not same_place(store(one), store(other, "another"))


def test_different_places_stay_different():
    """Another host, another port, another bucket."""
    places = {place_of(store(urls[0])) for urls in SPELLINGS} | {place_of(store("http://127.0.0.1:9001"))}
    assert len(places) == 5
    assert place_of(store("http://cafe.example")) != place_of(store("http://fee.example"))


def opened(cloud, **config):
    """A bucket of a known cloud."""
    return open_store(StoreConfig(cloud, "photos", credentials=Credentials("ak", Secret("sk")), **config))


@pytest.mark.parametrize(
    ("here", "there", "same"),
    [
        (opened("obs", region="cn-north-4"), opened("obs", region="cn-north-4"), True),
        (opened("obs", region="cn-north-4"), opened("s3", endpoint="https://obs.cn-north-4.myhuaweicloud.com"), True),
        (opened("obs", region="cn-north-4"), opened("obs", endpoint="https://obs.myhuaweicloud.com"), True),
        (opened("obs", region="cn-north-4"), opened("obs", region="eu-west-101"), False),
        (opened("obs", region="cn-north-4"), opened("obs", endpoint="https://obs.private.example"), False),
        (opened("oss", region="cn-hangzhou"), opened("oss", endpoint="https://oss-cn-hangzhou-internal.aliyuncs.com"), True),
        (opened("oss", region="cn-hangzhou"), opened("s3", endpoint="https://s3.oss-cn-hangzhou.aliyuncs.com"), True),
        (opened("s3", region="us-east-1"), opened("s3", endpoint="https://s3.amazonaws.com"), True),
        (opened("s3", region="us-east-1"), opened("s3", endpoint="https://s3.dualstack.us-east-1.amazonaws.com"), True),
        (opened("s3", region="us-east-1", addressing="path"), opened("s3", region="us-east-1", addressing="virtual"), True),
        (opened("s3", region="us-east-1"), opened("s3", region="us-gov-west-1"), False),
        (opened("s3", region="us-east-1"), opened("s3", region="cn-north-1"), False),
        (opened("s3", region="us-east-1"), opened("obs", region="cn-north-4"), False),
        (opened("s3", region="us-east-1"), opened("s3", endpoint="https://s3.example.com"), False),
    ],
)  # fmt: skip
def test_a_clouds_hosts_share_their_buckets_names(here, there, same):
    """Where a name is given once in all regions, internal, global and protocol endpoints lead to one bucket."""
    assert same_place(here, there) is same
    assert same_place(there, here) is same


# -- where copies meet originals: held against trying every key ---------------------------------------------------------

SHORT = st.text("ab/", max_size=3)
ENDS = ["".join(letters) for length in range(6) for letters in product("ab/", repeat=length)]


@st.composite
def specs(draw):
    """Scopes of every kind, the prefix that is taken off, and the one that is added."""
    strip = draw(st.sampled_from(["", "", "a/", "b/"]))
    keys = draw(st.lists(SHORT.map(strip.__add__), min_size=1, max_size=3).map(tuple))
    kind = draw(st.sampled_from(["prefix", "ranges", "object", "exact"]))
    scope = {
        "prefix": Scope(TaskType.PREFIX, keys),
        "ranges": Scope(TaskType.PREFIX, ranges=tuple(KeyRange(key, "", None) for key in keys)),
        "object": Scope(TaskType.OBJECT, keys),
        "exact": Scope(TaskType.OBJECT, keys, exact=True),
    }[kind]
    return MigrationSpec("obs://b", "obs://b", scope=scope, strip_prefix=strip, save_prefix=draw(SHORT))


def covered(scope, key):
    """Whether a scope covers a key, as the documentation has it."""
    if scope.ranges:
        return any(key.startswith(part.prefix) for part in scope.ranges)
    if scope.task_type is TaskType.PREFIX:
        return any(key.startswith(prefix) for prefix in scope.keys)
    if scope.exact:
        return key in scope.keys
    return key in scope.keys or any(key.startswith(name) for name in scope.keys if not name or name.endswith("/"))


def copies_of(spec):
    """Every key that could be written, as far as keys of the scope are long enough to meet it."""
    for start in (*spec.scope.keys, *(part.prefix for part in spec.scope.ranges)):
        for key in map(start.__add__, ENDS):
            if key and covered(spec.scope, key):
                with suppress(KeyRejected):
                    yield destination_key(key, spec.strip_prefix, spec.save_prefix)


@given(specs())
def test_what_could_be_written_into_the_source_is_refused_and_nothing_else(spec):
    """A migration inside one bucket is refused exactly when some key, existing or not, would be copied into its scope."""
    meets = any(covered(spec.scope, copy) for copy in copies_of(spec))
    problem = trouble_in_one_bucket(spec)
    if spec.save_prefix == spec.strip_prefix:
        assert problem is not None
    else:
        assert (problem is not None) == meets, problem


@pytest.mark.parametrize(
    ("source", "destination", "refused"),
    [
        ("", "", True),
        ("photos/", "photos/", True),
        ("", "copy/", True),
        ("a/", "a/b/", True),
        ("a/b/", "a/", True),
        ("a/", "b/", False),
        ("a/", "ab/", False),
        ("a/b/", "a/c/", False),
    ],
)
def test_folders_of_one_bucket(source, destination, refused):
    """``s3://bucket/source`` to ``s3://bucket/destination``: only folders that contain each other are refused."""
    spec = MigrationSpec("s3://b", "s3://b", scope=Scope(keys=(source,)), strip_prefix=source, save_prefix=destination)
    assert (trouble_in_one_bucket(spec) is not None) is refused


def test_a_list_of_keys_does_not_grow():
    """A list may name keys of the bucket that it is copied within; onto itself it is refused too."""
    scope = Scope(TaskType.LIST, list_key="keys.txt")
    assert trouble_in_one_bucket(MigrationSpec("obs://b", "obs://b", scope=scope, save_prefix="copy/")) is None
    assert trouble_in_one_bucket(MigrationSpec("obs://b", "obs://b", scope=scope)) is not None


def test_the_refusal_has_a_code_and_short_keys():
    """One sentence however long the keys are."""
    spec = MigrationSpec("obs://b", "obs://b", scope=Scope(keys=("k" * 900,)), save_prefix="k" * 900)
    with pytest.raises(ConfigError) as refused:
        refuse_same_place(spec, store("http://h"), store("http://h"))
    assert refused.value.code == "OMS.0058"
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("url", "key", "same"),
    [
        ("https://s3.example.com/photos/a%2Fb", "a/b", True),
        ("http://photos.s3.example.com/a/b?versionId=1", "a/b", True),
        ("https://S3.EXAMPLE.COM:443/photos/a/b#top", "a/b", True),
        ("https://s3.example.com/photos/gr%C3%BCn", "grün", True),
        ("https://s3.example.com/photos/a/b", "a", False),
        ("https://s3.example.com/other/a/b", "a/b", False),
        ("https://s3.example.com:9000/photos/a/b", "a/b", False),
        ("https://cdn.example.com/photos/a/b", "a/b", False),
        ("not a url", "a/b", False),
    ],
)
def test_a_url_may_be_that_of_the_copy(url, key, same):
    """Path-style and with the bucket in front, encoded or not."""
    assert names_object(url, store("https://s3.example.com"), key) is same
