"""Verdicts, waits, budget; proxies and endpoints as text."""

import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import AccessDenied, ConfigError, Throttled, Unavailable
from oms_engine.store import Endpoint
from oms_engine.wire.endpoints import endpoint_or_none
from oms_engine.wire.proxy import goes_direct, parse_proxy
from oms_engine.wire.retry import Retrier, RetryBudget, StaleConnection, parse_retry_after
from oms_engine.wire.settings import WireSettings, WireStats


def retrier(**changes) -> Retrier:
    """Make the retrier of one call."""
    settings = WireSettings(**changes)
    return Retrier(settings, RetryBudget(settings, WireStats()))


def test_never_is_final():
    """A permanent error is not tried again."""
    assert retrier().delay_or_none(AccessDenied("no")) is None


@given(st.integers(1, 12))
def test_waits_grow_and_end(attempts):
    """There are as many waits as attempts less one, each below its doubling bound."""
    one = retrier(attempts=attempts)
    for n in range(attempts - 1):
        delay = one.delay_or_none(Unavailable("x"))
        assert 0 <= delay <= min(20.0, 0.2 * 2**n)
    assert one.delay_or_none(Unavailable("x")) is None


def test_jitter_is_full():
    """Waits spread over the whole range, so that calls that failed together do not return together."""
    delays = [retrier().delay_or_none(Unavailable("x")) for _ in range(200)]
    assert min(delays) < 0.05
    assert max(delays) > 0.15


def test_retry_after_is_the_least_wait():
    """The store's Retry-After is kept."""
    assert retrier().delay_or_none(Throttled("x", retry_after=7.0)) >= 7.0


def test_a_stale_connection_is_free_once():
    """It costs neither wait nor attempt the first time, and is an ordinary break afterwards."""
    one = retrier(attempts=2)
    assert one.delay_or_none(StaleConnection("x")) == 0.0
    assert one.delay_or_none(StaleConnection("x")) is not None
    assert one.delay_or_none(StaleConnection("x")) is None


def test_throttling_does_not_draw_on_the_budget():
    """SlowDown is waited out even when the budget is spent; other failures are not."""
    assert retrier(retry_budget=0.0).delay_or_none(Throttled("x")) is not None
    assert retrier(retry_budget=0.0).delay_or_none(Unavailable("x")) is None


@given(st.integers(0, 50), st.lists(st.integers(0, 100), max_size=30))
def test_retries_stay_below_their_share(constant, requests):
    """However requests and retries interleave, retries never exceed the constant plus a fifth of the requests."""
    stats = WireStats()
    budget = RetryBudget(WireSettings(retry_budget=float(constant), retry_ratio=0.2), stats)
    spent = 0
    for more in requests:
        stats.requests += more
        while budget.spend():
            spent += 1
        assert spent <= constant + 0.2 * stats.requests + 1e-6


def test_retry_after_is_read_as_seconds_or_date():
    """Both forms of RFC 9110 are read, the past is now, nonsense is nothing, and the maximum is two minutes."""
    assert parse_retry_after(None) is None
    assert parse_retry_after("7") == 7.0
    assert parse_retry_after("0") == 0.0
    assert parse_retry_after("999999999999") == 120.0
    assert parse_retry_after("soon") is None
    assert parse_retry_after("-3") is None
    assert 8 < parse_retry_after(email.utils.formatdate(time.time() + 10, usegmt=True)) <= 10
    assert parse_retry_after(email.utils.formatdate(time.time() - 10, usegmt=True)) == 0.0


@pytest.mark.parametrize(
    ("entry", "host", "direct"),
    [
        ("*", "a.test", True),
        ("a.test", "a.test", True),
        ("A.Test", "a.test", True),
        ("a.test", "b.a.test", True),
        (".a.test", "b.a.test", True),
        ("*.a.test", "b.a.test", True),
        ("a.test", "ba.test", False),
        ("a.test:80", "a.test", True),
        ("a.test:81", "a.test", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("::1", "::1", True),
        ("", "a.test", False),
    ],
)
def test_no_proxy_entries(entry, host, direct):
    """Names match themselves and what is below them, addresses their networks."""
    assert goes_direct(Endpoint("http", host, 80), (entry,)) is direct


@pytest.mark.parametrize(
    "url", ["https://p:1", "socks5://p", "http://", "http://p:99999", "http://[::1", "ftp://u:hunter2@p"]
)
def test_proxies_that_are_none_are_refused_without_their_password(url):
    """Anything but an http proxy is a configuration error, and the text does not repeat the URL."""
    with pytest.raises(ConfigError) as caught:
        parse_proxy(url)
    assert "hunter2" not in str(caught.value)


def test_proxies_keep_their_password_to_themselves():
    """The password is in the header value and in no repr."""
    proxy = parse_proxy("http://u:hunter2@proxy.test:3128")
    assert (proxy.host, proxy.port) == ("proxy.test", 3128)
    assert proxy.header == "Proxy-Authorization: Basic dTpodW50ZXIy\r\n"
    assert "dTpodW50ZXIy" not in repr(proxy)
    assert parse_proxy("proxy.test:8").header == ""


@pytest.mark.parametrize(
    ("location", "endpoint"),
    [
        ("https://b.s3.test/k?x", Endpoint("https", "b.s3.test", 443)),
        ("http://h:8080/k", Endpoint("http", "h", 8080)),
        ("http://[::1]:5/", Endpoint("http", "::1", 5)),
        ("//h/k", None),
        ("/k", None),
        ("javascript:alert(1)", None),
    ],
)
def test_locations(location, endpoint):
    """Only absolute http and https URLs name an endpoint."""
    assert endpoint_or_none(location) == endpoint
