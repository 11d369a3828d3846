"""The suite itself: a store with one fault fails the case that is about it, and a deviation is asserted."""

from dataclasses import replace

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import CASES, Case, DeviationGone, open_harness, run_case
from oms_adapters.conformance.report import Answer, Reader
from oms_adapters.sandbox import Sandbox
from oms_engine.errors import NotFound, StoreError
from oms_engine.model import ArchiveState, Restore


@pytest.fixture(scope="module")
def harness():
    """A bucket of a store without faults."""
    with Sandbox() as sandbox:
        sandbox.s3.create_bucket("conformance")
        config = StoreConfig("AWS", "conformance", endpoint=sandbox.s3.url, credentials=sandbox.s3.credentials)
        with open_harness(config) as opened:
            yield opened


def page_without_its_last(page):
    """A listing that loses an object."""
    return page._replace(objects=page.objects[:-1])


def page_in_lower_case(page):
    """A listing that folds keys."""
    return page._replace(objects=[item._replace(key=item.key.lower()) for item in page.objects])


def page_in_folder_order(page):
    """A listing in the order of folders, as stores on file systems have it."""
    return page._replace(objects=sorted(page.objects, key=lambda item: item.key.split("/")))


def page_in_utf16_order(page):
    """A listing in the order of UTF-16 units, as some databases have it."""
    return page._replace(objects=sorted(page.objects, key=lambda item: item.key.encode("utf-16-be")))


def page_that_begins_late(page):
    """A listing that loses the first object of a page."""
    return page._replace(objects=page.objects[1:])


def page_with_an_echo(page):
    """A listing that holds an object twice."""
    return page._replace(objects=[*page.objects, *page.objects[-1:]])


def page_with_another_etag(page):
    """A listing that states other ETags than HEAD."""
    return page._replace(objects=[item._replace(etag="another") for item in page.objects])


def without_metadata(head):
    """A HEAD that loses user metadata."""
    return head._replace(attributes=replace(head.attributes, user={}))


def folding_blanks(head):
    """A HEAD that folds blanks in header values."""
    disposition = head.attributes.content_disposition
    return head._replace(
        attributes=replace(head.attributes, content_disposition=disposition and disposition.replace("  ", " "))
    )


FAULTS = {
    "lost object": ("list_page", page_without_its_last, "list_order"),
    "lost odd key": ("list_page", page_without_its_last, "odd_key[dots]"),
    "folded keys": ("list_page", page_in_lower_case, "twins_stay_apart"),
    "folder order": ("list_page", page_in_folder_order, "list_many_order"),
    "utf-16 order": ("list_page", page_in_utf16_order, "list_many_order"),
    "lost among many": ("list_page", page_that_begins_late, "list_many"),
    "twice among many": ("list_page", page_with_an_echo, "list_many"),
    "lost behind a start": ("list_page", page_that_begins_late, "list_many_from_anywhere"),
    "other etag": ("list_page", page_with_another_etag, "list_states"),
    "lost metadata": ("head", without_metadata, "user_metadata_round_trip"),
    "folded blanks": ("head", folding_blanks, "attributes_round_trip"),
    "wrong size": ("head", lambda head: head._replace(size=head.size + 1), "odd_key[plus]"),
    "never archived": ("head", lambda head: head._replace(archive=ArchiveState.READABLE), "archived_is_refused"),
    "not encrypted": ("head", lambda head: head._replace(encryption=None), "kms"),
    "wrong md5": ("write", lambda written: written._replace(md5=b"0" * 16), "etag_is_md5"),
    "clock behind": (
        "write",
        lambda written: written._replace(last_modified=written.last_modified - 60),
        "written_states",
    ),
    "no uploads": ("list_uploads", lambda page: page._replace(uploads=[]), "resume"),
    "no parts": ("list_parts", lambda page: page._replace(parts=[]), "resume"),
    "restore refused": ("restore", lambda answer: Restore.READABLE, "restore"),
}


def broken(harness, operation, damage):
    """Return the harness with the value of one operation damaged."""

    def perform(call):
        value = harness.perform(call)
        return damage(value) if call.operation == operation else value

    return replace(harness, perform=perform, written=set())


def case_of(name):
    """Return a case by name."""
    return next(case for case in CASES if case.name == name)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_case(fault, harness):
    """The case passes on the sound store and fails on the faulty one."""
    operation, damage, name = FAULTS[fault]
    run_case(case_of(name), harness)
    with pytest.raises((AssertionError, StoreError)):
        run_case(case_of(name), broken(harness, operation, damage))


FOLDS = {
    "path": ["pair_apart[two-slashes]", "pair_apart[slash-at-the-end]", "pair_apart[slash-at-the-front]"],
    "case": ["pair_apart[letter-case]", "twins_stay_apart"],
    "form": ["pair_apart[accents]", "twins_stay_apart"],
}


@pytest.mark.parametrize(("fold", "name"), [(fold, name) for fold, names in FOLDS.items() for name in names])
def test_a_store_that_takes_two_keys_for_one_is_found_out(fold, name):
    """Each write is answered with the right ETag: only both keys together show it."""
    with Sandbox() as sandbox:
        sandbox.s3.create_bucket("conformance")
        config = StoreConfig("AWS", "conformance", endpoint=sandbox.s3.url, credentials=sandbox.s3.credentials)
        with open_harness(config, prefix="tmp/") as opened:
            run_case(case_of(name), opened)
            sandbox.s3.fold = fold
            with pytest.raises(AssertionError):
                run_case(case_of(name), opened)


@pytest.mark.parametrize("name", ["odd_key[two-slashes]", "odd_key[leading-slash]", "odd_key[folder-marker]"])
def test_an_odd_key_is_looked_for_under_a_prefix_that_does_not_lead_to_it(name):
    """A store that cleans paths finds the key under its own name, and lists another."""
    with Sandbox() as sandbox:
        sandbox.s3.create_bucket("conformance")
        sandbox.s3.fold = "path"
        config = StoreConfig("AWS", "conformance", endpoint=sandbox.s3.url, credentials=sandbox.s3.credentials)
        with open_harness(config, prefix="tmp/") as opened, pytest.raises(AssertionError):
            run_case(case_of(name), opened)


@pytest.mark.parametrize("damage", [page_in_folder_order, page_in_utf16_order, page_with_an_echo])
def test_a_report_that_only_reads_sees_disorder_behind_the_first_keys(harness, damage):
    """Thousands of keys are listed, so what begins behind the first hundred is seen."""
    quiet = {f"a{number:04d}": b"" for number in range(1200)}
    loud = dict.fromkeys(["pkg/a.txt", "pkg.conda", "pkg-1/b.txt", "\ue000", "\U0001f600"], b"")
    harness.put_all(quiet | loud)
    try:
        sound = {found.name: found for found in Reader(harness).findings()}
        assert sound["list in byte order"].answer is Answer.YES
        assert sound["list in byte order"].detail.startswith("1205 keys")
        found = {found.name: found for found in Reader(broken(harness, "list_page", damage)).findings()}
        assert found["list in byte order"].answer is Answer.NO
    finally:
        harness.clean()


@pytest.mark.parametrize(
    "name", ["read_whole", "read_ranges", "odd_key[emoji]", "encoded_body_stays", "multipart", "if_match"]
)
def test_other_bytes_fail(name, harness):
    """Bytes that are not those stored fail every case that reads."""

    def fetch(call):
        value, body = harness.fetch(call)
        return value, body[:-1]

    with pytest.raises((AssertionError, StoreError)):
        run_case(case_of(name), replace(harness, fetch=fetch, written=set()))


def test_a_deviation_is_asserted(harness):
    """A declared deviation lets its case fail, and fails it when it passes."""

    def refuse(_harness):
        raise NotFound("x")

    deviating, sound = Case("odd[x]", "", refuse), Case("sound", "", lambda _harness: None)
    run_case(deviating, harness, {"odd[x]": "declared"})
    run_case(sound, harness, {"odd[x]": "declared"})
    with pytest.raises(DeviationGone, match="declared"):
        run_case(sound, harness, {"sou*": "declared"})
    with pytest.raises(NotFound):
        run_case(deviating, harness)


def test_a_case_cleans_up(harness):
    """What a case wrote is gone after it."""
    run_case(case_of("list_order"), harness)
    assert harness.keys("") == []


def test_every_case_says_what_it_is_about():
    """Names are unique and each says its behaviour in a sentence."""
    assert len({case.name for case in CASES}) == len(CASES) > 60
    assert all(case.says for case in CASES)
