"""Whether a migration would write into its own source: one rule, held at every door and by the engine itself. Pure."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from oms_engine.errors import ConfigError
from oms_engine.model import TaskType, key_bytes
from oms_engine.scope import named_keys
from oms_engine.store import Store
from oms_engine.task import MigrationSpec
from oms_engine.weburl import web_request

DESTINATION_INVALID = "OMS.0058"
LOOPBACK = "localhost"
_SHOWN = 80
"""Characters of a key in a message."""


class Place(NamedTuple):
    """One bucket, however it is spelled: two spellings of one place are equal."""

    host: str
    port: int
    """0: the default one, of http or https."""
    bucket: str


def place_of(store: Store) -> Place:
    """Return where a bucket is; what its endpoint leaves out or writes differently is made one.

    =======================================  ==================================
    written                                  taken as
    =======================================  ==================================
    http and https, ports 80 and 443         the same
    ``S3.Example.COM``, ``s3.example.com.``  ``s3.example.com``
    ``photos.s3.example.com``, for photos    ``s3.example.com``
    127.0.0.1, ::1, 0.0.0.0, a.localhost     ``localhost``
    =======================================  ==================================
    """
    host, port = store.endpoint.host.lower().rstrip("."), store.endpoint.port
    host = host.removeprefix(f"{store.bucket.lower()}.") or host
    return Place(_one_spelling(host), 0 if port in {80, 443} else port, store.bucket)


def names_object(url: str, store: Store, key: str) -> bool:
    """Whether a URL of the web is that of an object of this bucket, its query apart."""
    try:
        asked = web_request("GET", url, {}, public=False)
    except ValueError:
        return False
    place, host = place_of(store), asked.endpoint.host.lower().rstrip(".")
    rest = host.removeprefix(f"{store.bucket.lower()}.")
    bucket = b"" if rest != host else store.bucket.encode() + b"/"
    here = place._replace(host=_one_spelling(rest), port=0 if asked.endpoint.port in {80, 443} else asked.endpoint.port)
    spaces = store.capabilities.names_shared_in
    same = here == place or _shared(spaces, here.host, place.host)
    return same and unquote_to_bytes(asked.path) == b"/" + bucket + key_bytes(key)


def _one_spelling(host: str) -> str:
    """Return a host in one spelling; every address of this machine's own network is :data:`LOOPBACK`."""
    if host == LOOPBACK or host.endswith(f".{LOOPBACK}"):  # https://www.rfc-editor.org/rfc/rfc6761#section-6.3
        return LOOPBACK
    text = host
    if re.fullmatch(r"[0-9a-fx.]+", host):  # 127.1 and 0x7f000001 are addresses too
        try:
            text = socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            return host
    try:
        address = ip_address(text)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return LOOPBACK if address.is_loopback or address.is_unspecified else str(address)


def same_place(source: Store, destination: Store) -> bool:
    """Whether two stores are one bucket: of one host and port, or of hosts that share their buckets' names."""
    here, there = place_of(source), place_of(destination)
    if here.bucket != there.bucket:
        return False
    return here == there or any(
        _shared(space_of, here.host, there.host)
        for space_of in (source.capabilities.names_shared_in, destination.capabilities.names_shared_in)
    )


def _shared(space_of: Callable[[str], str], here: str, there: str) -> bool:
    return bool(space_of(here)) and space_of(here) == space_of(there)


def refuse_same_place(spec: MigrationSpec, source: Store, destination: Store) -> None:
    """Refuse a migration that would write into its own source; nothing is sent.

    Raises:
        ConfigError: OMS.0058.
    """
    problem = trouble_in_one_bucket(spec) if same_place(source, destination) else None
    if problem is not None:
        raise ConfigError(problem, code=DESTINATION_INVALID)


def trouble_in_one_bucket(spec: MigrationSpec) -> str | None:
    """Say what is wrong with a migration inside one bucket; None: nothing.

    ==================================  ===========================  ==============================================
    the copies' keys                    example                      verdict
    ==================================  ===========================  ==============================================
    are those of their sources          ``a/`` to ``a/``             refused: the source would be rewritten
    are, or may be, among the sources'  ``a/`` to ``a/b/``,          refused: the run would feed on its own copies,
                                        ``a/b/`` to ``a/``           or overwrite what is still to be copied
    lie elsewhere                       ``a/`` to ``b/``             allowed
    come from a list of keys            listed keys to ``b/``        allowed: the list does not grow
    ==================================  ===========================  ==============================================
    """
    if spec.scope.task_type is TaskType.URL_LIST:
        return None
    if spec.save_prefix == spec.strip_prefix:
        return "source and destination are the same keys of one bucket; choose another bucket or another prefix"
    if spec.scope.task_type is TaskType.LIST:
        return None
    for copies, originals in _meetings(spec):
        return (
            f"copies would be stored under {_shown(copies)}, among the keys to copy, {_shown(originals)}, of the same "
            "bucket; choose another bucket or a prefix outside of them"
        )
    return None


def _meetings(spec: MigrationSpec) -> Iterator[tuple[str, str]]:
    """Yield where copies go and which source keys they may meet there."""
    prefixes, names = _prefixes(spec), frozenset(_names(spec))
    for prefix in prefixes:
        copies = _moved(spec, prefix)
        yield from ((copies, other) for other in prefixes if copies.startswith(other) or other.startswith(copies))
        yield from ((copies, name) for name in names if name.startswith(copies))
    for name in names:
        copy = _moved(spec, name)
        yield from ((copy, other) for other in prefixes if copy.startswith(other))
        if copy in names:
            yield copy, copy


def _prefixes(spec: MigrationSpec) -> list[str]:
    """Return the prefixes whose keys are listed."""
    scope = spec.scope
    if scope.ranges:
        found = {part.prefix for part in scope.ranges}
    elif scope.task_type is TaskType.PREFIX:
        found = set(scope.keys)
    else:
        found = set() if scope.exact else {key for key in scope.keys if not key or key.endswith("/")}
    # No other key can be moved than those that begin with what is taken off.
    whole = spec.strip_prefix
    return sorted({whole if whole.startswith(prefix) else prefix for prefix in found})


def _names(spec: MigrationSpec) -> tuple[str, ...]:
    return named_keys(spec.scope) if spec.scope.task_type is TaskType.OBJECT else ()


def _moved(spec: MigrationSpec, key: str) -> str:
    return spec.save_prefix + key.removeprefix(spec.strip_prefix)


def _shown(key: str) -> str:
    return repr(key if len(key) <= _SHOWN else f"{key[:_SHOWN]}…") if key else "the whole bucket"
