"""Migrations through what stands before real stores: proxies and gateways that change requests and replies."""

import gzip
import os
import re
import time
from dataclasses import replace
from functools import partial
from urllib.parse import quote

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.model import InvalidMetadata
from oms_engine.store import MIB
from support.front import fronting
from support.migrations import CLOUD_TYPES


@pytest.fixture
def behind(world):
    """A front before the source, and what opens the source through it."""
    with fronting(world.s3.url) as front:
        yield front, through(world, front)


def through(world, front, cloud="s3"):
    """Return what opens a side's bucket through a front."""
    store, bucket = getattr(world, cloud), world.source if cloud == "s3" else world.destination
    config = StoreConfig(
        CLOUD_TYPES[cloud],
        bucket.name,
        endpoint=front.url,
        region=store.region,
        addressing="path",
        credentials=store.credentials,
    )
    return partial(open_store, config)


def fill(world, **more):
    """Put an object of each lane into the source."""
    world.source.put("small", os.urandom(3000), **more)
    world.source.put("streamed", os.urandom(2 * MIB), **more)
    world.source.put("zbig", os.urandom(17 * MIB), **more)


def test_a_front_may_rewrite_accept_encoding(world, behind):
    """The store verifies each signature after the front put its own Accept-Encoding into the request."""
    front, source = behind
    front.before = lambda passing: passing.headers.update({"accept-encoding": "gzip, br"})
    fill(world)
    world.check_clean(world.run(source=source))


@pytest.mark.parametrize("conditions", ["as the store has them", "weak ones match nothing", "weak ones match weak"])
def test_weak_etags_of_a_front_are_those_of_the_store(world, behind, conditions):
    """A front weakens the ETags of replies, and of conditions knows what it likes: nothing counts as replaced."""
    front, source = behind

    def weaken(passing):
        if passing.reads_object and "etag" in passing.reply:
            passing.reply["etag"] = f"W/{passing.reply['etag']}"

    def judge(passing):
        wanted = passing.headers.get("if-match")
        if passing.reads_object and wanted is not None and conditions != "as the store has them":
            passing.headers["if-match"] = '"never"'
            del passing.headers["authorization"]

    def answer(passing):
        if passing.status in {403, 401} and passing.headers.get("if-match") == '"never"':
            passing.status, passing.reply, passing.body = 412, {}, b""
        weaken(passing)

    front.before, front.behind = judge, answer
    fill(world)
    world.check_clean(world.run(source=source))


def test_weak_etags_of_a_destination_prove_its_writes(world):
    """ETags of writes and parts that come weakened are held against the MD5s like strong ones."""
    fill(world)
    with fronting(world.obs.url) as front:

        def weaken(passing):
            if "etag" in passing.reply:
                passing.reply["etag"] = f"W/{passing.reply['etag']}"

        front.behind = weaken
        ran = world.run(destination=through(world, front, "obs"))
    world.check_clean(ran)


def unpack_unless_taken(passing, plain):
    """Serve what is stored packed as a store does that unpacks it for clients which take no gzip."""
    if passing.method != "GET" or not passing.reads_object or "gzip" in passing.headers["accept-encoding"]:
        return
    passing.status, passing.body, passing.length = 200, plain, False
    passing.reply.pop("content-range", None)
    passing.reply.pop("content-encoding")
    passing.reply["etag"] = f"W/{passing.reply['etag']}"


@pytest.mark.parametrize(
    "plain",
    [b"line of text\n" * 2000, b"a" * 4 * MIB, os.urandom(40), os.urandom(2 * MIB), os.urandom(17 * MIB)],
    ids=["small", "much smaller packed", "larger packed", "streamed", "in parts"],
)
@pytest.mark.parametrize("says_so", [True, False], ids=["HEAD says gzip", "HEAD says nothing"])
def test_stored_gzip_arrives_as_it_is_stored(world, behind, plain, says_so):
    """A store that unpacks for clients which take no gzip is asked for the stored bytes, whatever their size."""
    front, source = behind
    packed = gzip.compress(plain, mtime=0)

    def serve(passing):
        unpack_unless_taken(passing, plain)
        if passing.method == "HEAD" and not says_so and passing.reads_object:
            passing.reply.pop("content-encoding", None)

    front.behind = serve
    world.source.put("log", packed, headers={"content-encoding": "gzip", "content-type": "text/plain"})
    ran = world.run(source=source)
    world.check_clean(ran)
    assert world.destination.get("log") == packed


@pytest.mark.parametrize("size", [3000, 2 * MIB, 17 * MIB])
def test_bytes_that_are_changed_on_their_way_out_are_called_so(world, behind, size):
    """A front that changes every body fails the object with a true sentence: it was not replaced."""
    front, source = behind

    def grow(passing):
        if passing.method == "GET" and passing.reads_object:
            passing.status, passing.body, passing.length = 200, b"x" * (size + 10), False
            passing.reply.pop("content-range", None)

    front.behind = grow
    world.source.put("page", os.urandom(size))
    ran = world.run(source=source)
    assert ran.codes() == {"page": "GET_SRC_OBJ_FAILURE"}
    assert "replaced" not in ran.failures[0].message
    assert "changes what is stored" in ran.failures[0].message
    assert world.arrived() == {}


@pytest.mark.parametrize("manner", ["ignored", "without a total", "without Content-Range", "another one"])
def test_ranges_that_are_not_answered_as_asked(world, behind, manner):
    """Objects in parts arrive though the store ignores ranges, states no total or no range, or sends another one."""
    front, source = behind
    body = os.urandom(17 * MIB)
    world.source.put("zbig", body)

    def answer(passing):
        stated = passing.reply.get("content-range")
        if stated is None:
            return
        if manner == "without a total":
            passing.reply["content-range"] = re.sub("/.*", "/*", stated)
        elif manner == "without Content-Range":
            del passing.reply["content-range"]
        elif manner == "another one":
            passing.body = body[: len(passing.body)]
            passing.reply["content-range"] = f"bytes 0-{len(passing.body) - 1}/{len(body)}"
        else:
            passing.status, passing.body = 200, body
            del passing.reply["content-range"]

    front.behind = answer
    ran = world.run(source=source)
    world.check_clean(ran)


@pytest.mark.parametrize("stated", [b"", b"<LastModified>yesterday</LastModified>"], ids=["absent", "unreadable"])
@pytest.mark.parametrize("side", ["s3", "obs"])
def test_times_that_nobody_states_leave_nothing_behind(world, stated, side):
    """New content of the same size replaces the old copy where a listing of either side states no time."""
    world.source.put("k", b"old content", mtime=time.time() - 86_400)
    with fronting(getattr(world, side).url) as front:
        parts = {"source" if side == "s3" else "destination": through(world, front, side)}
        assert world.run(**parts).counts == (1, 1, 0, 0)
        world.source.put("k", b"new content", mtime=time.time() - 43_200)

        def hide(passing):
            passing.body = re.sub(rb"<LastModified>[^<]*</LastModified>", stated, passing.body)

        front.behind = hide
        assert world.run(**parts).counts == (1, 1, 0, 0)
    assert world.destination.get("k") == b"new content"


@pytest.mark.parametrize("stored", [None, "inline", "attachment", "inline; filename=a.txt"])
def test_a_forced_download_is_not_stored(world, behind, stored):
    """A store that puts ``attachment`` into replies to GET is asked by HEAD for what the object has."""
    front, source = behind

    def force(passing):
        if passing.method == "GET" and passing.reads_object:
            passing.reply |= {"content-disposition": "attachment", "x-amz-force-download": "true"}

    front.behind = force
    fill(world, headers={"content-type": "a/b"} | ({"content-disposition": stored} if stored else {}))
    ran = world.run(source=source, metadata=True)
    world.check_clean(ran, attributes=True)


VALUES = {"de": "Grüße", "fr": "café", "ja": "こんにちは", "smile": "😀", "zh": "中文", "plain": "a b"}


def add_metadata(passing):
    """State user metadata as the bytes of UTF-8, as stores do that keep headers as they came."""
    if passing.reads_object:
        passing.reply |= {f"x-amz-meta-{name}": value.encode().decode("latin-1") for name, value in VALUES.items()}


def test_metadata_arrives_as_the_destination_takes_it(world, behind):
    """A store that keeps bytes is sent the bytes: no value outside ASCII fails an object there."""
    front, source = behind
    front.behind = add_metadata
    fill(world)
    world.s3.create_bucket(world.destination.name)
    with fronting(world.s3.url) as other:
        config = replace(through(world, other, "s3").args[0], bucket=world.destination.name)
        ran = world.run(source=source, destination=partial(open_store, config), metadata=True, books=False)
        assert ran.result.counters.migrated == 3, ran.failures
        sent = [entry.headers for entry in other.log if entry.method in {"PUT", "POST"} and "oms/" not in entry.target]
    stored = [{name: headers.get(f"x-amz-meta-{name}") for name in VALUES} for headers in sent]
    assert stored.count({name: value.encode().decode("latin-1") for name, value in VALUES.items()}) == 3


@pytest.mark.parametrize(
    ("way", "arrives"),
    [
        (InvalidMetadata.FAIL, None),
        (InvalidMetadata.DROP, {"zh": "%E4%B8%AD%E6%96%87", "plain": "a b"}),
        (InvalidMetadata.ENCODE, {name: quote(value, safe=" ") for name, value in VALUES.items()}),
    ],
)
def test_metadata_that_obs_refuses(world, behind, way, arrives):
    """By OBS's rule Chinese is percent-encoded; what else is not ASCII fails, or is dropped or encoded and named."""
    front, source = behind
    front.behind = add_metadata
    fill(world)
    ran = world.run(source=source, metadata=True, invalid_metadata=way)
    if arrives is None:
        assert set(ran.codes().values()) == {"SET_DST_OBJ_METADATA_FAILURE"}
        assert len(ran.codes()) == 3
        return
    assert {key: item.user for key, item in world.arrived().items()} == dict.fromkeys(
        ["small", "streamed", "zbig"], arrives
    )
    for columns in ran.lists["success"].values():
        assert all(f"{name!r}" in columns[7] for name in ("de", "fr", "ja", "smile"))
        assert "'plain'" not in columns[7]
