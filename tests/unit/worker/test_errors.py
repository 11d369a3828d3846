"""What exceptions become for clients."""

import pytest

from oms_engine import errors as engine
from oms_worker.error_codes import CODES
from oms_worker.errors import INTERNAL, ApiError, Busy, Forbidden, Missing, Refused, Unauthorized, answer_of


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Refused("OMS.0063"), 400, "OMS.0063"),
        (Unauthorized("OMS.0068"), 401, "OMS.0068"),
        (Forbidden("OMS.0205"), 403, "OMS.0205"),
        (Missing("OMS.1009"), 404, "OMS.1009"),
        (Busy("OMS.2004"), 503, "OMS.2004"),
        (ApiError("OMS.2004"), 503, "OMS.2004"),
        (ApiError("OMS.0206"), 403, "OMS.0206"),
        (ApiError("TRF.0012"), 400, "TRF.0012"),
        (engine.ConfigError("no", code="OMS.1003"), 400, "OMS.1003"),
        (engine.ConfigError("no"), 400, "OMS.0001"),
        (engine.TaskError("TRF.0155", "no bucket"), 400, "TRF.0155"),
        (engine.RepositoryError("the disk of /secret/place is full"), 503, "OMS.2004"),
        (ValueError("hush"), 500, INTERNAL),
    ],
)
def test_answers(error, status, code):
    """Each exception has its status and code; what was not foreseen tells nothing of itself."""
    answer = answer_of(error)
    assert (answer.http_status, answer.error_code) == (status, code)
    assert "hush" not in answer.error_msg
    assert "/secret" not in answer.error_msg


@pytest.mark.parametrize("code", CODES)
def test_never_429(code):
    """No code is answered with 429, whose body the official SDK throws away, nor with a success."""
    for kind in (ApiError, Refused, Busy):
        status = kind(code).http_status
        assert 400 <= status < 600
        assert status != 429


def test_details_follow_the_sentence():
    """A detail is added to the code's own sentence."""
    assert str(Refused("OMS.0054", "It has a letter.")) == "Invalid task ID. Enter a valid task ID. It has a letter."
