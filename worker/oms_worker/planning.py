"""From a task's stored request and its secrets to what the engine runs. Pure: stores are described, nothing is sent.

Where a region of a cloud is reached is the vendor's own endpoint, unless the settings name another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from oms_adapters.cdn import CdnConfig, parse_cdn
from oms_adapters.config import Guard, StoreConfig, check_bucket
from oms_adapters.registry import adapter_for, open_store
from oms_engine.errors import ConfigError
from oms_engine.model import (
    ConsistencyCheck,
    Credentials,
    InvalidMetadata,
    OverwriteMode,
    Secret,
    StoragePolicy,
    TaskType,
)
from oms_engine.places import refuse_same_place
from oms_engine.store import BucketStore
from oms_engine.task import MigrationSpec, RestorePolicy, Scope
from oms_worker.db.tasks import TaskRow
from oms_worker.destinations import refuse_incapable
from oms_worker.running import RunPlan
from oms_worker.settings import EndpointSettings, ServiceSettings

SOURCE, DESTINATION = "src_node", "dst_node"
SOURCE_INVALID, DESTINATION_INVALID = "OMS.0057", "OMS.0058"
SOURCE_REGION, DESTINATION_REGION = "OMS.0079", "OMS.0080"
NO_CREDENTIALS = {SOURCE: "TRF.0151", DESTINATION: "TRF.0057"}

MAX_KEY_BYTES: Final = 1024
"""https://support.huaweicloud.com/intl/en-us/ugobs-obs/obs_41_0006.html"""
NEVER_ARCHIVED: Final = frozenset({"Google", "QingCloud", "URLSource"})
"""Their classes are all read at once: there is nothing to restore."""

DESTINATION_CLOUD: Final = "HuaweiCloud"
URL_SOURCE: Final = "URLSource"
ALIASES: Final = {"HEC": DESTINATION_CLOUD}
"""HEC is Huawei Cloud's own word for itself: https://support.huaweicloud.com/intl/en-us/api-oms/ShowBucketList.html"""

Secrets = Mapping[str, Secret]


class Planner:
    """Plans tasks under the settings of this process."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._endpoints = settings.endpoints
        self._private_urls = settings.work.allow_private_urls
        self._invalid_metadata = InvalidMetadata(settings.work.invalid_metadata)
        self._guard = Guard(settings.work.allow_private_endpoints)

    def __call__(self, task: TaskRow, secrets: Secrets, keys: Sequence[str]) -> RunPlan:
        """Plan a task. See :class:`oms_worker.running.Planner`.

        Raises:
            ConfigError: with the task's code.
        """
        del keys
        return self.plan(task.request, secrets)

    def plan(self, request: Mapping[str, Any], secrets: Secrets) -> RunPlan:
        """Plan a request.

        Raises:
            ConfigError: OMS.0057 or OMS.0058 a node is wrong; TRF.0151 or TRF.0057 its credentials are not there.
        """
        source = self.source(request, secrets)
        destination = self.destination(request, secrets)
        listing = None
        list_file = request[SOURCE].get("list_file")
        if list_file and request.get("task_type") in {"list", "url_list"}:
            listing = self.destination(request, secrets, bucket=list_file["obs_bucket"])
        spec = _spec(request, _label(source), _label(destination), self._invalid_metadata)
        return RunPlan(spec, source, destination, listing)

    def judge(self, request: Mapping[str, Any], secrets: Secrets) -> RunPlan:
        """Plan, and refuse what can be known to be wrong before anything is sent: names, regions, endpoints, keys.

        Raises:
            ConfigError: OMS.0057, OMS.0058, OMS.0079, OMS.0080, TRF.0060, S3M.0082, and as ``destinations.py`` says.
        """
        plan = self.plan(request, secrets)
        refuse_long_prefix(plan.spec.save_prefix)
        refuse_region(plan.source, SOURCE_REGION)
        refuse_region(plan.destination, DESTINATION_REGION)
        source = _opened(plan.source, SOURCE_INVALID)
        refuse_restore(plan, source)
        destination = _opened(plan.destination, DESTINATION_INVALID)
        self._refuse_incapable(request, plan, destination)
        refuse_same_place(plan.spec, source, destination)
        if plan.listing is not None:
            _opened(plan.listing, DESTINATION_INVALID)
        return plan

    def _refuse_incapable(self, request: Mapping[str, Any], plan: RunPlan, destination: BucketStore) -> None:
        node = request[DESTINATION]
        place = self.places(destination_cloud(node)).get(node.get("region", ""))
        able = place.narrow(destination.capabilities) if place else destination.capabilities
        where = f"the destination in region {node['region']}" if place else plan.destination.cloud_type
        refuse_incapable(plan.spec, able, where)

    def source(self, request: Mapping[str, Any], secrets: Secrets) -> StoreConfig:
        """Describe the source of a request."""
        node = request[SOURCE]
        cloud = node["cloud_type"]
        if cloud == URL_SOURCE:
            return StoreConfig(URL_SOURCE, "", extra={"allow_private": True} if self._private_urls else {})
        return self.store(
            cloud,
            node.get("bucket", ""),
            node.get("region", ""),
            credentials_of(secrets, SOURCE),
            app_id=node.get("app_id", ""),
            requester_pays=bool(request.get("enable_requester_pays")),
            cdn=self._cdn(request, secrets),
            code=SOURCE_INVALID,
        )

    def destination(self, request: Mapping[str, Any], secrets: Secrets, bucket: str | None = None) -> StoreConfig:
        """Describe the destination of a request, or another bucket beside it: that of its list file."""
        node = request[DESTINATION]
        return self.store(
            destination_cloud(node),
            node["bucket"] if bucket is None else bucket,
            node.get("region", ""),
            credentials_of(secrets, DESTINATION),
            code=DESTINATION_INVALID,
        )

    def store(
        self,
        cloud: str,
        bucket: str,
        region: str,
        credentials: Credentials | None,
        *,
        app_id: str = "",
        requester_pays: bool = False,
        cdn: CdnConfig | None = None,
        code: str = SOURCE_INVALID,
    ) -> StoreConfig:
        """Describe a bucket; an empty ``bucket`` stands for the account.

        Raises:
            ConfigError: the bucket's name is none, or the region an internal one.
        """
        cloud = ALIASES.get(cloud, cloud)
        if bucket:
            try:
                check_bucket(bucket)
            except ConfigError as error:
                raise ConfigError(str(error), code=code) from None
        place = self._endpoints.get(cloud, {}).get(region)
        if place is None:
            refuse_internal(cloud, region, code)
        config = StoreConfig(
            cloud_type=cloud,
            bucket=bucket,
            region=region or None,
            credentials=credentials,
            requester_pays=requester_pays,
            extra={"app_id": app_id} if cloud == "Tencent" and app_id else {},
            cdn=cdn,
            guard=self._guard,
        )
        return place.place(config) if place else config

    def cdn(self, stated: Mapping[str, Any], key: Secret | None) -> CdnConfig:
        """Describe a CDN; its domain is a caller's word, so it is reached on the public internet unless it is excepted.

        Raises:
            ConfigError: OMS.0081 the domain or protocol, OMS.1032 its key is missing.
        """
        return parse_cdn(
            stated["domain"],
            protocol=stated["protocol"],
            auth=stated.get("authentication_type") or "NONE",
            key=key,
            public=not (self._private_urls or self._guard.excepts(stated["domain"].partition(":")[0])),
        )

    def _cdn(self, request: Mapping[str, Any], secrets: Secrets) -> CdnConfig | None:
        stated = request.get("source_cdn")
        return self.cdn(stated, secrets.get("source_cdn.authentication_key")) if stated is not None else None

    def places(self, cloud: str) -> Mapping[str, EndpointSettings]:
        """Return the regions of a cloud that the settings know."""
        return self._endpoints.get(ALIASES.get(cloud, cloud), {})


def destination_cloud(node: Mapping[str, Any]) -> str:
    """Return the cloud of a ``dst_node``, which is Huawei Cloud unless it says otherwise."""
    word = node.get("cloud_type") or DESTINATION_CLOUD
    return ALIASES.get(word, word)


def credentials_of(secrets: Secrets, node: str) -> Credentials:
    """Return the credentials of a node, as the adapters take them.

    Raises:
        ConfigError: TRF.0151 or TRF.0057: they are not there (any more).
    """
    whole = secrets.get(f"{node}.json_auth_file") or secrets.get(f"{node}.connection_string")
    if whole:
        return Credentials("", whole)
    access, key = secrets.get(f"{node}.ak"), secrets.get(f"{node}.sk")
    if not access or not key:
        raise ConfigError(
            f"the credentials of {node} are not kept; start the task with them.", code=NO_CREDENTIALS[node]
        )
    return Credentials(access.reveal(), key, secrets.get(f"{node}.security_token"))


def _opened(config: StoreConfig, code: str) -> BucketStore:
    try:
        return open_store(config)
    except ConfigError as error:
        raise ConfigError(str(error), code=error.code or code) from None


def _label(config: StoreConfig) -> str:
    return f"{adapter_for(config.cloud_type).scheme}://{config.bucket}"


def refuse_region(config: StoreConfig, code: str) -> None:
    """Refuse a region that its cloud has no endpoint for, where the settings name none either.

    Raises:
        ConfigError: ``code``.
    """
    if config.endpoint is not None or not config.region or config.cloud_type == URL_SOURCE:
        return
    try:
        adapter_for(config.cloud_type).endpoint_for(config.region)
    except ConfigError as error:
        raise ConfigError(str(error), code=code) from None


def refuse_internal(cloud: str, region: str, code: str) -> None:
    """Refuse a region by which a caller would name a vendor's internal endpoint, in networks of the operator.

    https://www.alibabacloud.com/help/en/oss/user-guide/regions-and-endpoints: ``oss-cn-hangzhou-internal.aliyuncs.com``

    Raises:
        ConfigError: OMS.0079 of a source, OMS.0080 of a destination.
    """
    if "internal" in region.lower():
        message = f"region {region!r} is an internal one: the operator's settings must name it, [endpoints.{cloud}]."
        raise ConfigError(message, code=DESTINATION_REGION if code == DESTINATION_INVALID else SOURCE_REGION)


def refuse_long_prefix(save_prefix: str) -> None:
    """Refuse a prefix behind which no key fits.

    Raises:
        ConfigError: TRF.0060.
    """
    if len(save_prefix.encode()) >= MAX_KEY_BYTES:
        message = f"dst_node.save_prefix takes {MAX_KEY_BYTES} bytes, which is all that a key may have."
        raise ConfigError(message, code="TRF.0060")


def refuse_restore(plan: RunPlan, source: BucketStore) -> None:
    """Refuse to restore where archived objects exist and cannot be restored through their cloud's API.

    Raises:
        ConfigError: S3M.0082; the second version of the API has no code of its own for it.
    """
    wanted = plan.spec.restore is not None and not source.capabilities.restore
    if wanted and plan.source.cloud_type not in NEVER_ARCHIVED:
        message = f"enable_restore: {plan.source.cloud_type} does not restore archived objects on request; do it there."
        raise ConfigError(message, code="S3M.0082")


def _spec(
    request: Mapping[str, Any], source: str, destination: str, invalid_metadata: InvalidMetadata
) -> MigrationSpec:
    since = request.get("migrate_since") or 0
    return MigrationSpec(
        source=source,
        destination=destination,
        scope=scope_of(request),
        save_prefix=request[DESTINATION].get("save_prefix", ""),
        migrate_since=float(since) if since else None,
        overwrite=OverwriteMode(request.get("object_overwrite_mode", OverwriteMode.SIZE_LAST_MODIFIED)),
        check=ConsistencyCheck(request.get("consistency_check", ConsistencyCheck.SIZE_LAST_MODIFIED)),
        metadata=bool(request.get("enable_metadata_migration")),
        invalid_metadata=invalid_metadata,
        restore=RestorePolicy() if request.get("enable_restore") else None,
        kms=bool(request.get("enable_kms")),
        storage=StoragePolicy(request.get("dst_storage_policy", StoragePolicy.STANDARD)),
        record_failed=bool(request.get("enable_failed_object_recording", True)),
    )


def scope_of(request: Mapping[str, Any]) -> Scope:
    """Return which objects a request covers."""
    kind, node = TaskType(request.get("task_type", TaskType.OBJECT)), request[SOURCE]
    if kind in {TaskType.LIST, TaskType.URL_LIST}:
        return Scope(kind, ("",), list_key=node["list_file"]["list_file_key"])
    keys = tuple(node.get("object_key") or ("",))
    return Scope(TaskType.PREFIX, ("",)) if "" in keys else Scope(kind, keys)
