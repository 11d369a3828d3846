"""The adapter of a preset: one class opens the buckets of every S3-speaking vendor that is data in ``presets.toml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from oms_adapters.config import StoreConfig, check_bucket, fits_host, is_address, known_extra, parse_endpoint
from oms_adapters.control import Account
from oms_adapters.dialects.accounts import S3Account
from oms_adapters.dialects.preset import PresetDialect, Terms
from oms_adapters.dialects.profile import ClassTable, S3Profile
from oms_adapters.presets import BASE, LIMITS, Preset, shipped_presets
from oms_adapters.signing.sigv4 import SigV4, anonymous
from oms_engine import errors
from oms_engine.errors import ConfigError
from oms_engine.model import KeyOrder, RestoreTier, StorageClass
from oms_engine.store import BucketStore, Endpoint, Signer

EXTRA: dict[str, type] = {"list_version": str, "list_url_encode": bool, "sign_payload": bool, "etag_is_md5": bool}
"""Options of a bucket that override its preset, for a gateway that is newer or older than the preset."""


class PresetAdapter:
    """Opens buckets of one S3-speaking vendor; see :class:`oms_adapters.registry.Adapter`."""

    def __init__(self, preset: Preset) -> None:
        self.preset = preset
        self.cloud_type = preset.cloud_type
        self.scheme = preset.scheme
        self.profile = _profile(preset)
        self._terms = Terms(
            list_url_encode=preset.value("list_url_encode", True),
            restore_tiers=preset.value("restore_tiers", True),
            restore_tiers_of=tuple(preset.value("restore_tiers_of", ())),
            restore_max_days=preset.value("restore_max_days", None),
            restore_max_days_of=preset.value("restore_max_days_of", {}),
        )
        host = preset.endpoint.partition("://")[2]
        patterns = [re.escape(name).replace(r"\{label\}", "([a-z0-9-]+?)") for name in (host, *preset.other_hosts)]
        self._hosts = [re.compile(rf"(?:.+\.)?{pattern}") for pattern in patterns]

    def region_named(self, text: str) -> str:
        """Return the region a user means: its name or its part of the host name, in any case of letters.

        Raises:
            ConfigError: not the name of a region; the message lists those known.
        """
        for region, label in self.preset.regions.items():
            front = self._host(label).partition(".")[0]
            if text.lower() in {region.lower(), label.lower(), front}:
                return region
        if not re.fullmatch(self.preset.region_shape, text):
            known = ", ".join(self.preset.regions)
            raise ConfigError(f"{text!r} is no region of {self.preset.title}; known: {known}")
        return text

    def endpoint_for(self, region: str) -> str:
        """Return the endpoint URL of a region; one newer than the preset is let through.

        Raises:
            ConfigError: not the name of a region; the message lists those known.
        """
        name = self.region_named(region)
        return self.preset.endpoint.replace("{label}", self.preset.regions.get(name, name.lower()))

    def region_of_host(self, host: str) -> str | None:
        """Return the region a host of the vendor belongs to, None for other hosts."""
        labels = [found[1] for pattern in self._hosts if (found := pattern.fullmatch(host))]
        known = (name for name, label in self.preset.regions.items() if label in labels)
        return next(known, labels[0] if labels else None)

    def open(self, config: StoreConfig) -> BucketStore:
        """Return the bucket as a store; nothing is sent."""
        check_bucket(config.bucket)
        extra = known_extra(config, EXTRA)
        if config.requester_pays and not self.profile.capabilities.requester_pays:
            raise ConfigError(f"{self.preset.title} knows no requester pays; leave that option out")
        self._refuse_token(config)
        endpoint, region = self.place(config)
        path_style = self._path_style(config, endpoint)
        if not path_style:
            endpoint = self._in_front(config, endpoint)
        sign = anonymous
        if config.credentials is not None:
            sign_payload = bool(extra.get("sign_payload", False))
            sign = SigV4(config.credentials, region, sign_payload=sign_payload, region_of=self.region_of_host)
        return PresetDialect(
            _tuned(self.profile, extra),
            replace(self._terms, list_url_encode=bool(extra.get("list_url_encode", self._terms.list_url_encode))),
            bucket=config.bucket,
            endpoint=endpoint,
            path_style=path_style,
            signer=sign,
            payer=config.requester_pays,
        )

    def place(self, config: StoreConfig) -> tuple[Endpoint, str]:
        """Return the endpoint (without the bucket) and the region that requests are signed for.

        Raises:
            ConfigError: neither endpoint nor region is given, or not a region.
        """
        region = self.region_named(config.region) if config.region else None
        if config.endpoint is not None:
            endpoint = parse_endpoint(config.endpoint)
            return endpoint, region or self.region_of_host(endpoint.host) or next(iter(self.preset.regions))
        if region is None:
            known = ", ".join(self.preset.regions)
            raise ConfigError(f"{self.scheme}://{config.bucket} needs its region ({known}) or an endpoint URL")
        if region in self.preset.value("plain_regions", ()):
            host = self._host(self.preset.regions[region])
            raise ConfigError(
                f"{self.preset.title} offers its S3 protocol in {region} over plain HTTP only; where the network "
                f"between is trusted, give the endpoint http://{host} (https://{host} where it has TLS meanwhile)"
            )
        return parse_endpoint(self.endpoint_for(region)), region

    def _refuse_token(self, config: StoreConfig) -> None:
        """Refuse temporary keys where the vendor's S3 protocol takes none: each request would end as a wrong key."""
        temporary = config.credentials is not None and config.credentials.token
        if temporary and not self.preset.value("session_tokens", True):
            raise ConfigError(
                f"{self.preset.title} takes no temporary keys (session tokens) in its S3 protocol; "
                "give permanent keys, without a token"
            )

    def _host(self, label: str) -> str:
        return self.preset.endpoint.partition("://")[2].replace("{label}", label)

    def _path_style(self, config: StoreConfig, endpoint: Endpoint) -> bool:
        if config.addressing is not None:
            return config.addressing == "path"
        wanted = self.preset.value("addressing", None)
        if wanted is not None:
            return bool(wanted == "path")
        return is_address(endpoint.host) or not fits_host(config.bucket)

    def _in_front(self, config: StoreConfig, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint with the bucket in its host; on this machine that is ``bucket.localhost``."""
        host = "localhost" if endpoint.host in {"127.0.0.1", "::1"} else endpoint.host
        if is_address(host) and host != "localhost":
            raise ConfigError(
                f"{host} takes no bucket in front; use path addressing for {self.scheme}://{config.bucket}"
            )
        return endpoint if host.startswith(f"{config.bucket}.") else endpoint._replace(host=f"{config.bucket}.{host}")

    def account(self, config: StoreConfig) -> Account:
        """Return the account; see :class:`oms_adapters.control.Account`.

        Raises:
            ConfigError: bad endpoint, region or bucket.
        """
        self._refuse_token(config)
        endpoint, region = self.place(config)
        signer: Signer = anonymous
        if config.credentials is not None:
            signer = SigV4(config.credentials, region, region_of=self.region_of_host)
        return S3Account(
            self.profile,
            service=endpoint,
            signer=signer,
            store=self.open(config) if config.bucket else None,
            # Where the bucket stands in the host only, it is reached in its own region only.
            by_head=self.preset.value("addressing", None) == "virtual",
            region_of=lambda word: self.region_named(word) if word else region,
        )


def _profile(preset: Preset) -> S3Profile:
    classes = ClassTable({word: StorageClass(oms) for word, oms in preset.classes.items()}, frozenset(preset.archived))
    writable = preset.value("writes", list(preset.classes))
    words: dict[StorageClass, str] = {}
    for word in writable:
        words.setdefault(classes.class_of(word), word)
    limits: dict[str, Any] = {quirk.name: quirk.value for quirk in preset.quirks if quirk.name in LIMITS}
    if "etag_is_md5" in limits:
        limits["part_etag_is_md5"] = limits["etag_is_md5"]
    capabilities = replace(
        BASE,
        class_of=classes.class_of,
        is_archived_class=classes.is_archived,
        storage_classes=frozenset(words),
        order=KeyOrder(preset.value("order", "unknown")),
        states_crc64=preset.value("crc64_header", None) is not None,
    )
    return S3Profile(
        cloud_type=preset.cloud_type,
        scheme=preset.scheme,
        header_prefix="x-amz-",
        list_version=preset.value("list_version", 2),
        capabilities=replace(capabilities, **limits),
        class_words=words,
        kms_value="aws:kms",
        restore_element=preset.value("restore_element", "GlacierJobParameters"),
        crc64_header=preset.value("crc64_header", None),
        crc64_sent=False,
        tier_words={RestoreTier.EXPEDITED: "Expedited", RestoreTier.STANDARD: "Standard", RestoreTier.BULK: "Bulk"},
        codes={code: getattr(errors, name) for code, name in preset.codes.items()},
        sentences=preset.sentences,
    )


def _tuned(profile: S3Profile, extra: Mapping[str, str | bool]) -> S3Profile:
    if "list_version" in extra:
        profile = replace(profile, list_version=1 if extra["list_version"] == "1" else 2)
    if "etag_is_md5" in extra:
        plain = bool(extra["etag_is_md5"])
        capabilities = replace(profile.capabilities, etag_is_md5=plain, part_etag_is_md5=plain)
        profile = replace(profile, capabilities=capabilities)
    return profile


def shipped_adapter(name: str) -> PresetAdapter:
    """Return the adapter of a shipped preset."""
    return PresetAdapter(shipped_presets()[name])
