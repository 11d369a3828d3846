"""How a bucket is reached: the one value that every adapter opens a store from.

It is frozen and picklable, so ``functools.partial(open_store, config)`` opens the same store in any process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass
from oms_engine.model import Credentials
from oms_engine.store import Endpoint

if TYPE_CHECKING:
    from oms_adapters.cdn import CdnConfig  # a command line that only parses has no use for it

Addressing = Literal["path", "virtual"]

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
"""What any S3-like store accepts; AWS's old us-east-1 buckets may be longer than 63 and have capitals and underscores:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""

_VIRTUAL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Guard:
    """What holds for addresses that a caller of the service names: the public internet alone, over TLS.

    ``allowed`` are hosts and host suffixes that the operator excepts; ``*`` is all of them.
    """

    allowed: tuple[str, ...] = ()

    def excepts(self, host: str) -> bool:
        """Whether the operator excepts a host: by its name, by a suffix of it (``.corp.example``), or by ``*``."""
        name = host.lower().rstrip(".")
        return any(
            entry == "*" or name == entry.lstrip(".").lower() or name.endswith(f".{entry.lstrip('.').lower()}")
            for entry in self.allowed
        )

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint, connected to on the public internet only unless it is excepted.

        Raises:
            ConfigError: neither TLS nor excepted.
        """
        if self.excepts(endpoint.host):
            return endpoint
        if endpoint.scheme != "https":
            raise ConfigError("credentials lead to an http address; write https, or have the operator allow the host")
        return endpoint._replace(public=True)


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """One bucket: cloud, place, credentials and how to speak to it."""

    cloud_type: str
    """OMS's word (``AWS``, ``HuaweiCloud``) or the URL scheme (``s3``, ``obs``)."""
    bucket: str
    endpoint: str | None = None
    """``https://host[:port]``; None: the cloud's own endpoint of the region."""
    region: str | None = None
    addressing: Addressing | None = None
    """Where the bucket's name stands: in the path or in the host; None: what the cloud recommends."""
    credentials: Credentials | None = None
    """None: requests are not signed (public buckets)."""
    requester_pays: bool = False
    extra: Mapping[str, str | bool] = field(default_factory=dict)
    """Options of one dialect, e.g. ``list_version``, ``sign_payload``, ``etag_is_md5``; unknown ones are refused.

    ``order`` is one of every dialect: in which order the store lists, see ``oms_engine.model.KeyOrder``."""
    cdn: CdnConfig | None = None
    """The objects' bytes are read through this CDN; None: from the bucket."""
    guard: Guard | None = None
    """Holds for addresses that stand in the credentials; None: whoever runs the command chose them."""


_USER = re.compile(r"(//)[^/]*@")


def parse_endpoint(url: str) -> Endpoint:
    """Return the endpoint a URL names; without a scheme it is ``https``.

    Raises:
        ConfigError: not a URL of a host; a password that stands in it is not repeated.
    """
    whole = url if "://" in url else f"https://{url}"
    url = _USER.sub(r"\1***@", whole) if "@" in url else url
    try:
        parts = urlsplit(whole)
    except ValueError:  # brackets without an IPv6 address in them
        raise ConfigError(f"endpoint {url!r} names no host; write https://host:port") from None
    try:
        port = parts.port
    except ValueError:
        raise ConfigError(f"the port of endpoint {url!r} is none; write https://host:port") from None
    if parts.scheme not in {"http", "https"}:
        raise ConfigError(f"endpoint {url!r} must start with http:// or https://")
    if parts.username or parts.password:
        raise ConfigError("an endpoint holds no user name or password; give the credentials separately")
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment or " " in parts.netloc:
        raise ConfigError(f"endpoint {url!r} must be only scheme, host and port, e.g. https://host:9000")
    return Endpoint(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80))


def check_bucket(name: str) -> None:
    """Refuse a name that no bucket can have.

    Raises:
        ConfigError: with the rule it breaks.
    """
    if name.startswith("arn:"):
        from oms_adapters.bucketkinds import arn_refusal  # noqa: PLC0415 - no run that begins loads it

        raise ConfigError(f"{name!r}: {arn_refusal(name)}")
    if not _BUCKET.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be a bucket: 3 to 255 letters, digits, dots, hyphens and underscores, "
            "beginning and ending with a letter or digit; write scheme://bucket/prefix"
        )


def fits_host(bucket: str) -> bool:
    """Whether a bucket's name can stand in a host name under a wildcard certificate (lower case, no dots)."""
    return _VIRTUAL.fullmatch(bucket) is not None


def is_address(host: str) -> bool:
    """Whether a host is an IP address or ``localhost``: no bucket can be put in front of it."""
    if host == "localhost":
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def known_extra(config: StoreConfig, known: Mapping[str, type]) -> Mapping[str, str | bool]:
    """Return ``config.extra`` after refusing names that ``known`` lacks or values of another type.

    Raises:
        ConfigError: names the option and those known.
    """
    for name, value in config.extra.items():
        if name not in known:
            raise ConfigError(f"unknown option {name!r} for {config.cloud_type}; known: {', '.join(sorted(known))}")
        if not isinstance(value, known[name]):
            raise ConfigError(f"option {name!r} for {config.cloud_type} must be a {known[name].__name__}")
    return config.extra
