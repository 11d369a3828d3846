"""Fixtures that every kind of test may use; properties try the same examples on every run of CI, others at a desk."""

import os

from hypothesis import settings

from support.fixtures import clouds, world

__all__ = ["clouds", "world"]

# No example has a deadline: on a busy machine it would judge the machine.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
