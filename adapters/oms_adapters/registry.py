"""Which clouds are known, and the one function that opens a bucket of any of them.

Adapters register under the entry-point group ``openoms.adapters``; each is imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from oms_adapters.config import StoreConfig
from oms_adapters.control import Account, BucketSummary
from oms_engine.errors import ConfigError
from oms_engine.model import KeyOrder
from oms_engine.store import BucketStore

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Account", "Adapter", "BucketSummary", "adapter_for", "known_adapters", "open_store"]

GROUP = "openoms.adapters"

BUILTIN = {
    "aws": "oms_adapters.aws:ADAPTER",
    "azure": "oms_adapters.azure:ADAPTER",
    "aliyun": "oms_adapters.aliyun:ADAPTER",
    "google": "oms_adapters.google:ADAPTER",
    "huaweicloud": "oms_adapters.huaweicloud:ADAPTER",
    "tencent": "oms_adapters.tencent:ADAPTER",
    "qingcloud": "oms_adapters.qingcloud:ADAPTER",
    "kingsoftcloud": "oms_adapters.kingsoftcloud:ADAPTER",
    "baidu": "oms_adapters.baidu:ADAPTER",
    "qiniu": "oms_adapters.qiniu:ADAPTER",
    "ucloud": "oms_adapters.ucloud:ADAPTER",
    "urlsource": "oms_adapters.urlsource:ADAPTER",
}
"""What ships with the package, for a source tree that is on the path without being installed."""


@runtime_checkable
class Adapter(Protocol):
    """One cloud: opens its buckets, and describes its control operations."""

    cloud_type: str
    scheme: str

    def open(self, config: StoreConfig) -> BucketStore:
        """Return the bucket as a store; nothing is sent.

        Raises:
            ConfigError: bad bucket name, endpoint or option, or a missing region.
        """
        ...

    def endpoint_for(self, region: str) -> str:
        """Return the endpoint URL of a region."""
        ...

    def account(self, config: StoreConfig) -> Account:
        """Return the account, for its control operations; ``config.bucket`` may be empty. Nothing is sent.

        Raises:
            ConfigError: bad endpoint, region or credentials; the cloud has no such operations.
        """
        ...


def entry_points(group: str) -> Iterable[EntryPoint]:
    """Return a group's entry points, of everything installed."""
    from importlib import metadata  # noqa: PLC0415 - 10 ms most runs do not need

    return metadata.entry_points(group=group)


@cache
def _targets() -> dict[str, str]:
    # Only for clouds that do not ship with the package: looking through what is installed takes milliseconds.
    found = {point.name: point.value for point in entry_points(group=GROUP)}
    return {**BUILTIN, **found}


@cache
def known_adapters() -> dict[str, Adapter]:
    """Return every adapter that can be imported, by cloud type."""
    adapters: dict[str, Adapter] = {}
    for name, target in _targets().items():
        try:
            adapter = _load(name, target)
        except ConfigError:
            continue  # Another package's broken adapter is told when it is asked for by name.
        adapters[adapter.cloud_type] = adapter
    return adapters


def adapter_for(cloud: str) -> Adapter:
    """Return the adapter of a cloud type or URL scheme, in any case of letters.

    Raises:
        ConfigError: not a known cloud; the message lists those known.
    """
    wanted = cloud.lower()
    direct = BUILTIN.get(wanted) or _targets().get(wanted)
    if direct is not None:
        return _load(wanted, direct)
    adapters = known_adapters()
    for adapter in adapters.values():
        if wanted in {adapter.cloud_type.lower(), adapter.scheme.lower()}:
            return adapter
    listed = ", ".join(f"{adapter.cloud_type} ({adapter.scheme}://)" for adapter in adapters.values())
    raise ConfigError(f"unknown cloud {cloud!r}; known: {listed}")


@cache
def _load(name: str, target: str) -> Adapter:
    module, _, attribute = target.partition(":")
    try:
        adapter = getattr(import_module(module), attribute)
    except ImportError as error:
        missing = error.name or module
        raise ConfigError(f"cloud {name!r} needs {missing}: pip install 'openoms[{name}]'") from error
    if not isinstance(adapter, Adapter):
        raise ConfigError(f"{target} of the installed packages is no adapter of OpenOMS; update or remove its package")
    return adapter


def open_store(config: StoreConfig) -> BucketStore:
    """Return the bucket that ``config`` describes; nothing is sent.

    Raises:
        ConfigError: unknown cloud, bad bucket name or endpoint, missing region.
    """
    order = config.extra.get("order")
    if order is not None:  # an option of every cloud: gateways of all kinds list in orders of their own
        config = replace(config, extra={name: value for name, value in config.extra.items() if name != "order"})
    store = adapter_for(config.cloud_type).open(config)
    if order is not None:
        store.capabilities = replace(store.capabilities, order=_order(order))
    if config.cdn is None:
        return store
    from oms_adapters.cdn import CdnStore  # noqa: PLC0415 - few migrations have one

    return CdnStore(store, config.cdn, config.credentials)


def _order(text: str | bool) -> KeyOrder:
    try:
        return KeyOrder(text)  # type: ignore[arg-type]
    except ValueError:
        raise ConfigError(f"option 'order' must be one of {', '.join(KeyOrder)}") from None
