"""``create SRC DST [options]``: the options of ``openoms migrate`` that the service has too, as the body of OMS's call.

Endpoints are not among them: the service knows its own. Nor are folders of the source: the service keeps whole keys.
"""

from __future__ import annotations

from argparse import SUPPRESS, Namespace
from typing import Any

from oms_engine.errors import ConfigError
from openoms import options
from openoms.client_bodies import Body, Keys, as_node, complete_nodes, complete_sync, read_file, with_cdn_key
from openoms.clouds import HUAWEI, URL_SOURCE
from openoms.plan import Plan, build_plan
from openoms.report import request_of
from openoms.settings import Settings

_TEXTS = {
    "--source-region": ("REGION", "region of the source's bucket"),
    "--destination-region": ("REGION", "region of the destination's bucket"),
    "--source-app-id": ("ID", "Tencent: the APPID that ends the bucket's real name"),
    "--source-cdn": ("URL", "read the source's objects through this CDN"),
    "--source-cdn-auth": ("TYPE", "its URL authentication, in OMS's words; its key comes from OPENOMS_SOURCE_CDN_KEY"),
    "--check": ("METHOD", "size_last_modified (default), crc64 or no_check"),
    "--storage-class": ("CLASS", "STANDARD, IA, ARCHIVE, DEEP_ARCHIVE, or source"),
    "--description": ("TEXT", "shown in lists"),
}
_FLAGS = {
    "--metadata": "carry user metadata and all system headers too",
    "--restore": "restore archived objects, then copy them",
    "--kms": "encrypt with KMS at the destination",
}
_TASK_TEXTS = {
    "--list-file": ("URL", "only the keys in obs://bucket/list.txt, one URL-encoded key per line"),
    "--url-list": ("URL", "instead of SRC: what the URLs in obs://bucket/urls.txt name"),
    "--since": ("TIME", "only objects modified after this: seconds since 1970, or 2026-01-31T08:00Z"),
    "--overwrite": ("MODE", "newer (default), never, crc64 or always"),
}
_OURS = ("description", "priority")


def add_create(parser: options.Parser, *, kind: str) -> None:
    """Add what ``create`` takes; ``kind`` is ``task``, ``group`` or ``sync``."""
    parser.add_argument(
        "places", metavar="FILE", nargs="*",
        help="the body of OMS's create call as JSON, or - for standard input; or SRC and DST, like s3://bucket "
        "obs://bucket/prefix",
    )  # fmt: skip
    group = parser.add_argument_group("with SRC and DST")
    for name, (metavar, text) in {**_TEXTS, **(_TASK_TEXTS if kind != "sync" else {})}.items():
        group.add_argument(name, metavar=metavar, default=SUPPRESS, help=text)
    for name, text in _FLAGS.items():
        group.add_argument(name, action="store_true", default=SUPPRESS, help=text)
    if kind != "sync":
        _add_scope(group)
    if kind == "task":
        group.add_argument("--priority", metavar="WORD", default=SUPPRESS, help="high, medium (default) or low")


def _add_scope(group: Any) -> None:
    group.add_argument(
        "--object", dest="objects", metavar="KEY", nargs="+", action="extend", default=SUPPRESS, help="only these keys"
    )
    group.add_argument(
        "--prefix", dest="prefixes", metavar="PREFIX", action="append", default=SUPPRESS,
        help="only keys that start with this; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--bandwidth", metavar="HH:MM-HH:MM=RATE", action="append", default=SUPPRESS,
        help="limit the rate in a daily window, e.g. 08:00-18:00=50M; up to five",
    )  # fmt: skip
    group.add_argument("--requester-pays", action="store_true", default=SUPPRESS, help="pay for reading the source")


def add_profiles(parser: options.Parser) -> None:
    """Add where credentials of the buckets may come from beside the environment."""
    group = parser.add_argument_group("credentials of the buckets")
    for side in ("source", "destination"):
        group.add_argument(f"--{side}-profile", metavar="NAME", help="profile of the configuration file")
    group.add_argument(
        "--source-account", metavar="NAME", help="Azure: the storage account, when no credential names it"
    )


_ALWAYS = {"source_profile", "destination_profile", "source_account", "ca_file", "verify_tls"}
"""Options that are no part of the body."""


def create_body(said: Namespace, settings: Settings, *, kind: str) -> Body:
    """Return the body of a create call.

    Raises:
        ConfigError: what was said cannot be one.
    """
    keys, given = Keys(settings, said), options.migrate_options(said)
    own = {name for name in (*given, *_OURS) if hasattr(said, name)} - _ALWAYS
    if len(said.places) == 1 and "url_list" not in own:
        if "://" in said.places[0]:
            raise ConfigError("DST is missing; name where to migrate to, like obs://bucket, after SRC.")
        if own:
            raise ConfigError(f"--{min(own).replace('_', '-')} is for SRC and DST; a file says everything by itself.")
        body = read_file(said.places[0])
        return complete_sync(body, keys) if kind == "sync" else complete_nodes(body, keys)
    if len(said.places) != (1 if "url_list" in own else 2):
        raise ConfigError("name a file with the body of OMS's create call, or - for standard input, or SRC and DST.")
    source, destination = said.places if len(said.places) == 2 else (None, said.places[0])
    plan = build_plan(source, destination, settings, given)
    _refuse_what_the_service_has_not(plan)
    made = _sync_body(plan, said) if kind == "sync" else _task_body(plan, said, kind)
    return with_cdn_key(made, keys)


def _refuse_what_the_service_has_not(plan: Plan) -> None:
    if plan.source.url.prefix:
        raise ConfigError(
            f"the service keeps whole keys, so SRC is a bucket; write {plan.source.url.label} and --prefix "
            f"{plan.source.url.prefix}."
        )


def _task_body(plan: Plan, said: Namespace, kind: str) -> Body:
    body = {name: value for name, value in request_of(plan).items() if value is not None}
    body["src_node"] = {**body["src_node"], **_app_id(plan), **_source_keys(plan)}
    if plan.source.url.cloud_type == URL_SOURCE:  # the web has no bucket
        del body["src_node"]["bucket"]
    cloud = plan.destination.url.cloud_type
    other = {} if cloud == HUAWEI else {"cloud_type": cloud}
    body["dst_node"] = {**body["dst_node"], **other, **as_node(plan.destination.credentials, cloud)}
    body["bandwidth_policy"] = bandwidth_rules(getattr(said, "bandwidth", ()))
    if hasattr(said, "description"):
        body["description"] = said.description
    if hasattr(said, "priority"):
        body["task_priority"] = said.priority
    if kind == "group":
        body["task_type"] = str(body["task_type"]).upper()
    return body


def _sync_body(plan: Plan, said: Namespace) -> Body:
    request = request_of(plan)
    if plan.destination.url.cloud_type != HUAWEI:
        raise ConfigError(
            f"a sync task says no cloud of its destination; write obs://{plan.destination.url.bucket}, and have the "
            "service's settings say what its region speaks."
        )
    if plan.destination.url.prefix:
        raise ConfigError("a sync task stores objects under their own keys, so DST is a bucket without a folder.")
    wanted = ("enable_metadata_migration", "enable_kms", "enable_restore", "dst_storage_policy", "consistency_check",
              "source_cdn")  # fmt: skip
    body = {name: request[name] for name in wanted if request[name] is not None}
    for side, node in (("src", request["src_node"]), ("dst", request["dst_node"])):
        body.update({f"{side}_{name}": node[name] for name in ("region", "bucket")})
    body.update(src_cloud_type=request["src_node"]["cloud_type"], **_app_id(plan))
    for side, found in (("src", _source_keys(plan)), ("dst", as_node(plan.destination.credentials, HUAWEI))):
        body.update({f"{side}_{name}": value for name, value in found.items()})
    if hasattr(said, "description"):
        body["description"] = said.description
    return body


def _app_id(plan: Plan) -> Body:
    return {name: value for name, value in plan.source.extra if name == "app_id"}


def _source_keys(plan: Plan) -> Body:
    return as_node(plan.source.credentials, plan.source.url.cloud_type)


def bandwidth_rules(windows: Any) -> list[dict[str, Any]]:
    """Return windows, like ``08:00-18:00=50M``, as OMS's ``bandwidth_policy``.

    Raises:
        ConfigError: OMS.0083, 0084, 0085 or 0087; or no window at all.
    """
    from oms_engine.bandwidth import parse_policy  # noqa: PLC0415
    from openoms.report import bandwidth_response  # noqa: PLC0415

    return bandwidth_response(parse_policy(windows))
