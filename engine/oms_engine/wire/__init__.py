"""The wire: the one HTTP/1.1 client, and the only owner of sockets. Start reading in ``client.py``."""

from oms_engine.wire.bulk import Relayed
from oms_engine.wire.client import Wire
from oms_engine.wire.retry import CertificateRefused, ReplyTooLarge, briefly
from oms_engine.wire.settings import Hashing, RateLimiter, WireSettings, WireStats

__all__ = [
    "CertificateRefused",
    "Hashing",
    "RateLimiter",
    "Relayed",
    "ReplyTooLarge",
    "Wire",
    "WireSettings",
    "WireStats",
    "briefly",
]
