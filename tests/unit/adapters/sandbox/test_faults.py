"""Each misbehaviour, as it is seen on the wire."""

import http.client
import io
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.sandbox import (
    Answer,
    Chunked,
    Cut,
    Delay,
    ErrorIn200,
    Fault,
    FlipBit,
    FlipStoredBit,
    Garbage,
    LoseReply,
    Match,
    Redirect,
    Truncate,
    WrongLength,
    md5_hex,
)
from oms_adapters.sandbox.faults import FaultTable
from oms_adapters.sandbox.request import Incoming

GET = Match(operation="GetObject")
BODY = bytes(range(256)) * 20


@pytest.fixture
def stored(cloud):
    """Return the cloud with one object of 5120 bytes."""
    cloud.bucket("bkt").put("k", BODY)
    return cloud


def test_a_well_behaved_reply(stored, ask):
    """Without faults the object comes whole and its length is stated."""
    answer = ask(stored, "GET", "/bkt/k")
    assert (answer.status, answer.body, answer.head["content-length"]) == (200, BODY, "5120")


def test_cut_before_a_byte(stored, ask):
    """Cut() closes without any reply."""
    stored.faults.add(Fault(GET, Cut()))
    assert ask(stored, "GET", "/bkt/k").data == b""
    assert ask(stored, "GET", "/bkt/k").status == 200


@pytest.mark.parametrize("size", [0, 1, 20])
def test_cut_within_the_head(stored, ask, size):
    """Cut(head=n) sends n bytes of the head."""
    stored.faults.add(Fault(GET, Cut(head=size)))
    assert ask(stored, "GET", "/bkt/k").data == b"HTTP/1.1 200 OK\r\nlast-modified"[:size]


@pytest.mark.parametrize("size", [0, 1, 5119])
def test_cut_within_the_body(stored, ask, size):
    """Cut(body=n) sends the head and n bytes of the body."""
    stored.faults.add(Fault(GET, Cut(body=size)))
    answer = ask(stored, "GET", "/bkt/k")
    assert (answer.head["content-length"], answer.body) == ("5120", BODY[:size])


@pytest.mark.parametrize("cut", [Cut(reset=True), Cut(head=9, reset=True), Cut(body=9, reset=True)])
def test_cut_with_a_reset(stored, ask, cut):
    """Cut(reset=True) ends in a connection reset, not in an end of data."""
    stored.faults.add(Fault(GET, cut))
    with socket.create_connection(("127.0.0.1", stored.endpoint.port), timeout=5) as connection:
        connection.sendall(ask.signed(stored, "GET", "/bkt/k"))
        with pytest.raises(ConnectionResetError):
            b"".join(iter(lambda: connection.recv(65536), b""))


def test_truncate(stored, ask):
    """Truncate leaves the last bytes out and closes."""
    stored.faults.add(Fault(GET, Truncate(missing=7)))
    answer = ask(stored, "GET", "/bkt/k")
    assert (answer.head["content-length"], answer.body) == ("5120", BODY[:-7])


def test_flip_bit_changes_one_bit_of_the_reply_only(stored, ask):
    """FlipBit damages what is sent; the stored object and its ETag stay."""
    stored.faults.add(Fault(GET, FlipBit(offset=2)))
    answer = ask(stored, "GET", "/bkt/k", headers={"Range": "bytes=256-511"})
    assert (answer.status, answer.body) == (206, BODY[:2] + b"\x03" + BODY[3:256])
    assert answer.head["etag"] == f'"{md5_hex(BODY)}"'
    assert ask(stored, "GET", "/bkt/k").body == BODY


def test_flip_stored_bit_changes_what_is_kept(cloud, ask):
    """FlipStoredBit stores damaged bytes: the ETag is theirs."""
    cloud.faults.add(Fault(Match(operation="PutObject"), FlipStoredBit()))
    answer = ask(cloud, "PUT", "/bkt/k", body=b"abc")
    assert cloud.bucket("bkt").get("k") == b"`bc"
    assert answer.head["etag"] == f'"{md5_hex(b"`bc")}"'


def test_lose_reply_does_the_work(cloud, ask):
    """LoseReply stores the object and closes without a word."""
    cloud.faults.add(Fault(Match(method="PUT"), LoseReply()))
    assert ask(cloud, "PUT", "/bkt/k", body=b"abc").data == b""
    assert cloud.bucket("bkt").get("k") == b"abc"
    assert (cloud.log[-1].status, cloud.log[-1].fault) == (0, "LoseReply")


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (429, "TooManyRequests")])
def test_answer(cloud, ask, status, code):
    """Answer refuses with any status and code, with Retry-After when told, and does not do the work."""
    cloud.faults.add(Fault(Match(method="PUT"), Answer(status, code, retry_after=2)))
    answer = ask(cloud, "PUT", "/bkt/k", body=b"abc")
    assert (answer.status, answer.head["retry-after"]) == (status, "2")
    assert f"<Code>{code}</Code>".encode() in answer.body
    assert cloud.bucket("bkt").keys() == []


def test_an_early_answer_does_not_wait_for_the_body(cloud, ask):
    """Answer(early=True) replies when it has only seen the head, and takes the body afterwards."""
    cloud.faults.add(Fault(Match(method="PUT"), Answer(early=True)))
    request = ask.signed(cloud, "PUT", "/bkt/k", body=b"x" * 1000, headers={"Connection": "keep-alive"})
    connection = http.client.HTTPConnection("127.0.0.1", cloud.endpoint.port, timeout=5)
    connection.connect()
    connection.sock.sendall(request[:-1000])
    assert b" 503 " in connection.sock.recv(4096)
    connection.sock.sendall(request[-1000:] + ask.signed(cloud, "HEAD", "/bkt"))
    assert connection.sock.makefile("rb").read().startswith(b"HTTP/1.1 200 OK")
    connection.close()


def test_redirect(cloud, ask):
    """Redirect names the other place with path and query."""
    cloud.faults.add(Fault(Match(), Redirect("http://127.0.0.1:9", 307)))
    answer = ask(cloud, "GET", "/bkt?prefix=a%20b")
    assert (answer.status, answer.head["location"]) == (307, "http://127.0.0.1:9/bkt?prefix=a%20b")
    assert b"<Code>TemporaryRedirect</Code>" in answer.body


def test_error_in_200(cloud, ask):
    """ErrorIn200 answers a completion with 200 and an error, and the upload stays open."""
    answer = ask(cloud, "POST", "/bkt/k?uploads")
    upload = answer.body.partition(b"<UploadId>")[2].partition(b"<")[0].decode()
    cloud.faults.add(Fault(Match(operation="CompleteMultipartUpload"), ErrorIn200()))
    answer = ask(cloud, "POST", f"/bkt/k?uploadId={upload}", body=b"<CompleteMultipartUpload/>")
    assert (answer.status, b"<Code>InternalError</Code>" in answer.body) == (200, True)
    assert [item.upload_id for item in cloud.bucket("bkt").uploads()] == [upload]


@pytest.mark.parametrize("by", [1, -1])
def test_wrong_length(stored, ask, by):
    """WrongLength states another length than it sends."""
    stored.faults.add(Fault(GET, WrongLength(by)))
    answer = ask(stored, "GET", "/bkt/k")
    assert (answer.head["content-length"], answer.body) == (str(5120 + by), BODY)


def test_chunked(stored, ask):
    """Chunked sends the body in chunks that http.client can join."""
    stored.faults.add(Fault(GET, Chunked(size=999)))
    answer = ask(stored, "GET", "/bkt/k")
    assert "content-length" not in answer.head

    class Socket:
        def makefile(self, _mode):
            return io.BytesIO(answer.data)

    reply = http.client.HTTPResponse(Socket())
    reply.begin()
    assert (reply.chunked, reply.read()) == (True, BODY)


def test_garbage(stored, ask):
    """Garbage is no HTTP."""
    stored.faults.add(Fault(GET, Garbage(b"nonsense\r\n")))
    assert ask(stored, "GET", "/bkt/k").data == b"nonsense\r\n"


@pytest.mark.parametrize("within", [False, True])
def test_delay(stored, ask, within):
    """Delay holds the reply, or its second half, back; nothing is lost."""
    stored.faults.add(Fault(GET, Delay(0.3, within_body=within)))
    began = time.monotonic()
    assert ask(stored, "GET", "/bkt/k").body == BODY
    assert time.monotonic() - began >= 0.3


def test_latency_and_rate(stored, ask):
    """The latency knob holds every request back, the rate knob refuses what is above it with SlowDown."""
    stored.latency = 0.1
    began = time.monotonic()
    ask(stored, "HEAD", "/bkt/k")
    stored.latency = 0
    assert time.monotonic() - began >= 0.1
    stored.max_requests_per_second = 3
    statuses = [ask(stored, "HEAD", "/bkt/k").status for _ in range(6)]
    stored.max_requests_per_second = None
    assert statuses == [200] * 3 + [503] * 3


def incoming(**fields):
    """Return a request as a fault sees it."""
    return Incoming("GET", "/", fields.pop("raw_query", ""), {}, **fields)


@pytest.mark.parametrize(
    ("match", "meets"),
    [
        (Match(), True),
        (Match(key="a/*"), True),
        (Match(key="b*"), False),
        (Match(operation="Upload*", part=3), True),
        (Match(part=2), False),
        (Match(bucket="b"), True),
        (Match(method="PUT"), False),
        (Match(query="partNumber=3"), True),
    ],
)
def test_match(match, meets):
    """Every stated field must agree."""
    request = incoming(
        bucket="b", key=b"a/x", operation="UploadPart", query={"partNumber": "3"}, raw_query="uploadId=u&partNumber=3"
    )
    assert match.meets(request) is meets


@given(st.integers(0, 5), st.integers(0, 5) | st.none(), st.integers(0, 20))
def test_after_and_times(after, times, requests):
    """The first ``after`` matches are spared, the next ``times`` struck, the rest spared."""
    table = FaultTable()
    number = table.add(Fault(Match(), Cut(), times=times, after=after))
    struck = [table.strike(incoming()) is not None for _ in range(requests)]
    assert struck == [index >= after and (times is None or index < after + times) for index in range(requests)]
    assert table.hits(number) == sum(struck)


@given(st.integers(0, 1000))
def test_probability_is_seeded(seed):
    """The same seed strikes the same requests, and about as many as the probability says."""
    runs = []
    for _ in range(2):
        table = FaultTable()
        table.add(Fault(Match(), Cut(), times=None, probability=0.5, seed=seed))
        runs.append([table.strike(incoming()) is not None for _ in range(200)])
    assert runs[0] == runs[1]
    assert 50 < sum(runs[0]) < 150
