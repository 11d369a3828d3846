"""Migrations of URL lists from real web servers, good and bad ones, into an OBS over real sockets."""

import time
from datetime import UTC, datetime, timedelta
from hashlib import md5
from urllib.parse import quote

import pytest

from oms_adapters.sandbox import put_item
from oms_engine import netguard
from oms_engine.model import ConsistencyCheck, OverwriteMode
from oms_engine.store import MIB
from oms_engine.task import TaskState
from support.migrations import quick
from support.urls import LIST, TEXT, arrived, put_list, run_bare, run_urls
from support.webserver import Page, modified, serving


@pytest.fixture
def web():
    """A web server."""
    with serving() as server:
        yield server


def test_urls_arrive_under_their_names(world, web):
    """Each URL is stored under the decoded name of its line, byte for byte, with its content type."""
    names = {"/a": "plain", "/b?x=1&y=%2F": "dir/with space", "/c%20d": "中文/tab\there", "/e+f//g/../h": "a/../b//c+d"}
    for number, target in enumerate(names):
        web.pages[target] = Page(b"%d" % number * number, f"type/{number}", modified=modified())
    ran = run_urls(world, [(web.url + target, name) for target, name in names.items()])
    assert ran.result.state is TaskState.SUCCEEDED
    assert ran.counts == (4, 4, 0, 0)
    assert arrived(world) == {name: web.pages[target].body for target, name in names.items()}
    assert {item.headers["content-type"] for item in world.arrived().values()} == {
        "type/0", "type/1", "type/2", "type/3", "text/plain",
    }  # fmt: skip
    assert sorted(ran.lists["success"]) == sorted(names.values())
    assert {entry.headers["accept-encoding"] for entry in web.log} == {"identity"}


def test_a_second_run_copies_what_is_newer_or_of_another_size(world, web):
    """With size and time known, only what changed is copied again."""
    for name in ("same", "newer", "other-size"):
        web.pages[f"/{name}"] = Page(b"first", modified=modified())
    lines = [(f"{web.url}/{name}", name) for name in ("same", "newer", "other-size")]
    assert run_urls(world, lines).counts == (3, 3, 0, 0)
    web.pages["/newer"] = Page(b"again", modified=modified(-60))
    web.pages["/other-size"] = Page(b"longer", modified=modified())
    assert run_urls(world, None, check=ConsistencyCheck.SIZE_LAST_MODIFIED).reasons() == {
        "same": "same size, not older"
    }
    assert arrived(world)["other-size"] == b"longer"


DATES = {
    "absent": None,
    "unreadable": "yesterday",
    "usual": "%a, %d %b %Y %H:%M:%S GMT",
    "RFC 850": "%A, %d-%b-%y %H:%M:%S GMT",
    "asctime": "%a %b %e %H:%M:%S %Y",
    "UTC": "%a, %d %b %Y %H:%M:%S UTC",
    "offset": "%a, %d %b %Y %H:%M:%S +0000",
}


@pytest.mark.parametrize("since", [None, "2026-01-01"])
def test_new_content_arrives_however_its_time_is_written(world, web, since):
    """An old copy of the same size is replaced, and nothing counts as unmodified, whatever the form of the date."""
    now = datetime.now(UTC) - timedelta(minutes=5)
    for name, form in DATES.items():
        stated = {} if form is None else {"Last-Modified": now.strftime(form)}
        web.pages[f"/{quote(name)}"] = Page(b"new content", headers=stated)
    yesterday = time.time() - 86_400
    world.destination.put_many([put_item(name, b"old content", mtime=yesterday) for name in DATES])
    fields = {} if since is None else {"migrate_since": datetime.fromisoformat(since).timestamp()}
    ran = run_urls(world, [(f"{web.url}/{quote(name)}", name) for name in DATES], **fields)
    assert arrived(world) == dict.fromkeys(DATES, b"new content"), ran.reasons()


def test_repeated_lines_are_migrated_once_and_names_are_not_given_twice(world, web):
    """A repeated line counts as a duplicate; another URL for the same name fails by its own code, the first one wins."""
    web.pages |= {"/one": Page(b"one"), "/two": Page(b"two")}
    one, two = f"{web.url}/one", f"{web.url}/two"
    result, failures = run_bare(world, [(one, "x"), (two, "y"), (one, "x"), (two, "x"), (one, "z"), (one, "x")])
    assert result.duplicates == 2
    counters = result.counters
    assert (counters.listed, counters.migrated, counters.failed) == (4, 3, 1)
    assert [failure.code for failure in failures] == ["DST_OBJ_KEY_DUPLICATE_FAILURE"]
    assert arrived(world) == {"x": b"one", "y": b"two", "z": b"one"}
    assert web.asked("GET").count("/one") == 2


@pytest.mark.parametrize("size", [0, 5000, 3 * MIB + 1, 70 * MIB + 3])
def test_without_content_length_no_check_copies_always(world, web, size):
    """Nobody states the size: with no_check the object is read to its end, in parts where it is large, every time."""
    body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    web.pages["/stream"] = Page(body, length=False, modified=modified())
    for _ in range(1 if size > MIB else 2):
        ran = run_urls(world, [(f"{web.url}/stream", "got")], check=ConsistencyCheck.NO_CHECK)
        assert ran.counts == (1, 1, 0, 0), ran.failures
    assert arrived(world) == {"got": body}
    assert ran.methods() == {"got": "no_check"}


def test_without_content_length_a_check_is_not_possible(world, web):
    """Nobody states the size and it is to be compared: the object fails, and the reason names the remedy."""
    web.pages["/stream"] = Page(b"abc", length=False)
    ran = run_urls(world, [(f"{web.url}/stream", "got")])
    assert ran.codes() == {"got": "CHECK_SRC_OBJ_SIZE_FAILURE"}
    assert "no_check" in ran.failures[0].message


def test_a_stream_that_breaks_is_read_again(world, web):
    """An object without size whose connection breaks is read from its beginning once more."""
    web.pages["/stream"] = Page(b"abc" * 1000, length=False, break_after=0, breaks=2)
    ran = run_urls(world, [(f"{web.url}/stream", "got")], check=ConsistencyCheck.NO_CHECK)
    assert ran.counts == (1, 1, 0, 0), ran.failures
    assert arrived(world) == {"got": b"abc" * 1000}


@pytest.mark.parametrize("status", [403, 405, 501])
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("size", [0, 5000, 3 * MIB + 1, 17 * MIB])
def test_urls_that_allow_only_get_are_asked_for_their_first_byte(world, web, status, ranges, size):
    """A URL signed for GET refuses HEAD: its first byte tells what HEAD would, and the object arrives."""
    body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    web.pages["/signed?for=GET"] = Page(
        body, "a/b", head_status=status, ranges=ranges, etag='"v1"', modified=modified()
    )
    ran = run_urls(world, [(f"{web.url}/signed?for=GET", "got")])
    assert ran.counts == (1, 1, 0, 0), ran.failures
    assert arrived(world) == {"got": body}


BAD = {
    "get-403": (Page(b"x", get_status=403), "GET_SRC_OBJ_FAILURE"),
    "both-403": (Page(b"x", head_status=403, get_status=403), "GET_SRC_OBJ_META_FAILURE"),
    "both-405": (Page(b"x", head_status=405, get_status=405), "GET_SRC_OBJ_META_FAILURE"),
    "gone": (Page(head_status=404), "GET_SRC_OBJ_META_FAILURE"),
    "login": (Page(head_status=401, get_status=401), "GET_SRC_OBJ_META_FAILURE"),
    "longer": (Page(b"abc", more=b"defg"), "SRC_OBJ_CHANGED_FAILURE"),
    "cut": (Page(b"abc", short=5), "GET_SRC_OBJ_FAILURE"),
    "500": (Page(b"x", get_status=500), "GET_SRC_OBJ_FAILURE"),
    "416": (Page(b"x", get_status=416), "GET_SRC_OBJ_FAILURE"),
    "nowhere": (Page(head_status=302), "GET_SRC_OBJ_META_FAILURE"),
    "ftp": (Page(head_status=302, location="ftp://example.com/x"), "GET_SRC_OBJ_META_FAILURE"),
}


def test_bad_answers_fail_the_object_and_nothing_else(world, web):
    """Each misbehaviour fails its own object with a code; the others arrive, and no URL's query is told."""
    web.pages |= {f"/{name}?token=hush": page for name, (page, _) in BAD.items()} | {"/good": Page(b"good")}
    lines = [(f"{web.url}/{name}?token=hush", name) for name in BAD] + [(f"{web.url}/good", "good")]
    settings = quick(patience=0.0)
    ran = run_urls(world, lines, settings=settings)
    assert ran.codes() == {name: code for name, (_, code) in BAD.items()}
    assert arrived(world) == {"good": b"good"}
    assert ran.result.error_code == "TRF.0062"
    assert not [failure for failure in ran.failures if "hush" in failure.message]
    texts = [world.destination.get(key) for key in world.destination.keys() if key.startswith("oms/task/")]  # noqa: SIM118
    assert not [text for text in texts if b"hush" in text]


def test_unusable_urls_fail_alone(world, web):
    """A host that does not exist, a closed port and a URL with a password fail with their codes."""
    web.pages["/good"] = Page(b"good")
    lines = [
        ("http://nowhere.invalid/x", "unresolved"),
        ("http://127.0.0.1:1/x", "closed"),
        (f"http://user:password@127.0.0.1:{web.port}/good", "password"),
        (f"{web.url}/good", "good"),
    ]
    ran = run_urls(world, lines)
    assert ran.codes() == {
        "unresolved": "GET_SRC_OBJ_META_FAILURE",
        "closed": "GET_SRC_OBJ_META_FAILURE",
        "password": "GET_SRC_URL_INVALID_FAILURE",
    }
    assert arrived(world) == {"good": b"good"}


@pytest.mark.parametrize("size", [10, 2 * MIB, 20 * MIB])
def test_redirects_are_followed_to_other_hosts(world, web, size):
    """Relative and absolute redirects, to another host too, are followed up to five times in both lanes."""
    body = b"r" * size
    with serving("127.0.0.2") as other:
        other.pages["/real?sig=a%2Fb"] = Page(body, etag='"v1"', modified=modified())
        web.pages |= {
            "/0": Page(head_status=301, get_status=301, location="1"),
            "/1": Page(head_status=302, get_status=302, location="/2?x"),
            "/2?x": Page(head_status=303, get_status=303, location=f"{web.url}/3"),
            "/3": Page(head_status=307, get_status=307, location="?y=\u00c3\u00a9"),
            "/3?y=%C3%A9": Page(head_status=308, get_status=308, location=f"{other.url}/real?sig=a%2Fb#top"),
        }
        ran = run_urls(world, [(f"{web.url}/0", "got")])
        assert ran.counts == (1, 1, 0, 0), ran.failures
        assert arrived(world) == {"got": body}


def test_a_redirect_loop_ends(world, web):
    """The sixth redirect is not followed; the object fails."""
    web.pages["/loop"] = Page(head_status=302, get_status=302, location="/loop")
    ran = run_urls(world, [(f"{web.url}/loop", "got")])
    assert ran.codes() == {"got": "GET_SRC_OBJ_META_FAILURE"}
    assert len(web.log) == 6


@pytest.mark.parametrize(
    ("page", "gets"),
    [
        (Page(ranges=False, etag='"v"'), {None}),
        (Page(), {None}),
        (Page(etag='"v"'), {"bytes=0-16777215", "bytes=16777216-20971519"}),
        (Page(modified=1_600_000_000.0), {"bytes=0-16777215", "bytes=16777216-20971519"}),
    ],
    ids=["no ranges", "no version", "etag", "time"],
)
def test_large_objects_are_read_in_parts_where_that_is_safe(world, web, page, gets):
    """Ranges are used where the server reads them and states a version; else the object is read once, from its start."""
    page.body = b"0123456789abcdef" * (20 * MIB // 16)
    web.pages["/large"] = page
    ran = run_urls(world, [(f"{web.url}/large", "got")])
    assert ran.counts == (1, 1, 0, 0), ran.failures
    assert arrived(world) == {"got": page.body}
    assert {entry.headers.get("range") for entry in web.log if entry.method == "GET"} >= gets


def test_a_large_object_replaced_between_its_parts_is_not_joined(world, web):
    """Parts of two versions are never joined: the object is read anew, or fails."""
    old, new = b"o" * (20 * MIB), b"n" * (20 * MIB)

    def decide(asked):
        first = asked.method == "HEAD" or asked.headers.get("range", "").startswith("bytes=0-")
        return Page(old, etag='"old"') if first else Page(new, etag='"new"')

    web.decide = decide
    ran = run_urls(world, [(f"{web.url}/large", "got")])
    assert ran.codes() == {"got": "SRC_OBJ_CHANGED_FAILURE"}
    assert arrived(world) == {}


def test_large_objects_move_in_other_processes_too(world, web):
    """A worker process finds the URL of an object that was parked by the list's process."""
    body = b"p" * (20 * MIB)
    web.pages |= {f"/{number}": Page(body, etag='"v"') for number in range(4)}
    lines = [(f"{web.url}/{number}", f"got/{number}") for number in range(4)]
    ran = run_urls(world, lines, settings=quick(processes=2))
    assert ran.counts == (4, 4, 0, 0), ran.failures
    assert arrived(world) == {f"got/{number}": body for number in range(4)}


def test_only_failed_urls_are_tried_again(world, web):
    """--retry-failed finds the URLs of what failed, and nothing else is asked for."""
    web.pages |= {"/a?k=1": Page(b"a")}
    lines = [(f"{web.url}/a?k=1", "a"), (f"{web.url}/b?k=2", "b\tc")]
    ran = run_urls(world, lines)
    assert ran.codes() == {"b\tc": "GET_SRC_OBJ_META_FAILURE"}
    web.pages["/b?k=2"] = Page(b"b")
    web.log.clear()
    ran = run_urls(world, None, retry_failed=True)
    assert ran.counts == (1, 1, 0, 0), ran.failures
    assert arrived(world) == {"a": b"a", "b\tc": b"b"}
    assert {entry.target for entry in web.log} == {"/b?k=2"}


def test_a_paused_list_goes_on_where_it_was(world, web):
    """After a pause the list goes on; every line has one end, and what was done is not asked for again."""
    count = 3000
    web.pages |= {f"/{number}": Page(b"%d" % number) for number in range(count)}
    lines = [(f"{web.url}/{number}", f"n/{number}") for number in range(count)]

    async def pause(migration):
        import asyncio

        while migration.progress.counters.migrated < 1800:
            await asyncio.sleep(0.01)
        migration.pause()

    ran = run_urls(world, lines, meanwhile=pause)
    assert ran.result.state is TaskState.PAUSED
    assert 0 < ran.counts[1] < count
    ran = run_urls(world, None)
    assert ran.result.state is TaskState.SUCCEEDED
    assert ran.counts == (count, count, 0, 0)
    there = {key: item.etag for key, item in world.arrived().items() if key.startswith("n/")}
    assert there == {f"n/{number}": md5(b"%d" % number).hexdigest() for number in range(count)}


def test_a_list_replaced_during_a_pause_is_begun_anew(world, web):
    """Line numbers count in one version of the list only: another version is read from its first line."""
    web.pages |= {f"/{number}": Page(b"x") for number in range(1500)}
    lines = [(f"{web.url}/{number}", f"n/{number}") for number in range(1500)]

    async def pause(migration):
        import asyncio

        while migration.progress.counters.migrated < 100:
            await asyncio.sleep(0.01)
        migration.pause()

    assert run_urls(world, lines, meanwhile=pause).result.state is TaskState.PAUSED
    ran = run_urls(world, list(reversed(lines)))
    assert ran.counts[0] == 1500
    assert len([key for key in world.arrived() if key.startswith("n/")]) == 1500


def test_a_folder_of_lists_is_one_list(world, web):
    """The .txt files of a folder are read one after another; others and sub-folders are left out."""
    web.pages |= {f"/{name}": Page(name.encode()) for name in "abcd"}
    put_list(world, [(f"{web.url}/a", "a"), (f"{web.url}/b", "b")], "lists/f/1.txt")
    put_list(world, [(f"{web.url}/b", "b"), (f"{web.url}/c", "c")], "lists/f/2.txt")
    put_list(world, [(f"{web.url}/d", "d")], "lists/f/sub/3.txt")
    put_list(world, [(f"{web.url}/d", "d")], "lists/f/4.csv")
    ran = run_urls(world, None, key="lists/f/")
    assert ran.counts == (3, 3, 0, 0)
    assert ran.result.duplicates == 1
    assert arrived(world) == {"a": b"a", "b": b"b", "c": b"c"}


@pytest.mark.parametrize("kind", ["application/octet-stream", "binary/octet-stream"])
def test_a_list_stored_without_a_type_of_its_own(world, web, kind):
    """A URL list that was stored with a store's default type is migrated, a last line without its end too."""
    web.pages |= {"/a": Page(b"a")}
    world.destination.put_many([put_item(LIST, f"{web.url}/a\ta".encode(), headers={"content-type": kind})])
    ran = run_urls(world, None)
    assert ran.counts == (1, 1, 0, 0)
    assert arrived(world) == {"a": b"a"}


BAD_LISTS = {
    "missing": (None, TEXT, "TRF.0013"),
    "empty": (b"", TEXT, "TRF.0017"),
    "blank": (b"\n\r\n", TEXT, "TRF.0017"),
    "no tab": (b"http://h/x name\n", TEXT, "TRF.0016"),
    "two tabs": (b"http://h/x\ta\tb\n", TEXT, "TRF.0016"),
    "no name": (b"http://h/x\t\n", TEXT, "TRF.0016"),
    "no scheme": (b"h/x\tname\n", TEXT, "TRF.0016"),
    "not encoded": ("http://h/é\tname\n".encode(), TEXT, "TRF.0016"),
    "bom": (b"\xef\xbb\xbfhttp://h/x\tname\n", TEXT, "TRF.0013"),
    "too long": (b"http://h/" + b"x" * 65_536 + b"\tname\n", TEXT, "TRF.0018"),
    "type": (b"http://h/x\tname\n", {"content-type": "application/json"}, "TRF.0019"),
    "encoding": (b"http://h/x\tname\n", TEXT | {"content-encoding": "gzip"}, "TRF.0019"),
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_a_list_that_breaks_a_rule_ends_the_task(world, case):
    """Each rule of a URL list ends the task with its TRF code before anything is asked for."""
    body, headers, code = BAD_LISTS[case]
    if body is not None:
        world.destination.put_many([put_item(LIST, body, headers=headers)])
    ran = run_urls(world, None)
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, code)


@pytest.mark.parametrize(
    ("key", "code"), [("lists/urls.csv", "TRF.0014"), ("lists/none/", "TRF.0013")], ids=["name", "empty folder"]
)
def test_a_list_must_be_a_txt_file(world, key, code):
    """A list of another name, or a folder without one, ends the task."""
    put_list(world, [("http://h/x", "x")], "lists/urls.csv")
    assert run_urls(world, None, key=key).result.error_code == code


def test_a_full_overwrite_copies_again(world, web):
    """FULL_OVERWRITE copies what is there already; NO_OVERWRITE never does."""
    web.pages["/a"] = Page(b"a", modified=modified())
    lines = [(f"{web.url}/a", "a")]
    assert run_urls(world, lines).counts == (1, 1, 0, 0)
    assert run_urls(world, None, overwrite=OverwriteMode.FULL_OVERWRITE).counts == (1, 1, 0, 0)
    web.pages["/a"] = Page(b"longer")
    assert run_urls(world, None, overwrite=OverwriteMode.NO_OVERWRITE).counts == (1, 0, 1, 0)


def test_a_dry_run_asks_but_writes_nothing(world, web):
    """A dry run says what would be copied and reads no body."""
    web.pages |= {"/a": Page(b"abc"), "/b": Page(b"abc", length=False)}
    lines = [(f"{web.url}/a", "a"), (f"{web.url}/b", "b")]
    ran = run_urls(world, lines, dry_run=True, check=ConsistencyCheck.NO_CHECK)
    assert ran.counts == (2, 2, 0, 0)
    assert ran.result.counters.migrated_bytes == 3
    assert arrived(world) == {}
    assert web.asked("GET") == []


# -- addresses ------------------------------------------------------------------------------------------------------


def test_private_addresses_are_refused_unless_allowed(world, web):
    """Without leave no private or metadata address is asked; each such object fails by its own code."""
    web.pages["/a"] = Page(b"a")
    lines = [
        (f"{web.url}/a", "loopback"),
        (f"http://2130706433:{web.port}/a", "decimal"),
        (f"http://0x7f.1:{web.port}/a", "octal"),
        (f"http://localhost:{web.port}/a", "name"),
        (f"http://[::ffff:127.0.0.1]:{web.port}/a", "mapped"),
        ("http://169.254.169.254/latest/meta-data/", "metadata"),
        ("http://[fd00:ec2::254]/latest/meta-data/", "metadata6"),
        ("http://10.0.0.1/a", "rfc1918"),
        ("http://100.64.0.1/a", "cgnat"),
    ]
    ran = run_urls(world, lines, private=False)
    assert ran.codes() == {name: "CHECK_SRC_URL_ADDRESS_FAILURE" for _, name in lines}
    assert "--allow-private-urls" in ran.failures[0].message
    assert web.log == []


def test_the_destination_itself_is_no_source(world):
    """A URL of the destination's own private endpoint is refused though connections to it are open."""
    world.destination.put_many([("secret", b"s")])
    ran = run_urls(world, [(f"{world.obs.url}/{world.destination.name}/secret", "got")], private=False)
    assert ran.codes() == {"got": "CHECK_SRC_URL_ADDRESS_FAILURE"}


@pytest.mark.parametrize("size", [10, 2 * MIB])
def test_a_redirect_into_a_private_network_is_refused(world, web, monkeypatch, size):
    """A public server that redirects to this machine, at HEAD or only at GET, gains nothing."""
    real = netguard.is_public
    monkeypatch.setattr(netguard, "is_public", lambda address: address == "127.0.0.2" or real(address))
    web.pages["/inside"] = Page(b"i" * size)
    with serving("127.0.0.2") as public:
        public.pages |= {
            "/head": Page(head_status=302, location=f"{web.url}/inside"),
            "/get": Page(b"i" * size, get_status=302, location=f"{web.url}/inside"),
            "/good": Page(b"good"),
        }
        ran = run_urls(world, [(f"{public.url}/{name}", name) for name in ("head", "get", "good")], private=False)
    assert ran.codes() == dict.fromkeys(("head", "get"), "CHECK_SRC_URL_ADDRESS_FAILURE")
    assert arrived(world) == {"good": b"good"}
    assert web.log == []
