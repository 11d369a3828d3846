"""Object list files and URL list files."""

from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError, TaskError
from oms_engine.listfile import URL_LIST_TYPES, ObjectListParser, UrlListParser, check_list_head, check_list_name
from oms_engine.model import Attributes, ObjectHead, key_bytes

keys = st.binary(min_size=1, max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
ends = st.sampled_from(["\n", "\r\n"])


def run(parser, data, size):
    """Feed bytes in pieces and return all entries."""
    entries = [entry for n in range(0, len(data), size) for entry in parser.feed(data[n : n + size])]
    return entries + parser.finish()


@given(st.lists(st.none() | keys, min_size=1).filter(any), ends, st.booleans(), st.booleans(), st.integers(1, 40))
def test_every_key_comes_back_with_its_line(some_keys, end, form, last, size):
    """However lines end and chunks are cut, names encoded either way come back byte-exactly; empty lines only count."""
    encode = quote_plus if form else quote
    data = end.join(encode(key_bytes(key)) if key else "" for key in some_keys) + (end if last else "")
    entries = run(ObjectListParser(), data.encode(), size)
    assert entries == [(n, key) for n, key in enumerate(some_keys, 1) if key]


@given(
    st.text(st.characters(exclude_characters="\r\n%+\ufeff", exclude_categories=["Cs"]), min_size=1), st.integers(1, 9)
)
def test_unencoded_names_are_taken_as_they_are(name, size):
    """Spaces at the ends, '#', TABs and every other character belong to the name."""
    assert run(ObjectListParser(), name.encode() + b"\n", size) == [(1, name)]


def test_names_by_example():
    """Plus is a space and %2B a plus; stray spaces stay; a percent sign alone is itself."""
    data = b"a+b\na%2Bb\n x \n#c\n100%\nd/\n\xe6\x8a\xa5\n"
    found = [entry.key for entry in run(ObjectListParser(), data, 5)]
    assert found == ["a b", "a+b", " x ", "#c", "100%", "d/", "报"]


@pytest.mark.parametrize("size", [1, 2, 3, 1000, 200_000])
@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (b"", "TRF.0017", "empty"),
        (b"\n\r\n\n", "TRF.0017", "empty"),
        (b"\xef\xbb\xbfa\n", "TRF.0013", "byte order mark"),
        (b"\xef\xbb\xbf", "TRF.0013", "byte order mark"),
        (b"a\nb\n\xff\n", "TRF.0013", "line 3 "),
        (b"a\nb\n\xe6\x8a", "TRF.0013", "line 3 "),
        (b"\xef\xbb", "TRF.0013", "line 1 "),
    ],
)
def test_bad_files_are_refused_with_code_and_line(data, code, text, size):
    """Encoding faults and empty files have their code; the sentence names the line where there is one."""
    with pytest.raises(TaskError, match=text) as caught:
        run(ObjectListParser(), data, size)
    assert caught.value.code == code


@pytest.mark.parametrize("size", [1000, 65_535, 65_538, 1_000_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_the_longest_line_passes_and_one_byte_more_does_not(size, end):
    """65,535 bytes without the line's end are accepted; one more is TRF.0018 with the line's number."""
    assert len(run(ObjectListParser(), b"a\n" + b"x" * 65_535 + end, size)[1].key) == 65_535
    for tail in (end, b"x" * 100_000 + b"\n"):
        with pytest.raises(TaskError, match="line 2 ") as caught:
            run(ObjectListParser(), b"a\n" + b"x" * 65_536 + tail, size)
        assert caught.value.code == "TRF.0018"


def test_a_long_line_is_refused_before_it_has_ended():
    """A file without line feeds is not gathered in memory."""
    parser = ObjectListParser()
    assert parser.feed(b"x" * 40_000) == []
    with pytest.raises(TaskError, match="line 1 "):
        parser.feed(b"x" * 40_000)


def test_characters_that_merely_look_like_line_ends_do_not_end_lines():
    """Only LF ends a line: U+2028, form feeds and lone CRs are part of names."""
    assert run(ObjectListParser(), "a\u2028b\x0cc\rd\n".encode(), 3) == [(1, "a\u2028b\x0cc\rd")]


@given(st.lists(keys, min_size=1, max_size=5), st.integers(1, 30))
def test_url_lists_give_url_and_decoded_name(names, size):
    """The URL stays as written, the destination's name is decoded."""
    data = "".join(f"https://h.example:8080/a%20{n}?x=1\t{quote(key_bytes(name))}\n" for n, name in enumerate(names))
    found = run(UrlListParser(), data.encode(), size)
    assert [(entry.line, entry.url, entry.key) for entry in found] == [
        (n + 1, f"https://h.example:8080/a%20{n}?x=1", name) for n, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    "line",
    [
        "http://h/a",
        "http://h/a b",
        "http://h/a\t\tb",
        "http://h/a\tb\tc",
        "http://h/a\t",
        "\tb",
        "ftp://h/a\tb",
        "h/a\tb",
        "http:///a\tb",
        "http://h/a b\tc",
        "http://h/é\tc",
        "http:%2F%2Fh/a\tc",
        "http://h%2Fa\tc",
    ],
)
def test_other_lines_are_no_url_list(line):
    """One TAB, a literal scheme and domain, an encoded rest and a name: anything else is TRF.0016 with its line."""
    with pytest.raises(TaskError, match="line 2 ") as caught:
        run(UrlListParser(), f"http://h/ok\tok\n{line}\n".encode(), 7)
    assert caught.value.code == "TRF.0016"


def head(key="list.txt", size=10, kind="text/plain", encoding=None):
    """Return the head of a list file."""
    return ObjectHead(key, size, "e", 0.0, Attributes(kind, encoding))


@pytest.mark.parametrize("kind", ["text/plain", "Text/Plain; charset=UTF-8", "text/plain;charset=utf-8"])
def test_plain_text_lists_are_accepted(kind):
    """Content-Type text/plain, with or without parameters, up to 1 GiB."""
    check_list_head(head(kind=kind, size=1024**3))
    check_list_head(head(size=None))


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (head("list.csv"), "TRF.0014"),
        (head("folder/"), "TRF.0014"),
        (head(size=1024**3 + 1), "TRF.0014"),
        (head(size=0), "TRF.0017"),
        (head(kind=None), "TRF.0019"),
        (head(kind="binary/octet-stream"), "TRF.0019"),
        (head(kind="text/plainer"), "TRF.0019"),
        (head(encoding="gzip"), "TRF.0019"),
        (head(encoding="identity"), "TRF.0019"),
    ],
)
def test_other_lists_are_refused_by_their_head(bad, code):
    """Name, size, Content-Type and Content-Encoding are checked before a byte is read."""
    with pytest.raises(ConfigError, match=bad.key) as caught:
        check_list_head(bad)
    assert caught.value.code == code


@pytest.mark.parametrize("kind", ["text/plain", "binary/octet-stream", "Application/Octet-Stream; a=b"])
def test_url_lists_may_lie_there_without_a_type_of_their_own(kind):
    """The types a store gives an object whose writer named none are accepted for URL lists."""
    check_list_head(head(kind=kind), URL_LIST_TYPES)


@pytest.mark.parametrize("kind", [None, "application/json", "text/plainer", "image/octet-stream"])
def test_other_types_are_no_url_lists(kind):
    """Any other type of a URL list is TRF.0019."""
    with pytest.raises(ConfigError, match="text/plain") as caught:
        check_list_head(head(kind=kind), URL_LIST_TYPES)
    assert caught.value.code == "TRF.0019"


def test_the_name_alone_can_be_checked():
    """A task's body is refused before any store is asked."""
    check_list_name("a/b.txt")
    with pytest.raises(ConfigError):
        check_list_name("a/b.TXT.gz")
