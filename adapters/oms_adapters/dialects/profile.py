"""What differs between the clouds that speak S3's protocol, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Literal

from oms_engine.errors import StoreError
from oms_engine.frozen import dataclass
from oms_engine.model import RestoreTier, StorageClass
from oms_engine.store import Capabilities


@dataclass(frozen=True, slots=True)
class S3Profile:
    """One dialect of the S3 family. Each cloud's module states where its values are documented."""

    cloud_type: str
    scheme: str
    header_prefix: str
    """``x-amz-``, ``x-obs-``."""
    list_version: Literal[1, 2]
    """2: ``list-type=2`` and ``start-after``; 1: ``marker``. Both continue from the last key, never from a token."""
    capabilities: Capabilities
    class_words: Mapping[StorageClass, str]
    """OMS's class -> the header value that stores an object in it."""
    kms_value: str
    """Value of ``<prefix>server-side-encryption`` that asks for KMS with the account's default key."""
    restore_element: str
    """Element around the tier in a restore request."""
    tier_words: Mapping[RestoreTier, str]
    undated_classes: frozenset[str] = frozenset()
    """Vendor's words of classes that sink into archive tiers by themselves: a restore of them takes no Days."""
    archived_tiers: frozenset[str] = frozenset()
    """Values of ``<prefix>storage-tier`` under which an object must be restored before it is read."""
    crc64_header: str | None = None
    """Header that states CRC-64/XZ as a decimal number."""
    crc64_sent: bool = True
    """Whether a write may announce its CRC-64 in that header; some stores only state what they computed."""
    file_system_header: str | None = None
    """Header of a bucket's HEAD that is ``Enabled`` where the bucket is a file system; None: no bucket is."""
    range_ends_later: bool = False
    """A range must end behind the byte it begins with; else all of the object comes."""
    md5_when: frozenset[str | None] = frozenset({None})
    """Encryptions under which a plain ETag still is the MD5 of the object's bytes."""
    host_in_region: Callable[[str, str], str | None] | None = None
    """(host, region) -> the same host in another region, None for hosts of others: where a redirect names no host."""
    codes: Mapping[str, type[StoreError]] = field(default_factory=dict)
    """Vendor codes beyond (or unlike) the common table."""
    sentences: Mapping[str, str] = field(default_factory=dict)
    """Vendor code -> what the user is told, where the sentence of the code's class would not help."""


@dataclass(frozen=True, slots=True)
class ClassTable:
    """A vendor's storage classes, both ways."""

    words: Mapping[str, StorageClass]
    archived: frozenset[str]

    def class_of(self, word: str) -> StorageClass:
        """Return OMS's class; empty and unknown words are STANDARD."""
        return self.words.get(word, StorageClass.STANDARD)

    def is_archived(self, word: str) -> bool:
        """Whether objects of this class need a restore before they are read."""
        return word in self.archived
