"""Every route of the API: who may pass, and a request that would do what the route is for.

The table is held against the routes of the application, so a new one cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

OPEN, READ, CHANGE = "open", "read", "change"
"""Asked without credentials; asked by whoever is known; asked by whoever may change something."""

UNKNOWN = {
    "task_id": "123456789012345",
    "group_id": "00000000-0000-4000-8000-000000000000",
    "sync_task_id": "00000000-0000-4000-8000-000000000001",
    "project_id": "0" * 32,
    "domain_id": "1" * 32,
}
"""Ids that name nothing."""


class Door(NamedTuple):
    """A route."""

    need: str
    body: Callable[[SimpleNamespace], Any] | None = None
    query: Mapping[str, str] = MappingProxyType({})


def _buckets(world):
    return {"cloud_type": "AWS", **world.src_keys}


def _bucket(world):
    return {**_buckets(world), "bucket_name": world.source.name}


def _keys(world):
    return dict(world.keys)


def _task(world):
    source = {**world.src_node, "object_key": [""]}
    return {"task_type": "prefix", "src_node": source, "dst_node": world.dst_node, "description": world.mark}


def _group(world):
    return {**_task(world), "task_type": "PREFIX"}


def _sync(world):
    places = {"src_cloud_type": "AWS", "src_region": world.src_node["region"], "src_bucket": world.source.name}
    there = {"dst_region": world.dst_node["region"], "dst_bucket": world.destination.name}
    return {**places, **there, **world.keys, "description": world.mark}


def _task_v1(world):
    source = {**world.src_node, "object_key": ""}
    there = {**world.dst_node, "object_key": "/"}
    return {"src_node": source, "dst_node": there, "enableKMS": False, "thread_num": 5, "description": world.mark}


def _cdn(world):
    cdn = {"domain": "cdn.example.com", "protocol": "https"}
    return {**_buckets(world), "bucket": world.source.name, "region": world.src_node["region"], "source_cdn": cdn}


def _url_list(world):
    place = {"obs_bucket": world.destination.name, "region": world.dst_node["region"]}
    return {**place, **world.dst_keys, "list_file_key": "no-such-list"}


def _rules(world):
    return {"bandwidth_policy": []}


def _batch(world):
    return {"ids": [int(world.ids["task_id"])], "bandwidth_policy": []}


def _temporary(world):
    return {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 900}}}}


def _login(world):
    user = {"name": "alice", "password": "password-of-alice"}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}


TASKS, GROUPS, SYNCS = "/v2/{project_id}/tasks", "/v2/{project_id}/taskgroups", "/v2/{project_id}/sync-tasks"
BUCKETS, V1 = "/v2/{project_id}/objectstorage/buckets", "/v1/{project_id}/objectstorage"

DOORS: dict[tuple[str, str], Door] = {
    ("GET", "/"): Door(OPEN),
    ("GET", "/{version}"): Door(OPEN),
    ("GET", "/healthz"): Door(OPEN),
    ("GET", "/readyz"): Door(OPEN),
    ("GET", "/metrics"): Door(OPEN),
    ("GET", "/openapi.json"): Door(OPEN),
    ("HEAD", "/openapi.json"): Door(OPEN),
    ("POST", "/v3/auth/tokens"): Door(OPEN, _login),
    ("POST", "/v3.0/OS-CREDENTIAL/securitytokens"): Door(READ, _temporary),
    ("GET", "/v3/projects"): Door(READ),
    ("GET", TASKS): Door(READ),
    ("GET", f"{TASKS}/{{task_id}}"): Door(READ),
    ("POST", TASKS): Door(CHANGE, _task),
    ("POST", f"{TASKS}/batch-update"): Door(CHANGE, _batch),
    ("PUT", f"{TASKS}/{{task_id}}/bandwidth-policy"): Door(CHANGE, _rules),
    ("POST", f"{TASKS}/{{task_id}}/start"): Door(CHANGE, _keys),
    ("POST", f"{TASKS}/{{task_id}}/stop"): Door(CHANGE),
    ("DELETE", f"{TASKS}/{{task_id}}"): Door(CHANGE),
    ("GET", GROUPS): Door(READ),
    ("GET", f"{GROUPS}/{{group_id}}"): Door(READ),
    ("POST", GROUPS): Door(CHANGE, _group),
    ("PUT", f"{GROUPS}/{{group_id}}/start"): Door(CHANGE, _keys),
    ("PUT", f"{GROUPS}/{{group_id}}/stop"): Door(CHANGE),
    ("PUT", f"{GROUPS}/{{group_id}}/retry"): Door(CHANGE, _keys),
    ("PUT", f"{GROUPS}/{{group_id}}/update"): Door(CHANGE, _rules),
    ("DELETE", f"{GROUPS}/{{group_id}}"): Door(CHANGE),
    ("GET", SYNCS): Door(READ),
    ("GET", f"{SYNCS}/{{sync_task_id}}"): Door(READ),
    ("GET", f"{SYNCS}/{{sync_task_id}}/statistics"): Door(READ, query={"data_type": "REQUEST"}),
    ("POST", SYNCS): Door(CHANGE, _sync),
    ("POST", f"{SYNCS}/{{sync_task_id}}/start"): Door(CHANGE, _keys),
    ("POST", f"{SYNCS}/{{sync_task_id}}/stop"): Door(CHANGE),
    ("POST", f"{SYNCS}/{{sync_task_id}}/events"): Door(CHANGE, lambda _world: {"object_keys": ["a"]}),
    ("DELETE", f"{SYNCS}/{{sync_task_id}}"): Door(CHANGE),
    ("POST", BUCKETS): Door(READ, _buckets),
    ("POST", f"{BUCKETS}/regions"): Door(READ, _bucket),
    ("POST", f"{BUCKETS}/objects"): Door(READ, lambda world: {
        **_bucket(world), "data_center": world.src_node["region"], "file_path": "", "page_size": 10,
        "behind_filename": ""}),
    ("POST", f"{BUCKETS}/prefix"): Door(READ, lambda world: {
        **_bucket(world), "data_center": world.src_node["region"], "file_name": "a"}),
    ("POST", f"{BUCKETS}/cdn-info"): Door(READ, _cdn),
    ("POST", f"{BUCKETS}/url-source-list-file"): Door(READ, _url_list),
    ("GET", "/v2/{project_id}/objectstorage/cloud-type"): Door(READ, query={"type": "src"}),
    ("GET", "/v2/{project_id}/objectstorage/data-center"): Door(READ),
    ("POST", "/v2/{project_id}/privacy-agreements"): Door(CHANGE),
    ("GET", f"{V1}/version"): Door(READ),
    ("GET", f"{V1}/task"): Door(READ),
    ("GET", f"{V1}/task/{{task_id}}"): Door(READ),
    ("POST", f"{V1}/task"): Door(CHANGE, _task_v1),
    ("PUT", f"{V1}/task/{{task_id}}"): Door(CHANGE, lambda _world: {"operation": "stop"}),
    ("DELETE", f"{V1}/task/{{task_id}}"): Door(CHANGE),
    ("GET", "/v1/{domain_id}/objectstorage/quotas"): Door(READ),
}  # fmt: skip


def routes(app):
    """Return (method, path) of every route of an application, also of the routers within it."""
    found = set()
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            found |= routes(inner)
        else:
            found |= {(method, route.path) for method in getattr(route, "methods", None) or {"ANY"}}
    return found
