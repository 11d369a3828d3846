"""The command line's own tables in ``openoms config --explain``: defaults, service, profiles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oms_engine.model import Secret
from oms_worker.setting_explain import DEFAULT, Explained
from oms_worker.setting_words import tables_of
from oms_worker.settings import MASK, shown_value
from openoms.settings import load_settings


def explain_defaults(config: Path | None) -> list[Explained]:
    """Return the settings of the command line, from the file that it would read.

    Raises:
        ConfigError: as :func:`openoms.settings.load_settings`.
    """
    file = load_settings(config).file
    origin = f"file {file.path}"
    made = [*_table("defaults", file.defaults, origin), *_table("service", file.service, origin)]
    for name, profile in file.profiles.items():
        made += _table(f"profiles.{name}", profile, origin)
    return made


def _table(name: str, values: Any, origin: str) -> Iterator[Explained]:
    for word in tables_of("openoms", "configfile")[type(values).__name__]:
        value = getattr(values, word.name)
        given = value not in (None, "")
        yield Explained(f"{name}.{word.name}", _shown(value), "(none)", origin if given else DEFAULT, word.meaning)


def _shown(value: Any) -> str:
    if isinstance(value, Secret):
        return MASK
    return "(none)" if value in (None, "") else shown_value(value)
