"""URL lists and a CDN served by nginx: a real web server's HEAD, ranges, ETags, chunks, redirects and TLS."""

import functools
import os
import random
from dataclasses import replace
from urllib.parse import quote

import pytest

from oms_adapters.cdn import parse_cdn
from oms_adapters.registry import open_store
from oms_engine.model import ConsistencyCheck
from oms_engine.store import MIB
from support.migrations import quick, requests_of, store_config
from support.nginx import nginx
from support.urls import arrived, run_urls


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """An nginx that serves files."""
    with nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server


NAMES = ["plain.html", "a b.txt", "ü/中文.jpg", "plus+sign.json", "percent%41.txt", "q?x=1&y#z", "quote'\"<>", "~tilde"]


def test_files_arrive_unchanged(world, web):
    """Files of every size and name arrive byte for byte, never compressed, in parts where they are large."""
    sizes = [0, 1, 100, 70_000, MIB + 1, 3 * MIB, 17 * MIB, 40 * MIB + 5]
    bodies = {name: random.Random(name).randbytes(size) for name, size in zip(NAMES, sizes, strict=True)}
    for name, body in bodies.items():
        web.put(f"files/{name}", body)
    lines = [(f"{web.url}/files/{quote(name)}", f"got/{name}") for name in NAMES]
    ran = run_urls(world, lines)
    assert ran.counts == (8, 8, 0, 0), ran.failures
    assert arrived(world) == {f"got/{name}": body for name, body in bodies.items()}
    kinds = {name.rpartition(".")[2]: item.headers["content-type"] for name, item in world.arrived().items()}
    assert (kinds["html"], kinds["jpg"], kinds["json"]) == ("text/html", "image/jpeg", "application/json")
    again = run_urls(world, lines)
    assert again.counts == (8, 0, 8, 0)


def test_pages_without_content_length(world, web):
    """Pages that nginx makes as it sends them have no size: no_check copies them, a check refuses them."""
    web.put("ssi/page.html", b"<p><!--#echo var='REQUEST_URI' --></p>" * 20_000)
    lines = [(f"{web.url}/ssi/page.html", "page")]
    assert run_urls(world, lines).codes() == {"page": "CHECK_SRC_OBJ_SIZE_FAILURE"}
    ran = run_urls(world, lines, check=ConsistencyCheck.NO_CHECK)
    assert ran.counts == (1, 1, 0, 0), ran.failures
    assert arrived(world)["page"] == b"<p>/ssi/page.html</p>" * 20_000


def test_redirects_and_refusals(world, web):
    """Redirects are followed; what nginx refuses fails alone; what it serves by GET only arrives."""
    web.put("files/real.txt", b"real")
    web.put("headless", b"x")
    lines = [
        (f"{web.url}/moved/files/real.txt", "moved"),
        (f"{web.url}/loop", "loop"),
        (f"{web.url}/secret", "secret"),
        (f"{web.url}/busy", "busy"),
        (f"{web.url}/none", "none"),
        (f"{web.url}/headless", "headless"),
    ]
    ran = run_urls(world, lines)
    assert arrived(world) == {"moved": b"real", "headless": b"x"}
    assert ran.codes() == dict.fromkeys(("loop", "secret", "busy", "none"), "GET_SRC_OBJ_META_FAILURE")


def test_a_large_file_without_ranges(world, web):
    """Where nginx reads no ranges a large file is read at once."""
    body = random.Random(1).randbytes(20 * MIB)
    web.put("no-ranges/large.bin", body)
    ran = run_urls(world, [(f"{web.url}/no-ranges/large.bin", "large")])
    assert ran.counts == (1, 1, 0, 0), ran.failures
    assert arrived(world) == {"large": body}


def test_https(world, web):
    """TLS works with the authority that is trusted, and not without."""
    web.put("files/tls.txt", b"t" * (2 * MIB))
    lines = [(f"{web.tls_url}/files/tls.txt", "tls")]
    assert run_urls(world, lines).codes() == {"tls": "GET_SRC_OBJ_META_FAILURE"}
    settings = quick()
    settings = replace(settings, wire=replace(settings.wire, ca_file=web.ca_file))
    assert run_urls(world, lines, settings=settings).counts == (1, 1, 0, 0)
    assert len(arrived(world)["tls"]) == 2 * MIB


def test_many_small_files(world, web):
    """A list of two thousand files arrives whole."""
    count = 2000
    for number in range(count):
        web.put(f"many/{number}", b"%d" % number)
    ran = run_urls(world, [(f"{web.url}/many/{number}", f"m/{number}") for number in range(count)])
    assert ran.counts == (count, count, 0, 0)
    assert arrived(world) == {f"m/{number}": b"%d" % number for number in range(count)}


def test_nginx_as_a_cdn(world, web):
    """A bucket mirrored by nginx is read through it; a file whose time or size is another's is stale."""
    bodies = {name: random.Random(name).randbytes(size) for name, size in
              [("plain", 10), ("a b/ü%41+", 5000), ("middle", 3 * MIB), ("large", 20 * MIB), ("old", 10), ("cut", 10)]}  # fmt: skip
    world.source.put_many(bodies.items())
    for item in world.source.objects():
        web.put(item.key, bodies[item.key])
        os.utime(web.www / item.key, (item.mtime, item.mtime))
    os.utime(web.www / "old", (1_600_000_000, 1_600_000_000))
    web.put("cut", b"123")
    cdn = parse_cdn(web.url.removeprefix("http://"), protocol="http")
    config = store_config(world.s3, world.source.name, credentials=world.s3.credentials, cdn=cdn)
    ran = world.run(source=functools.partial(open_store, config))
    assert ran.codes() == dict.fromkeys(("old", "cut"), "CHECK_SRC_CDN_OBJ_STALE_FAILURE")
    assert sorted(world.arrived()) == ["a b/ü%41+", "large", "middle", "plain"]
    world.check_copy(ran)
    assert requests_of(world.s3, world.source.name)["GetObject"] == 0
