"""Which objects a migration covers: the bucket, prefixes, named objects, or a list file. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_engine.errors import ConfigError
from oms_engine.model import TaskType, key_bytes
from oms_engine.task import Scope
from openoms.urls import MAX_KEY_BYTES, BucketUrl, parse_object_url

if TYPE_CHECKING:
    from openoms.plan import MigrateOptions

MAX_OBJECTS = 500
"""OMS takes at most 500 entries of ``object_key`` (API reference 5.2.3); more belong in a list file."""


def build_scope(source: BucketUrl, destination: BucketUrl, options: MigrateOptions) -> tuple[Scope, str | None]:
    """Return what the task covers, and the bucket of its list file where there is one.

    Raises:
        ConfigError: two ways of choosing objects at once, keys outside the source's folder, too many keys.
    """
    objects, prefixes = tuple(options.get("objects", ())), tuple(options.get("prefixes", ()))
    list_file, url_list = options.get("list_file"), options.get("url_list")
    if sum(map(bool, (objects, prefixes, list_file, url_list))) > 1:
        raise ConfigError("--object, --prefix, --list-file and --url-list exclude each other; use one of them.")
    if list_file:
        return _list_scope(list_file, destination, TaskType.LIST)
    if url_list:
        return _list_scope(url_list, destination, TaskType.URL_LIST)
    if objects:
        return Scope(TaskType.OBJECT, _inside(source, objects, "--object")), None
    if prefixes:
        return Scope(TaskType.PREFIX, _inside(source, prefixes, "--prefix")), None
    return Scope(TaskType.PREFIX, (source.prefix,)), None


def _list_scope(text: str, destination: BucketUrl, kind: TaskType) -> tuple[Scope, str]:
    if "://" not in text:
        raise ConfigError(
            f"the list file {text!r} is no bucket URL: upload it as text/plain next to the destination, "
            "then name it as obs://bucket/key.txt."
        )
    url, key = parse_object_url(text)
    if url.scheme != destination.scheme:
        raise ConfigError(
            f"the list file {text!r} must lie beside the destination, whose credentials read it: "
            f"{destination.scheme}://bucket/key.txt."
        )
    if not key.endswith((".txt", "/")):
        raise ConfigError(f"the list file {key!r} must be a .txt file, or a folder/ of them.", code="TRF.0014")
    return Scope(kind, ("",), list_key=key), url.bucket


def _inside(source: BucketUrl, keys: tuple[str, ...], option: str) -> tuple[str, ...]:
    for key in keys:
        if not key and option == "--object":
            raise ConfigError("--object needs a key; to migrate the whole bucket leave it out.")
        if not key.startswith(source.prefix):
            raise ConfigError(f"{option} takes keys as they are in the bucket: {key!r} is not under {source}.")
        if len(key_bytes(key)) > MAX_KEY_BYTES:
            raise ConfigError(f"{option} {key[:60]!r}… is longer than {MAX_KEY_BYTES} bytes.")
    if len(keys) > MAX_OBJECTS:
        raise ConfigError(f"{len(keys)} times {option} is more than {MAX_OBJECTS}; put the keys into a list file.")
    return keys
