"""Sources that are no plain bucket: the URLs of a list, and a bucket that is read through a CDN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    words = options.get("source_cdn_options", ())
    if not url:
        if auth or words:
            named = "--source-cdn-auth" if auth else "--source-cdn-option"
            raise ConfigError(f"{named} needs the CDN it is for; name it with --source-cdn.")
        return side
    protocol, mark, domain = url.rpartition("://")
    ways = dict(parse_options(words, "source-cdn"))
    return with_cdn(side, settings, domain, protocol if mark else "https", auth or "NONE", None, ways)


def parse_options(words: Sequence[str], side: str = "source") -> tuple[tuple[str, str | bool], ...]:
    """Return ``NAME=VALUE`` words as options of an adapter or a CDN; ``true`` and ``false`` are truth values.

    Raises:
        ConfigError: a word without ``=``.
    """
    truth = {"true": True, "false": False}
    pairs = [word.partition("=") for word in words]
    for name, mark, _ in pairs:
        if not name or not mark:
            raise ConfigError(f"--{side}-option {name!r} is no NAME=VALUE, such as etag_is_md5=false.")
    return tuple((name, truth.get(value.lower(), value)) for name, _, value in pairs)


def with_cdn(
    side: Side,
    settings: Settings,
    domain: str,
    protocol: str,
    auth: str,
    key: Secret | None,
    options: Mapping[str, str | bool] | None = None,
) -> Side:
    """Return a side that is read through a CDN; without ``key`` the environment's is taken.

    Raises:
        ConfigError: as :func:`behind_cdn`.
    """
    from oms_adapters.cdn import parse_cdn  # noqa: PLC0415 - few migrations have one

    key = key or Secret(settings.environ.get(CDN_KEY, ""))
    try:
        signs = bool(side.credentials.access_key)
        cdn = parse_cdn(domain, protocol=protocol, auth=auth, key=key, signs=signs, options=options)
    except ConfigError as error:
        hint = f"; set {CDN_KEY}." if error.code == "OMS.1032" and not key else "."
        raise ConfigError(f"{error}{hint}", code=error.code) from None
    return replace(side, cdn=cdn)
