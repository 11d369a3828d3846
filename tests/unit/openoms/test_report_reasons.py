"""Why objects failed, on the terminal and in JSON, where no list says it."""

from dataclasses import replace

from oms_engine.task import Counters, Result, TaskState
from openoms.report import _samples

FAILED = Result(
    TaskState.FAILED,
    Counters(listed=2, failed=2),
    1.0,
    failure_samples={"UPLOAD_DST_OBJ_FAILURE": "'k': write s3://dst: 403 X: no"},
)


def test_reasons_stand_where_the_failed_list_is_missing():
    """A sample of each code is shown when the failed list could not be written, or is not kept."""
    lines = ["  UPLOAD_DST_OBJ_FAILURE, e.g. 'k': write s3://dst: 403 X: no"]
    assert _samples(FAILED) == lines
    listed = replace(FAILED, records={"failed": "oms/task/x/"})
    assert _samples(listed) == []
    assert _samples(replace(listed, record_errors={"failed": "OMS.0304"})) == lines
