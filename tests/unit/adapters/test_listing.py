"""Listings: the fast way and expat must read the same page, whatever its shape."""

import re
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.dialects.listing import parse_fast, parse_listing, parse_slow, without_indent
from oms_engine.errors import UnexpectedReply
from oms_engine.model import UNKNOWN_TIME, key_bytes

raw_keys = st.lists(st.binary(min_size=1, max_size=12), max_size=6, unique=True)
xml_text = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cc", "Cn"]), max_size=10
)
times = st.sampled_from(
    ["2026-11-20T23:53:44.000Z", "1970-01-01T00:00:00Z", "2026-02-28T01:02:03.123456Z", "2026-11-20T23:53:44+08:00"]
)
TIME = "2026-11-20T23:53:44.000Z"


def entry(
    key: str, *, extra: str = "", before: str = "", time: str = TIME, etag: str = "&quot;e&quot;", size: int = 1
) -> str:
    """Return one object of a listing."""
    return (
        f"<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>{etag}</ETag>{before}<Size>{size}</Size>"
        f"{extra}<StorageClass>STANDARD</StorageClass></Contents>"
    )


def page(body: str, *, truncated: str = "false", url: bool = True, head: str = "<Name>b</Name><Prefix/>") -> bytes:
    """Return a listing around objects."""
    encoding = "<EncodingType>url</EncodingType>" if url else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"{head}{encoding}<IsTruncated>{truncated}</IsTruncated>{body}</ListBucketResult>"
    ).encode()


@given(
    keys=raw_keys,
    way=st.sampled_from([quote_plus, quote, lambda raw: quote(raw, safe="/~*")]),
    time=times,
    etag=st.sampled_from(["&quot;e&quot;", '"e"', "&#34;e-2&#34;", "e"]),
    noise=st.sampled_from(
        ["", "<Owner><ID>1</ID><DisplayName>d</DisplayName></Owner>", "<Type>Appendable</Type>", "<Odd><Deep/></Odd>"]
    ),
    around=st.sampled_from(["", "<!-- c -->", "\n", "<CommonPrefixes><Prefix>p</Prefix></CommonPrefixes>", "<?pi x?>"]),
    truncated=st.sampled_from(["true", "false"]),
)
def test_both_ways_agree(keys, way, time, etag, noise, around, truncated):
    """Where the fast path reads a page at all, it reads what expat reads; keys of any bytes come back exactly."""
    body = around.join(entry(way(raw), time=time, etag=etag, extra=noise, size=9) for raw in keys)
    document = page(body, truncated=truncated)
    slow, fast = parse_slow(document), parse_fast(document)
    assert [key_bytes(found.key) for found in slow[0]] == keys
    assert fast is None or fast == slow


@given(keys=st.lists(xml_text.filter(lambda text: text.strip() == text and text), max_size=5))
def test_both_ways_agree_without_url_encoding(keys):
    """A store that ignores encoding-type states plain keys; plus and percent then mean themselves."""
    document = page("".join(entry(escape(key)) for key in keys), url=False)
    slow, fast = parse_slow(document), parse_fast(document)
    assert [found.key for found in slow[0]] == keys
    assert fast is None or fast == slow


@given(keys=raw_keys, break_=st.sampled_from(["\n  ", "\n\t\t", "\r\n"]), url=st.booleans())
def test_indented_pages_are_read_like_joined_ones(keys, break_, url):
    """OSS and COS indent their listings: no key changes by it, and those with encoded names take the fast path."""
    joined = page("".join(entry(quote(raw), extra="<Owner><ID>1</ID></Owner>") for raw in keys), url=url)
    indented = re.sub(b">(?=<)", f">{break_}".encode(), joined)
    assert parse_slow(without_indent(indented)) == parse_slow(indented)
    assert parse_slow(indented) == parse_slow(joined)
    if url:
        assert parse_fast(without_indent(indented)) == parse_slow(joined)


def test_plain_names_keep_their_line_breaks():
    """Where names are not encoded, an indented page is not joined: a line may end inside a name."""
    indented = re.sub(b">(?=<)", b">\n", page(entry("a\n  b"), url=False))
    assert [found.key for found in parse_listing(indented).objects] == ["a\n  b"]


@given(document=st.binary(max_size=60), cut=st.integers(0, 600))
def test_damaged_pages_are_refused(document, cut):
    """A page that is cut short or overwritten never yields objects it does not hold."""
    whole = page(entry("a") + entry("b"))
    for damaged in (whole[:cut] if cut < len(whole) else b"", document):
        with pytest.raises(UnexpectedReply):
            parse_listing(damaged)


@pytest.mark.parametrize(
    "shape",
    [
        page("".join(entry(key) for key in ("a", "b"))),
        page(entry("a", extra="<Owner><ID>x</ID></Owner>")),
        page(
            entry(
                "a", before="<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
            )
        ),
        page(""),
    ],
    ids=["aws-v2", "aws-v1-obs", "aws-checksum", "empty"],
)
def test_the_common_shapes_take_the_fast_path(shape):
    """What AWS and OBS send is read without expat."""
    assert parse_fast(shape) == parse_slow(shape)
    assert parse_fast(shape) is not None


@pytest.mark.parametrize(
    "body",
    [
        "<Contents><Size>1</Size><Key>a</Key><LastModified>" + TIME + "</LastModified><ETag>e</ETag></Contents>",
        "<Contents >" + entry("a").removeprefix("<Contents>").replace("</Contents>", "</Contents >"),
        entry("a&amp;b"),
        "<!-- <Contents> -->" + entry("a"),
    ],
    ids=["other-order", "blanks-in-tags", "entity", "comment"],
)
def test_other_shapes_are_left_to_expat(body):
    """Any page of another shape is read the slow way, with no object lost."""
    document = page(body, url=False)
    assert parse_fast(document) is None
    assert len(parse_slow(document)[0]) == 1


def test_space_plus_and_control_characters():
    """In url encoding a plus is a space, %2B a plus, and characters that XML forbids arrive."""
    keys = ["%0A", "%10", "a+b", "a%20c", "a%2Bb", "%E4%B8%AD", "%FF"]
    found = [item.key for item in parse_listing(page("".join(map(entry, keys)))).objects]
    assert found == ["\n", "\x10", "a b", "a c", "a+b", "中", "\udcff"]


@pytest.mark.parametrize("keys", [["b", "a"], ["%FF", "%E4%B8%AD"], ["%F0%9F%98%80", "%EF%BF%BD"]])
def test_keys_stay_in_the_order_they_came(keys):
    """A page states the store's order; whoever needs another one looks."""
    found = [entry.key for entry in parse_listing(page("".join(map(entry, keys)))).objects]
    assert [quote(key.encode("utf-8", "surrogateescape"), safe="") for key in found] == keys


def test_a_page_outside_the_prefix_is_refused():
    """A store that ignores the prefix would mislead."""
    with pytest.raises(UnexpectedReply, match="prefix"):
        parse_listing(page(entry("b")), prefix="c")


TOKEN = "a+b/&amp;=%2F"


@pytest.mark.parametrize("around", [("", ""), ("<!-- c -->", "")], ids=["common", "expat"])
def test_a_token_leads_to_the_next_page(around):
    """Version 2 goes on by NextContinuationToken, byte-exact, also from a page without objects; else by the last key."""
    head = f"<NextContinuationToken>{TOKEN}</NextContinuationToken>"
    for body, start in ((entry("a") + entry("b"), "b"), ("", "x")):
        found = parse_listing(page(around[0] + head + body, truncated="true"), start_after="x")
        assert (found.next_start, found.token) == (start, "a+b/&=%2F")
        behind = parse_listing(page(around[0] + body + head, truncated="true"), start_after="x")
        assert behind == found
    plain = parse_listing(page(around[0] + entry("a"), truncated="true"))
    assert (plain.next_start, plain.token) == ("a", None)
    assert parse_listing(page(entry("a") + head)) == parse_listing(page(entry("a")))


@pytest.mark.parametrize(
    ("marker", "url", "token"),
    [("b", True, None), ("a%2Bb", True, "a+b"), ("a%2Bb", False, "a%2Bb"), ("c&amp;", True, "c&"), ("", True, None)],
)
def test_a_marker_leads_to_the_next_page(marker, url, token):
    """Version 1 goes on by NextMarker, a name encoded as names are; the last key needs none."""
    document = page(f"<NextMarker>{marker}</NextMarker>" + entry("b"), truncated="true", url=url)
    assert parse_listing(document, version=1) == parse_listing(document)._replace(token=token)


@pytest.mark.parametrize("version", [1, 2])
def test_a_page_that_leads_nowhere_is_refused(version):
    """A page that says more follows and holds neither object nor token would end the listing early."""
    with pytest.raises(UnexpectedReply, match="more follows"):
        parse_listing(page("", truncated="true"), version=version)


@pytest.mark.parametrize("body", [b"<html><body>Sign in</body></html>", b"\n<!DOCTYPE html><html></html>"])
def test_a_web_page_is_called_one(body):
    """HTML instead of a listing names the likely cause: another server stands at the endpoint."""
    with pytest.raises(UnexpectedReply, match="web page"):
        parse_listing(body)


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    b"<ListBucketResult><IsTruncated>false</IsTruncated><Name>&b;</Name></ListBucketResult>"
)


@pytest.mark.parametrize(
    "body", [BOMB, BOMB.decode().encode("utf-16"), BOMB.replace(b'ENTITY a "', b'ENTITY a SYSTEM "file:///etc/')]
)
def test_entity_bombs_are_refused(body):
    """A document type declaration is refused in any encoding, before an entity is expanded."""
    with pytest.raises(UnexpectedReply, match="document type"):
        parse_listing(body)


@pytest.mark.parametrize("broken", ["<Size>x</Size>", "<Size>-</Size>"])
def test_sizes_that_are_none_are_refused(broken):
    """A size that is no number is an unexpected reply, not a crash."""
    with pytest.raises(UnexpectedReply):
        parse_listing(page(re.sub("<Size>.*</Size>", broken, entry("a"))))


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("2026-11-20T23:53:44Z", 1_795_218_824.0),
        ("2026-11-20T23:53:44.123456789Z", 1_795_218_824.123456),
        ("2026-11-20T23:53:44.000+00:00", 1_795_218_824.0),
        ("2026-11-21T07:53:44+08:00", 1_795_218_824.0),
        ("2026-11-20T23:53:44", 1_795_218_824.0),
        ("Fri, 20 Nov 2026 23:53:44 GMT", 1_795_218_824.0),
        ("2026-13-45T00:00:00Z", UNKNOWN_TIME),
        ("0001-01-01T00:00:00Z", UNKNOWN_TIME),
        ("1970-01-01T00:00:00.000Z", UNKNOWN_TIME),
        ("yesterday", UNKNOWN_TIME),
        ("", UNKNOWN_TIME),
    ],
)
def test_times_are_read_in_every_spelling_and_else_unknown(stated, seconds):
    """An instant is the same however it is written; one that cannot be read is unknown and refuses no listing."""
    listed = parse_listing(page(entry("a", time=stated) + entry("b"))).objects
    assert listed[0].last_modified == pytest.approx(seconds, abs=1e-6)
    assert listed[1].last_modified > 0
    without = re.sub("<LastModified>.*</LastModified>", "", entry("a"))
    assert parse_listing(page(without)).objects[0].last_modified == UNKNOWN_TIME


@pytest.mark.parametrize("etag", ['W/"0123"', "W/&quot;0123&quot;", "W/0123"])
def test_weak_etags_of_a_listing_are_what_they_stand_for(etag):
    """A weak ETag and the strong one beside it name the same version."""
    weak = re.sub("<ETag>.*</ETag>", f"<ETag>{etag}</ETag>", entry("a"))
    assert parse_listing(page(weak)).objects[0].etag == "0123"
