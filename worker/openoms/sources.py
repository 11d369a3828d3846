"""Sources that are no plain bucket: the URLs of a list, and a bucket that is read through a CDN."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from oms_engine.errors import ConfigError
from oms_engine.model import Credentials, Secret
from openoms.clouds import WEB
from openoms.settings import Settings, Side
from openoms.urls import BucketUrl

if TYPE_CHECKING:
    from openoms.plan import MigrateOptions

CDN_KEY = "OPENOMS_SOURCE_CDN_KEY"
"""Environment variable of a CDN's authentication key."""

SOURCE_OPTIONS = ("endpoint", "region", "addressing", "profile", "credentials", "app_id", "account", "options", "cdn")
"""Options of a source bucket, which a URL list does not have."""


def url_source(options: MigrateOptions) -> Side:
    """Return the web as the source of a URL list.

    Raises:
        ConfigError: an option of a source bucket is given.
    """
    wrong = next((name for name in SOURCE_OPTIONS if options.get(f"source_{name}")), None)
    if wrong is not None:
        raise ConfigError(f"--source-{wrong.replace('_', '-')} is for a bucket; a URL list has none, leave it out.")
    return web_side(allow_private=options.get("allow_private_urls", False))


def web_side(*, allow_private: bool) -> Side:
    """Return the web as a side."""
    extra = (("allow_private", True),) if allow_private else ()
    return Side(BucketUrl(WEB.scheme, "list"), Credentials("", Secret("")), extra=extra)


def behind_cdn(side: Side, settings: Settings, options: MigrateOptions) -> Side:
    """Return the source as it is read: through a CDN where the options name one.

    Raises:
        ConfigError: OMS.0081 no domain, OMS.1003 unknown authentication, OMS.1032 no key.
    """
    url, auth = options.get("source_cdn"), options.get("source_cdn_auth")
    if not url:
        if auth:
            raise ConfigError("--source-cdn-auth needs the CDN it is for; name it with --source-cdn.")
        return side
    protocol, mark, domain = url.rpartition("://")
    return with_cdn(side, settings, domain, protocol if mark else "https", auth or "NONE", None)


def with_cdn(side: Side, settings: Settings, domain: str, protocol: str, auth: str, key: Secret | None) -> Side:
    """Return a side that is read through a CDN; without ``key`` the environment's is taken.

    Raises:
        ConfigError: as :func:`behind_cdn`.
    """
    from oms_adapters.cdn import parse_cdn  # noqa: PLC0415 - few migrations have one

    key = key or Secret(settings.environ.get(CDN_KEY, ""))
    try:
        cdn = parse_cdn(domain, protocol=protocol, auth=auth, key=key, signs=bool(side.credentials.access_key))
    except ConfigError as error:
        hint = f"; set {CDN_KEY}." if error.code == "OMS.1032" and not key else "."
        raise ConfigError(f"{error}{hint}", code=error.code) from None
    return replace(side, cdn=cdn)
