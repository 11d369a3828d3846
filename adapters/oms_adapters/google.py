"""Google Cloud Storage (``cloud_type`` Google, ``gs://``).

Credentials are one of:

- a service account: ``secret_key`` holds the text of its JSON key file (OMS's ``json_auth_file``), ``access_key`` may
  be empty;
- an access token that somebody else renews: ``token``, with empty keys;
- HMAC keys (``GOOG1E...``) as ``access_key`` and ``secret_key``: the S3-compatible protocol.
"""

from __future__ import annotations

from oms_adapters.config import StoreConfig, check_bucket, known_extra, parse_endpoint
from oms_adapters.control import Account
from oms_adapters.dialects.accounts import GoogleAccount
from oms_adapters.dialects.google import GOOGLE_SENTENCES, GoogleDialect, InteropDialect
from oms_adapters.dialects.profile import ClassTable, S3Profile
from oms_adapters.regions.google import ENDPOINT, MULTI_REGIONS, REGIONS, SHAPE, endpoint_of
from oms_adapters.signing.google import AccessToken, bearer, parse_service_account
from oms_adapters.signing.sigv4 import SigV4, anonymous
from oms_engine.errors import AccessDenied, BadCredentials, ConfigError, DigestRefused, InvalidRequest, Throttled
from oms_engine.model import KeyOrder, RestoreTier, StorageClass
from oms_engine.store import GIB, KIB, MIB, BucketStore, Capabilities, Endpoint, Signer

CLASSES = ClassTable(
    words={
        "STANDARD": StorageClass.STANDARD,
        "MULTI_REGIONAL": StorageClass.STANDARD,
        "REGIONAL": StorageClass.STANDARD,
        "DURABLE_REDUCED_AVAILABILITY": StorageClass.STANDARD,
        "NEARLINE": StorageClass.IA,
        "COLDLINE": StorageClass.ARCHIVE,
        "ARCHIVE": StorageClass.DEEP_ARCHIVE,
    },
    archived=frozenset(),
)
"""All classes are read at once, none is restored: https://cloud.google.com/storage/docs/storage-classes"""

CAPABILITIES = Capabilities(
    order=KeyOrder.UTF8,  # https://cloud.google.com/storage/docs/json_api/v1/objects/list
    # https://cloud.google.com/storage/quotas
    etag_is_md5=False,
    part_etag_is_md5=False,
    restore=False,
    kms=False,  # an upload would have to name the key
    min_part_size=5 * MIB,
    max_part_size=5 * GIB,
    max_parts=10_000,
    max_single_write=5 * 1024 * GIB,
    max_object_size=5 * 1024 * GIB,
    max_user_metadata_bytes=8 * KIB,
    class_of=CLASSES.class_of,
    is_archived_class=CLASSES.is_archived,
)

CODES = {
    # https://cloud.google.com/storage/docs/xml-api/reference-status
    "AuthenticationRequired": BadCredentials,
    "CrcMismatch": DigestRefused,
    "CloudKmsDisabledKey": AccessDenied,
    "CloudKmsBadKey": InvalidRequest,
    "CloudKmsDecryptionKeyNotFound": AccessDenied,
    "CredentialsNotSupported": BadCredentials,
    "CustomerEncryptionKeyIsIncorrect": AccessDenied,
    "ResourceIsEncryptedWithCustomerEncryptionKey": AccessDenied,
    "OrgPolicyConstraintFailed": AccessDenied,
    "SecurityPolicyViolated": AccessDenied,
    "RateLimitExceeded": Throttled,
    "InvalidUserProject": InvalidRequest,
    "UserProjectInvalid": InvalidRequest,
    "UserProjectMissing": InvalidRequest,
    "UserProjectAccessDenied": AccessDenied,
    "UserProjectInconsistent": InvalidRequest,
}

PROFILE = S3Profile(
    cloud_type="Google",
    scheme="gs",
    header_prefix="x-goog-",
    list_version=2,
    capabilities=CAPABILITIES,
    class_words={
        StorageClass.STANDARD: "STANDARD",
        StorageClass.IA: "NEARLINE",
        StorageClass.ARCHIVE: "COLDLINE",
        StorageClass.DEEP_ARCHIVE: "ARCHIVE",
    },
    kms_value="",
    restore_element="",
    tier_words=dict.fromkeys(RestoreTier, ""),
    codes=CODES,
    sentences=GOOGLE_SENTENCES,
)

INTEROP = S3Profile(
    cloud_type="Google",
    scheme="gs",
    header_prefix="x-amz-",
    list_version=2,
    # ETags of plain objects are MD5 sums in this protocol: https://cloud.google.com/storage/docs/hashes-etags
    capabilities=Capabilities(
        order=KeyOrder.UTF8,
        restore=False,
        requester_pays=False,
        kms=False,
        max_object_size=5 * 1024 * GIB,
        max_user_metadata_bytes=8 * KIB,
        class_of=CLASSES.class_of,
        is_archived_class=CLASSES.is_archived,
    ),
    class_words=PROFILE.class_words,
    kms_value="",
    restore_element="",
    tier_words=PROFILE.tier_words,
    codes=CODES,
    sentences=GOOGLE_SENTENCES,
)

EXTRA: dict[str, type] = {"user_project": str}
"""``user_project``: the project that pays where the requester does; default: the service account's."""


class GoogleAdapter:
    """Opens Cloud Storage buckets and lists them; see :class:`oms_adapters.registry.Adapter`."""

    cloud_type = "Google"
    scheme = "gs"

    def endpoint_for(self, region: str) -> str:
        """Return the endpoint URL of a location, which is one for all.

        Raises:
            ConfigError: not the name of a location.
        """
        name = region.lower()
        if name not in REGIONS and name not in MULTI_REGIONS and not SHAPE.fullmatch(name):
            raise ConfigError(f"{region!r} is no Google Cloud Storage location; write one like europe-west3 or EU")
        return endpoint_of(name)

    def open(self, config: StoreConfig) -> BucketStore:
        """Return the bucket as a store; nothing is sent.

        Raises:
            ConfigError: bad bucket name, endpoint, option or credentials.
        """
        check_bucket(config.bucket)
        extra = known_extra(config, EXTRA)
        endpoint, keys = self.place(config), config.credentials
        if keys is not None and keys.access_key.startswith("GOOG"):
            return self._open_interop(config, endpoint)
        signer, token, project = self._access(config)
        payer = str(extra.get("user_project", project)) if config.requester_pays else ""
        if config.requester_pays and not payer:
            raise ConfigError(f"gs://{config.bucket}: requester_pays needs user_project, the project that pays")
        return GoogleDialect(PROFILE, bucket=config.bucket, endpoint=endpoint, signer=signer, token=token, payer=payer)

    def _open_interop(self, config: StoreConfig, endpoint: Endpoint) -> BucketStore:
        if config.requester_pays:
            raise ConfigError(f"gs://{config.bucket}: requester_pays needs a service account, not HMAC keys")
        assert config.credentials is not None
        # Any region is taken, "auto" is Google's word: https://cloud.google.com/storage/docs/aws-simple-migration
        signer = SigV4(config.credentials, config.region or "auto")
        return InteropDialect(INTEROP, bucket=config.bucket, endpoint=endpoint, signer=signer)

    def place(self, config: StoreConfig) -> Endpoint:
        """Return the endpoint, without the bucket."""
        if config.endpoint is None and config.region:
            return parse_endpoint(self.endpoint_for(config.region))
        return parse_endpoint(config.endpoint or ENDPOINT)

    def account(self, config: StoreConfig) -> Account:
        """Return the project; see :class:`oms_adapters.control.Account`.

        Raises:
            ConfigError: bad endpoint or credentials; HMAC keys, which the JSON API does not take.
        """
        keys = config.credentials
        if keys is not None and keys.access_key.startswith("GOOG"):
            raise ConfigError("HMAC keys cannot list Google's buckets; give the service account's json_auth_file")
        signer, token, project = self._access(config)
        payer = str(config.extra.get("user_project", project)) if config.requester_pays else ""
        return GoogleAccount(
            endpoint=self.place(config),
            signer=signer,
            token=token,
            project=project or "-",
            bucket=config.bucket,
            payer=payer,
        )

    def _access(self, config: StoreConfig) -> tuple[Signer, AccessToken | None, str]:
        """Return what signs, the token that it renews, and the project."""
        keys = config.credentials
        if keys is None:
            return anonymous, None, ""
        if keys.token:
            return bearer(keys.token), None, ""
        account = parse_service_account(keys.secret_key, config.guard)
        token = AccessToken(account, f"gs://{config.bucket}")
        return token, token, account.project


ADAPTER = GoogleAdapter()
