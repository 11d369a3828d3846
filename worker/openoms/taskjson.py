"""``openoms run task.json``: the body of OMS's *Create a migration task* (v2) as a plan.

API reference 5.2.3: https://support.huaweicloud.com/intl/en-us/api-oms/CreateTask.html, with the fields newer releases
of the official SDK add. Every error says where, what and how to mend it, with OMS's own code; no value is repeated in
it, since the body holds secrets.

Choices are taken in any case. Credentials may be left out of the body; they are then taken from the environment, as
for ``openoms migrate``.
"""

from __future__ import annotations

from pydantic import SecretStr

from oms_adapters.config import check_bucket
from oms_engine.errors import ConfigError
from oms_engine.model import ConsistencyCheck, Credentials, OverwriteMode, Secret, StoragePolicy, TaskType
from oms_engine.task import MigrationSpec, RestorePolicy, Scope
from oms_worker.shapes.nodes import Node, bandwidth
from oms_worker.shapes.words import CONSTRAINT, DEFAULT_CLOUD_TYPE, DESTINATION_INVALID, MISSING, SOURCE_INVALID
from openoms.clouds import URL_SOURCE, Cloud, cloud_of_type, every_cloud
from openoms.instants import LATEST_SINCE
from openoms.keys import SideName
from openoms.plan import Plan, RunOptions, check_prefix, invalid_metadata
from openoms.preflight import judge
from openoms.settings import Settings, Side, SideOptions
from openoms.sources import web_side, with_cdn
from openoms.taskbody import SourceBody, TaskBody, read_body
from openoms.urls import BucketUrl
from openoms.words import fold, nearest

INVALID_PARAMETER = "OMS.0001"


def parse_task(text: str | bytes, settings: Settings, run: RunOptions | None = None) -> Plan:
    """Parse a body into a plan.

    Raises:
        ConfigError: with OMS's code; see the module's head.
    """
    body = read_body(text)
    _refuse_what_is_missing(body)
    run = run or RunOptions()
    source = _source_side(body, settings, allow_private=run.allow_private_urls)
    destination = _destination_side(body, settings)
    scope = _scope(body)
    plan = Plan(
        spec=_spec(body, scope, source, destination, settings),
        source=source,
        destination=destination,
        requester_pays=bool(body.enable_requester_pays),
        list_bucket=body.src_node.list_file.obs_bucket if scope.list_key and body.src_node.list_file else None,
        run=run,
        description=body.description or "",
    )
    _judge(body, plan)
    return plan


def _judge(body: TaskBody, plan: Plan) -> None:
    """Refuse what the two stores cannot do; a source that OMS's own default chose is said to be that."""
    try:
        judge(plan, strict_regions=True)
    except ConfigError as error:
        if body.src_node.cloud_type is None:
            said = f"{error} (src_node.cloud_type is missing, and OMS's default is {DEFAULT_CLOUD_TYPE}.)"
            raise ConfigError(said, code=error.code) from None
        raise


def _refuse_what_is_missing(body: TaskBody) -> None:
    """Refuse what this version does not do, rather than leave it out silently."""
    if body.smn_config is not None:
        raise ConfigError(
            "smn_config is not supported for a one-off job; remove it and use the exit code.", code=INVALID_PARAMETER
        )
    nodes = (("src_node", body.src_node), ("dst_node", body.dst_node), ("source_cdn", body.source_cdn))
    for name, node in nodes:
        if node is not None and node.crypto_type == "KMS":
            raise ConfigError(
                f"{name}.crypto_type: credentials encrypted with KMS cannot be opened here; give them plainly "
                "or through the environment.",
                code=_side_code(name),
            )


def _side_code(name: str) -> str:
    return SOURCE_INVALID if name.startswith("s") else DESTINATION_INVALID


def _cloud(body: TaskBody) -> Cloud:
    word = body.src_node.cloud_type or DEFAULT_CLOUD_TYPE
    cloud = cloud_of_type(word)
    if cloud is None:
        known = [item.cloud_type for item in every_cloud()]
        guess = nearest(word, known)
        raise ConfigError(
            f"src_node.cloud_type {word!r} is unknown{f'; did you mean {guess!r}?' if guess else '.'} "
            f"Known are: {', '.join(known)}.",
            code=SOURCE_INVALID,
        )
    return cloud


def _source_side(body: TaskBody, settings: Settings, *, allow_private: bool) -> Side:
    node = body.src_node
    if _is_web(body):
        if body.source_cdn is not None:
            raise ConfigError("source_cdn is for a bucket; remove it from the URL list's task.", code=CONSTRAINT)
        return web_side(allow_private=allow_private)
    cloud = _cloud(body)
    _refuse_of_others(node, cloud)
    side = _side("source", "src_node", node, cloud, settings)
    cdn = body.source_cdn
    if cdn is None:
        return side
    key = _secret(cdn.authentication_key)
    try:
        return with_cdn(side, settings, cdn.domain, cdn.protocol, cdn.authentication_type, key)
    except ConfigError as error:
        raise ConfigError(f"source_cdn: {error}", code=error.code) from None


def _is_web(body: TaskBody) -> bool:
    """Whether the source is a URL list: its task_type and its cloud_type go together.

    Raises:
        ConfigError: one is given without the other.
    """
    web = fold(body.src_node.cloud_type or "") == fold(URL_SOURCE)
    if web != (body.kind == TaskType.URL_LIST):
        raise ConfigError(
            f"task_type url_list and src_node.cloud_type {URL_SOURCE} go together; give both or neither.",
            code=SOURCE_INVALID,
        )
    return web


def _destination_side(body: TaskBody, settings: Settings) -> Side:
    word = body.dst_node.cloud_type or "HEC"
    cloud = cloud_of_type("HuaweiCloud" if word == "HEC" else word)
    assert cloud is not None
    return _side("destination", "dst_node", body.dst_node, cloud, settings)


OF_ONE_CLOUD = {"json_auth_file": "Google", "connection_string": "Azure", "app_id": "Tencent"}
"""Field of ``src_node`` -> the only cloud it means something for."""


def _refuse_of_others(node: SourceBody, cloud: Cloud) -> None:
    for field, only in OF_ONE_CLOUD.items():
        if getattr(node, field) and cloud.cloud_type != only:
            raise ConfigError(
                f"src_node.{field} is for cloud_type {only} only; remove it for {cloud.cloud_type}.", code=CONSTRAINT
            )


def _side(name: SideName, field: str, node: Node, cloud: Cloud, settings: Settings) -> Side:
    if not node.bucket:
        raise ConfigError(f"{field}.bucket is missing; add it to the task.", code=MISSING)
    if not node.region and cloud.needs_region:
        raise ConfigError(f"{field}.region is missing; add it to the task.", code=MISSING)
    try:
        endpoint = settings.endpoint_of(cloud.cloud_type, node.region)
        said = SideOptions(
            endpoint=endpoint,
            region=node.region,
            credentials=_credentials(field, node, cloud),
            app_id=getattr(node, "app_id", None),
        )
        check_bucket(node.bucket)
        side = settings.side(name, BucketUrl(cloud.scheme, node.bucket), said)
    except ConfigError as error:
        raise ConfigError(str(error), code=error.code or _side_code(field)) from None
    _refuse_without_app_id(side)
    return side


def _credentials(field: str, node: Node, cloud: Cloud) -> Credentials | None:
    """Return the credentials of a node, in any of OMS's forms; None to use the environment."""
    whole = _secret(node.json_auth_file or node.connection_string) if isinstance(node, SourceBody) else None
    if whole:
        return Credentials("", whole)
    access, secret, token = _secret(node.ak), _secret(node.sk), _secret(node.security_token)
    if bool(access) != bool(secret) and not (token and cloud.lone_secrets):
        lack = "sk" if access else "ak"
        raise ConfigError(
            f"{field}.{lack} is missing; give ak and sk, or neither to use the environment.", code=MISSING
        )
    if access or (token and cloud.lone_secrets):
        return Credentials(access.reveal() if access else "", secret or Secret(""), token)
    return None


def _secret(value: SecretStr | None) -> Secret | None:
    return Secret(value.get_secret_value()) if value else None


def _refuse_without_app_id(side: Side) -> None:
    if side.url.cloud_type != "Tencent":
        return
    from oms_adapters.tencent import real_name  # noqa: PLC0415 - only a bucket of Tencent's has such a name

    try:
        real_name(side.store_config())
    except ConfigError as error:
        missing = not dict(side.extra).get("app_id")
        raise ConfigError(f"src_node.app_id: {error}", code=MISSING if missing else SOURCE_INVALID) from None


def _scope(body: TaskBody) -> Scope:
    kind = TaskType(body.kind)
    if kind in {TaskType.LIST, TaskType.URL_LIST}:
        if body.src_node.list_file is None:
            raise ConfigError(f"src_node.list_file is missing; task_type {kind} needs it.", code=MISSING)
        return Scope(kind, ("",), list_key=body.src_node.list_file.list_file_key)
    keys = body.src_node.object_key
    if not keys:
        raise ConfigError('src_node.object_key is missing; write [""] for the whole bucket.', code=MISSING)
    if "" in keys:
        return Scope(TaskType.PREFIX, ("",))
    return Scope(kind, tuple(keys))


def _spec(body: TaskBody, scope: Scope, source: Side, destination: Side, settings: Settings) -> MigrationSpec:
    recording = body.enable_failed_object_recording
    return MigrationSpec(
        source=source.url.label,
        destination=destination.url.label,
        scope=scope,
        save_prefix=check_prefix(body.dst_node.save_prefix or ""),
        migrate_since=_since(body.migrate_since),
        overwrite=OverwriteMode(body.object_overwrite_mode or OverwriteMode.SIZE_LAST_MODIFIED),
        check=ConsistencyCheck(body.consistency_check or ConsistencyCheck.SIZE_LAST_MODIFIED),
        metadata=bool(body.enable_metadata_migration),
        invalid_metadata=invalid_metadata(settings),
        restore=RestorePolicy() if body.enable_restore else None,
        kms=bool(body.enable_kms),
        storage=StoragePolicy(body.dst_storage_policy or StoragePolicy.STANDARD),
        bandwidth=bandwidth(body.bandwidth_policy, settings.file.defaults.bandwidth_zone or "UTC"),
        record_failed=True if recording is None else recording,
    )


def _since(seconds: int | None) -> float | None:
    if seconds is not None and seconds > LATEST_SINCE:
        raise ConfigError(
            f"migrate_since {seconds} is out of its limits: it is in seconds since 1970, not in milliseconds.",
            code="OMS.1003",
        )
    return float(seconds) if seconds else None
