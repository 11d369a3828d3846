"""What AWS and OBS have in common once profile, place and signature of a bucket are known."""

from __future__ import annotations

from oms_adapters.config import StoreConfig
from oms_adapters.dialects.profile import S3Profile
from oms_adapters.dialects.s3 import S3Dialect
from oms_engine.store import BucketStore, Endpoint, Signer


def s3_bucket(
    config: StoreConfig, profile: S3Profile, endpoint: Endpoint, *, path_style: bool, signer: Signer
) -> BucketStore:
    """Return the bucket at an endpoint as a store; without ``path_style`` its name goes before the host."""
    if not path_style:
        endpoint = endpoint._replace(host=f"{config.bucket}.{endpoint.host}")
    return S3Dialect(
        profile,
        bucket=config.bucket,
        endpoint=endpoint,
        path_style=path_style,
        signer=signer,
        payer=config.requester_pays,
    )
