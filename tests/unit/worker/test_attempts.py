"""Logins that fail, and logins under way."""

from contextlib import ExitStack

import pytest

from oms_worker.errors import Busy, Unauthorized
from oms_worker.services.attempts import MOST_UNDER_WAY, OF_ADDRESS, WINDOW, Attempts


def fail(attempts, name="alice", address="a"):
    """Fail one login."""
    with pytest.raises(Unauthorized), attempts.one(name, address):
        raise Unauthorized("OMS.0068")


def test_guesses_at_once_are_limited_like_guesses_in_a_row():
    """While as many logins of a name are under way as may fail, a further one is refused; then one may come again."""
    attempts = Attempts(3)
    with ExitStack() as under_way:
        for number in range(3):
            under_way.enter_context(attempts.one("alice", f"address-{number}"))
        with pytest.raises(Busy), attempts.one("alice", "another"):
            pass
        with attempts.one("bob", "another"):
            pass
    with attempts.one("alice", "another"):
        pass


def test_failures_and_logins_under_way_count_together():
    """Two failures and one login under way are three."""
    attempts = Attempts(3)
    fail(attempts)
    fail(attempts)
    with attempts.one("alice", "b"), pytest.raises(Busy), attempts.one("alice", "c"):
        pass


def test_an_address_has_ten_times_as_many():
    """Names of nobody are counted by the address they come from."""
    attempts = Attempts(2)
    for number in range(2 * OF_ADDRESS):
        fail(attempts, f"name-{number}")
    with pytest.raises(Busy), attempts.one("another", "a"):
        pass
    with attempts.one("another", "b"):
        pass


def test_logins_of_all_are_limited():
    """Many addresses with many names cannot make a line that others wait in for minutes."""
    attempts = Attempts(1000)
    with ExitStack() as under_way:
        for number in range(MOST_UNDER_WAY):
            under_way.enter_context(attempts.one(f"name-{number}", f"address-{number}"))
        with pytest.raises(Busy), attempts.one("alice", "home"):
            pass
    with attempts.one("alice", "home"):
        pass


def test_failures_are_forgotten_after_a_minute():
    """Then the name may try again; a login that succeeds is no failure."""
    now = [0.0]
    attempts = Attempts(1, clock=lambda: now[0])
    with attempts.one("alice", "a"):
        pass
    fail(attempts)
    with pytest.raises(Busy), attempts.one("alice", "a"):
        pass
    now[0] = WINDOW
    with attempts.one("alice", "a"):
        pass
