"""What the routes need, and who calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import Annotated, Any, cast

from fastapi import Depends, Path, Request

from oms_engine.frozen import dataclass
from oms_worker.errors import Forbidden
from oms_worker.planning import Planner
from oms_worker.services.attempts import Attempts
from oms_worker.services.buckets import BucketService
from oms_worker.services.caller import Caller
from oms_worker.services.tasks import TaskService
from oms_worker.services.users import UserService
from oms_worker.settings import Limits, ServiceSettings

FOREIGN_PROJECT = "OMS.0206"


@dataclass(frozen=True, slots=True)
class Context:
    """The services behind the API. ``extras`` are those that not every process has, by name."""

    settings: ServiceSettings
    tasks: TaskService
    users: UserService
    planner: Planner
    buckets: BucketService
    clock: Callable[[], float]
    ready: Callable[[], Awaitable[bool]]
    """Whether calls can be served: the database answers."""
    attempts: Attempts = field(default_factory=lambda: Attempts(Limits().login_failures))
    """Failed logins of this process."""
    extras: Mapping[str, Any] = field(default_factory=dict)


def context_of(request: Request) -> Context:
    """Return the services of the app that a request came to."""
    return cast("Context", request.app.state.context)


def caller_of(request: Request) -> Caller:
    """Return who calls; the gate has put it there."""
    return cast("Caller", request.scope["caller"])


def member_of(
    request: Request, project_id: Annotated[str, Path(max_length=1024, examples=["0215ef11e49d4743be23dd97a1561e91"])]
) -> Caller:
    """Return who calls, whose project must be the one of the path.

    Raises:
        Forbidden: OMS.0206; whether the other project exists is not told.
    """
    caller = caller_of(request)
    if caller.project_id != project_id:
        raise Forbidden(FOREIGN_PROJECT, "The project of the path is not that of the credentials.")
    return caller


Services = Annotated[Context, Depends(context_of)]
Known = Annotated[Caller, Depends(caller_of)]
Member = Annotated[Caller, Depends(member_of)]
