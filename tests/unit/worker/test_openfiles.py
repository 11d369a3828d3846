"""Connections fit under the limit of open files."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CODE = """
import json, resource, sys
from oms_worker.openfiles import fitting_connections, raise_open_files
soft, hard = map(int, sys.argv[1:3])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
before = fitting_connections(512)
raise_open_files()
print(json.dumps([before, resource.getrlimit(resource.RLIMIT_NOFILE), fitting_connections(512)]))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "before", "after"),
    [(256, 256, 64, 64), (256, 4096, 64, 512), (1024, 1024, 448, 448), (1024, 4096, 448, 512), (100, 100, 1, 1)],
)
def test_connections_to_two_stores_fit_under_the_limit_which_is_raised_as_far_as_allowed(soft, hard, before, after):
    """In a process of its own: the limit cannot be raised again once its hard end is lowered."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(soft), str(hard)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [before, [hard, hard], after]


TASK_CODE = """
import json, resource, sys
from oms_worker.running import engine_settings
from oms_worker.setting_parts import Work
soft = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))
chosen = engine_settings(Work(connections_per_task=512))
print(json.dumps([chosen.connections, chosen.wire.max_connections]))
"""


def test_a_task_of_the_service_opens_no_more_connections_than_fit():
    """A task's connections are cut to the limit of open files, in the wire and in the engine."""
    done = subprocess.run([sys.executable, "-c", TASK_CODE, "256"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [64, 64]
