"""The tables of the service's settings: quotas, queue, work, groups, sync tasks, channels."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from oms_engine.errors import ConfigError
from oms_engine.wire.proxy import parse_proxy
from oms_worker.setting_base import Part

Count = Annotated[int, Field(ge=0, le=10**9)]
Positive = Annotated[int, Field(ge=1, le=10**6)]
Seconds = Annotated[float, Field(ge=0, le=10**9)]


class Quotas(Part):
    """Limits per project. Huawei Cloud's documents give several values for each; 0 lifts a limit."""

    running_tasks: Count = 5
    """Tasks that run at once; 0: no limit. https://support.huaweicloud.com/intl/en-us/productdesc-oms/oms_01_0038.html"""
    tasks_per_day: Count = 0
    """Tasks created within 24 hours; 0: no limit."""
    waiting_tasks: Count = 1500
    """Tasks that wait; 0: no limit. https://support.huaweicloud.com/intl/en-us/api-oms/CreateTask.html"""
    groups_per_day: Count = 100
    """Task groups created within 24 hours; 0: no limit. OMS.1037 of https://support.huaweicloud.com/intl/en-us/api-oms/ErrorCode.html"""
    running_groups: Count = 5
    """Task groups that are under way at once; 0: no limit."""
    sync_tasks: Count = 5
    """Sync tasks that exist at once; 0: no limit."""


class Queue(Part):
    """How waiting tasks are chosen."""

    ageing_seconds: Annotated[float, Field(gt=0)] = 3600.0
    """Waiting this long lifts a task by one priority."""
    expiry_days: Annotated[float, Field(gt=0)] = 30.0
    """A task that waits longer fails and its credentials are wiped, as OMS does."""


class Work(Part):
    """How the tasks of this process run."""

    hosts: Annotated[int, Field(ge=0, le=256)] = 0
    """Child processes that move data; 0: one per processor."""
    tasks: Positive = 200
    """Most tasks that this process runs at once, all projects together."""
    dead_seconds: Annotated[float, Field(ge=3, le=3600)] = 30.0
    """A process that has not renewed its row in the database for this long is dead: others take its tasks over."""
    connections_per_task: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Connections of one task to its two stores, in all."""
    memory_mib_per_task: Annotated[int, Field(ge=8, le=65_536)] = 32
    """Memory for the bodies of small objects of one task, in MiB."""
    patience_seconds: Annotated[float, Field(ge=0, le=30 * 86_400)] = 900.0
    """A store that does not answer is waited for this long before its task fails; started again, it goes on."""
    min_rate: Annotated[float, Field(ge=0)] = 1024.0
    """Bytes a second that a transfer must reach over a minute of waiting for the other end; 0: any."""
    ca_file: Path | None = None
    """Certificates (PEM) of the authorities that stores' certificates are held against; None: the system's."""
    verify_tls: bool = True
    """False: certificates of stores are not verified, which is for tests."""
    proxy: str | None = Field(default=None, repr=False)
    """HTTP proxy on the way to stores, http://[user:password@]host:port."""
    no_proxy: tuple[str, ...] = ()
    """Hosts, suffixes of hosts and networks that are reached without the proxy."""
    allow_private_urls: bool = False
    """Let URL lists name addresses of this machine and its networks: whoever may create tasks can then read there."""
    allow_private_endpoints: tuple[str, ...] = ()
    """Hosts and host suffixes (``.blob.corp.example``) that addresses in a caller's credentials may name though they
    are private or plain http: an Azure connection string, the token_uri of a Google key file; ``*`` is every host. The
    domain of a CDN (``source_cdn``) may be such a host too."""
    invalid_metadata: Literal["fail", "drop", "encode"] = "fail"
    """What becomes of metadata that a destination cannot hold: ``fail``: its object fails; ``drop``: it is left out;
    ``encode``: it is percent-encoded. What was dropped or encoded stands in the success list, by name."""
    check_at_creation: bool = True
    """Look for buckets, objects, list file and CDN before a task is created, for five seconds at most."""
    count_ahead: bool = True
    """List the source once more beside the migration, so that totals and percent are right from early on."""

    @field_validator("proxy")
    @classmethod
    def _known_scheme(cls, value: str | None) -> str | None:
        if value:
            try:
                parse_proxy(value)
            except ConfigError as error:
                raise ValueError(str(error)) from None
        return value


class Limits(Part):
    """What clients of the API may take of this process before, and after, it is known who they are."""

    connections: Annotated[int, Field(ge=1, le=100_000)] = 2048
    """Connections of clients that are open at once."""
    connections_per_address: Annotated[int, Field(ge=1, le=100_000)] = 256
    """A reverse proxy is one address: raise it there."""
    head_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    """From a connection, or the first byte of a further request, to the end of the request's head."""
    body_bytes_per_second: Annotated[int, Field(ge=1)] = 16_384
    """A body that arrives more slowly, beyond its first ten seconds, is refused."""
    body_memory_mib: Annotated[int, Field(ge=16, le=65_536)] = 128
    """All bodies together that are held at once; beyond, requests are answered with 503."""
    login_failures: Annotated[int, Field(ge=1, le=10_000)] = 10
    """Failed logins per minute of one user name, and ten times as many from one address; further ones get 503."""
    unsigned_payload: bool = False
    """Take bodies that their signature does not cover (UNSIGNED-PAYLOAD) over plain HTTP too, where whoever is on the
    way can change them; over HTTPS they are always taken. For a proxy that ends TLS and clients that sign so."""
    replays: bool = True
    """Take a signed request over plain HTTP more than once, from any connection. With ``false`` a change is served on
    one connection only; clients that send the same request twice within a second, and sign it alike, are refused."""


class Groups(Part):
    """How task groups are cut."""

    keys_per_task: Positive = 100_000
    """Most objects of a sub-task."""
    bytes_per_task: Annotated[int, Field(ge=1, le=1 << 60)] = 1 << 40
    """Most bytes of a sub-task whose source is listed; Huawei Cloud advises against more than 3 TB in one task:
    https://support.huaweicloud.com/intl/en-us/usermanual-oms/oms_01_00020.html"""
    concurrent_tasks: Count = 5
    """Sub-tasks of one group that run at once, on all nodes, within the project's ``running_tasks``; 0: no limit."""


class Syncs(Part):
    """How events of sync tasks are batched."""

    batch_keys: Positive = 1000
    """Most keys of one sub-task."""
    batch_seconds: Seconds = 5.0
    """A sub-task is made this long after its first key arrived, if it is not full before."""
    waiting_keys: Positive = 1_000_000
    """Beyond, events are refused with OMS.2004."""


class Webhook(Part):
    """A channel that posts the thirteen template variables as JSON."""

    kind: Literal["webhook"]
    """``webhook``."""
    url: Annotated[str, Field(pattern=r"^https?://", repr=False)]
    """Where messages are posted. Its path is not shown: many services put a secret there."""
    secret: SecretStr | None = None
    """Signs each message (HMAC-SHA256), so that its receiver can tell who sent it."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Time for one attempt."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Attempts until the notification has failed."""


class Email(Part):
    """A channel that sends mail through a relay."""

    kind: Literal["email"]
    """``email``."""
    host: Annotated[str, Field(min_length=1)]
    """The relay."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 25
    """Its port."""
    sender: Annotated[str, Field(min_length=3)]
    """Address of the sender."""
    recipients: Annotated[tuple[str, ...], Field(min_length=1)]
    """Addresses of the recipients."""
    user: str | None = None
    """Name at the relay."""
    password: SecretStr | None = None
    """Password at the relay."""
    starttls: bool = False
    """TLS begins after a command, mostly on port 587: https://www.rfc-editor.org/rfc/rfc3207."""
    tls: bool = False
    """TLS from the first byte, mostly on port 465: https://www.rfc-editor.org/rfc/rfc8314."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Time for one attempt."""

    @model_validator(mode="after")
    def _guarded(self) -> Email:
        if self.tls and self.starttls:
            raise ValueError("tls and starttls exclude each other")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        if self.user is not None and not (self.tls or self.starttls or is_loopback(self.host)):
            raise ValueError("a password is sent only over starttls or tls")
        return self


Channel = Annotated[Webhook | Email, Field(discriminator="kind")]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
