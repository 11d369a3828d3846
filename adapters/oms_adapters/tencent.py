"""Tencent COS in its own protocol (``cloud_type`` Tencent, ``cos://``): ``x-cos-`` headers, COS signature.

A bucket's real name is ``<name>-<app_id>``, and it is reached only as a host of its own, never in the path. A bucket
behind an endpoint on this machine (``http://127.0.0.1:9000``) is reached as ``<name>-<app_id>.localhost``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from oms_adapters.config import StoreConfig, check_bucket, fits_host, is_address, known_extra, parse_endpoint
from oms_adapters.control import Account
from oms_adapters.dialects.accounts import S3Account
from oms_adapters.dialects.cos import PROFILE, CosDialect
from oms_adapters.regions.tencent import REGIONS, SHAPE, endpoint_of, region_of_host
from oms_adapters.signing.cos import CosSignature
from oms_adapters.signing.sigv4 import anonymous
from oms_engine.errors import ConfigError
from oms_engine.store import BucketStore, Endpoint

EXTRA: dict[str, type] = {"app_id": str, "cname": bool}
"""``app_id``: the account's APPID, which ends the real name of each of its buckets; ``cname`` True when the endpoint is
a domain bound to the bucket, which downloads of .apk and .ipa files need:
https://www.tencentcloud.com/document/product/436/57456"""

SERVICE_HOST = "service.cos.myqcloud.com"

ANY_REGION = "ap-guangzhou"
"""Where nothing depends on the region: the list of buckets, and the name of a host on this machine."""

_APP_ID = re.compile(r"[0-9]{5,12}")
_FULL_NAME = re.compile(r".+-[0-9]{8,12}")
"""A name with its APPID. The oldest APPIDs have eight digits; a year or a counter at the end is none."""


def real_name(config: StoreConfig) -> str:
    """Return a bucket's name as COS knows it: ``<name>-<app_id>``.

    Raises:
        ConfigError: the APPID is missing or none.
    """
    app_id = str(known_extra(config, EXTRA).get("app_id", ""))
    if app_id and not _APP_ID.fullmatch(app_id):
        raise ConfigError(f"app_id {app_id!r} is no APPID: digits only, as the account page of Tencent Cloud shows it")
    if app_id:
        return config.bucket if config.bucket.endswith(f"-{app_id}") else f"{config.bucket}-{app_id}"
    if not _FULL_NAME.fullmatch(config.bucket):
        raise ConfigError(
            f"cos://{config.bucket} lacks its APPID: give app_id, or the full name, e.g. {config.bucket}-1250000000"
        )
    return config.bucket


_RAPID = re.compile(r".+-x--[0-9]+")
"""Rapid buckets take the credentials of a session: https://github.com/tencentyun/cos-python-sdk-v5"""


class TencentAdapter:
    """Opens COS buckets and lists them; see :class:`oms_adapters.registry.Adapter`."""

    cloud_type = "Tencent"
    scheme = "cos"

    def endpoint_for(self, region: str) -> str:
        """Return the endpoint URL of a region.

        Raises:
            ConfigError: not the name of a region; the message lists those known.
        """
        if region not in REGIONS and not SHAPE.fullmatch(region):
            raise ConfigError(
                f"{region!r} is no region of Tencent Cloud; known: {', '.join(REGIONS)}; of a newer one give the "
                "endpoint, https://cos.REGION.myqcloud.com"
            )
        return endpoint_of(region)

    def open(self, config: StoreConfig) -> BucketStore:
        """Return the bucket as a store; nothing is sent."""
        check_bucket(config.bucket)
        bucket = real_name(config)
        if config.addressing == "path" or not fits_host(bucket):
            raise ConfigError(f"cos://{bucket}: COS is reached by host only; lower-case letters, digits and hyphens")
        if _RAPID.fullmatch(bucket):
            raise ConfigError(f"cos://{bucket} is a rapid bucket, whose requests are signed otherwise: not supported")
        if config.requester_pays:
            raise ConfigError(f"cos://{bucket}: COS knows no requester who pays; leave the option out")
        endpoint = self._in_front(bucket, self.place(config), bound=config.extra.get("cname") is True)
        return CosDialect(
            PROFILE,
            bucket=bucket,
            endpoint=endpoint,
            path_style=False,
            signer=anonymous if config.credentials is None else CosSignature(config.credentials),
        )

    def place(self, config: StoreConfig) -> Endpoint:
        """Return the endpoint, without the bucket.

        Raises:
            ConfigError: neither endpoint nor region is given.
        """
        if config.endpoint is not None:
            return parse_endpoint(config.endpoint)
        if not config.region:
            raise ConfigError(f"cos://{config.bucket} needs its region (e.g. ap-guangzhou) or an endpoint URL")
        return parse_endpoint(self.endpoint_for(config.region))

    def _in_front(self, bucket: str, endpoint: Endpoint, *, bound: bool) -> Endpoint:
        """Return the endpoint with the bucket in its host."""
        if bound:
            return endpoint
        host = "localhost" if endpoint.host in {"127.0.0.1", "::1"} else endpoint.host
        if host.startswith(f"{bucket}."):
            return endpoint
        if is_address(host) and host != "localhost":
            raise ConfigError(f"{host} takes no bucket in front, and COS takes none elsewhere; give a host name")
        return endpoint._replace(host=f"{bucket}.{host}")

    def account(self, config: StoreConfig) -> Account:
        """Return the account; see :class:`oms_adapters.control.Account`.

        All buckets are listed at ``service.cos.myqcloud.com``, no regional host
        (https://www.tencentcloud.com/document/product/436/8291), unless an endpoint is given. A bucket answers only at
        its own region's endpoint: https://www.tencentcloud.com/document/product/436/8275

        Raises:
            ConfigError: bad endpoint, region or bucket.
        """
        somewhere = config if config.endpoint or config.region else replace(config, region=ANY_REGION)
        place = self.place(somewhere)
        vendors = region_of_host(place.host)
        return S3Account(
            PROFILE,
            service=place if vendors is None else place._replace(host=SERVICE_HOST),
            signer=anonymous if config.credentials is None else CosSignature(config.credentials),
            store=self.open(somewhere) if config.bucket else None,
            # Old buckets answer "cos.ap-beijing", as the page above shows.
            region_of=lambda word: word.removeprefix("cos.") or vendors or "",
        )


ADAPTER = TencentAdapter()
