"""Whether headers, metadata and storage class are what a migration stores of the source's. Pure."""

from __future__ import annotations

from dataclasses import fields

from oms_engine.errors import MetadataRejected
from oms_engine.metadata import meaning, percent_encoded, plan_value
from oms_engine.model import Attributes, ObjectHead, StoragePolicy
from oms_engine.plan import storage_class_for
from oms_engine.store import Capabilities

UNSTATED_TYPES = frozenset({"binary/octet-stream", "application/octet-stream"})
"""What stores state of an object that was written without a Content-Type.

S3: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html. OBS and Azure state the same or the second:
https://learn.microsoft.com/en-us/rest/api/storageservices/put-blob
"""


def attribute_differences(source: Attributes, destination: Attributes) -> list[str]:
    """Return one phrase per header or metadata entry that differs."""
    phrases = []
    for item in fields(Attributes):
        if item.name in {"user", "withheld", "forced_download"}:
            continue
        name = item.name.replace("_", "-")
        here, there = getattr(source, item.name), getattr(destination, item.name)
        if not _arrived(name, here, there):
            phrases.append(_phrase(name, here, there))
    for name in sorted(source.user.keys() | destination.user.keys()):
        here, there = source.user.get(name), destination.user.get(name)
        if not _arrived(name, here, there):
            phrases.append(_phrase(f"metadata {name}", here, there))
    withheld = source.withheld, destination.withheld
    phrases += [
        f"{count} entries of metadata that the store {where} cannot return"
        for count, where in zip(withheld, ("here", "there"), strict=True)
        if count
    ]
    return phrases


def class_difference(
    policy: StoragePolicy | None, source_word: str, destination_word: str, ours: Capabilities, theirs: Capabilities
) -> list[str]:
    """Return the phrase on a storage class that is not the one ``policy`` asks for.

    ============================  ==========================================
    policy                        the destination's class must be
    ============================  ==========================================
    None                          any: a migration leaves it to the bucket
    SRC_STORAGE_MAPPING           the source's, in OMS's words
    any other                     the one it names
    ============================  ==========================================
    """
    wanted = storage_class_for(policy, source_word, ours.class_of)
    found = theirs.class_of(destination_word)
    if wanted is None or wanted is found:
        return []
    if policy is StoragePolicy.SRC_STORAGE_MAPPING:
        return [f"storage class {wanted.value} here, {found.value} there"]
    return [f"storage class {found.value} there, not {wanted.value}"]


def head_differences(
    ours: ObjectHead,
    theirs: ObjectHead,
    *,
    source_class: str,
    policy: StoragePolicy | None,
    source: Capabilities,
    destination: Capabilities,
) -> list[str]:
    """Return all that differs between two heads beside their bytes; ``source_class`` is what the listing states."""
    phrases = attribute_differences(ours.attributes, theirs.attributes)
    word = source_class or ours.storage_class
    return phrases + class_difference(policy, word, theirs.storage_class, source, destination)


def _arrived(name: str, here: str | None, there: str | None) -> bool:
    """Whether a value stands there as it is here, or as a migration stores it: written otherwise."""
    if here == there:
        return True
    if here is None:
        return name == "content-type" and there in UNSTATED_TYPES
    if there is None:
        return False
    return meaning(here) == meaning(there) or there == percent_encoded(here) or there == _planned(name, here)


def _planned(name: str, value: str) -> str | None:
    """Return a value as a migration to OBS stores it, None where it would refuse."""
    try:
        return plan_value(name, value)
    except MetadataRejected:
        return None


def _phrase(name: str, here: str | None, there: str | None) -> str:
    return f"{name} {_shown(here)} here, {_shown(there)} there"


def _shown(value: str | None) -> str:
    return "absent" if value is None else repr(value)
