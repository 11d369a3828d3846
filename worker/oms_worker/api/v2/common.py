"""What the routes of several resources share: pages, services of this process, and how a new request is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request

from oms_engine.model import Secret
from oms_worker.api.context import Context, context_of
from oms_worker.notify import check_topic
from oms_worker.running import RunPlan
from oms_worker.states import Call

Limit = Annotated[int, Query(ge=1, le=100, description="Entries on a page.")]
Offset = Annotated[int, Query(ge=0, le=2_147_483_647, description="Entries before the page.")]


TERRAFORM = "terraform-provider"
"""In the User-Agent of Terraform's providers; Huawei Cloud's is ``terraform-provider-iac``:
https://github.com/huaweicloud/terraform-provider-huaweicloud/blob/master/huaweicloud/config/auth.go"""


def stop_call(agent: Annotated[str, Header(alias="User-Agent", include_in_schema=False)] = "") -> Call:
    """Return what a stop is: a HALT where Terraform asks, which takes every refusal for a failed apply."""
    return Call.HALT if TERRAFORM in agent.lower() else Call.STOP


StopCall = Annotated[Call, Depends(stop_call)]


def extra(name: str) -> Callable[[Request], Any]:
    """Return the dependency that finds one of the context's ``extras``."""

    def find(request: Request) -> Any:
        return context_of(request).extras[name]

    return find


def judge(services: Context, request: Mapping[str, Any], secrets: Mapping[str, Secret]) -> RunPlan:
    """Plan a request, and refuse what can be known to be wrong before anything is kept or sent.

    Raises:
        ConfigError: OMS.0057, OMS.0058, OMS.0079, OMS.0080; OMS.0168, OMS.0169 the topic, OMS.1003 its template.
    """
    check_topic(services.settings, request.get("smn_config"))
    return services.planner.judge(request, secrets)
