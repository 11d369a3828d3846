"""Requests made from our own OpenAPI document, good and bad: never a 5xx, never anything but JSON with its headers."""

import importlib
import pkgutil
from contextlib import suppress

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import InvalidArgument, Unsatisfiable
from schemathesis import GenerationMode

# All of the library is loaded here, not by and by within a test: pytest rewrites what is loaded, there deep in the
# stack, where CPython 3.11 may lose count of its recursion (https://github.com/python/cpython/issues/106905).
for _module in pkgutil.walk_packages(schemathesis.__path__, "schemathesis."):
    if not _module.name.startswith("schemathesis.reporting."):  # these need more than we install
        importlib.import_module(_module.name)


@pytest.fixture(scope="session")
def document(service):
    """The document as the service tells it."""
    return httpx.get(f"{service.url}/openapi.json", trust_env=False).json()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_nothing_breaks_the_service(document, service, api, mode):
    """Whatever fits the document, or breaks it: an answer below 500, in JSON, with a request id; then it still lives."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=service.url)
    operations = [found.ok() for found in schema.get_all_operations()]
    paths = {operation.path for operation in operations}
    for part in ("/tasks", "/taskgroups", "/sync-tasks", "/objectstorage/buckets", "/v1/", "/v3/"):
        assert any(part in path for path in paths), part
    assert len(operations) >= 40
    for operation in operations:
        with suppress(Unsatisfiable, InvalidArgument):  # an operation that takes nothing cannot be called wrongly
            _try(operation, mode, api)
    assert api.get("/readyz").json() == {"status": "ready"}


def _try(operation, mode, api):
    """Call one operation with generated requests."""

    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def try_one(case):
        if "project_id" in case.path_parameters and mode is GenerationMode.POSITIVE:
            case.path_parameters["project_id"] = api.project
        case.headers.pop("X-Auth-Token", None)
        reply = case.call(headers={"X-Auth-Token": api.headers["X-Auth-Token"]})
        assert reply.status_code < 500 or reply.status_code == 503, (operation.label, reply.text)
        if b"Invalid HTTP request" in reply.content:
            return  # no HTTP at all, such as control characters in the request line: refused before there is a request
        assert reply.headers["x-request-id"]
        assert reply.status_code < 300 or {"error_code", "error_msg"} == set(reply.json()), operation.label

    try_one()


def test_the_document_names_every_operation_with_an_example(document):
    """Each operation has a summary; the bodies of the main ones have examples; security is stated."""
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
    shapes = document["components"]["schemas"]
    bodies = [
        content["schema"]["$ref"].rpartition("/")[2]
        for operations in document["paths"].values()
        for operation in operations.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    assert len(bodies) >= 15
    of_keys = {"StartGroup", "RetryGroup", "StartSyncTask", "StartSync"}  # nothing but keys, as StartTask shows them
    assert [name for name in bodies if not shapes[name].get("examples") and name not in of_keys] == []
    assert {"token": []} in document["security"]
