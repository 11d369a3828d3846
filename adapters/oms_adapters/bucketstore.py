"""What AWS and OBS have in common once profile, place and signature of a bucket are known."""

from __future__ import annotations

from oms_adapters.config import StoreConfig
from oms_adapters.dialects.profile import S3Profile
from oms_adapters.dialects.s3 import S3Dialect
from oms_engine.errors import ConfigError
from oms_engine.store import BucketStore, Endpoint, Signer


def s3_bucket(
    config: StoreConfig,
    profile: S3Profile,
    endpoint: Endpoint,
    *,
    path_style: bool,
    signer: Signer,
    bound: bool = False,
) -> BucketStore:
    """Return the bucket at an endpoint as a store.

    Without ``path_style`` its name goes before the host, unless the host is a domain ``bound`` to the bucket.
    """
    if bound and config.addressing == "path":
        raise ConfigError(f"a domain bound to the bucket takes no path addressing; leave it out for {config.bucket}")
    if not path_style and not bound:
        endpoint = endpoint._replace(host=f"{config.bucket}.{endpoint.host}")
    return S3Dialect(
        profile,
        bucket=config.bucket,
        endpoint=endpoint,
        path_style=path_style,
        signer=signer,
        payer=config.requester_pays,
    )
