"""The outermost layer, over plain ASGI: whatever happens inside, the answer is OMS's."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError, RepositoryError
from oms_worker.api.body_reader import MAX_BODY, BodyBudget
from oms_worker.api.gate import PUBLIC_BODY, Gate
from oms_worker.errors import Busy, Forbidden, Missing, Refused
from oms_worker.settings import Limits

LIMITS = Limits()


async def serve(app, *, path="/healthz", headers=(), chunks=(b"",), noted=None, limits=LIMITS):
    """Pass one request through a gate; give status, headers and body."""
    sent, waiting = [], chunks if isinstance(chunks, Endless) else list(chunks)
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": list(headers), "client": ("127.0.0.1", 1)}  # fmt: skip

    async def receive():
        if not waiting:
            return {"type": "http.disconnect"}
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    context = SimpleNamespace(clock=lambda: 0.0, users=None, settings=SimpleNamespace(limits=limits))
    await Gate(app, context, noted)(scope, receive, send)
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
    """By its stated length without reading, and by its real one where none is stated; the connection is closed."""
    stated = await serve(echo, headers=[(b"content-length", str(PUBLIC_BODY + 1).encode())], chunks=())
    real = await serve(echo, headers=[(b"transfer-encoding", b"chunked")], chunks=[b" " * (PUBLIC_BODY // 2)] * 4)
    for status, headers, body in (stated, real):
        assert (status, json.loads(body)["error_code"]) == (413, "APIGW.0201")
        assert headers["connection"] == "close"


async def test_a_stranger_s_body_is_not_read():
    """Who has no credentials is refused from the head: not one byte of a large body is asked for."""
    asked = []

    def chunks():
        asked.append(1)
        return b" " * 1024

    headers = [(b"content-length", str(MAX_BODY).encode())]
    status, sent, _ = await serve(echo, path="/v2/p/tasks", headers=headers, chunks=Endless(chunks))
    assert (status, sent["connection"], asked) == (401, "close", [])


async def test_bodies_share_a_budget():
    """Bodies beyond the budget of all are refused with 503, and their room is given back at the end."""
    gate_limits = Limits(body_memory_mib=16)
    budget = BodyBudget(gate_limits.body_memory_mib * 2**20)
    budget.take(16 * 2**20)
    with pytest.raises(Busy):
        budget.take(1)
    budget.give(16 * 2**20)
    budget.take(1)


class Endless:
    """Chunks that never end, made as they are asked for."""

    def __init__(self, make):
        self._make = make

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration

    def pop(self, _index):
        """Make one."""
        return self._make()

    def __len__(self):
        return 1


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
