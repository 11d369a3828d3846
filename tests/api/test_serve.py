"""The process: start, refusals, TLS, settings, shutdown and what goes on after it."""

import json
import os
import signal
import ssl
import time

import httpx
import pytest
import trustme

from support.served import Served, create, until


@pytest.fixture
def served(sandbox, tmp_path):
    """A service that is not started yet."""
    made = Served(tmp_path / "service", [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)])
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()


def test_the_command_line_makes_users(served):
    """Keys are shown once; a list shows none of the secrets; a disabled user is refused; a name is taken once."""
    keys = served.add_user("alice")
    assert set(keys) == {"access_key", "secret_key", "project_id", "project"}
    again = served.openoms("user", "add", "alice")
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    listed = served.openoms("user", "list", "--json")
    assert keys["secret_key"] not in listed.stdout
    assert [(user["name"], user["role"], user["enabled"]) for user in json.loads(listed.stdout)] == [
        ("alice", "operator", True)
    ]
    served.start()
    assert httpx.get(
        f"{served.url}/v3/projects", headers={"X-Auth-Token": served.token("alice")}, trust_env=False
    ).is_success
    assert served.openoms("user", "disable", "alice").returncode == 0
    with pytest.raises(AssertionError, match=r"OMS\.0068"):
        served.token("alice")
    assert served.stop() == 0


def test_a_start_loads_only_what_it_needs(served, monkeypatch):
    """A process on a database that is up to date imports neither Alembic nor a vendor's SDK before it listens."""
    served.add_user("alice")
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    served.start()
    loaded = {line.rpartition("|")[2].strip() for line in served.log.partition("serving OMS")[0].splitlines()}
    assert {"sqlalchemy", "fastapi", "oms_worker.api.app"} <= loaded
    assert not loaded & {
        "alembic",
        "mako",
        "boto3",
        "botocore",
        "obs",
        "oss2",
        "qcloud_cos",
        "azure.storage.blob",
        "rich",
    }
    assert served.stop() == 0


def test_nobody_beyond_this_machine_is_let_in_before_there_is_a_user(served):
    """A non-loopback address is refused without users, with the command that mends it; loopback is served."""
    refused = served.openoms("serve", "--host", "0.0.0.0", "--port", "0", timeout=60)
    assert refused.returncode == 2
    assert "openoms user add" in refused.stderr
    served.start()
    assert httpx.get(f"{served.url}/readyz", trust_env=False).json() == {"status": "ready"}
    assert served.stop() == 0


def test_https_by_option(served, tmp_path):
    """With a certificate the service speaks TLS 1.2 and newer, and nothing else; half a pair is refused."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.private_key_pem.write_to_path(key)
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(chain, append=True)
    half = served.openoms("serve", "--port", "0", "--tls-certificate", str(chain), timeout=60)
    assert (half.returncode, "belong together" in half.stderr) == (2, True)
    served.start("--tls-certificate", str(chain), "--tls-key", str(key))
    assert served.url.startswith("https://")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    assert httpx.get(f"{served.url}/healthz", verify=context, trust_env=False).is_success
    with pytest.raises(httpx.HTTPError):
        httpx.get(served.url.replace("https", "http"), trust_env=False)
    wrong = served.openoms("serve", "--port", "0", "--tls-certificate", str(key), "--tls-key", str(chain), timeout=60)
    assert wrong.returncode == 2
    assert served.stop() == 0


def test_one_process_per_sqlite_database(served):
    """A second process on the same data folder is refused."""
    served.start()
    second = served.openoms("serve", "--port", "0", timeout=60)
    assert (second.returncode, "another openoms serves" in second.stderr) == (2, True)
    assert served.stop() == 0


def test_a_port_that_is_taken_is_told(served):
    """One sentence, exit code 2."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        done = served.openoms("serve", "--port", str(other.getsockname()[1]), timeout=60)
    assert (done.returncode, "cannot listen" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_settings_are_shown_with_their_secrets_masked(tmp_path):
    """File, then variables, then options; passwords and webhook secrets never show."""
    made = Served(tmp_path, database="postgresql+asyncpg://oms:hunter2@db.example/oms", port=8081)
    with made.config.open("a") as file:
        file.write('\n[channels.ops]\nkind = "webhook"\nurl = "https://hooks.example/x"\nsecret = "hunter3"\n')
    shown = made.openoms("config", "--host", "::1")
    assert shown.returncode == 0, shown.stderr
    assert "hunter" not in shown.stdout + shown.stderr
    assert {"host = ::1", "port = 8081", "channels.ops.secret = ***"} <= set(shown.stdout.splitlines())
    with made.config.open("a") as file:
        file.write("\n[quotas]\nrunning_task = 3\n")
    wrong = made.openoms("config")
    assert (wrong.returncode, "running_task" in wrong.stderr, "hunter" in wrong.stderr) == (2, True, False)


def test_a_world_readable_key_file_is_refused(served):
    """Whoever can read the keys can open every credential."""
    served.add_user("alice")
    (served.folder / "data" / "keys").chmod(0o644)
    done = served.openoms("serve", "--port", "0", timeout=60)
    assert (done.returncode, "chmod 600" in done.stderr) == (2, True)


def test_a_new_key_seals_and_old_users_still_sign(served, world):
    """After ``keys rotate --drop-old`` the old key is gone and everything opens."""
    keys = served.add_user("alice")
    before = (served.folder / "data" / "keys").read_text()
    assert served.openoms("keys", "rotate", "--drop-old").returncode == 0
    after = (served.folder / "data" / "keys").read_text()
    assert before not in after
    assert len(after.splitlines()) == 1
    served.start()
    world.source.put("key", b"bytes")
    assert until(served.client(keys), create(served.client(keys), world), 5).successful_num == 1
    assert served.stop() == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_runs_goes_on_after_the_process_ended(served, world, how):
    """Ended well or killed, a running task goes on in the next process from where it was; every object arrives once."""
    keys = served.add_user("alice")
    served.config.write_text("shutdown_seconds = 1.0\n" + served.config.read_text())
    world.source.put_many((f"{n:03}", os.urandom(1_000_000)) for n in range(60))
    served.start()
    rule = [{"start": "00:00", "end": "23:59", "max_bandwidth": 1_048_576}]
    number = create(served.client(keys), world, bandwidth_policy=rule)
    while not until(served.client(keys), number, 2).successful_num:  # at this rate it takes a minute to its end
        time.sleep(0.1)
    served.process.send_signal(how)
    code = served.process.wait(60)
    assert code == (0 if how == signal.SIGTERM else -9)
    served.start()
    client = served.client(keys)
    assert client.show_task(_show(number)).status in {1, 2, 5}
    client.update_bandwidth_policy(_unlimited(number))
    task = until(client, number, 4, 5, seconds=60)
    assert (task.status, task.total_num, task.failed_num) == (5, 60, 0)
    assert task.successful_num + task.skipped_num == 60
    assert served.stop() == 0


def _show(number):
    from huaweicloudsdkoms.v2 import ShowTaskRequest

    return ShowTaskRequest(task_id=number)


def _unlimited(number):
    from huaweicloudsdkoms.v2 import UpdateBandwidthPolicyReq, UpdateBandwidthPolicyRequest

    return UpdateBandwidthPolicyRequest(task_id=number, body=UpdateBandwidthPolicyReq(bandwidth_policy=[]))
