"""How notifications are sent and signed, and what becomes of each attempt, against real SMTP and HTTP servers."""

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from types import SimpleNamespace

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from oms_worker.channels import Message, Undelivered, body_of, deliver, letter_of, signature
from oms_worker.messages import VARIABLES
from oms_worker.setting_parts import Email, Webhook, Work

NOW = 1_790_000_000.0
VALUES = {name: f"value of {name}" for name in VARIABLES}
MESSAGE = Message("0b5e6d1c", VALUES, "Migration Succeeded: é", "任务名称: photos\n.a line with a dot\n")


# ---- a mail relay ---------------------------------------------------------------------------------------------------


@dataclass
class Relay:
    """aiosmtpd, told what to answer; remembers envelopes."""

    answers: dict = field(default_factory=dict)
    """Recipient -> what RCPT is answered, or "DATA" -> what the letter is answered."""
    letters: list = field(default_factory=list)
    logins: list = field(default_factory=list)
    tls: list = field(default_factory=list)

    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = self.answers.get(address, "250 ok")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        self.tls.append(session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None)
        self.letters.append((list(envelope.rcpt_tos), envelope.content))
        return self.answers.get("DATA", "250 taken")

    def authenticate(self, server, session, envelope, mechanism, data):
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password == b"pass word", handled=False)


AUTHORITY = trustme.CA()


@asynccontextmanager
async def relay(*, starttls=False, tls=False, login=False, authority=AUTHORITY, **answers):
    """A relay on loopback, and the words for a channel that reaches it."""
    made = Relay({key: value for key, value in answers.items() if key == "DATA"} | answers.get("recipients", {}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    options = {"tls_context": context, "require_starttls": True} if starttls else {}
    if login:
        options |= {"authenticator": made.authenticate, "auth_required": starttls, "auth_require_tls": not tls}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(made, hostname="relay", loop=loop, **options), "127.0.0.1", 0, ssl=context if tls else None
    )
    made.words = {"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1]}
    yield made
    server.close()
    await server.wait_closed()


@pytest.fixture
def work(tmp_path):
    """Settings that trust the test's authority."""
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return Work(ca_file=path)


def email(made, **words):
    """A mail channel to a relay."""
    words = {"recipients": ("a@example.org", "b@example.org"), **made.words, **words}
    return Email(kind="email", sender="OMS <oms@example.org>", **words)


LOGIN = {"user": "oms", "password": SecretStr("pass word")}


@pytest.mark.parametrize("kind", ["starttls", "tls"])
async def test_mail_over_tls_with_a_login(kind, work):
    """Over STARTTLS and over implicit TLS: logged in, encrypted, one letter for both recipients, its text unchanged."""
    async with relay(**{kind: True}, login=True) as made:
        await deliver(email(made, **LOGIN, **{kind: True}), MESSAGE, work, NOW)
    ((recipients, content),) = made.letters
    assert (made.logins, made.tls) == (["oms"], [True])
    assert recipients == ["a@example.org", "b@example.org"]
    letter = message_from_bytes(content, policy=policy.default)
    assert letter["Subject"] == MESSAGE.subject
    assert letter["Message-ID"] == "<0b5e6d1c@example.org>"
    assert letter.get_content().replace("\r\n", "\n") == MESSAGE.text


async def test_mail_without_tls(work):
    """A relay that wants neither TLS nor a login gets the letter."""
    async with relay() as made:
        await deliver(email(made), MESSAGE, work, NOW)
    assert made.tls == [False]


async def undelivered(channel, work):
    """Make an attempt that must fail; return its error, in whose text no secret stands."""
    with pytest.raises(Undelivered) as found:
        await deliver(channel, MESSAGE, work, NOW)
    assert "pass word" not in str(found.value)
    assert "wrong" not in str(found.value)
    return found.value.code, found.value.final


async def test_a_wrong_password_is_final(work):
    """A refused login is OMS.0158, and not tried again; no letter is sent."""
    async with relay(starttls=True, login=True) as made:
        channel = email(made, user="oms", password=SecretStr("wrong"), starttls=True)
        assert await undelivered(channel, work) == ("OMS.0158", True)
    assert made.letters == []


async def test_a_relay_without_starttls_sees_no_password(work):
    """Where STARTTLS was asked for and is not offered, nothing is sent, the password least of all."""
    async with relay() as made:
        assert await undelivered(email(made, **LOGIN, starttls=True), work) == ("OMS.0158", True)
    assert (made.letters, made.logins) == ([], [])


@pytest.mark.parametrize("kind", ["starttls", "tls"])
async def test_a_stranger_s_certificate_sees_no_password(kind, work):
    """A relay whose certificate is signed by somebody else gets neither login nor letter."""
    async with relay(**{kind: True}, login=True, authority=trustme.CA()) as made:
        assert await undelivered(email(made, **LOGIN, **{kind: True}), work) == ("OMS.0161", False)
    assert (made.letters, made.logins) == ([], [])


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({"DATA": "451 later"}, ("OMS.0156", False)),
        ({"DATA": "554 no"}, ("OMS.0156", True)),
        ({"recipients": {"a@example.org": "550 unknown", "b@example.org": "550 unknown"}}, ("OMS.0158", True)),
        ({"recipients": {"a@example.org": "450 later", "b@example.org": "450 later"}}, ("OMS.0158", False)),
        ({"recipients": {"a@example.org": "550 unknown"}}, ("OMS.0158", True)),
    ],
)
async def test_what_a_relay_answers(answers, found, work):
    """4xx is tried again, 5xx is final; a letter that not all recipients got is told as refused."""
    async with relay(**answers) as made:
        assert await undelivered(email(made), work) == found


async def test_nobody_listens(work):
    """Channels that cannot be reached are OMS.0161 and tried again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made = SimpleNamespace(words={"host": "127.0.0.1", "port": free.getsockname()[1]})
        assert await undelivered(email(made), work) == ("OMS.0161", False)
        hook = Webhook(kind="webhook", url=f"http://127.0.0.1:{made.words['port']}/")
        assert await undelivered(hook, work) == ("OMS.0161", False)


async def test_a_relay_that_says_nothing_is_given_up(work):
    """A relay that takes the connection and is silent costs the channel's time, no more."""
    server = await asyncio.start_server(lambda reader, _: reader.read(), "127.0.0.1", 0)
    made = SimpleNamespace(words={"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1]})
    assert await undelivered(email(made, timeout_seconds=0.2), work) == ("OMS.0161", False)
    server.close()


# ---- webhooks -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def hook(status, *, context=None):
    """A webhook that answers with a status; what it was sent stands in ``posts``."""
    made = SimpleNamespace(posts=[])

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        made.posts.append((headers, await reader.readexactly(int(headers["Content-Length"]))))
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    scheme = "https" if context else "http"
    made.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    yield made
    server.close()


async def test_a_webhook_over_tls_is_signed(work):
    """The body is JSON of the variables; timestamp and body are signed; the delivery's id is the message's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    async with hook(204, context=context) as made:
        await deliver(Webhook(kind="webhook", url=made.url, secret=SecretStr("s")), MESSAGE, work, NOW)
    ((headers, body),) = made.posts
    assert json.loads(body) == VALUES
    assert headers["X-Openoms-Delivery"] == MESSAGE.id
    assert headers["X-Openoms-Timestamp"] == str(int(NOW))
    told = hmac.new(b"s", str(int(NOW)).encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Openoms-Signature"] == f"sha256={told}"


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (301, ("OMS.0158", True)),
        (400, ("OMS.0158", True)),
        (404, ("OMS.0158", True)),
        (408, ("OMS.0156", False)),
        (429, ("OMS.0156", False)),
        (500, ("OMS.0156", False)),
        (503, ("OMS.0156", False)),
    ],
)
async def test_what_a_webhook_answers(status, found, work):
    """Refusals and redirections are final, what may pass is tried again; an unsigned channel sends no signature."""
    async with hook(status) as made:
        assert await undelivered(Webhook(kind="webhook", url=made.url), work) == found
    ((headers, _),) = made.posts
    assert "X-Openoms-Signature" not in headers


@given(st.text(), st.text("0123456789", min_size=1), st.binary(), st.binary())
def test_signatures_cover_secret_time_and_body(secret, timestamp, body, other):
    """A signature is that of its secret, time and body alone."""
    made = signature(secret, timestamp, body)
    assert made == f"sha256={hmac.new(secret.encode(), f'{timestamp}.'.encode() + body, 'sha256').hexdigest()}"
    if other != body:
        assert signature(secret, timestamp, other) != made


@given(st.dictionaries(st.sampled_from(VARIABLES), st.text(), min_size=1), st.booleans())
def test_any_text_can_be_told(values, templated):
    """Whatever stands in a variable, body and letter can be made, and the subject stays one line."""
    message = Message("id", values, next(iter(values.values())), "text", templated=templated)
    told = json.loads(body_of(message))
    assert ("Message" in told) == templated
    letter = letter_of(Email(kind="email", host="h", sender="a@b.org", recipients=("c@d.org",)), message)
    assert "\n" not in str(letter["Subject"])
