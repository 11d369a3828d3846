"""What the client says when it cannot: no address, wrong keys, nobody there, odd ids, unreadable bodies, TLS."""

from __future__ import annotations

import json
import signal
import socket
import sys

import httpx
import pytest
import trustme

from e2e.client_support import SLOW, Desk, fill
from oms_adapters.sandbox import Sandbox
from support.served import Served, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HOSTILE = ["..", ".", "a/b", "../taskgroups", "\x1b[2J", "x\ny"]


@pytest.fixture(scope="module")
def sandbox():
    """An S3 and an OBS that verify signatures."""
    with Sandbox(process=True) as made:
        yield made


@pytest.fixture(scope="module")
def served(sandbox, tmp_path_factory):
    """A running service: alice and bob operate in different projects."""
    made = Served(tmp_path_factory.mktemp("client"), [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)])
    made.users = made.add_users(alice={}, bob={"project": "other"})
    with running(made):
        yield made


@pytest.fixture
def desk(served, sandbox, tmp_path):
    """Alice's desk."""
    return Desk(served, served.users.alice, sandbox, tmp_path)


MISSING = {
    "address": ({"OPENOMS_URL": None}, 2, "set OPENOMS_URL"),
    "keys": ({"OPENOMS_AK": None, "OPENOMS_SK": None}, 2, "set OPENOMS_AK and OPENOMS_SK"),
    "half of the keys": ({"OPENOMS_SK": None}, 2, "OPENOMS_AK is set, but OPENOMS_SK is not"),
    "wrong secret": ({"OPENOMS_SK": "wrong"}, 2, "APIGW.0301: "),
    "unknown key": ({"OPENOMS_AK": "UNKNOWNUNKNOWNUNKNO"}, 2, "APIGW.0301: "),
    "a project of others": ({"OPENOMS_PROJECT": "0" * 32}, 2, "OMS.0206: "),
    "no such project": ({"OPENOMS_PROJECT": "none-such"}, 2, "have no project 'none-such'"),
    "an address that is none": ({"OPENOMS_URL": "http://127.0.0.1:x"}, 2, "the address of the service"),
    "a proxy of another kind": ({"ALL_PROXY": "socks9://127.0.0.1:1", "NO_PROXY": None}, 2, "proxy variables"),
    "a name that nobody has": ({"OPENOMS_URL": "http://nobody.invalid"}, 3, "cannot be reached"),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_is_missing_or_wrong_is_one_sentence(desk, case):
    """What is missing or wrong, and how to set it; also as JSON."""
    changes, code, words = MISSING[case]
    done = desk.run("task", "list", expect=code, **changes)
    [sentence] = done.stderr.splitlines()
    assert words in sentence
    assert desk.json("task", "list", expect=code, **changes)["error_msg"]


def test_the_project_may_be_named_or_left_out(desk):
    """By id, by name, or the one that the keys have."""
    for project in (desk.keys["project_id"], "default", None):
        assert desk.json("task", "list", OPENOMS_PROJECT=project)["count"] == 0


def test_nobody_listens(desk):
    """One sentence at once, exit code 3; watching does not wait for a service that never was there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    for words in (["task", "list"], ["task", "watch", "1"]):
        done = desk.run(*words, "--url", url, expect=3)
        assert f"the service at {url} cannot be reached" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_another_server_is_not_taken_for_the_service(desk):
    """A web server that answers something else is named as what it is."""
    done = desk.run("task", "list", "--url", desk.sandbox.s3.url, expect=3)
    assert "does not answer as OMS does" in done.stderr


@pytest.mark.parametrize("noun", ["task", "group", "sync"])
def test_unknown_and_hostile_ids(desk, noun):
    """An id that nobody has is the service's refusal; what no id can be never leaves this machine as another path."""
    unknown = desk.run(noun, "show", "12345", expect=2)
    assert unknown.stderr.startswith("openoms: OMS.1009: ")
    for words in (["show", HOSTILE[0]], ["show", HOSTILE[-2]], ["delete", *HOSTILE], ["stop", *HOSTILE]):
        refused = desk.run(noun, *words, expect=2)
        assert refused.stderr.count("is no id") == len(words) - 1
        assert "\x1b" not in refused.stderr


BODIES = {
    "no file": ("/none/such.json", "", "cannot be read"),
    "no JSON": ("-", '{"src_node": ', "is no JSON at line 1"),
    "no object": ("-", "[1]", "holds no JSON object"),
    "not UTF-8": ("-", b"\xff{}", "is not UTF-8"),
    "nested beyond reason": ("-", "[" * 100_000, "is no JSON"),
    "an empty body": ("-", "{}", "OMS.1004: "),
    "an unknown field": ("-", '{"nonsense": 1}', "OMS."),
    "nodes that are none": ("-", '{"src_node": 1, "dst_node": []}', "OMS."),
    "unknown cloud": ("-", '{"src_node": {"cloud_type": "AWZ"}, "dst_node": {}}', "did you mean 'AWS'?"),
}


@pytest.mark.parametrize("case", BODIES)
def test_bodies_that_are_none(desk, case):
    """Told by this program or by the service, exit code 2, nothing is created."""
    name, text, words = BODIES[case]
    assert words in desk.run("task", "create", name, stdin=text, expect=2).stderr
    assert desk.json("task", "list")["count"] == 0


PLACES = {
    "a lone source": (["s3://a"], "DST is missing"),
    "nothing": ([], "name a file"),
    "a folder of the source": (["s3://aaa/folder", "obs://bbb"], "--prefix folder/"),
    "another destination": (["s3://aaa", "az://bbb", "--source-region", "r"], "az://bbb can only be a source"),
    "options beside a file": (["task.json", "--metadata"], "--metadata is for SRC and DST"),
    "an unknown option": (["s3://a", "obs://b", "--metadat"], "did you mean '--metadata'?"),
    "an unknown mode": (["s3://aaa", "obs://bbb", "--overwrite", "sometimes"], "sometimes"),
}


@pytest.mark.parametrize("case", PLACES)
def test_places_that_cannot_be(desk, case):
    """Judged before the service is asked."""
    words, sentence = PLACES[case]
    assert sentence in desk.run("task", "create", *words, expect=2).stderr


def test_a_sync_task_has_no_field_for_another_destination(desk):
    """Its destination is OBS, or what the settings of the service say: never what DST says."""
    words = ["s3://aaa", "s3://bbb", "--source-region", "r", "--destination-region", "r"]
    assert "write obs://bbb" in desk.run("sync", "create", *words, expect=2).stderr


def test_an_unknown_action_is_answered_with_the_nearest(desk):
    """Like every unknown word; without any the actions are listed."""
    assert "did you mean 'list'?" in desk.run("task", "lst", expect=2).stderr
    assert "usage: openoms group COMMAND" in desk.run("group", expect=2).stdout
    assert "retry" in desk.run("group", "--help").stdout
    assert "OPENOMS_AK" in desk.run("sync", "events", "--help").stdout


def test_the_configuration_file(desk, served):
    """[service] names address, keys and project; it must be nobody else's to read; variables win over it."""
    file = desk.home / "config.toml"
    keys = served.users.bob
    desk.source.put_many([("k", b"1")])
    file.write_text(
        f'[service]\nurl = "{served.url}"\naccess_key = "{keys["access_key"]}"\nsecret_key = "{keys["secret_key"]}"\n'
        'project = "other"\n'
    )
    nothing = dict.fromkeys(("OPENOMS_URL", "OPENOMS_AK", "OPENOMS_SK", "OPENOMS_PROJECT"))
    file.chmod(0o644)
    assert "chmod 600" in desk.run("task", "list", "--config", str(file), expect=2, **nothing).stderr
    file.chmod(0o600)
    made = desk.json("task", "create", "-", "--config", str(file), stdin=json.dumps(desk.body()), **nothing)
    listed = desk.json("task", "list", "--config", str(file), **nothing)
    assert [task["id"] for task in listed["tasks"]] == [made["id"]]
    assert desk.json("task", "list", "--config", str(file))["count"] == 0, "alice's variables win"
    file.write_text('[service]\nurll = "x"\n')
    assert "did you mean 'url'?" in desk.run("task", "list", "--config", str(file), expect=2).stderr


def test_without_httpx_the_extra_is_named(desk):
    """A bare installation has no httpx."""
    hidden = desk.home / "hidden"
    hidden.mkdir()
    (hidden / "httpx.py").write_text("raise ImportError('No module named httpx')")
    path = ":".join([str(hidden), *filter(None, sys.path)])
    done = desk.run("task", "list", expect=2, PYTHONPATH=path)
    assert "pip install 'openoms[service]'" in done.stderr


def test_a_watcher_outlives_a_restart_of_the_service(desk, sandbox, tmp_path):
    """The service is killed and starts again on its port: the watcher says so once and goes on to the end."""
    made = Served(tmp_path / "other", [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)])
    made.users = made.add_users(alice={})
    with running(made):
        other = Desk(made, made.users.alice, sandbox, tmp_path)
        fill(other.source)
        number = other.create("task", bandwidth_policy=SLOW)
        other.until("task", number, 2)
        watcher = other.start("task", "watch", number, "--every", "0.1")
        watcher.stdout.readline()
        made.process.send_signal(signal.SIGKILL)
        made.process.wait(60)
        assert "Trying again" in watcher.stderr.readline()
        made.start("--port", str(httpx.URL(made.url).port))
        other.run("task", "bandwidth", number, "none")
        out, said = watcher.communicate(timeout=90)
        assert (watcher.returncode, said) == (0, "")
        assert out.splitlines()[-1].startswith(f"task {number}: succeeded 100 %")


def test_tls(desk, sandbox, tmp_path):
    """An unknown authority is refused in a sentence, accepted with --ca-file, or with --insecure."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key, ca = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    certificate.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(ca)
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(chain, append=True)
    made = Served(tmp_path / "tls", [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)])
    made.users = made.add_users(alice={})
    with running(made, "--tls-certificate", str(chain), "--tls-key", str(key)):
        other = Desk(made, made.users.alice, sandbox, tmp_path)
        refused = other.run("task", "list", expect=3)
        assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr
        for words in (["--ca-file", str(ca)], ["--insecure"]):
            assert other.json("task", "list", *words)["count"] == 0
