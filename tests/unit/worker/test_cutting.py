"""How groups are cut: every key in one part, no part too large, and behind every part a place to go on from."""

import asyncio
import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine.errors import TaskError
from oms_engine.model import TaskType, key_bytes
from oms_engine.task import MigrationSpec, Scope
from oms_worker.cutting import Part, PartSize, Stores, cut
from oms_worker.parts import part_of
from support.memory_lists import MemoryLists, Reader
from support.memory_store import MemoryStore, Performer

KEYS = st.text(st.sampled_from("ab/é\U0001f600~ +"), min_size=1, max_size=5)
SIZES = st.sampled_from([0, 1, 5, 100])
LINES = st.lists(st.sampled_from(["", "\r", "k", "k%2Fé", "long" * 5]), max_size=12)
WHOLE = Scope(TaskType.PREFIX, ("",))


async def all_parts(spec, wire, stores, at_most, after=None):
    """Cut a scope to its end."""
    return [part async for part in cut(spec, wire, stores, after=after, at_most=at_most)]


def cut_keys(sizes, prefixes, at_most, *, after=None, limit=3):
    """Cut a listing."""
    store = MemoryStore(list(sizes), limit, sizes=sizes)
    spec = MigrationSpec("s3://src", "obs://dst", scope=Scope(TaskType.PREFIX, tuple(prefixes)))
    return asyncio.run(all_parts(spec, Performer(), Stores(store), at_most, after))


def covered(part, sizes):
    """The keys that a sub-task of this part goes through, as its row states them."""
    ranges = part_of(WHOLE, json.loads(json.dumps(part.range))).ranges
    return [
        key
        for item in ranges
        for key in sorted(sizes, key=key_bytes)
        if key.startswith(item.prefix)
        and key_bytes(item.lo) < key_bytes(key)
        and (item.hi is None or key_bytes(key) <= key_bytes(item.hi))
    ]


SOURCES = st.dictionaries(KEYS, SIZES, max_size=40)
PREFIXES = st.lists(st.just("") | KEYS, min_size=1, max_size=4)
LIMITS = st.builds(PartSize, objects=st.integers(1, 9), size=st.integers(1, 300))


@given(SOURCES, PREFIXES, LIMITS)
@settings(max_examples=300, deadline=None)
def test_every_key_is_in_one_part_and_no_part_is_too_large(sizes, prefixes, at_most):
    """Parts cover each key under the prefixes once; each states its numbers truly and keeps to the limits."""
    parts = cut_keys(sizes, prefixes, at_most)
    found = [covered(part, sizes) for part in parts]
    wanted = {key for key in sizes if key.startswith(tuple(prefixes))}
    assert sorted(key for keys in found for key in keys) == sorted(wanted)
    for part, keys in zip(parts, found, strict=True):
        assert (part.objects, part.size) == (len(keys), sum(sizes[key] for key in keys))
        assert 0 < part.objects <= at_most.objects
        assert part.size <= at_most.size or part.objects == 1 or sum(sizes[key] > 0 for key in keys) == 1


@given(SOURCES, PREFIXES, LIMITS)
@settings(max_examples=200, deadline=None)
def test_behind_every_part_cutting_goes_on_as_if_it_had_never_stopped(sizes, prefixes, at_most):
    """From the marker of any part the same parts follow."""
    parts = cut_keys(sizes, prefixes, at_most)
    for number, part in enumerate(parts):
        assert cut_keys(sizes, prefixes, at_most, after=part.marker) == parts[number + 1 :]


@given(SOURCES, LIMITS)
@settings(deadline=None)
def test_parts_are_as_large_as_they_may_be(sizes, at_most):
    """A part ends only where the next object would break a limit: groups have no more tasks than they need."""
    parts = cut_keys(sizes, [""], at_most)
    for part, following in pairwise(parts):
        first = covered(following, sizes)[0]
        assert part.objects == at_most.objects or part.size + sizes[first] > at_most.size


def test_an_object_larger_than_a_part_is_a_part_of_its_own():
    """Nothing is left out because it is large."""
    parts = cut_keys({"a": 1, "b": 10**12, "c": 1}, [""], PartSize(10, 100))
    assert [(part.objects, part.size) for part in parts] == [(1, 1), (1, 10**12), (1, 1)]


def test_nothing_there_has_no_part():
    """An empty source, or a prefix that matches nothing, is cut into nothing."""
    assert cut_keys({}, [""], PartSize()) == []
    assert cut_keys({"a": 1}, ["b"], PartSize()) == []


# ---- lists ----------------------------------------------------------------------------------------------------------


def cut_files(files, at_most, *, after=None, chunk=7, urls=False, key="lists/"):
    """Cut the list files of a folder."""
    kind = TaskType.URL_LIST if urls else TaskType.LIST
    spec = MigrationSpec("s3://src", "obs://dst", scope=Scope(kind, ("",), list_key=key))
    lists = MemoryLists(files)
    first = {line.removesuffix("\r"): b"" for body in files.values() for line in body.decode().split("\n")}
    source = MemoryLists({name.replace("%2F", "/"): body for name, body in first.items()})
    return asyncio.run(all_parts(spec, Reader(chunk), Stores(source, lists), PartSize(at_most), after))


def entries(body):
    """The lines of a text that name something."""
    return [line.removesuffix(b"\r") for line in body.split(b"\n") if line.removesuffix(b"\r")]


def named(part, files):
    """The lines of a part, by the bytes that its row states."""
    begin = part.range["offset"]
    return entries(files[part.range["list_key"]][begin : begin + part.range["length"]])


FILES = st.lists(st.tuples(LINES, st.booleans()), min_size=1, max_size=3).map(
    lambda found: {
        f"lists/{number}.txt": ("\n".join([*lines, "k"]) + "\n" * ended).encode()
        for number, (lines, ended) in enumerate(found)
    }
)


@given(FILES, st.integers(1, 5), st.integers(1, 20))
@settings(max_examples=200, deadline=None)
def test_every_line_is_in_one_slice(files, at_most, chunk):
    """Slices hold every line of every file once and in order, whatever its ending, and say which line comes first."""
    parts = cut_files(files, at_most, chunk=chunk)
    found = [line for part in parts for line in named(part, files)]
    assert found == [line for name in sorted(files) for line in entries(files[name])]
    for part in parts:
        assert part.objects == len(named(part, files)) <= at_most
        before = files[part.range["list_key"]][: part.range["offset"]]
        assert part.range["first_line"] == before.count(b"\n") + 1


@given(FILES, st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_behind_every_slice_cutting_goes_on_as_if_it_had_never_stopped(files, at_most):
    """From the marker of any slice the same lines follow, in slices of the same size."""
    parts = cut_files(files, at_most)
    for number, part in enumerate(parts):
        assert cut_files(files, at_most, after=part.marker) == parts[number + 1 :]


def test_a_slice_names_its_file_as_it_was():
    """Slices carry the file's ETag, so a list that is replaced before its task runs is refused."""
    (part,) = cut_files({"lists/a.txt": b"k\n"}, 10)
    scope = part_of(Scope(TaskType.LIST, ("",), list_key="lists/"), part.range)
    assert (scope.list_key, scope.list_slice.first_line, scope.list_slice.length) == ("lists/a.txt", 1, 2)
    assert scope.list_slice.etag.startswith("etag-")


def test_a_list_that_was_replaced_while_it_was_cut_is_refused():
    """The rest of another list would be cut at the wrong places."""
    files = {"lists/a.txt": b"k\nk\n", "lists/b.txt": b"k\n"}
    first, *_ = cut_files(files, 1)
    with pytest.raises(TaskError) as replaced:
        cut_files({**files, "lists/b.txt": b"k\nmore\n"}, 1, after=first.marker)
    assert replaced.value.code == "TRF.0013"


@pytest.mark.parametrize(("files", "code"), [
    ({"other/a.txt": b"k\n"}, "TRF.0013"),
    ({"lists/a.txt": b"k\n\n" + b"x" * 70_000}, "TRF.0018"),
    ({"lists/a.txt": b""}, "TRF.0017"),
])  # fmt: skip
def test_lists_that_break_a_rule_are_refused(files, code):
    """No list in the folder, a line that is too long, a file without an entry: OMS's codes."""
    with pytest.raises(TaskError) as refused:
        cut_files(files, 5)
    assert refused.value.code == code


def test_a_url_list_is_held_against_its_format_while_it_is_cut():
    """A line without a tab fails the creation, with the code of URL lists; good ones are cut."""
    good = b"http://a.example/1\tone\nhttp://a.example/2\ttwo\n"
    parts = cut_files({"lists/a.txt": good}, 1, urls=True)
    assert [part.objects for part in parts] == [1, 1]
    with pytest.raises(TaskError) as refused:
        cut_files({"lists/a.txt": good + b"http://a.example/3 three\n"}, 1, urls=True)
    assert refused.value.code == "TRF.0016"


def test_the_first_object_of_a_list_must_exist():
    """A list whose first object is not in the source is most likely the wrong one: OMS.0089."""
    spec = MigrationSpec("s3://src", "obs://dst", scope=Scope(TaskType.LIST, ("",), list_key="lists/a.txt"))
    stores = Stores(MemoryLists({}), MemoryLists({"lists/a.txt": b"k\n"}))
    with pytest.raises(TaskError) as refused:
        asyncio.run(all_parts(spec, Reader(9), stores, PartSize()))
    assert refused.value.code == "OMS.0089"


def test_parts_are_plain_values():
    """A part can be compared and stored: its marker is bytes, its range plain JSON."""
    (part,) = cut_keys({"a": 1}, [""], PartSize())
    assert isinstance(part, Part)
    assert json.loads(json.dumps(part.range)) == part.range
    assert isinstance(part.marker, bytes)
