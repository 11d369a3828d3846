"""Tells of the ends of tasks and task groups over the channels of the settings.

What is to be told is written into an outbox in the transaction of the end, so it is told although the process dies, and
sent from there: several times until it works or is given up. What became of it stands in ``smn_info``; nothing else of
the task changes. A process that dies between sending and writing that down sends once more, under the same delivery id.

Codes, as https://support.huaweicloud.com/intl/en-us/api-oms/ErrorCode.html has them: OMS.0157 the channel is not there
any more, OMS.0158 it refuses us, OMS.0156 it fails, OMS.0161 it cannot be reached.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.errors import ConfigError
from oms_engine.task import Result
from oms_worker.channels import Message, Undelivered, deliver
from oms_worker.db import groups as group_rows
from oms_worker.db import notifications as rows
from oms_worker.db.engine import Database
from oms_worker.db.groups import GroupCounters, GroupRow
from oms_worker.db.notifications import Due
from oms_worker.db.tasks import TaskRow
from oms_worker.messages import render, variables_of_group, variables_of_task
from oms_worker.settings import ServiceSettings
from oms_worker.states import Group, Task
from oms_worker.turns import Turns

log = logging.getLogger(__name__)

TURN_SECONDS = 2.0
AT_ONCE = 16
LEASE_SECONDS = 150.0
"""A notification that was taken is sent again after this long, unless it was concluded: its sender has died."""
FIRST_PAUSE_SECONDS = 2.0
"""Between the first attempt and the second; twice as long before each further one."""
LONGEST_PAUSE_SECONDS = 300.0
MAIL_ATTEMPTS = 3

NO_TOPIC = "OMS.0169"
WRONG_REGION = "OMS.0168"
GONE_TOPIC = "OMS.0157"
ANY_REGION = "local"
"""A service whose settings name no region takes topics of all regions."""


def topic_name(topic_urn: str) -> str:
    """Return which channel a topic is: the last part of ``urn:smn:<region>:<project>:<name>``."""
    return topic_urn.rpartition(":")[2]


def check_topic(settings: ServiceSettings, config: Mapping[str, Any] | None) -> None:
    """Refuse a notification that could not be sent; None is none.

    Raises:
        ConfigError: OMS.0169 no such channel, OMS.0168 a topic of another region, OMS.1003 no such template.
    """
    if config is None:
        return
    name = topic_name(config["topic_urn"])
    if name not in settings.channels:
        raise ConfigError(f"smn_config.topic_urn: there is no channel {name!r} in the settings.", code=NO_TOPIC)
    parts = config["topic_urn"].split(":")
    if len(parts) >= 5 and settings.region not in {ANY_REGION, parts[2]}:
        raise ConfigError(f"smn_config.topic_urn: the topic must be of region {settings.region}.", code=WRONG_REGION)
    template = config.get("message_template_name")
    if template and template not in settings.templates:
        message = f"smn_config.message_template_name: there is no template {template!r} in the settings."
        raise ConfigError(message, code="OMS.1003")


class Notifier:
    """Writes ends into the outbox, and sends what lies there."""

    def __init__(self, database: Database, settings: ServiceSettings, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._turns = Turns("notifications", self._send_all, seconds=TURN_SECONDS)

    # ---- in the transaction of an end -------------------------------------------------------------------------------

    async def on_task_end(self, connection: AsyncConnection, task: TaskRow, result: Result) -> None:
        """Note the end of a task, if it asked for that; see ``running.EndHook``."""
        del result
        trigger = {Task.SUCCEEDED: "SUCCESS", Task.FAILED: "FAILURE"}.get(Task(task.status))
        config = task.request.get("smn_config")
        if trigger and config and trigger in config["trigger_conditions"]:
            now = self._clock()
            variables = variables_of_task(task, now, _language(config), self._settings.zone)
            await rows.put(connection, task.subject, config, variables, now)
            self._turns.wake()

    async def on_group_end(self, connection: AsyncConnection, group: GroupRow) -> None:
        """Note the end of a group, if it asked for that."""
        trigger = {Group.COMPLETED: "SUCCESS", Group.FAILED: "FAILURE", Group.CREATION_FAILED: "FAILURE"}.get(
            Group(group.status)
        )
        config = group.request.get("smn_config")
        if trigger and config and trigger in config["trigger_conditions"]:
            now = self._clock()
            sums = await group_rows.counters_of(connection, [group.id])
            counters = sums.get(group.id, GroupCounters())
            variables = variables_of_group(group, counters, now, _language(config), self._settings.zone)
            await rows.put(connection, group.subject, config, variables, now)
            self._turns.wake()

    # ---- sending ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to send."""
        self._turns.start()

    async def stop(self) -> None:
        """End; what is being sent is sent again later."""
        await self._turns.stop()

    async def _send_all(self) -> None:
        while await self.turn():
            pass

    async def turn(self) -> int:
        """Send what is due; return how many were tried."""
        async with self._database.read() as connection:
            found = await rows.due(connection, self._clock(), AT_ONCE)
        await asyncio.gather(*(self._send(item) for item in found))
        return len(found)

    async def _send(self, item: Due) -> None:
        async with self._database.write() as connection:
            if not await rows.take(connection, item, self._clock() + LEASE_SECONDS):
                return
        name = topic_name(item.config["topic_urn"])
        channel = self._settings.channels.get(name)
        if channel is None:
            await self._conclude(item, name, GONE_TOPIC)
            return
        template = item.config.get("message_template_name") or ""
        subject, text = render(item.variables, _language(item.config), self._settings.templates.get(template))
        message = Message(item.id, item.variables, subject, text, templated=template in self._settings.templates)
        try:
            await deliver(channel, message, self._settings.work, self._clock())
        except Undelivered as error:
            await self._failed(item, name, error, getattr(channel, "attempts", MAIL_ATTEMPTS))
        else:
            await self._conclude(item, name, None)

    async def _failed(self, item: Due, name: str, error: Undelivered, attempts: int) -> None:
        log.warning("notification %s over %s failed: %s", item.id, name, error)
        if error.final or item.attempts + 1 >= attempts:
            await self._conclude(item, name, error.code)
            return
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**item.attempts)
        async with self._database.write() as connection:
            await rows.put_off(connection, item.id, self._clock() + pause)

    async def _conclude(self, item: Due, name: str, code: str | None) -> None:
        info: dict[str, Any] = {"notify_result": code is None, "notify_error_message": code or "", "topic_name": name}
        async with self._database.write() as connection:
            await rows.conclude(connection, item, info)


def _language(config: Mapping[str, Any]) -> str:
    return str(config.get("language") or "en-us")
