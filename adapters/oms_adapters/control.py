"""Control operations, rare and better left to the vendors' own SDKs: how those are imported and their errors told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

from oms_engine.errors import ConfigError


class BucketSummary(NamedTuple):
    """One bucket of an account."""

    name: str
    region: str
    """Empty where the store does not state it."""
    created: float


def need(module: str, extra: str) -> Any:
    """Import an SDK on first use.

    Raises:
        ConfigError: it is not installed; the message names the command that mends it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(f"{error.name or module} is not installed: pip install 'openoms[{extra}]'") from None


@contextmanager
def speaking(cloud_type: str) -> Iterator[None]:
    """Turn whatever an SDK raises into a ConfigError that names the cause."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{cloud_type} did not answer as asked: {type(error).__name__}: {error}") from error
