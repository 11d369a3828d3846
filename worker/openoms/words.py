"""Finding the word somebody meant: every unknown option, key or choice is answered with the nearest known one."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TypeVar

from oms_engine.errors import ConfigError

E = TypeVar("E", bound=Enum)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like ``word``, ignoring case and ``-`` against ``_``; None when nothing is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only where a word is unknown

    folded = {fold(name): name for name in known}
    found = get_close_matches(fold(word), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def fold(word: str) -> str:
    """Return ``word`` as it is compared: lower case, dashes for underscores."""
    return word.lower().replace("_", "-")


def unknown(kind: str, word: str, known: Iterable[str], *, where: str = "", code: str | None = None) -> ConfigError:
    """Build the error for an unknown word: one sentence with the nearest known word, or all of them."""
    names = list(known)
    guess = nearest(word, names)
    hint = f"did you mean {guess!r}?" if guess else f"known are: {', '.join(names)}."
    place = f" in {where}" if where else ""
    return ConfigError(f"unknown {kind} {word!r}{place}; {hint}", code=code)


def parse_choice(kind: str, word: str, choices: type[E], aliases: dict[str, E] | None = None) -> E:
    """Return the member of ``choices`` named by ``word``, in any case and with ``-`` or ``_``.

    Raises:
        ConfigError: no member and no alias is called so.
    """
    table = {fold(str(member.value)): member for member in choices}
    table.update({fold(name): member for name, member in (aliases or {}).items()})
    found = table.get(fold(word))
    if found is None:
        raise unknown(kind, word, [*(aliases or {}), *(str(member.value) for member in choices)])
    return found
