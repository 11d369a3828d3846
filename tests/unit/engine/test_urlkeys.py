"""URLs as requests, redirects, and the entries of a URL list."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.distinct import DistinctKeys
from oms_engine.store import Endpoint, Request
from oms_engine.urlkeys import entry_name, parse_entry, render_entry
from oms_engine.weburl import MAX_REDIRECTS, follow_trail, redirected, web_request, web_url
from oms_engine.wire.codec import render_target

PRINTABLE = [chr(code) for code in range(0x21, 0x7F)]
paths = st.text(st.sampled_from([char for char in PRINTABLE if char not in "?#"])).map(lambda text: f"/{text}")
queries = st.none() | st.text(st.sampled_from([char for char in PRINTABLE if char != "#"]))
fragments = st.sampled_from(["", "#", "#top", "#a?b#c"])
names = st.text(min_size=1) | st.sampled_from(["a\tb", "\t", "!x", "a\t!http://h"])
urls = paths.map(lambda path: f"http://h{path}")


@given(st.sampled_from(["http", "https", "HTTP"]), st.sampled_from(["", ":1", ":8080"]), paths, queries, fragments)
def test_a_url_is_sent_as_written(scheme, port, path, query, fragment):
    """Path and query stand in the request line exactly as in the list; a fragment stays at home."""
    tail = path if query is None else f"{path}?{query}"
    request = web_request("GET", f"{scheme}://Host.test{port}{tail}{fragment}", {}, public=True)
    assert render_target(request) == tail
    default = 443 if scheme == "https" else 80
    assert request.endpoint == Endpoint(scheme.lower(), "host.test", int(port[1:]) if port else default, public=True)
    assert web_url(request, query=False).endswith(path)


@pytest.mark.parametrize(
    "url", ["ftp://h/x", "file:///etc/passwd", "//h/x", "http:///x", "http://", "http://u:p@h/x", "http://u@h/x",
            "http://h:99999/x", "http://h:x/", "http://[::1/x", "http://a b/x", "http://h\\@evil/x", "javascript:x", ""],
)  # fmt: skip
def test_what_is_no_plain_url_is_refused(url):
    """Other schemes, no host, passwords and malformed hosts are refused."""
    with pytest.raises(ValueError):
        web_request("GET", url, {}, public=True)


def test_ipv6_hosts():
    """A numeric IPv6 host keeps its brackets in the Host header only."""
    request = web_request("GET", "http://[2001:db8::1]:8080/x", {}, public=True)
    assert (request.endpoint.host, request.endpoint.netloc) == ("2001:db8::1", "[2001:db8::1]:8080")


def asked(url="https://a.test/x/y?q", *, public=True):
    """Return a request with a header."""
    return web_request("HEAD", url, {"accept": "*/*"}, public=public)


@given(
    st.sampled_from(["z", "./z", "../z", "/z", "?r=1", "//b.test/z", "https://b.test:1/z?x", "", "z#f"]), st.booleans()
)
def test_redirects_lead_where_a_browser_goes(location, public):
    """A Location is resolved as RFC 3986 says; method, headers and the guard go along."""
    request = redirected(asked(public=public), location)
    expected = urlsplit(urljoin("https://a.test/x/y?q", location))
    assert web_url(request) == expected._replace(fragment="").geturl()
    assert (request.method, request.headers) == ("HEAD", {"accept": "*/*"})
    assert request.endpoint.public is public


@given(st.text(st.characters(max_codepoint=0xFF)) | st.text())
def test_any_location_is_fit_for_a_request_line_or_refused(location):
    """Whatever bytes a server puts into Location, what is sent is printable, or nothing is sent."""
    try:
        request = redirected(asked(), location)
    except ValueError:
        return
    assert all("!" <= char <= "~" for char in render_target(request))


def test_from_https_to_http_is_not_followed():
    """What was asked for in safety is not fetched in the open; the other way round is fine."""
    with pytest.raises(ValueError, match="https"):
        redirected(asked(), "http://a.test/x")
    assert redirected(asked("http://a.test/x"), "https://a.test/x").endpoint.scheme == "https"


def test_a_trail_ends():
    """Five redirects are noted, the sixth is refused, and so is one that cannot be followed."""
    trail: list[Request] = []
    assert not follow_trail(asked(), trail, "ftp://x")
    for number in range(MAX_REDIRECTS):
        assert follow_trail(asked(), trail, f"n{number}")
    assert not follow_trail(asked(), trail, "again")
    assert [request.path for request in trail] == [f"/x/n{number}" for number in range(5)]


@given(names, urls, st.booleans())
def test_an_entry_holds_name_and_url(name, url, conflict):
    """Name and URL come back, whatever TABs a name holds."""
    entry = render_entry(name, url, conflict=conflict)
    assert parse_entry(entry) == (name, url, conflict)
    assert entry_name(entry) == name


@given(st.lists(st.tuples(st.text(max_size=3), st.binary(min_size=4, max_size=4)), max_size=300))
def test_notes_are_those_of_first_occurrences(pairs):
    """A key's note is the one it was first remembered with, however often the table grows."""
    first: dict[str, bytes] = {}
    with DistinctKeys(note_bytes=4) as seen:
        for key, note in pairs:
            assert seen.note_of(key, note) == first.get(key)
            first.setdefault(key, note)
        for number in range(5000):
            seen.note_of(f"filler-{number}", b"____")
        for key, note in first.items():
            assert seen.note_of(key, b"????") == note
