"""AWS S3, and every store that speaks its protocol under another endpoint (``cloud_type`` AWS, ``s3://``)."""

from __future__ import annotations

from dataclasses import replace

from oms_adapters.bucketstore import s3_bucket
from oms_adapters.config import StoreConfig, check_bucket, fits_host, is_address, known_extra, parse_endpoint
from oms_adapters.control import Account
from oms_adapters.dialects.accounts import S3Account
from oms_adapters.dialects.profile import ClassTable, S3Profile
from oms_adapters.regions.aws import SHAPE, endpoint_of, host_in_region, is_aws_host, names_shared_in, region_of_host
from oms_adapters.signing.sigv4 import SigV4, anonymous
from oms_engine.errors import ConfigError
from oms_engine.model import KeyOrder, MetadataForm, RestoreTier, StorageClass
from oms_engine.store import GIB, MIB, BucketStore, Capabilities, Endpoint, Signer

CLASSES = ClassTable(
    words={
        "STANDARD": StorageClass.STANDARD,
        "REDUCED_REDUNDANCY": StorageClass.STANDARD,
        "INTELLIGENT_TIERING": StorageClass.STANDARD,
        "EXPRESS_ONEZONE": StorageClass.STANDARD,
        "OUTPOSTS": StorageClass.STANDARD,
        "STANDARD_IA": StorageClass.IA,
        "ONEZONE_IA": StorageClass.IA,
        "GLACIER_IR": StorageClass.IA,
        "GLACIER": StorageClass.ARCHIVE,
        "DEEP_ARCHIVE": StorageClass.DEEP_ARCHIVE,
    },
    archived=frozenset({"GLACIER", "DEEP_ARCHIVE"}),
)
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html"""

PROFILE = S3Profile(
    cloud_type="AWS",
    scheme="s3",
    header_prefix="x-amz-",
    list_version=2,
    capabilities=Capabilities(
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
        min_part_size=5 * MIB,
        max_part_size=5 * GIB,
        max_parts=10_000,
        max_single_write=5 * GIB,
        max_object_size=10_000 * 5 * GIB,
        class_of=CLASSES.class_of,
        is_archived_class=CLASSES.is_archived,
        names_shared_in=names_shared_in,
    ),
    class_words={
        StorageClass.STANDARD: "STANDARD",
        StorageClass.IA: "STANDARD_IA",
        StorageClass.ARCHIVE: "GLACIER",
        StorageClass.DEEP_ARCHIVE: "DEEP_ARCHIVE",
    },
    kms_value="aws:kms",
    # KMS and customer keys make it another digest: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    md5_when=frozenset({None, "aes256"}),
    host_in_region=host_in_region,
    # "do not set ExpirationInDays … results in restore request failure":
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_S3InitiateRestoreObjectOperation.html
    undated_classes=frozenset({"INTELLIGENT_TIERING"}),
    restore_element="GlacierJobParameters",
    tier_words={RestoreTier.EXPEDITED: "Expedited", RestoreTier.STANDARD: "Standard", RestoreTier.BULK: "Bulk"},
)

EXTRA: dict[str, type] = {"list_version": str, "sign_payload": bool, "etag_is_md5": bool, "metadata": str}
"""``list_version`` "1" for stores without ListObjectsV2; ``sign_payload`` for stores that refuse UNSIGNED-PAYLOAD;
``etag_is_md5`` False for stores whose ETags look like MD5 sums and are none; ``metadata``: how characters outside ASCII
are written: ``words`` (RFC 2047, AWS's way and the default there:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html), ``utf8`` (as they are: other stores keep the
bytes of headers), ``percent`` (Chinese percent-encoded, as at OBS)."""


def _tuned(config: StoreConfig, host: str) -> S3Profile:
    extra = known_extra(config, EXTRA)
    profile = PROFILE
    form = _metadata_form(str(extra.get("metadata", "words" if is_aws_host(host) else "utf8")))
    profile = replace(profile, capabilities=replace(profile.capabilities, metadata_form=form))
    if str(extra.get("list_version", "2")) == "1":
        profile = replace(profile, list_version=1)
    if extra.get("etag_is_md5", True) is False:
        plain = replace(profile.capabilities, etag_is_md5=False, part_etag_is_md5=False)
        profile = replace(profile, capabilities=plain)
    return profile


def order_of(host: str) -> KeyOrder:
    """Return the order a bucket lists in; what other vendors' S3 does nobody vouches for.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    """
    return KeyOrder.UTF8 if is_aws_host(host) else KeyOrder.UNKNOWN


def _metadata_form(word: str) -> MetadataForm:
    if word not in set(MetadataForm):
        raise ConfigError(f"metadata is {word!r}; characters outside ASCII can be {', '.join(MetadataForm)}")
    return MetadataForm(word)


class AwsAdapter:
    """Opens S3 buckets and lists them; see :class:`oms_adapters.registry.Adapter`."""

    cloud_type = "AWS"
    scheme = "s3"

    def endpoint_for(self, region: str) -> str:
        """Return the endpoint URL of a region.

        Raises:
            ConfigError: not the name of a region.
        """
        if not SHAPE.fullmatch(region):
            raise ConfigError(f"{region!r} is no AWS region; write one like eu-central-1")
        return endpoint_of(region)

    def open(self, config: StoreConfig) -> BucketStore:
        """Return the bucket as a store; nothing is sent."""
        check_bucket(config.bucket)
        endpoint, region = self.place(config)
        self._refuse_kind(config, endpoint)
        path_style = self._path_style(config, endpoint)
        sign: Signer = anonymous
        if config.credentials is not None:
            sign_payload = bool(config.extra.get("sign_payload", False))
            sign = SigV4(config.credentials, region, sign_payload=sign_payload, region_of=region_of_host)
        store = s3_bucket(config, _tuned(config, endpoint.host), endpoint, path_style=path_style, signer=sign)
        store.capabilities = replace(store.capabilities, order=order_of(endpoint.host))
        return store

    def place(self, config: StoreConfig) -> tuple[Endpoint, str]:
        """Return the endpoint (without the bucket) and the region that requests are signed for.

        Raises:
            ConfigError: neither endpoint nor region is given.
        """
        if config.endpoint is None:
            if not config.region:
                raise ConfigError(f"s3://{config.bucket} needs its region (e.g. eu-central-1) or an endpoint URL")
            return parse_endpoint(self.endpoint_for(config.region)), config.region
        endpoint = parse_endpoint(config.endpoint)
        return endpoint, config.region or region_of_host(endpoint.host) or "us-east-1"

    def _refuse_kind(self, config: StoreConfig, endpoint: Endpoint) -> None:
        if not is_aws_host(endpoint.host):
            return
        from oms_adapters.bucketkinds import kind_refusal  # noqa: PLC0415 - other stores have no use for it

        found = kind_refusal(config.bucket, endpoint.host)
        if found is not None:
            raise ConfigError(f"s3://{config.bucket}: {found}")

    def _path_style(self, config: StoreConfig, endpoint: Endpoint) -> bool:
        if config.addressing == "virtual":
            if is_address(endpoint.host):
                raise ConfigError(
                    f"{endpoint.host} takes no bucket in front; use path addressing for s3://{config.bucket}"
                )
            return False
        return config.addressing == "path" or not is_aws_host(endpoint.host) or not fits_host(config.bucket)

    def account(self, config: StoreConfig) -> Account:
        """Return the account; see :class:`oms_adapters.control.Account`.

        Raises:
            ConfigError: bad endpoint, region or bucket.
        """
        somewhere = config if config.endpoint or config.region else replace(config, region="us-east-1")
        endpoint, region = self.place(somewhere)
        signer: Signer = anonymous
        if config.credentials is not None:
            signer = SigV4(config.credentials, region, region_of=region_of_host)
        store = self.open(somewhere) if config.bucket else None
        return S3Account(
            _tuned(config, endpoint.host), service=endpoint, signer=signer, store=store, region_of=_region_of_location
        )


def _region_of_location(word: str) -> str:
    """Return the region of a LocationConstraint: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html."""
    return {"": "us-east-1", "EU": "eu-west-1"}.get(word, word)


ADAPTER = AwsAdapter()
