"""The lines of the record lists."""

import re
import unicodedata
from urllib.parse import quote, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import TaskError
from oms_engine.model import Outcome, key_bytes
from oms_engine.records import (
    decode_key,
    encode_key,
    escape_text,
    failed_line,
    parse_failed_list,
    record_file_name,
    record_folder,
    render_time,
    skip_line,
    success_line,
    visible,
)

raw_keys = st.binary(min_size=1, max_size=30).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | raw_keys
AT = render_time(1_770_000_000)


def cut(data, size):
    """Cut bytes into pieces."""
    return [data[n : n + size] for n in range(0, len(data), size)]


@given(keys)
def test_encoded_keys_are_read_back_byte_exactly(key):
    """A key is encoded as the standard library would, byte by byte, and comes back, whatever its bytes."""
    assert encode_key(key) == quote(key_bytes(key), safe="/")
    assert decode_key(encode_key(key)) == key


@given(st.text(st.sampled_from("ab+%20C3é/ "), max_size=12))
def test_decoding_is_form_style(text):
    """Plus is a space, %2B a plus, a percent sign without digits itself: as the standard library has it."""
    assert decode_key(text) == unquote_plus(text, errors="surrogateescape")


@given(keys, st.integers(0, 2**60), keys, keys, st.none() | st.integers(0, 2**64 - 1))
def test_every_line_keeps_its_columns(key, size, source_etag, etag, crc):
    """Whatever the key or ETags hold, a line is one line of its columns, in UTF-8."""
    success = success_line(AT, key, size, source_etag, etag, crc, "md5", "equal")
    skip = skip_line(AT, key, size, "same size, not older")
    failed = failed_line("X_FAILURE", AT, key, etag)
    for line, columns in ((success, 8), (skip, 4), (failed, 5)):
        assert line.endswith("\n")
        assert len(line.splitlines()) == 1
        assert len(line[:-1].split("\t")) == columns
        line.encode("utf-8")
    fields = success[:-1].split("\t")
    assert (decode_key(fields[1]), fields[2], fields[5]) == (key, str(size), "" if crc is None else str(crc))


def test_columns_are_those_documented():
    """The lines by example; the failed list has OMS's columns in OMS's order."""
    assert AT == "2026-02-02T02:40:00Z"
    assert (
        success_line(AT, "a b/é", 3, "e1", "e2", 7, "crc64", "equal")
        == f"{AT}\ta%20b/%C3%A9\t3\te1\te2\t7\tcrc64\tequal\n"
    )
    assert skip_line(AT, "k", 0, "not modified since") == f"{AT}\tk\t0\tnot modified since\n"
    assert failed_line("C", AT, "a\tb\\\x10", "line\nline") == f"C\t{AT}\ta%09b%5C%10\ta\\tb\\\\\\x10\tline\\nline\n"
    assert escape_text("\u2028\udcff\x85") == "\\u2028\\xff\\x85"


BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
UNSEEN = "\xad\u034f\u115f\u180e\u200b\u200c\u200d\u2060\u3164\ufe0f\ufeff\uffa0\ufff9\U0001d173\U000e0041"


@given(st.text(st.characters() | st.sampled_from(BIDI + UNSEEN + "\\nu"), max_size=20))
def test_what_stands_in_a_column_is_seen_and_can_be_read_back(text):
    """No character that orders others anew, or is not seen, stands in a column; escapes are undone without doubt."""
    shown = escape_text(text)
    assert not set(shown) & set(BIDI + UNSEEN)
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in shown)
    escape = re.compile(r"\\(?:\\|[tnr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
    short = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}
    read = escape.sub(lambda found: short.get(found[0]) or chr(int(found[0].lstrip("\\xuU") or "0", 16)), shown)
    assert "\\" not in escape.sub("", shown)
    assert read == "".join(chr(ord(char) - 0xDC00) if "\udc80" <= char <= "\udcff" else char for char in text)


def test_a_name_that_is_shown_in_another_order_is_seen_as_it_is():
    """A key that a terminal would show as ``invoice_exe.pdf`` stands in the failed list with its control character."""
    line = failed_line("C", AT, "invoice_\u202efdp.exe", "x\u2066y")
    assert line == f"C\t{AT}\tinvoice_%E2%80%AEfdp.exe\tinvoice_\\u202efdp.exe\tx\\u2066y\n"
    assert visible("user=a\nstatus=200 \u202e\\") == "user=a\\nstatus=200 \\u202e\\"


def test_times_carry_their_offset():
    """Times are to the second, in the zone asked for, and say which it is."""
    assert render_time(0.9) == "1970-01-01T00:00:00Z"
    assert render_time(0, "Asia/Shanghai") == "1970-01-01T08:00:00+08:00"


def test_lists_lie_where_oms_puts_them():
    """Folders and names follow OMS's scheme; the time stamp orders the names."""
    folders = [record_folder("task1", outcome) for outcome in Outcome]
    assert folders == [f"oms/task/task1/{word}_object_lists/" for word in ("success", "skip", "failed")]
    names = [record_file_name(outcome, 1_770_000_000.25) for outcome in Outcome]
    assert names == [f"20260202024000250.{word}_list.txt" for word in ("success", "skip", "failed")]


@given(st.lists(keys, min_size=1, max_size=10), st.integers(1, 50))
def test_a_failed_list_gives_its_keys_for_a_retry(some_keys, size):
    """However it is cut in transport, a failed list gives back every key byte-exactly and in order."""
    data = "".join(failed_line("C", AT, key, "reason") for key in some_keys).encode()
    assert list(parse_failed_list(cut(data, size))) == some_keys


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (b"", "OMS.1027", None),
        (b"C\tt\tkey\tkey\ttext", "OMS.0308", 1),
        (b"C\tt\tkey\tkey\ttext\nC\tt\tke", "OMS.0308", 2),
        (b"C\tt\tkey\tkey\ttext\nsome\tother\tfile\n", "OMS.0308", 2),
        (b"C\tt\t\t\ttext\n", "OMS.0308", 1),
        (b"x" * 200_000, "OMS.0308", 1),
    ],
)
def test_a_cut_or_foreign_list_is_refused(data, code, line):
    """An empty, cut or foreign file is not retried from in silence."""
    with pytest.raises(TaskError) as caught:
        list(parse_failed_list(cut(data, 1000)))
    assert caught.value.code == code
    assert line is None or f"line {line} " in str(caught.value)
