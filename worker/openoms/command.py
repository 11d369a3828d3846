"""What a command is: how it is called and what it does."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import field

from oms_engine.frozen import dataclass
from openoms.options import Parser


def _declare_nothing(_parser: Parser) -> None:
    pass


def _run_nothing(_said: Namespace) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Command:
    """One command; one that has ``actions`` does nothing itself, its first word names one of them."""

    summary: str
    declare: Callable[[Parser], None] = _declare_nothing
    run: Callable[[Namespace], int] = _run_nothing
    arguments: str = ""
    details: str = ""
    actions: Mapping[str, Command] = field(default_factory=dict)


def first_words(command: Command) -> str:
    """Return the first part of a command's summary, for lists of commands."""
    return command.summary.split(". ")[0].split(";")[0].rstrip(".")
