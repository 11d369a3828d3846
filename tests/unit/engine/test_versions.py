"""Two statements about one object."""

import pytest

from oms_engine.errors import ConditionFailed
from oms_engine.model import Attributes, ListedObject, ObjectHead
from oms_engine.versions import difference, refuse_other


def head(size=5, etag="e1", at=100.0):
    """Return what a reply states."""
    return ObjectHead("k", size, etag, at, Attributes())


@pytest.mark.parametrize(
    ("begun", "served", "same"),
    [
        (head(), head(), True),
        (head(), head(etag="e2"), False),
        (head(), head(size=6), False),
        (head(etag='W/"e1"'), head(), True),
        (head(size=None), head(), True),
        (head(), head(size=None), True),
        (head(), head(etag="", at=100.9), True),
        (head(), head(etag="", at=101.0), False),
        (head(), head(etag="", at=0.0), True),
        (head(), head(at=101.0), True),
        (ListedObject("k", 5, 99.0, "", ""), head(), True),
        (ListedObject("k", 5, 99.0, "e2", ""), head(), False),
        (ListedObject("k", -1, 99.0, "e1", ""), head(), True),
    ],
)
def test_the_truth_table(begun, served, same):
    """A size or an ETag that differs is another version; without an ETag the times of two replies tell."""
    assert (difference(begun, served) == "") == same


def test_another_version_is_refused_with_both_statements():
    """The refusal says what was stated first and what then."""
    with pytest.raises(ConditionFailed, match=r"'e1', then 'e2'"):
        refuse_other(head(), head(etag="e2"), store="s3://b")
