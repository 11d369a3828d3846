"""The body of OMS's *Create a migration task* as ``openoms run`` takes it: that of the service, one shape for both.

Only the source's cloud may be another one here: an adapter of another package. What the fields mean together is judged
in ``taskjson.py``.
"""

from __future__ import annotations

from typing import Annotated

from oms_worker.shapes import base
from oms_worker.shapes.nodes import SourceNode
from oms_worker.shapes.task import CreateTask
from oms_worker.shapes.words import text


class SourceBody(SourceNode):
    """``src_node``."""

    cloud_type: Annotated[str, text(100)] | None = None


class TaskBody(CreateTask):
    """The whole body."""

    src_node: SourceBody


def read_body(raw: str | bytes) -> TaskBody:
    """Read the JSON and judge its fields and types.

    Raises:
        ConfigError: with OMS's code; see :mod:`oms_worker.shapes.base`.
    """
    return base.read_body(TaskBody, raw)
