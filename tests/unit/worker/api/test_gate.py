"""The outermost layer, over plain ASGI: whatever happens inside, the answer is OMS's."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError, RepositoryError
from oms_worker.api.gate import MAX_BODY, Gate
from oms_worker.errors import Busy, Forbidden, Missing, Refused


async def serve(app, *, path="/healthz", headers=(), chunks=(b"",), noted=None):
    """Pass one request through a gate; give status, headers and body."""
    sent, waiting = [], list(chunks)
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": list(headers), "client": ("127.0.0.1", 1)}  # fmt: skip

    async def receive():
        if not waiting:
            return {"type": "http.disconnect"}
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    await Gate(app, SimpleNamespace(clock=lambda: 0.0, users=None), noted)(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, body


def raising(error):
    """An application that fails."""

    async def app(scope, receive, send):
        raise error

    return app


async def echo(scope, receive, send):
    """An application that answers with the body."""
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(Refused("OMS.0066"), 400, "OMS.0066"), (Forbidden("OMS.0205"), 403, "OMS.0205"),
     (Missing("OMS.1009"), 404, "OMS.1009"), (Busy("OMS.2004"), 503, "OMS.2004"),
     (ConfigError("x", code="OMS.0057"), 400, "OMS.0057"), (RepositoryError("secret place"), 503, "OMS.2004"),
     (ZeroDivisionError("secret place"), 500, "OMS.1001"), (RecursionError(), 500, "OMS.1001")],
)  # fmt: skip
async def test_every_exception_becomes_a_code(error, status, code):
    """Errors on purpose keep their status and code; anything else is internal and tells nothing."""
    found, headers, body = await serve(raising(error))
    told = json.loads(body)
    assert (found, told["error_code"], set(told)) == (status, code, {"error_code", "error_msg"})
    assert b"secret place" not in body
    assert len(headers["x-request-id"]) == 32


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
async def test_the_body_arrives_whole(chunks):
    """In however many pieces it comes, the application gets all of it."""
    status, _, body = await serve(echo, chunks=chunks)
    assert (status, body) == (200, b"".join(chunks))


async def test_a_large_body_is_refused_before_it_is_held():
    """By its stated length without reading, and by its real one where none is stated."""
    stated = await serve(echo, headers=[(b"content-length", str(MAX_BODY + 1).encode())], chunks=())
    real = await serve(echo, chunks=[b" " * (MAX_BODY // 2)] * 3)
    for status, _, body in (stated, real):
        assert (status, json.loads(body)["error_code"]) == (413, "APIGW.0201")


async def test_a_request_that_is_cut_is_no_error_of_ours():
    """A client that goes away in the middle of its body leaves a note, no traceback."""
    notes = []
    await serve(echo, chunks=(), noted=lambda scope, status: notes.append((scope["error_code"], status)))
    assert notes == [("OMS.0004", 400)]


async def test_only_few_paths_are_public():
    """Whatever else is asked for without credentials is refused before the application hears of it."""
    heard = []

    async def app(scope, receive, send):
        heard.append(scope["path"])
        await echo(scope, receive, send)

    public = ["/", "/v1", "/v2", "/v2/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/v3/auth/tokens"]
    closed = ["/v2/p/tasks", "/v3/projects", "/v3/auth/tokens/", "/healthz/", "//", "/v3/auth/../projects", "/v2\n"]
    for path in public:
        assert (await serve(app, path=path))[0] == 200
    for path in closed:
        assert (await serve(app, path=path))[0] == 401
    assert heard == public
