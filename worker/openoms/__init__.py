"""OpenOMS: self-hosted object storage migration into Huawei Cloud OBS, every object accounted for.

>>> import openoms
>>> result = openoms.migrate("s3://photos", "obs://archive", metadata=True)      # doctest: +SKIP
>>> result.counters.migrated, result.counters.failed                            # doctest: +SKIP

The names below are loaded when they are first used: the command line starts in a fraction of the time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oms_engine.errors import ConfigError, OmsError, RepositoryError, StoreError, TaskError
    from oms_engine.model import ConsistencyCheck, Credentials, OverwriteMode, RestoreTier, Secret, StoragePolicy
    from oms_engine.task import Counters, Progress, Result, TaskState
    from openoms.api import Migration, migrate, migrate_async
    from openoms.plan import MigrateOptions

__version__ = "0.1.0"

_HOMES = {
    "oms_engine.errors": ("ConfigError", "OmsError", "RepositoryError", "StoreError", "TaskError"),
    "oms_engine.model": ("ConsistencyCheck", "Credentials", "OverwriteMode", "RestoreTier", "Secret", "StoragePolicy"),
    "oms_engine.task": ("Counters", "Progress", "Result", "TaskState"),
    "openoms.api": ("Migration", "migrate", "migrate_async"),
    "openoms.plan": ("MigrateOptions",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ConfigError",
    "ConsistencyCheck",
    "Counters",
    "Credentials",
    "MigrateOptions",
    "Migration",
    "OmsError",
    "OverwriteMode",
    "Progress",
    "RepositoryError",
    "RestoreTier",
    "Result",
    "Secret",
    "StoragePolicy",
    "StoreError",
    "TaskError",
    "TaskState",
    "__version__",
    "migrate",
    "migrate_async",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'openoms' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
