"""One case of the suite, and how it is run: a declared deviation is asserted, never skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from oms_adapters.conformance.harness import Harness
from oms_engine.errors import OmsError
from oms_engine.frozen import dataclass
from oms_engine.store import Capabilities

CASES: list[Case] = []
"""Every case, in the order of the suite's modules."""


class DeviationGone(AssertionError):
    """A case passed although a deviation was declared for it: take the declaration out."""


@dataclass(frozen=True, slots=True)
class Case:
    """One behaviour every store owes that has the capability."""

    name: str
    says: str
    """The behaviour in one sentence."""
    check: Callable[[Harness], None]
    needs: Callable[[Capabilities], bool] = lambda _capabilities: True

    def __str__(self) -> str:
        return self.name


def case(
    needs: Callable[[Capabilities], bool] = lambda _capabilities: True,
) -> Callable[[Callable[[Harness], None]], Callable[[Harness], None]]:
    """Register a function as a case; its docstring says the behaviour."""

    def register(check: Callable[[Harness], None]) -> Callable[[Harness], None]:
        says = (check.__doc__ or "").strip().splitlines()[0]
        CASES.append(Case(check.__name__.removeprefix("check_"), says, check, needs))
        return check

    return register


def select_cases(capabilities: Capabilities) -> list[Case]:
    """Return the cases that a store of these capabilities owes."""
    return [found for found in CASES if found.needs(capabilities)]


def run_case(found: Case, harness: Harness, deviations: Mapping[str, str] | None = None) -> None:
    """Run one case.

    ``deviations`` maps a case's name (or a pattern of ``fnmatch``) to the reason why the store fails it.

    Raises:
        AssertionError: the store does not behave so.
        DeviationGone: it does, though a deviation is declared.
    """
    reason = deviation_of(found.name, deviations or {})
    try:
        found.check(harness)
    except (AssertionError, OmsError):
        if reason is None:
            raise
    else:
        if reason is not None:
            raise DeviationGone(f"{found.name} passes, though it was declared to deviate: {reason}")
    finally:
        harness.clean()


def deviation_of(name: str, deviations: Mapping[str, str]) -> str | None:
    """Return the declared reason for a case's failure; names with ``[`` match literally first."""
    if name in deviations:
        return deviations[name]
    patterns: Iterable[str] = (pattern for pattern in deviations if "[" not in pattern)
    return next((deviations[pattern] for pattern in patterns if fnmatchcase(name, pattern)), None)
