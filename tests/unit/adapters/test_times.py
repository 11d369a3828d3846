"""Times as stores spell them in headers."""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.dialects.times import parse_http_date
from oms_engine.model import UNKNOWN_TIME

moments = st.datetimes(datetime(1971, 1, 1), datetime(2069, 12, 31), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
zones = st.sampled_from(["GMT", "+0000", "-0000", "UTC", "EST", "PDT", "+0800", "-0330"])


@given(moments)
def test_the_forms_of_http_name_one_instant(moment):
    """The usual form, RFC 850's and that of C's asctime are read alike, with one digit for a day below ten too."""
    forms = [
        format_datetime(moment, usegmt=True),
        moment.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        moment.strftime("%a %b %e %H:%M:%S %Y"),
        moment.strftime("%a, %e %b %Y %H:%M:%S GMT").replace(",  ", ", "),
        moment.strftime("%d %b %Y %H:%M:%S GMT"),
    ]
    assert {parse_http_date(form) for form in forms} == {moment.timestamp()}


@given(moments, zones)
def test_zones_are_heeded(moment, zone):
    """The standard library's reader of mail dates is the oracle; nobody takes another zone's clock for GMT."""
    text = moment.strftime(f"%a, %d %b %Y %H:%M:%S {zone}")
    read = parsedate_to_datetime(text)
    assert parse_http_date(text) == max(UNKNOWN_TIME, (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp())


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "0", "-1", "Fri, 20 Nov 2026", "Fri, 32 Nov 2026 23:53:44 GMT", "Fri, 20 Nov 2026 99:53:44 GMT",
        "Fri, 20 Foo 2026 23:53:44 GMT", "Fri, 20 Nov 2026 23:53:44 CEST", "Thu, 01 Jan 1970 00:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 20 Nov 2026 23:53:44 +9999", "Sun, 06-Nov-94 08:49:37 XYZ",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_unknown(text):
    """A time that is absent, impossible, of a zone nobody knows, or a placeholder is no time, and never an error."""
    assert parse_http_date(text) == UNKNOWN_TIME


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader(text):
    """Whatever a server sends, the answer is a time or that none is known."""
    assert parse_http_date(text) >= UNKNOWN_TIME


def test_a_leap_second_is_a_time():
    """Sixty seconds are read as the last one before."""
    assert (
        parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT") == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    )
