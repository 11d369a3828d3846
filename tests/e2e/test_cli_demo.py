"""``openoms demo``: the first thing a stranger sees."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.e2e
def test_the_demo_migrates_checks_and_leaves_nothing_behind(tmp_path):
    """Exit code 0, a balance, lists, an equal check, in under a minute; whatever the caller's environment holds."""
    environ = {
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "OPENOMS_SOURCE_TOKEN": "stale",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "OPENOMS_SOURCE_PROFILE": "none",
        "OPENOMS_DESTINATION_ENDPOINT": "http://127.0.0.1:1",
    }
    began = time.monotonic()
    done = subprocess.run(
        [Path(sys.executable).with_name("openoms"), "demo"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - began < 60
    for word in ("= migrated", "+ skipped", "success list", "skip_object_lists/", "by md5", "`make bench`"):
        assert word in done.stdout
    for word in ("Traceback", "Warning", "leaked", "Error"):
        assert word not in done.stderr
    assert list(tmp_path.iterdir()) == []
