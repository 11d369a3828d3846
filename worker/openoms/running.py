"""Runs a plan for the command line: the display while it runs, the balance or the task response at the end."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from oms_engine.task import Progress, Result
from oms_worker import forked
from openoms.display import open_display
from openoms.plan import Plan
from openoms.report import ExitCode, balance_lines, exit_code, failure_sentence, task_response
from openoms.runner import run_here
from openoms.settings import Settings
from openoms.terminal import complain, say

MOST_PROCESSES = 8
"""Processes taken without being asked."""


def run_plan(plan: Plan, settings: Settings, *, as_json: bool, quiet: bool) -> int:
    """Run a plan with its display and return the exit code.

    Raises:
        ConfigError, TaskError, RepositoryError, KeyboardInterrupt: as :func:`openoms.runner.run_here`.
    """
    plan = _with_processes(plan)
    title = f"{plan.source.url} -> {plan.destination.url}"
    with open_display(sys.stderr, plan.spec, title, quiet=quiet or as_json) as display:

        def show(progress: Progress) -> None:
            display.show(progress)

        def interrupted(count: int) -> None:
            if count == 1:
                display.say("pausing: finishing what is in flight (once more stops at once)")

        result = run_here(plan, settings, on_progress=show, on_interrupt=interrupted, children=forked.nursery)
    if as_json:
        import json  # noqa: PLC0415 - most runs need none

        say(json.dumps(task_response(result, plan)))
    elif not quiet and (result.counters.listed or exit_code(result) is not ExitCode.TASK_FAILED):
        say("\n".join(balance_lines(result, plan)))
    code = exit_code(result)
    _say_why(result, code, balance_shown=not as_json and not quiet)
    return int(code)


def _with_processes(plan: Plan) -> Plan:
    """Use the machine's cores where the number is left open; processes start only when there is much to do."""
    if plan.run.processes is not None:
        return plan
    return replace(plan, run=replace(plan.run, processes=min(MOST_PROCESSES, available_cores())))


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say_why(result: Result, code: ExitCode, *, balance_shown: bool) -> None:
    """Say on standard error why the exit code is not 0; the balance has told all but the failure as a whole."""
    if code is ExitCode.TASK_FAILED:
        complain(failure_sentence(result), result.error_code)
    elif balance_shown:
        return
    elif code is ExitCode.INTERRUPTED:
        complain("paused; run the same command again to go on.")
    elif code is ExitCode.OBJECTS_FAILED:
        complain(f"{result.counters.failed} objects failed; --retry-failed tries them again.", result.error_code)
