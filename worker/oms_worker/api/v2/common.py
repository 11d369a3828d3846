"""What the routes of several resources share: pages, services of this process, and how a new request is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Query, Request

from oms_engine.model import Secret
from oms_worker.api.context import Context, context_of
from oms_worker.notify import check_topic

Limit = Annotated[int, Query(ge=1, le=100, description="Entries on a page.")]
Offset = Annotated[int, Query(ge=0, le=2_147_483_647, description="Entries before the page.")]


def extra(name: str) -> Callable[[Request], Any]:
    """Return the dependency that finds one of the context's ``extras``."""

    def find(request: Request) -> Any:
        return context_of(request).extras[name]

    return find


def judge(services: Context, request: Mapping[str, Any], secrets: Mapping[str, Secret]) -> None:
    """Refuse what can be known to be wrong before anything is kept or sent.

    Raises:
        ConfigError: OMS.0057, OMS.0058, OMS.0079, OMS.0080; OMS.0168, OMS.0169 the topic, OMS.1003 its template.
    """
    check_topic(services.settings, request.get("smn_config"))
    services.planner.judge(request, secrets)
