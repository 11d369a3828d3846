"""Whether two statements about an object are about the same version of it. Pure.

A store may ignore If-Match (several do), so each reply's own statements are held against those the journey began with.
"""

from __future__ import annotations

import math

from oms_engine.errors import ConditionFailed
from oms_engine.model import ListedObject, ObjectHead, same_etag

UNKNOWN = -1
"""``ListedObject.size`` of an object whose source does not state one."""


def difference(begun: ListedObject | ObjectHead, served: ObjectHead) -> str:
    """Return what tells the object that is served from the one the journey began with, empty when nothing does.

    ======================  =================================  =======================================
    both state an ETag      both state a size                  then another version where
    ======================  =================================  =======================================
    yes                     any                                ETags differ, or sizes do
    no                      any                                sizes differ, or times of two replies do
    ======================  =================================  =======================================

    A listing's time may be finer than, or another than, a reply's: it is compared with none.
    """
    if begun.size not in {None, UNKNOWN, served.size} and served.size is not None:
        return f"{begun.size} bytes were stated first, then {served.size}"
    if begun.etag and served.etag:
        return "" if same_etag(begun.etag, served.etag) else f"its ETag was {begun.etag!r}, then {served.etag!r}"
    timed = isinstance(begun, ObjectHead) and begun.last_modified and served.last_modified
    if timed and math.floor(begun.last_modified) != math.floor(served.last_modified):
        return "it was modified meanwhile"
    return ""


def refuse_other(begun: ListedObject | ObjectHead, served: ObjectHead, *, store: str) -> None:
    """Refuse an object that is not the version the journey began with.

    Raises:
        ConditionFailed: it is another one.
    """
    other = difference(begun, served)
    if other:
        message = f"another version of the object was served: {other}"
        raise ConditionFailed(message, store=store, operation="read", key=begun.key)
