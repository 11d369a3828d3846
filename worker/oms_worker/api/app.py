"""The application: routes, errors and the gate, around the services."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from oms_engine.errors import OmsError
from oms_worker.api import health, iam, metrics, v1, versions
from oms_worker.api.bodies import document
from oms_worker.api.context import Context
from oms_worker.api.gate import Gate, Noted
from oms_worker.api.replies import on_error, on_http_error, on_invalid
from oms_worker.api.v2 import buckets, groups, syncs, tasks

VERSION = "0.1.0"


def create_app(context: Context, noted: Noted | None = None) -> ASGIApp:
    """Return the API as an ASGI application; ``noted`` hears of every request at its end."""
    return Gate(routed_app(context), context, noted)


def routed_app(context: Context) -> FastAPI:
    """Return the routes and what becomes of errors, without the gate: whoever calls must be known already."""
    app = FastAPI(title="OpenOMS", version=VERSION, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.context = context
    app.openapi = lambda: document(app, VERSION)  # type: ignore[method-assign]
    app.add_exception_handler(OmsError, on_error)
    app.add_exception_handler(Exception, on_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http_error)
    for router in (
        health.router,
        metrics.router,
        iam.router,
        tasks.router,
        groups.router,
        syncs.router,
        buckets.router,
        v1.router,
        versions.router,
    ):
        app.include_router(router)
    return app
