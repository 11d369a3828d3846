"""Signed requests that come twice over plain HTTP."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_worker.api.replays import HOLD_SECONDS, Replays
from oms_worker.errors import Unauthorized

ONE, TWO = ("192.0.2.1", 1000), ("192.0.2.1", 1001)


def scope(method="POST", scheme="http", client=ONE):
    """A request."""
    return {"method": method, "scheme": scheme, "client": client}


def test_a_signature_serves_one_connection():
    """The same signature is taken again over its own connection, and over no other one."""
    replays = Replays()
    for _ in range(2):
        replays.admit(scope(), "aa")
    replays.admit(scope(client=TWO), "bb")
    with pytest.raises(Unauthorized) as refused:
        replays.admit(scope(client=TWO), "aa")
    assert (refused.value.code, refused.value.http_status) == ("APIGW.0301", 401)


@pytest.mark.parametrize("kind", [{"method": "GET"}, {"method": "HEAD"}, {"scheme": "https"}])
def test_reading_and_tls_are_not_remembered(kind):
    """What changes nothing, and what nobody on the way has seen, may come again."""
    replays = Replays()
    for client in (ONE, TWO):
        replays.admit(scope(client=client, **kind), "aa")


def test_a_request_that_changed_nothing_may_come_again():
    """One that was refused is sent again as it is, over whichever connection."""
    replays = Replays()
    replays.admit(scope(), "aa")
    replays.forget("aa")
    replays.admit(scope(client=TWO), "aa")


def test_a_signature_is_remembered_as_long_as_its_date_can_hold():
    """For half an hour: then its date refuses it."""
    now = [0.0]
    replays = Replays(clock=lambda: now[0])
    replays.admit(scope(), "aa")
    now[0] = HOLD_SECONDS - 1
    with pytest.raises(Unauthorized):
        replays.admit(scope(client=TWO), "aa")
    now[0] = HOLD_SECONDS
    replays.admit(scope(client=TWO), "aa")


@given(st.lists(st.integers(0, 30), max_size=200))
def test_no_more_are_remembered_than_the_limit(numbers):
    """However many signatures come, the newest up to the limit are known, and no others."""
    replays = Replays(most=10)
    for number in numbers:
        replays.admit(scope(), f"{number:02x}")
        assert len(replays._seen) <= 10
