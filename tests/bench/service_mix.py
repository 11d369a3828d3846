"""What the clients of the loaded service do: a mix of calls, and pauses whose length is measured."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from service_client import Client, Keys, Reply

MIGRATING, PAUSED = 2, 3
THINK_SECONDS = 0.05
"""Between a connection's calls."""
SETTLE_SECONDS = 6.0
"""A stopped task is started again after this long: pausing takes up to 5 s."""

WEIGHTS = {
    "show": 34, "list": 22, "list running": 10, "create": 9, "delete": 6, "bandwidth": 7, "stop": 5, "start": 5,
    "batch-update": 2,
}  # fmt: skip


@dataclass
class Mix:
    """The clients' common knowledge, and what they measured."""

    body: Callable[[], dict[str, Any]]
    start_body: dict[str, Any]
    running: list[int]
    waiting: list[int]
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[str] = field(default_factory=Counter)
    pauses: list[float] = field(default_factory=list)
    """Seconds from a stop's answer until the task is seen paused."""
    stopped: deque[tuple[float, int]] = field(default_factory=deque)
    pausing: list[tuple[float, int]] = field(default_factory=list)

    async def client(self, keys: Keys, until: float, seed: int) -> None:
        """Call, with a short pause after each answer, until a moment of the monotonic clock."""
        choice = random.Random(seed)
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        async with Client(keys) as client:
            while time.monotonic() < until:
                name = choice.choices(names, weights)[0]
                reply = await getattr(self, f"_{name.replace(' ', '_').replace('-', '_')}")(client, choice)
                if reply is not None:
                    self._note(name, reply)
                await asyncio.sleep(THINK_SECONDS)

    def _note(self, name: str, reply: Reply) -> None:
        self.seconds[name].append(reply.seconds)
        if reply.status >= 300:
            self.refused[f"{name}: {reply.status} {reply.body['error_code']}"] += 1

    def _show(self, client: Client, choice: random.Random) -> Awaitable[Reply]:
        return client.call("GET", f"/tasks/{choice.choice(self.running + self.waiting)}")

    def _list(self, client: Client, choice: random.Random) -> Awaitable[Reply]:
        return client.call("GET", "/tasks", f"limit=10&offset={choice.choice((0, 0, 10, 500))}")

    def _list_running(self, client: Client, choice: random.Random) -> Awaitable[Reply]:
        return client.call("GET", "/tasks", "limit=100&offset=0&status=2")

    async def _create(self, client: Client, choice: random.Random) -> Reply:
        reply = await client.call("POST", "/tasks", body=self.body())
        if reply.status == 200:
            self.waiting.append(reply.body["id"])
        return reply

    async def _delete(self, client: Client, choice: random.Random) -> Reply | None:
        # The newest: what has waited for longest may be running by now.
        return await client.call("DELETE", f"/tasks/{self.waiting.pop()}") if len(self.waiting) > 1000 else None

    def _bandwidth(self, client: Client, choice: random.Random) -> Awaitable[Reply]:
        rule = {"start": "00:00", "end": "23:59", "max_bandwidth": choice.randrange(1 << 20, 100 << 20)}
        path = f"/tasks/{choice.choice(self.running)}/bandwidth-policy"
        return client.call("PUT", path, body={"bandwidth_policy": [rule]})

    def _batch_update(self, client: Client, choice: random.Random) -> Awaitable[Reply]:
        ids = choice.sample(self.waiting[-500:], 20)
        return client.call("POST", "/tasks/batch-update", body={"ids": ids, "bandwidth_policy": []})

    async def _stop(self, client: Client, choice: random.Random) -> Reply:
        number = self.running.pop(choice.randrange(len(self.running)))
        reply = await client.call("POST", f"/tasks/{number}/stop")
        self.pausing.append((time.monotonic(), number))
        self.stopped.append((time.monotonic(), number))
        return reply

    async def _start(self, client: Client, choice: random.Random) -> Reply | None:
        if not self.stopped or time.monotonic() - self.stopped[0][0] < SETTLE_SECONDS:
            return None
        _, number = self.stopped.popleft()
        return await client.call("POST", f"/tasks/{number}/start", body=self.start_body)

    async def watch_pauses(self, keys: Keys, until: float) -> None:
        """Look every 100 ms at tasks that are pausing, until a moment and as long as any is."""
        async with Client(keys) as client:
            while time.monotonic() < until or self.pausing:
                for since, number in list(self.pausing):
                    reply = await client.call("GET", f"/tasks/{number}")
                    if reply.body["status"] != 7:
                        self.pauses.append(time.monotonic() - since)
                        self.pausing.remove((since, number))
                await asyncio.sleep(0.1)


async def run_mix(mix: Mix, keys: Keys, connections: int, seconds: float) -> None:
    """Have several connections call for a while."""
    until = time.monotonic() + seconds
    clients = [mix.client(keys, until, seed) for seed in range(connections)]
    await asyncio.gather(*clients, mix.watch_pauses(keys, until))


def quantile(values: list[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
