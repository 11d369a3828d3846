"""``openoms config --explain``: of each setting its meaning, its default, the value in force and its origin."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from sqlalchemy.engine import make_url

from oms_engine.frozen import dataclass
from oms_worker.setting_endpoints import spelled_out
from oms_worker.setting_words import words_of
from oms_worker.settings import PREFIX, ServiceSettings, host_of, read_settings_file, shown_value, without_password

REQUIRED = "(must be given)"
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Explained:
    """One setting. ``value`` and ``default`` are texts in which no secret stands."""

    name: str
    value: str
    default: str
    origin: str
    """``default``, ``option --port``, ``variable OPENOMS_PORT`` or ``file /etc/openoms.toml``."""
    meaning: str


def explain_settings(settings: ServiceSettings, path: Path | None, options: Mapping[str, Any]) -> list[Explained]:
    """Return every setting as it is in force; ``path`` and ``options`` are what it was read from."""
    origins = _Origins(path, options)
    return list(_of_table("ServiceSettings", settings, (), origins))


def render_explained(settings: list[Explained]) -> str:
    """Return the settings as text, one paragraph each."""
    return "\n\n".join(
        f"{item.name} = {item.value}\n    from: {item.origin}; default: {item.default}\n    {item.meaning}"
        for item in settings
    )


def _of_table(table: str, values: BaseModel, path: tuple[str, ...], origins: _Origins) -> Iterator[Explained]:
    for word in words_of(table):
        value, where = getattr(values, word.name), (*path, word.name)
        field = type(values).model_fields[word.name]
        if isinstance(value, BaseModel):
            yield from _of_table(type(value).__name__, value, where, origins)
        elif isinstance(value, Mapping) and value:
            yield from _of_names(value, where, word.meaning, origins)
        else:
            shown = _in_force(values, word.name, value)
            yield Explained(".".join(where), shown, _default(field, word.name), origins.of(where), word.meaning)


def _of_names(values: Mapping[str, Any], path: tuple[str, ...], meaning: str, origins: _Origins) -> Iterator[Explained]:
    """Explain what stands under names that the operator chose: clouds, regions, channels, templates."""
    for name, value in values.items():
        where = (*path, name)
        if isinstance(value, BaseModel):
            yield from _of_table(type(value).__name__, value, where, origins)
        elif isinstance(value, Mapping):
            yield from _of_names(value, where, meaning, origins)
        else:
            yield Explained(".".join(where), _shown(name, value), "(none)", origins.of(where), meaning)


def _in_force(values: BaseModel, name: str, value: Any) -> str:
    """Return a value as it is used: some empty ones stand for another one."""
    if isinstance(values, ServiceSettings) and name == "database":
        return without_password(make_url(values.database_url).render_as_string(hide_password=True))
    if isinstance(values, ServiceSettings) and name == "key_file":
        return str(values.key_path)
    return _shown(name, value)


def _default(field: FieldInfo, name: str) -> str:
    return REQUIRED if field.is_required() else _shown(name, field.get_default(call_default_factory=True))


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "(none)"
    if value in ("", {}):
        return "(none)"
    return host_of(value) if name == "url" and not isinstance(value, SecretStr) else shown_value(value)


class _Origins:
    """Where values came from, in the order in which they win: option, variable, file, default."""

    def __init__(self, path: Path | None, options: Mapping[str, Any]) -> None:
        self._path = path
        self._options = {name for name, value in options.items() if value is not None}
        self._variables = {name.upper(): (name, value) for name, value in os.environ.items()}
        self._file = _canonical(read_settings_file(path)) if path else {}

    def of(self, where: tuple[str, ...]) -> str:
        """Return where the value at a path came from."""
        if where[0] in self._options:
            return f"option --{where[0].replace('_', '-')}"
        for depth in range(len(where), 0, -1):
            name, text = self._variables.get(f"{PREFIX}{'__'.join(where[:depth])}".upper(), ("", ""))
            if name and (depth == len(where) or _holds(_parsed(where[:depth], text), where[depth:])):
                return f"variable {name}"
        return f"file {self._path}" if _holds(self._file, where) else DEFAULT


def _parsed(where: tuple[str, ...], text: str) -> Any:
    try:
        found: Any = json.loads(text)
    except ValueError:
        return None
    for name in reversed(where):
        found = {name: found}
    found = _canonical(found)
    for name in where:
        found = found[name]
    return found


def _canonical(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return settings with the clouds and endpoints of ``endpoints`` spelled out."""
    whole = "endpoints" in content and isinstance(content["endpoints"], Mapping)
    return {**content, "endpoints": spelled_out(content["endpoints"])} if whole else content


def _holds(content: Any, where: tuple[str, ...]) -> bool:
    for name in where:
        if not isinstance(content, Mapping) or name not in content:
            return False
        content = content[name]
    return True
