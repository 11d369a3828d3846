"""The two arguments of a migration: ``<scheme>://bucket/path``, one scheme per cloud (``clouds.py`` has them).

Everything after ``scheme://bucket/`` is the path, byte for byte: ``%41``, ``?``, ``#``, ``//``, ``.`` and spaces are
characters of keys, nothing is decoded or normalised (so no URL library is used).

A path names a folder, as it does for rclone: ``s3://b/photos`` and ``s3://b/photos/`` are the same, and cover the keys
that start with ``photos/``. The *contents* of the source's folder arrive in the destination's folder::

    s3://b/photos  -> obs://d/backup    photos/2024/a.jpg is stored as backup/2024/a.jpg
    s3://b         -> obs://d           photos/2024/a.jpg is stored as photos/2024/a.jpg
"""

from __future__ import annotations

from oms_adapters.config import check_bucket
from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass
from oms_engine.model import key_bytes
from openoms.clouds import WEB, Cloud, cloud_of_scheme, every_cloud
from openoms.words import nearest

MAX_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class BucketUrl:
    """A bucket, and a folder in it."""

    scheme: str
    bucket: str
    prefix: str = ""
    """Empty, or ends in ``/``."""

    @property
    def cloud(self) -> Cloud:
        """What is known of the cloud."""
        cloud = WEB if self.scheme == WEB.scheme else cloud_of_scheme(self.scheme)
        assert cloud is not None
        return cloud

    @property
    def cloud_type(self) -> str:
        """OMS's word for the cloud, e.g. ``HuaweiCloud``."""
        return self.cloud.cloud_type

    @property
    def label(self) -> str:
        """``scheme://bucket``, without the folder."""
        return f"{self.scheme}://{self.bucket}"

    def __str__(self) -> str:
        return f"{self.label}/{self.prefix}"


def parse_url(text: str) -> BucketUrl:
    """Parse ``scheme://bucket`` or ``scheme://bucket/path``; the path is taken byte for byte and ends in ``/``.

    Raises:
        ConfigError: no scheme, an unknown scheme, no bucket, or a path no key can start with.
    """
    scheme, bucket, path = split_url(text)
    return BucketUrl(scheme, bucket, path if not path or path.endswith("/") else f"{path}/")


def parse_object_url(text: str) -> tuple[BucketUrl, str]:
    """Parse ``scheme://bucket/key`` and return the bucket and the key, byte for byte.

    Raises:
        ConfigError: as :func:`parse_url`, or there is no key.
    """
    scheme, bucket, key = split_url(text)
    if not key:
        raise ConfigError(f"{text!r} names a bucket, not an object; write {scheme}://{bucket}/<key>.")
    return BucketUrl(scheme, bucket), key


def split_url(text: str) -> tuple[str, str, str]:
    """Return scheme, bucket and the rest, untouched.

    Raises:
        ConfigError: see :func:`parse_url`.
    """
    scheme, mark, rest = text.partition("://")
    if not mark:
        raise ConfigError(f"{text!r} is not a bucket URL; write s3://bucket/path or obs://bucket/path.")
    if cloud_of_scheme(scheme.lower()) is None:
        raise _unknown_scheme(text, scheme)
    bucket, _, path = rest.partition("/")
    if not bucket:
        raise ConfigError(f"{text!r} names no bucket; write {scheme.lower()}://bucket/path.")
    check_bucket(bucket)
    if len(key_bytes(path)) > MAX_KEY_BYTES:
        raise ConfigError(f"the path in {text[:60]!r}… is longer than a key may be ({MAX_KEY_BYTES} bytes).")
    return scheme.lower(), bucket, path


def _unknown_scheme(text: str, scheme: str) -> ConfigError:
    known = [cloud.scheme for cloud in every_cloud()]
    guess = nearest(scheme, known)
    hint = f"did you mean {guess}://?" if guess else f"known are {', '.join(f'{name}://' for name in known)}."
    extra = " An S3-compatible store is s3:// with its endpoint as option." if scheme in {"http", "https"} else ""
    return ConfigError(f"unknown scheme {scheme!r} in {text!r}; {hint}{extra}")
