"""Clouds that take several keys for one, as stores on file systems do."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from oms_adapters.sandbox.context import State
from oms_adapters.sandbox.request import Incoming


def folded(state: State, incoming: Incoming) -> bytes:
    """Return the key that a request is about where the cloud folds keys: see ``Settings.fold``."""
    fold = _FOLDS[state.settings.fold]
    key = fold(incoming.key)
    if state.settings.fold == "path":
        return key
    bucket = state.core.buckets.get(incoming.bucket)
    known = (other for other in (bucket.objects if bucket else ()) if fold(other) == key)
    return next(known, incoming.key)


def _path(key: bytes) -> bytes:
    return b"/".join(part for part in key.split(b"/") if part not in {b"", b"."}) or key


def _case(key: bytes) -> bytes:
    return key.decode("utf-8", "surrogateescape").casefold().encode("utf-8", "surrogateescape")


def _form(key: bytes) -> bytes:
    return unicodedata.normalize("NFC", key.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


_FOLDS: dict[str, Callable[[bytes], bytes]] = {"path": _path, "case": _case, "form": _form}
