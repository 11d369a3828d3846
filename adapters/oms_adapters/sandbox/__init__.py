"""Loopback clouds: an S3 and an OBS on 127.0.0.1, with signatures verified by the vendors' own code.

::

    with Sandbox() as sandbox:
        photos = sandbox.s3.create_bucket("photos")
        photos.put("a/b.jpg", b"...", headers={"content-type": "image/jpeg"}, storage_class="GLACIER")
        sandbox.s3.faults.add(Fault(Match(operation="GetObject", key="a/*"), Cut(body=100), times=2))
        ...                                   # a client talks to sandbox.s3.url
        assert sandbox.obs.bucket("copy").keys() == ["a/b.jpg"]

One in-memory core (``core``), one thin face per cloud (``s3``, ``obs``). Needs the extra ``openoms[sandbox]``.
``Sandbox(clouds=("s3", "obs", "oss"))`` opens others. A further cloud is a subclass of ``dialect.Dialect`` and a line
in ``host.DIALECTS``; the operations are shared.
Not here, and refused: versions, sub-resources such as ``?acl``, copies, presigned URLs, payloads signed chunk by chunk.
"""

from oms_adapters.sandbox.client import BucketView, Cloud, Faults, md5_hex, put_item
from oms_adapters.sandbox.faults import (
    Action,
    Answer,
    Chunked,
    Cut,
    Delay,
    DemandMd5,
    ErrorIn200,
    Fault,
    FlipBit,
    FlipRequestBit,
    FlipStoredBit,
    Garbage,
    Hollow,
    IgnoreConditions,
    LosePart,
    LoseReply,
    LoseWrite,
    Match,
    Redirect,
    ServePage,
    StoreOther,
    Truncate,
    Unversioned,
    WrongLength,
)
from oms_adapters.sandbox.host import PutItem, SandboxObject, SandboxUpload
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.sandbox import Sandbox
from oms_adapters.sandbox.service import LogEntry

__all__ = [
    "Action",
    "Answer",
    "BucketView",
    "Chunked",
    "Cloud",
    "Cut",
    "Delay",
    "DemandMd5",
    "ErrorIn200",
    "Fault",
    "Faults",
    "FlipBit",
    "FlipRequestBit",
    "FlipStoredBit",
    "Garbage",
    "Hollow",
    "IgnoreConditions",
    "LogEntry",
    "LosePart",
    "LoseReply",
    "LoseWrite",
    "Match",
    "PutItem",
    "Redirect",
    "Refusal",
    "Sandbox",
    "SandboxObject",
    "SandboxUpload",
    "ServePage",
    "StoreOther",
    "Truncate",
    "Unversioned",
    "WrongLength",
    "md5_hex",
    "put_item",
]
