"""A service of narrow quotas with a task, a group and a sync task in each state that a refusal needs."""

from __future__ import annotations

import time

from oms_adapters.sandbox.faults import Delay, Fault, Match


class Scene:
    """A service of narrow quotas, with a task, a group and a sync task in each state that a refusal needs."""

    def __init__(self, served, sandbox):
        self.served, self.sandbox = served, sandbox
        self.clients = {name: served.http(name) for name in ("alice", "dave", "rita")}
        self.projects = {name: getattr(served.users, name)["project_id"] for name in self.clients}
        self.src_keys = {"ak": sandbox.s3.credentials.access_key, "sk": sandbox.s3.credentials.secret_key.reveal()}
        self.dst_keys = {"ak": sandbox.obs.credentials.access_key, "sk": sandbox.obs.credentials.secret_key.reveal()}
        self.source, self.held = (sandbox.s3.create_bucket(f"codes-{name}") for name in ("source", "held"))
        self.target = sandbox.obs.create_bucket("codes-target")
        for bucket in (self.source, self.held):
            bucket.put("key", b"bytes")
        sandbox.s3.faults.add(Fault(Match(bucket="codes-held"), Delay(3600.0), times=None))

    def close(self):
        """Forget the clients and the fault."""
        self.sandbox.s3.faults.clear()
        for client in self.clients.values():
            client.close()

    # ---- requests ---------------------------------------------------------------------------------------------------

    def ask(self, method, path, body=None, *, who="alice", version="v2", **options):
        """Send a request below a caller's project."""
        if body is not None:
            options["json"] = body
        return self.clients[who].request(method, f"/{version}/{self.projects[who]}/{path}", **options)

    def v1(self, method, path="", body=None, **options):
        """Send a request of the first version, below its tasks."""
        return self.ask(method, f"objectstorage/task{path}", body, version="v1", **options)

    def body(self, *, bucket="codes-source", **changes):
        """A good task, changed; None takes a field away."""
        node = {"cloud_type": "AWS", "region": self.sandbox.s3.region, "bucket": bucket, "object_key": [""]}
        target = {"region": self.sandbox.obs.region, "bucket": self.target.name}
        body = {
            "task_type": "prefix",
            "src_node": {**node, **self.src_keys},
            "dst_node": {**target, **self.dst_keys},
        }
        return changed(body, changes)

    def body_v1(self, **changes):
        """A good task of the first version, changed."""
        body = self.body()
        body["src_node"]["object_key"] = "key"
        body["dst_node"]["object_key"] = ""
        return changed({**body, "task_type": "object", "enableKMS": False, "thread_num": 5}, changes)

    def sync(self):
        """A good sync task."""
        return {
            "src_cloud_type": "AWS", "src_region": self.sandbox.s3.region, "src_bucket": "codes-source",
            "dst_region": self.sandbox.obs.region, "dst_bucket": self.target.name, **self.start(),
        }  # fmt: skip

    def group(self, **changes):
        """A good group, changed."""
        return {**self.body(**changes), "task_type": "PREFIX"}

    def start(self):
        """The body of a start."""
        return {f"{side}_{name}": value for side, keys in (("src", self.src_keys), ("dst", self.dst_keys))
                for name, value in keys.items()}  # fmt: skip

    def start_v1(self, **more):
        """The body of a start, first version."""
        given = {f"{ours}_{name}": self.start()[f"{side}_{name}"] for side, ours in (("src", "source"), ("dst", "target"))
                 for name in ("ak", "sk")}  # fmt: skip
        return {"operation": "start", **given, **more}

    def buckets(self, path, **changes):
        """Look into a bucket of the source."""
        body = {"cloud_type": "AWS", **self.src_keys, **changes}
        return self.ask("POST", f"objectstorage/buckets{path}", body)

    def url_list(self, **changes):
        """Check a URL list of the destination."""
        place = {"obs_bucket": self.target.name, "list_file_key": "list.txt", "region": self.sandbox.obs.region}
        return self.ask("POST", "objectstorage/buckets/url-source-list-file", {**place, **self.dst_keys, **changes})

    def listing(self, **changes):
        """List a bucket of the source."""
        place = {"bucket_name": "codes-source", "data_center": self.sandbox.s3.region}
        return self.buckets("/objects", **{**place, "file_path": "", "page_size": 10, "behind_filename": "", **changes})

    # ---- states -----------------------------------------------------------------------------------------------------

    def prepare(self):
        """Bring everything into its state: what ends has ended, what is held is held."""
        group = self.ask("POST", "taskgroups", self.group()).json()["group_id"]
        self.group_done = self.wait(f"taskgroups/{group}", {6})
        self.done = self.task(5, enable_failed_object_recording=False)
        self.failed = self.task(4, src_node__sk="another")
        self.unrecorded = self.task(4, src_node__sk="another", enable_failed_object_recording=False)
        self.running = self.task(2, bucket="codes-held")
        self.task(2, bucket="codes-held", who="dave")
        self.waiting = self.task(1, who="dave")
        self.synced = f"sync-tasks/{self.ask('POST', 'sync-tasks', self.sync()).json()['sync_task_id']}"
        self.stopped = f"sync-tasks/{self.ask('POST', 'sync-tasks', self.sync(), who='dave').json()['sync_task_id']}"
        assert self.ask("POST", f"{self.stopped}/stop", who="dave").status_code == 200

    def task(self, *statuses, who="alice", **changes):
        """Create a task and wait for a status; return its path."""
        made = self.ask("POST", "tasks", self.body(**changes), who=who)
        assert made.status_code == 200, made.text
        return self.wait(f"tasks/{made.json()['id']}", statuses, who)

    def wait(self, path, statuses, who="alice"):
        """Wait until what a path shows has a status."""
        deadline = time.monotonic() + 60
        while (told := self.ask("GET", path, who=who).json())["status"] not in statuses:
            assert time.monotonic() < deadline, told
            time.sleep(0.05)
        return path

    def snapshot(self):
        """What there is, in every project, without the figures of what runs."""
        found = {}
        for who in ("alice", "dave"):
            for kind, name in (("tasks", "id"), ("taskgroups", "group_id"), ("sync-tasks", "sync_task_id")):
                told = self.ask("GET", kind, who=who, params={"limit": 100}).json()
                rows = next(value for value in told.values() if isinstance(value, list))
                fields = (name, "status", "description", "bandwidth_policy", "task_priority")
                found[who, kind] = [tuple(repr(row.get(field)) for field in fields) for row in rows]
        return found


def changed(body, changes):
    """Change a body in place and return it: ``src_node__bucket`` is a field of a node, None removes one."""
    for name, value in changes.items():
        place, _, inner = name.rpartition("__")
        target = body[place] if place else body
        if value is None:
            target.pop(inner, None)
        else:
            target[inner] = value
    return body
