"""Fixtures that every kind of test may use."""

from support.fixtures import clouds, world

__all__ = ["clouds", "world"]
