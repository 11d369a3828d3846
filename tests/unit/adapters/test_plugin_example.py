"""The example of CONTRIBUTING.md, taken out of its text, is a package that OpenOMS finds and works with."""

import asyncio
import sys

import pytest

from oms_adapters import registry
from oms_adapters.config import StoreConfig
from oms_adapters.registry import Adapter, adapter_for, open_store
from oms_adapters.sandbox import Sandbox
from oms_engine.errors import ConfigError
from oms_engine.model import Credentials, RestoreTier, Secret, WriteOptions
from oms_engine.wire import Wire, WireSettings
from support.plugin_example import FILES, install_example

KEYS = Credentials("AK", Secret("SK"))


def forget():
    """Let the registry look anew."""
    registry._targets.cache_clear()
    registry._load.cache_clear()
    registry.known_adapters.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "openoms_acme"]:
        del sys.modules[name]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Lay the example out as pip would install it: modules, data, and metadata with the entry point."""
    install_example(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    yield
    forget()


def test_the_example_is_complete():
    """Four files stand in the text."""
    assert set(FILES) == {"openoms_acme/acme.toml", "openoms_acme/__init__.py", "pyproject.toml", "openoms_acme/own.py"}


def test_without_the_package_the_cloud_is_unknown():
    """Nothing of the example is built in."""
    forget()
    with pytest.raises(ConfigError, match="unknown cloud 'acme'"):
        adapter_for("acme")


@pytest.mark.parametrize("word", ["acme", "Acme", "ACME"])
def test_the_entry_point_is_found(installed, word):
    """The cloud is known by its type and its scheme, and listed among those known."""
    assert isinstance(adapter_for(word), Adapter)
    with pytest.raises(ConfigError, match=r"Acme \(acme://\)"):
        adapter_for("floppy")


def test_the_preset_is_heeded(installed):
    """Regions, endpoint, list version, classes and ETags are those of the example's table."""
    store = open_store(StoreConfig("acme", "bucket", region="south-1", credentials=KEYS))
    assert store.endpoint.host == "bucket.s3.sth1.acme.example"
    assert ("marker", "a") in store.list_page("", start_after="a").request.query
    assert store.capabilities.class_of("COOL") == "IA"
    assert not store.capabilities.etag_is_md5
    with pytest.raises(ConfigError, match="known: north-1, south-1"):
        open_store(StoreConfig("acme", "bucket", region="?"))


def test_objects_are_moved_through_it(installed):
    """Against a real server that verifies signatures an object is stored, listed and read."""
    with Sandbox(clouds=["s3"]) as sandbox:
        sandbox.s3.create_bucket("bucket")
        store = open_store(StoreConfig("acme", "bucket", endpoint=sandbox.s3.url, credentials=sandbox.s3.credentials))

        async def move():
            async with Wire(WireSettings(attempts=1)) as wire:
                await wire.call(store.write("a/../b", size=4, options=WriteOptions(), body=b"body"))
                page = await wire.call(store.list_page("a/"))
                _, body = await wire.fetch(store.read("a/../b"), limit=100)
                return [item.key for item in page.objects], body

        assert asyncio.run(move()) == (["a/../b"], b"body")


def test_a_dialect_of_its_own(installed):
    """The second adapter of the text opens stores whose signature and restore are its own."""
    from openoms_acme.own import ADAPTER

    assert isinstance(ADAPTER, Adapter)
    token = Credentials("AK", Secret("SK"), Secret("the-token"))
    store = ADAPTER.open(StoreConfig("acmeown", "bucket", region="north-1", credentials=token))
    call = store.restore("k", days=3, tier=RestoreTier.BULK)
    assert call.request.body == b"<RestoreRequest><Days>3</Days><Speed>bulk</Speed></RestoreRequest>"
    assert call.sign(call.request, 0.0).headers["authorization"] == "Bearer the-token"
    with pytest.raises(ConfigError, match="needs a token"):
        ADAPTER.open(StoreConfig("acmeown", "bucket", region="north-1", credentials=KEYS))
