"""Fixtures that every kind of test may use; properties try the same examples on every run of CI, others at a desk."""

import os

from hypothesis import settings

from support.fixtures import clouds, world

__all__ = ["clouds", "world"]

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
