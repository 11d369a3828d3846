"""Servers that are not the service: told as what they are, whatever they answer."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from openoms.cli import invoke

ANSWERS = {
    "a page": (200, b"<html>welcome</html>", 3, "does not answer as OMS does (HTTP 200)"),
    "a list": (200, b"[1]", 3, "does not answer as OMS does"),
    "an empty object": (200, b"{}", 3, "does not answer as OMS does"),
    "a redirect": (302, b"", 3, "does not answer as OMS does (HTTP 302)"),
    "a page not found": (404, b"not found", 3, "does not answer as OMS does (HTTP 404)"),
    "a refusal": (400, b'{"error_code": "OMS.9", "error_msg": "no\\u001b[2J"}', 2, "OMS.9: no\\x1b[2J (request 7)"),
    "busy": (503, b'{"error_code": "OMS.2004", "error_msg": "busy"}', 3, "OMS.2004: busy (request 7)"),
}


@pytest.fixture
def server():
    """A web server that answers everything with ``answer``."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            status, body = made.answer
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Request-Id", "7")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.mark.parametrize("case", ANSWERS)
def test_any_answer_is_a_sentence(server, case, monkeypatch, capsys, tmp_path):
    """One line on standard error, the exit code of its kind, never an internal error or a control character."""
    status, content, code, words = ANSWERS[case]
    server.answer = (status, content)
    body = tmp_path / "task.json"
    body.write_text('{"src_node": {"ak": "a"}, "dst_node": {"ak": "a"}}')
    for name, value in (
        ("AK", "a"),
        ("SK", "s"),
        ("PROJECT", "0" * 32),
        ("URL", f"http://127.0.0.1:{server.server_port}"),
    ):
        monkeypatch.setenv(f"OPENOMS_{name}", value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert invoke(["task", "create", str(body)]) == code
    captured = capsys.readouterr()
    [line] = captured.err.splitlines()
    assert words in line
    assert "\x1b" not in line
    assert captured.out == ""
