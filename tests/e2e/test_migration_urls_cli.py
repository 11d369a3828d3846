"""``openoms migrate --url-list``, CDNs and their task bodies, as whole processes."""

import json
import time

import pytest

from e2e.cli_support import open_bench
from oms_adapters.sandbox import Sandbox, put_item
from support.webserver import Page, modified, serving


@pytest.fixture(scope="module")
def sandbox():
    """Two loopback clouds in a process of their own."""
    with Sandbox(process=True) as made:
        yield made


@pytest.fixture
def bench(sandbox, tmp_path):
    """Empty buckets, and a home folder."""
    return open_bench(sandbox, tmp_path)


@pytest.fixture
def web():
    """A web server."""
    with serving() as server:
        yield server


def put_list(bench, text):
    """Store a URL list beside the destination and name it."""
    bench.destination.put_many([put_item("lists/urls.txt", text.encode(), headers={"content-type": "text/plain"})])
    return f"obs://{bench.destination.name}/lists/urls.txt"


def test_a_url_list_is_migrated(bench, web):
    """--url-list takes the place of SRC and of its credentials; private addresses need the operator's leave."""
    web.pages["/a?sig=hush"] = Page(b"a", modified=modified())
    url = put_list(bench, f"{web.url}/a?sig=hush\tnew%20name\n")
    arguments = ["migrate", "--url-list", url, bench.places[1], *bench.ends[4:], "--json"]
    without = {"OPENOMS_SOURCE_AK": None, "OPENOMS_SOURCE_SK": None}
    done = bench.run(*arguments, environ=without)
    assert (done.returncode, web.log) == (1, [])
    assert json.loads(done.stdout)["src_node"]["cloud_type"] == "URLSource"
    done = bench.run(*arguments, "--allow-private-urls", environ=without)
    assert done.returncode == 0, done.stderr
    assert bench.destination.get("new name") == b"a"
    assert "hush" not in done.stdout + done.stderr


def test_retrying_failed_urls(bench, web):
    """--retry-failed asks for what failed only."""
    web.pages["/a"] = Page(b"a")
    url = put_list(bench, f"{web.url}/a\ta\n{web.url}/b\tb\n")
    arguments = ["migrate", "--url-list", url, bench.places[1], *bench.ends[4:], "--allow-private-urls", "-q"]
    assert bench.run(*arguments).returncode == 1
    web.pages["/b"] = Page(b"b")
    web.log.clear()
    assert bench.run(*arguments, "--retry-failed").returncode == 0
    assert {entry.target for entry in web.log} == {"/b"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["s3://bucket"], "DST is missing"),
        (["s3://bucket", "obs://d-bucket", "--url-list", "obs://d-bucket/u.txt"], "name only DST"),
        (["obs://d-bucket", "--url-list", "obs://d-bucket/u.csv"], ".txt"),
        (["obs://d-bucket", "--url-list", "s3://d-bucket/u.txt"], "beside the destination"),
        (["obs://d-bucket", "--url-list", "u.txt"], "upload it"),
        (["obs://d-bucket", "--url-list", "obs://d-bucket/u.txt", "--prefix", "x"], "exclude each other"),
        (["obs://d-bucket", "--url-list", "obs://d-bucket/u.txt", "--source-region", "x"], "--source-region"),
        (["obs://d-bucket", "--url-list", "obs://d-bucket/u.txt", "--check", "crc64"], "CRC-64"),
        (["s3://bucket", "obs://d-bucket", "--allow-private-urls"], "--url-list"),
        (["s3://bucket", "obs://d-bucket", "--source-cdn-auth", "NONE"], "--source-cdn"),
        (["s3://bucket", "obs://d-bucket", "--source-cdn-option", "hex_time=true"], "--source-cdn"),
        (["s3://bucket", "obs://d-bucket", "--source-cdn", "x", "--source-cdn-option", "hex_time=true"], "no option"),
        (["s3://bucket", "obs://d-bucket", "--source-cdn", "ftp://x"], "http or https"),
        (["s3://bucket", "obs://d-bucket", "--source-cdn", "x", "--source-cdn-auth", "ALIYUN_OSS_A"], "SOURCE_CDN_KEY"),
    ],
)
def test_mistakes_are_told(bench, arguments, sentence):
    """Each mistake is one sentence and exit code 2."""
    done = bench.run("migrate", *arguments, *bench.ends[4:])
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr


def test_a_task_body_of_a_url_list(bench, web):
    """The body of OMS's call with cloud_type URLSource runs as a job."""
    web.pages["/a"] = Page(b"a")
    put_list(bench, f"{web.url}/a\ta\n")
    config = bench.home / "config.toml"
    config.write_text(f'[endpoints.HuaweiCloud]\n"cn-north-4" = "{bench.sandbox.obs.url}"\n')
    body = {
        "task_type": "url_list",
        "src_node": {
            "cloud_type": "URLSource",
            "list_file": {"obs_bucket": bench.destination.name, "list_file_key": "lists/urls.txt"},
        },
        "dst_node": {"region": "cn-north-4", "bucket": bench.destination.name},
    }
    task = bench.home / "task.json"
    task.write_text(json.dumps(body))
    done = bench.run("run", str(task), "--config", str(config), "--allow-private-urls", "-q")
    assert done.returncode == 0, done.stderr
    assert bench.destination.get("a") == b"a"


def test_a_source_behind_a_cdn(bench, web):
    """--source-cdn reads the objects through the CDN; its key comes from the environment and shows nowhere."""
    bench.source.put_many([("a", b"abc")])
    item = next(iter(bench.source.objects()))
    web.decide = lambda asked: Page(b"abc", etag=f'"{item.etag}"', modified=item.mtime)
    done = bench.run(
        "migrate", *bench.places, *bench.ends, "--source-cdn", web.url, "--source-cdn-auth", "tencent_cos_d", "--json",
        environ={"OPENOMS_SOURCE_CDN_KEY": "hush1234"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert bench.destination.get("a") == b"abc"
    assert [entry.target.partition("=")[0] for entry in web.log] == ["/a?sign"]
    told = json.loads(done.stdout)["source_cdn"]
    assert told["authentication_type"] == "TENCENT_COS_D"
    assert "hush1234" not in done.stdout + done.stderr


def test_a_killed_run_goes_on_where_it_was(bench, web):
    """Killed with SIGKILL twice, a URL list still arrives whole, and every name has one end in the lists."""
    count = 4000
    web.pages |= {f"/{number}": Page(b"%d" % number) for number in range(count)}
    url = put_list(bench, "".join(f"{web.url}/{number}\tn/{number}\n" for number in range(count)))
    arguments = ["migrate", "--url-list", url, bench.places[1], *bench.ends[4:], "--allow-private-urls", "-q"]
    for enough in (1200, 2500):
        process = bench.start(*arguments)
        deadline = time.monotonic() + 50
        while sum(key.startswith("n/") for key in bench.destination.keys()) < enough:  # noqa: SIM118
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
        process.communicate()
    done = bench.run(*arguments)
    assert done.returncode == 0, done.stderr
    objects = {key: bench.destination.get(key) for key in bench.destination.keys()}  # noqa: SIM118
    assert {key: body for key, body in objects.items() if key.startswith("n/")} == {
        f"n/{number}": b"%d" % number for number in range(count)
    }
    lines = [line for key, body in objects.items() if "_object_lists/" in key for line in body.decode().splitlines()]
    assert sorted(line.split("\t")[1] for line in lines) == sorted(f"n/{number}" for number in range(count))


def test_a_url_list_can_be_discarded(bench, web):
    """Discard finds the state of a URL list's migration by the same words."""
    web.pages["/a"] = Page(b"a")
    url = put_list(bench, f"{web.url}/a\ta\n{web.url}/b\tb\n")
    named = ["--url-list", url, bench.places[1], *bench.ends[4:]]
    assert bench.run("migrate", *named, "--allow-private-urls", "-q").returncode == 1
    for found in (True, False):
        done = bench.run("discard", *named, "--json")
        assert (done.returncode, json.loads(done.stdout)["found"]) == (0, found)
