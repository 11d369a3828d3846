"""What a conformance case is given: the bucket under test, and a way to perform its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import md5
from typing import Any, TypeVar

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.errors import StoreError
from oms_engine.model import Attributes, Credentials, KeyOrder, ObjectHead, Secret, WriteOptions, Written, key_bytes
from oms_engine.store import BucketStore, Call
from oms_engine.wire import Wire, WireSettings

T = TypeVar("T")

AT_ONCE = 16
"""Calls that are performed side by side."""


@dataclass(slots=True)
class Harness:
    """One bucket under test. Cases write only under ``prefix`` and delete what they wrote."""

    config: StoreConfig
    store: BucketStore
    perform: Callable[[Call[Any]], Any]
    """Perform a call, return its value."""
    fetch: Callable[[Call[Any]], tuple[Any, bytes]]
    """Perform a read, return its value and its bytes."""
    perform_all: Callable[[list[Call[Any]]], None]
    """Perform calls side by side."""
    prefix: str = ""
    finish_restores: Callable[[], None] | None = None
    """Make restores under way end now; None where only time does that."""
    forge: Callable[[str], Credentials] | None = None
    """Make credentials that are wrong in one way, ``secret_key`` or ``access_key``; None where any text makes a key."""
    written: set[str] = field(default_factory=set)

    def put(self, key: str, body: bytes = b"", **options: Any) -> Written:
        """Store an object; options as of ``WriteOptions``."""
        self.written.add(key)
        options.setdefault("md5", md5(body, usedforsecurity=False).digest())  # as a migration sends it
        written = self.perform(self.store.write(key, size=len(body), options=WriteOptions(**options), body=body))
        assert isinstance(written, Written)
        return written

    def put_all(self, objects: Mapping[str, bytes]) -> None:
        """Store many objects side by side."""
        self.written.update(objects)
        self.perform_all(
            [
                self.store.write(
                    key,
                    size=len(body),
                    options=WriteOptions(md5=md5(body, usedforsecurity=False).digest()),
                    body=body,
                )
                for key, body in objects.items()
            ]
        )

    def head(self, key: str) -> ObjectHead:
        """Return the head of an object."""
        head = self.perform(self.store.head(key))
        assert isinstance(head, ObjectHead)
        return head

    def body(self, key: str) -> bytes:
        """Return the bytes of an object."""
        return self.fetch(self.store.read(key))[1]

    def keys(self, prefix: str, *, start_after: str = "", limit: int = 1000) -> list[str]:
        """Return all keys under a prefix, page by page, and check that the pages end."""
        found: list[str] = []
        following: str | None = start_after
        anywhere = not start_after or self.store.capabilities.list_start_anywhere
        token: str | None = None
        while following is not None:
            page = self.perform(self.store.list_page(prefix, start_after=following, limit=limit, token=token))
            assert len(page.objects) <= limit, "the page is longer than asked for"
            found += [item.key for item in page.objects if anywhere or self.rank(item.key) > self.rank(start_after)]
            assert page.next_start != following or page.token != token, "the listing stands still"
            following, token = page.next_start, page.token
        return found

    def first_keys(self, prefix: str, most: int) -> list[str]:
        """Return the first keys under a prefix, about ``most``, in the order in which they are listed."""
        found: list[str] = []
        following: str | None = ""
        token: str | None = None
        while following is not None and len(found) < most:
            page = self.perform(self.store.list_page(prefix, start_after=following, token=token))
            found += [item.key for item in page.objects]
            following, token = page.next_start, page.token
        return found

    def rank(self, key: str) -> Any:
        """Return what sorts keys in the order the store is declared to list in."""
        order = self.store.capabilities.order
        if order is KeyOrder.UTF16:
            return key.encode("utf-16-be", "surrogatepass")
        return key.encode("utf-8", "surrogateescape").split(b"/") if order is KeyOrder.PATH else key_bytes(key)

    def upload(self, key: str, **attributes: Any) -> str:
        """Open an upload, return its id."""
        self.written.add(key)
        return str(self.perform(self.store.start_upload(key, options=WriteOptions(Attributes(**attributes)))))

    def variant(self, **changes: Any) -> BucketStore:
        """Return a store of the same cloud that is reached in another way."""
        return open_store(replace(self.config, **changes))

    def with_credentials(self, access_key: str | None = None, secret: str | None = None) -> BucketStore:
        """Return the same bucket under other credentials."""
        good = self.config.credentials
        assert good is not None, "the bucket under test is anonymous"
        if self.forge is not None:
            return self.variant(credentials=self.forge("secret_key" if secret else "access_key"))
        keys = Credentials(access_key or good.access_key, Secret(secret) if secret else good.secret_key, good.token)
        return self.variant(credentials=keys)

    def clean(self) -> None:
        """Delete what the case wrote."""
        if len(self.written) > AT_ONCE:
            with suppress(StoreError):
                self.perform_all([self.store.delete(key) for key in self.written])
        else:
            for key in self.written:
                with suppress(StoreError):
                    self.perform(self.store.delete(key))
        self.written.clear()


@contextmanager
def open_harness(
    config: StoreConfig,
    *,
    prefix: str = "",
    finish_restores: Callable[[], None] | None = None,
    forge: Callable[[str], Credentials] | None = None,
    wire_settings: WireSettings | None = None,
) -> Iterator[Harness]:
    """Open a bucket over the real wire, without retries that would hide a fault for long."""
    with asyncio.Runner() as runner:
        wire = Wire(wire_settings or WireSettings(attempts=2, backoff=0.05))
        runner.run(_enter(wire))

        def fetch(call: Call[T]) -> tuple[T, bytes]:
            return runner.run(wire.fetch(call, limit=64 * 1024 * 1024))

        def perform(call: Call[T]) -> T:
            return runner.run(wire.call(call))

        def perform_all(calls: list[Call[Any]]) -> None:
            runner.run(_side_by_side(wire, calls))

        try:
            yield Harness(config, open_store(config), perform, fetch, perform_all, prefix, finish_restores, forge)
        finally:
            runner.run(wire.__aexit__(None, None, None))


async def _side_by_side(wire: Wire, calls: list[Call[Any]]) -> None:
    """Perform all calls, then raise the first error."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(call: Call[Any]) -> None:
        async with gate:
            await wire.call(call)

    done = await asyncio.gather(*map(one, calls), return_exceptions=True)
    for failure in done:
        if failure is not None:
            raise failure


async def _enter(wire: Wire) -> None:
    await wire.__aenter__()
