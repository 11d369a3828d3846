"""What ETags made from MD5s say of the bytes of two objects. Pure."""

from __future__ import annotations

from hashlib import md5

_ONE_PIECE = frozenset({32, 34})
"""Lengths of an MD5, and of the ETag of an upload of one part."""


def other_md5(one: str, other: str) -> bool:
    """Whether two ETags, of stores whose plain ones are MD5s, are those of other bytes; their case says nothing.

    ============================  ============================  ==================================
    one                           other                         other bytes where
    ============================  ============================  ==================================
    plain                         plain                         they are unequal
    plain, or of one part (-1)    plain, or of one part         the MD5s of the MD5s are unequal
    anything else                 any                           never: nothing relates the two
    ============================  ============================  ==================================
    """
    if len(one) == 32 and len(other) == 32:
        return one.lower() != other.lower()
    if len(one) not in _ONE_PIECE or len(other) not in _ONE_PIECE:
        return False
    ours, theirs = _as_one_part(one), _as_one_part(other)
    return ours != theirs and "" not in {ours, theirs}


def _as_one_part(etag: str) -> str:
    """Return the ETag that the object has, or would have, as an upload of one part; empty where nobody can say.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
    """
    if etag.endswith("-1"):
        return etag.lower()
    try:
        return md5(bytes.fromhex(etag), usedforsecurity=False).hexdigest() + "-1" if len(etag) == 32 else ""
    except ValueError:
        return ""
