"""The conformance suite: what every store adapter owes, as plain functions that run against a real bucket.

::

    with open_harness(config) as harness:
        for case in select_cases(harness.store.capabilities):
            run_case(case, harness, deviations={"range_outside": "this server ignores ranges"})

A deviation is declared with its reason and then asserted: a case that passes in spite of it fails the run.
"""

from oms_adapters.conformance import archive, keys, listing, multipart, reading, refusals, writing
from oms_adapters.conformance.case import CASES, Case, DeviationGone, run_case, select_cases
from oms_adapters.conformance.harness import Harness, open_harness

__all__ = ["CASES", "Case", "DeviationGone", "Harness", "open_harness", "run_case", "select_cases"]

_MODULES = (keys, listing, reading, writing, multipart, archive, refusals)
"""Importing them fills ``CASES``."""
