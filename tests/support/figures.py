"""Readings of a task or a group while it runs, and what must hold of all of them."""

from __future__ import annotations

import time

from huaweicloudsdkoms.v2 import ShowTaskGroupRequest, ShowTaskRequest

RUNNING, STANDING = 2, {3, 4, 5}
GROWING = ("total_num", "total_size", "complete_size")


class Readings:
    """What the API states of one task or group, time after time, through whichever client."""

    def __init__(self, *, task=None, group=None):
        self.task, self.group = task, group
        self.all = []

    def read(self, client):
        """Read once; hold it against the reading before."""
        if self.group is not None:
            now = client.show_task_group(ShowTaskGroupRequest(group_id=self.group))
            now.ended = now.success_num + now.fail_num + now.skip_num
        else:
            now = client.show_task(ShowTaskRequest(task_id=self.task))
            now.ended = now.successful_num + now.failed_num + now.skipped_num
        self._check(now)
        self.all.append(now)
        return now

    def _check(self, now):
        assert now.ended <= now.total_num
        assert now.complete_size <= now.total_size
        if self.task is not None:
            self._check_task(now)
        if self.all:
            before = self.all[-1]
            for name in (*GROWING, "ended"):
                assert getattr(now, name) >= getattr(before, name), (name, before, now)

    def _check_task(self, now):
        assert now.left_time > 0 or now.status != RUNNING, now
        assert now.left_time == 0 or now.status not in STANDING, now
        assert now.progress == 1.0 or now.status != 5, now
        assert now.progress < 1.0 or now.ended == now.total_num, now
        if self.all:
            before = self.all[-1]
            assert now.progress >= before.progress, (before, now)
            assert now.is_query_over >= before.is_query_over
            if before.is_query_over:
                assert (now.total_num, now.total_size) == (before.total_num, before.total_size)

    def until(self, client, condition, seconds=60):
        """Read until ``condition`` holds of a reading; return that."""
        deadline = time.monotonic() + seconds
        while not condition(now := self.read(client)):
            assert time.monotonic() < deadline, now
            time.sleep(0.1)
        return now

    def until_status(self, client, *statuses, seconds=60):
        """Read until the status is one of these."""
        return self.until(client, lambda now: now.status in statuses, seconds)

    @property
    def between(self):
        """Readings in which some of the known bytes were done, and some not."""
        return [now for now in self.all if 0 < now.complete_size < now.total_size]
