"""``/v2/{project_id}/objectstorage``: https://support.huaweicloud.com/intl/en-us/api-oms/ShowBucketList.html."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from oms_adapters.config import StoreConfig
from oms_engine.errors import ConfigError
from oms_engine.model import Secret
from oms_worker.api.bodies import REFUSALS, reading, stated
from oms_worker.api.context import Context, Member, Services
from oms_worker.api.replies import done, json_reply
from oms_worker.planning import DESTINATION_CLOUD
from oms_worker.services.regions import DESTINATIONS, SOURCES, region_info
from oms_worker.shapes import buckets as shapes
from oms_worker.shapes.create import check_cdn
from oms_worker.shapes.words import DESTINATION_INVALID, MISSING

router = APIRouter(prefix="/v2/{project_id}", tags=["Buckets"], responses=REFUSALS)

BUCKETS = "/objectstorage/buckets"
SOURCE_SIDE, DESTINATION_SIDE = "src", "dst"


def _config(services: Context, body: shapes.Account, bucket: str = "", region: str = "") -> StoreConfig:
    if body.cloud_type == "Tencent" and not body.app_id:
        raise ConfigError("app_id is missing.", code=MISSING)
    return services.planner.store(body.cloud_type, bucket, region, body.credentials(), app_id=body.app_id or "")


@router.post(BUCKETS, summary="List the buckets of an account", responses={200: {"model": list[str]}},
             openapi_extra=stated(shapes.ListBuckets))  # fmt: skip
async def find_buckets(
    services: Services, caller: Member, body: Annotated[shapes.ListBuckets, Depends(reading(shapes.ListBuckets))]
) -> Response:
    """Return their names."""
    return json_reply(await services.buckets.buckets(caller, _config(services, body)))


@router.post(f"{BUCKETS}/objects", summary="List the objects of a folder",
             responses={200: {"model": shapes.ObjectPage}},
             openapi_extra=stated(shapes.ListObjects))  # fmt: skip
async def find_objects(
    services: Services, caller: Member, body: Annotated[shapes.ListObjects, Depends(reading(shapes.ListObjects))]
) -> Response:
    """Return a page; ``page_size`` 0 is as many as there may be."""
    config = _config(services, body, body.bucket_name, body.data_center)
    page = await services.buckets.objects(caller, config, body.folder, body.behind_filename, body.page_size or 100)
    records = [{"name": record.name, "size": shapes.render_size(record.size)} for record in page.records]
    return json_reply({"next_page": page.next_marker is not None, "next_marker": page.next_marker, "records": records})


@router.post(f"{BUCKETS}/regions", summary="Tell the region of a bucket",
             responses={200: {"model": shapes.RegionShape}},
             openapi_extra=stated(shapes.BucketRegion))  # fmt: skip
async def show_region(
    services: Services, caller: Member, body: Annotated[shapes.BucketRegion, Depends(reading(shapes.BucketRegion))]
) -> Response:
    """Return its id, and whether it can be migrated from."""
    return json_reply(await services.buckets.region(caller, _config(services, body, body.bucket_name)))


@router.post(f"{BUCKETS}/prefix", summary="Tell whether a prefix has objects",
             responses={200: {"model": shapes.PrefixShape}},
             openapi_extra=stated(shapes.CheckPrefix))  # fmt: skip
async def check_prefix(
    services: Services, caller: Member, body: Annotated[shapes.CheckPrefix, Depends(reading(shapes.CheckPrefix))]
) -> Response:
    """Look for one object."""
    config = _config(services, body, body.bucket_name, body.data_center)
    return json_reply({"exist": await services.buckets.has_prefix(caller, config, body.file_name)})


@router.post(f"{BUCKETS}/cdn-info", summary="Try objects through a CDN", responses={200: {"model": shapes.CdnShape}},
             openapi_extra=stated(shapes.CheckCdn))  # fmt: skip
async def check_cdn_info(
    services: Services, caller: Member, body: Annotated[shapes.CheckCdn, Depends(reading(shapes.CheckCdn))]
) -> Response:
    """Return what it serves of the objects that are named, or of the first five."""
    check_cdn(body.source_cdn)
    key = body.source_cdn.authentication_key
    stated_cdn = body.source_cdn.model_dump(exclude={"authentication_key"})
    cdn = services.planner.cdn(stated_cdn, Secret(key.get_secret_value()) if key else None)
    config = _config(services, body, body.bucket, body.region)
    return json_reply(await services.buckets.check_cdn(caller, config, cdn, body.prefix.keys if body.prefix else ()))


@router.post(f"{BUCKETS}/url-source-list-file", summary="Check the format of a URL list",
             openapi_extra=stated(shapes.CheckUrlList))  # fmt: skip
async def check_url_list(
    services: Services, caller: Member, body: Annotated[shapes.CheckUrlList, Depends(reading(shapes.CheckUrlList))]
) -> Response:
    """Read it with the destination's keys and hold each line against the format."""
    account = shapes.Account(cloud_type=DESTINATION_CLOUD, ak=body.ak, sk=body.sk)
    config = services.planner.store(
        DESTINATION_CLOUD, body.obs_bucket, body.region, account.credentials(), code=DESTINATION_INVALID
    )
    await services.buckets.check_url_list(caller, config, body.list_file_key)
    return done()


@router.get("/objectstorage/cloud-type", summary="List the clouds", responses={200: {"model": list[str]}})
async def find_clouds(
    caller: Member, side: Annotated[str, Query(alias="type", pattern="^(src|dst)$", description="src or dst")]
) -> Response:
    """Return what can be migrated from, or to."""
    caller.require("oms:cloud:list")
    return json_reply(list(SOURCES if side == SOURCE_SIDE else DESTINATIONS))


@router.get("/objectstorage/data-center", summary="List the regions of every cloud",
            responses={200: {"model": list[shapes.CloudRegions]}})  # fmt: skip
async def find_regions(services: Services, caller: Member) -> Response:
    """Return the regions by cloud."""
    caller.require("oms:region:list")
    return json_reply(region_info(services.settings))


@router.post("/privacy-agreements", summary="Record that the privacy agreement was accepted")
async def accept_agreement(caller: Member) -> Response:
    """Accept; the audit trail holds who and when."""
    caller.require("oms:agreement:update")
    return done()
