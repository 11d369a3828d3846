"""The tables of the service's settings: quotas, queue, work, groups, sync tasks, endpoints, channels."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

Count = Annotated[int, Field(ge=0, le=10**9)]
Positive = Annotated[int, Field(ge=1, le=10**6)]
Seconds = Annotated[float, Field(ge=0, le=10**9)]


class Part(BaseModel):
    """A table of the file: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Quotas(Part):
    """Limits per project. Huawei Cloud's documents give several values for each; 0 lifts a limit."""

    running_tasks: Count = 5
    """https://support.huaweicloud.com/intl/en-us/productdesc-oms/oms_01_0038.html"""
    tasks_per_day: Count = 0
    waiting_tasks: Count = 1500
    """https://support.huaweicloud.com/intl/en-us/api-oms/CreateTask.html"""
    groups_per_day: Count = 100
    """OMS.1037 of https://support.huaweicloud.com/intl/en-us/api-oms/ErrorCode.html"""
    running_groups: Count = 5
    sync_tasks: Count = 5


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
    """A process that has not told the database for this long that it lives is dead: others take its tasks over."""
    connections_per_task: Annotated[int, Field(ge=1, le=10_000)] = 64
    memory_mib_per_task: Annotated[int, Field(ge=8, le=65_536)] = 32
    patience_seconds: Annotated[float, Field(ge=0, le=30 * 86_400)] = 900.0
    """A store that does not answer is waited for this long before its task fails; started again, it goes on."""
    min_rate: Annotated[float, Field(ge=0)] = 1024.0
    """Bytes a second that a transfer must reach over a minute of waiting for the other end; 0: any."""
    ca_file: Path | None = None
    verify_tls: bool = True
    proxy: str | None = Field(default=None, repr=False)
    no_proxy: tuple[str, ...] = ()
    allow_private_urls: bool = False
    """Let URL lists name addresses of this machine and its networks: whoever may create tasks can then read there."""
    allow_private_endpoints: tuple[str, ...] = ()
    """Hosts and host suffixes (``.blob.corp.example``) that addresses in a caller's credentials may name though they
    are private or plain http: an Azure connection string, the token_uri of a Google key file; ``*`` is every host."""
    count_ahead: bool = True
    """List the source once more beside the migration, so that totals and percent are right from early on."""


class Limits(Part):
    """What clients of the API may take of this process before, and after, it is known who they are."""

    connections: Annotated[int, Field(ge=1, le=100_000)] = 2048
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


class Groups(Part):
    """How task groups are cut."""

    keys_per_task: Positive = 100_000
    bytes_per_task: Annotated[int, Field(ge=1, le=1 << 60)] = 1 << 40
    """Most bytes of a sub-task whose source is listed; Huawei Cloud advises against more than 3 TB in one task:
    https://support.huaweicloud.com/intl/en-us/usermanual-oms/oms_01_00020.html"""
    concurrent_tasks: Count = 5
    """Sub-tasks of one group that run at once, on all nodes, within the project's ``running_tasks``; 0: no limit."""


class Syncs(Part):
    """How events of sync tasks are batched."""

    batch_keys: Positive = 1000
    batch_seconds: Seconds = 5.0
    waiting_keys: Positive = 1_000_000
    """Beyond, events are refused with OMS.2004."""


class EndpointSettings(Part):
    """How a region of a cloud is reached."""

    endpoint: Annotated[str, Field(min_length=1)]
    addressing: Literal["path", "virtual"] | None = None
    extra: dict[str, str | bool] = Field(default_factory=dict)


class Webhook(Part):
    """A channel that posts the thirteen template variables as JSON."""

    kind: Literal["webhook"]
    url: Annotated[str, Field(pattern=r"^https?://", repr=False)]
    """Its path is not shown: many services put a secret there."""
    secret: SecretStr | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 3


class Email(Part):
    """A channel that sends mail through a relay."""

    kind: Literal["email"]
    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 25
    sender: Annotated[str, Field(min_length=3)]
    recipients: Annotated[tuple[str, ...], Field(min_length=1)]
    user: str | None = None
    password: SecretStr | None = None
    starttls: bool = False
    """TLS begins after a command, mostly on port 587: https://www.rfc-editor.org/rfc/rfc3207."""
    tls: bool = False
    """TLS from the first byte, mostly on port 465: https://www.rfc-editor.org/rfc/rfc8314."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0

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
