"""What the settings are called and what they mean, read out of the source text of their tables; no table is imported.

The command line reads one file with the service and must know the names of the service's settings, without pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import ast

COMMANDS_OWN: Final = ("profiles", "defaults", "service")
"""Tables that only the command line reads: :mod:`openoms.configfile`."""

_MODULES: Final = ("settings", "setting_parts", "setting_endpoints")
_SECRETS: Final = frozenset({"secret", "password", "key_ring", "secret_key", "token", "connection_string"})
_PASSWORD: Final = re.compile(r"://[^/@:]*:[^/]+@|://[^?]*\?(?:.*&)?[^=&]*password[^=&]*=", re.IGNORECASE)


class Word(NamedTuple):
    """One setting of a table."""

    name: str
    kind: str
    """Its type, as the source says it."""
    meaning: str
    """Its docstring on one line; empty where nobody wrote one."""


@cache
def tables_of(package: str, module: str) -> Mapping[str, tuple[Word, ...]]:
    """Return the fields of every class of a module, by the name of the class."""
    import ast  # noqa: PLC0415 - 10 ms that most commands do not need
    from importlib.resources import files  # noqa: PLC0415

    tree = ast.parse(files(package).joinpath(f"{module}.py").read_text(encoding="utf-8"))
    return {node.name: _words(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _words(node: ast.ClassDef) -> tuple[Word, ...]:
    import ast  # noqa: PLC0415

    words: list[Word] = []
    for item, behind in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        kind = ast.unparse(item.annotation)
        if kind.startswith("ClassVar"):
            continue
        words.append(Word(item.target.id, kind, _docstring(behind)))
    return tuple(words)


def _docstring(node: ast.stmt | None) -> str:
    import ast  # noqa: PLC0415

    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return re.sub(r"\s+", " ", node.value.value).replace("``", "").strip()
    return ""


def words_of(table: str) -> tuple[Word, ...]:
    """Return the settings of a table of the service, by the name of its class, in order."""
    found = (tables_of("oms_worker", module).get(table) for module in _MODULES)
    return next(words for words in found if words is not None)


def service_names() -> tuple[str, ...]:
    """Return the top names of the service's settings."""
    return tuple(word.name for word in words_of("ServiceSettings"))


def holds_secrets(content: Mapping[str, Any]) -> bool:
    """Whether settings hold a key, a password, a channel's secret, or a URL with a password."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            if holds_secrets(value):
                return True
        elif (name in _SECRETS and value) or (isinstance(value, str) and _PASSWORD.search(value)):
            return True
    return False
