"""Servers that are no Python packages are tested only where they are said to run: Ceph, Azurite."""

import os

from support.servers import wanted

collect_ignore = [] if os.environ.get("OPENOMS_CEPH_URL") else ["test_ceph.py"]
collect_ignore += [] if wanted("azurite") else ["test_azurite.py"]
