"""A service with users in two projects, and clouds to migrate between."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from oms_adapters.sandbox import Sandbox
from support.databases import KINDS, own_database, postgres_cluster, served_database
from support.served import Role, Served, running
from support.servers import wanted

__all__ = ["own_database", "postgres_cluster", "served_database"]

collect_ignore = (
    []
    if wanted("postgresql")
    else ["test_takeover_postgres.py", "test_key_rings_postgres.py", "test_starting_postgres.py"]
)

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def sandbox():
    """An S3 and an OBS that verify signatures."""
    with Sandbox(process=True) as made:
        yield made


@pytest.fixture(scope="session", params=KINDS)
def service(request, sandbox, tmp_path_factory):
    """A running service: anna administers, alice operates, rita reads, in one project; olga, bob and otto in another.

    Dora, who operates, is disabled by the test that needs her.
    """
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    cluster = request.getfixturevalue("postgres_cluster") if request.param == "postgresql" else None
    database = cluster.create() if cluster else None
    folder = tmp_path_factory.mktemp("service")
    work = {"hosts": 1, "allow_private_urls": True}  # the CDN of these tests is a sandbox
    served = Served(folder, clouds, database, region="local", quotas={"running_tasks": 10}, work=work)
    served.users = served.add_users(
        anna={"role": Role.ADMIN},
        alice={},
        rita={"role": Role.READONLY},
        dora={},
        olga={"project": "other", "role": Role.ADMIN},
        bob={"project": "other"},
        otto={"project": "other", "role": Role.READONLY},
    )
    with running(served):
        yield served


@pytest.fixture(scope="session")
def api(service):
    """Alice with a token."""
    with service.http("alice") as client:
        client.project = service.users.alice["project_id"]
        yield client


@pytest.fixture
def world(sandbox):
    """An empty S3 bucket to migrate from, an empty OBS bucket to migrate to, and the bodies that name them."""
    number = next(_NUMBERS)
    source = sandbox.s3.create_bucket(f"api-src-{number}")
    destination = sandbox.obs.create_bucket(f"api-dst-{number}")
    made = SimpleNamespace(
        source=source,
        destination=destination,
        src_keys={"ak": sandbox.s3.credentials.access_key, "sk": sandbox.s3.credentials.secret_key.reveal()},
        dst_keys={"ak": sandbox.obs.credentials.access_key, "sk": sandbox.obs.credentials.secret_key.reveal()},
        sandbox=sandbox,
    )
    made.keys = {
        f"{side}_{name}": value for side in ("src", "dst") for name, value in getattr(made, f"{side}_keys").items()
    }
    made.src_node = {"cloud_type": "AWS", "region": sandbox.s3.region, "bucket": source.name, **made.src_keys}
    made.dst_node = {"region": sandbox.obs.region, "bucket": destination.name, **made.dst_keys}
    yield made
    for cloud in (sandbox.s3, sandbox.obs):
        cloud.faults.clear()
        cloud.latency = 0.0
