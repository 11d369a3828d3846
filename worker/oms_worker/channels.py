"""Channels of notifications: a webhook, and e-mail through a relay. The standard library's clients, in threads.

A webhook is posted the thirteen variables as a JSON object, and where a template was named its text as ``Message``,
with these headers::

    X-OpenOMS-Delivery: <uuid>           the same for every attempt of one notification
    X-OpenOMS-Timestamp: <seconds>       since the epoch, when this attempt was made
    X-OpenOMS-Signature: sha256=<hex>    HMAC-SHA256(secret, timestamp + "." + body), where a secret is set

Any 2xx is success; redirections are not followed. E-mail is tried as often as a webhook without a setting of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import http.client
import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import NoReturn

from oms_engine.frozen import dataclass
from oms_worker.settings import Email, Webhook, Work

FAILED = "OMS.0156"
REFUSED = "OMS.0158"
UNREACHABLE = "OMS.0161"
BUSY = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told."""

    id: str
    variables: Mapping[str, str]
    subject: str
    text: str
    templated: bool = False
    """The text is the user's own, not the plain one."""


class Undelivered(Exception):
    """An attempt that failed; the text holds no secret."""

    def __init__(self, code: str, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.final = final
        """Another attempt would end in the same way."""


async def deliver(channel: Webhook | Email, message: Message, work: Work, now: float) -> None:
    """Make one attempt.

    Raises:
        Undelivered: it failed.
    """
    try:
        # the clients' own timeout is per step; a server that drips bytes is given up after a few of them
        async with asyncio.timeout(4 * channel.timeout_seconds):
            if isinstance(channel, Webhook):
                await asyncio.to_thread(post, channel, message, work, now)
            else:
                await asyncio.to_thread(mail, channel, message, work)
    except TimeoutError:
        raise Undelivered(UNREACHABLE, "the channel took too long") from None


# ---- webhook --------------------------------------------------------------------------------------------------------


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the value of ``X-OpenOMS-Signature``."""
    return f"sha256={hmac.new(secret.encode(), timestamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


def body_of(message: Message) -> bytes:
    """Return the JSON that is posted."""
    told = {**message.variables, "Message": message.text} if message.templated else dict(message.variables)
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")


def post(channel: Webhook, message: Message, work: Work, now: float) -> None:
    """Post a message to a webhook; in a thread.

    Raises:
        Undelivered: it failed.
    """
    body, timestamp = body_of(message), str(int(now))
    headers = {
        "Content-Type": "application/json;charset=utf-8",
        "User-Agent": "OpenOMS",
        "X-OpenOMS-Delivery": message.id,
        "X-OpenOMS-Timestamp": timestamp,
    }
    if channel.secret is not None:
        headers["X-OpenOMS-Signature"] = signature(channel.secret.get_secret_value(), timestamp, body)
    request = urllib.request.Request(channel.url, body, headers, method="POST")  # noqa: S310 - the settings allow http(s) only
    proxies = {"http": work.proxy, "https": work.proxy} if work.proxy else {}
    opener = urllib.request.build_opener(
        _NoRedirect, urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=_tls(work))
    )
    try:
        with opener.open(request, timeout=channel.timeout_seconds):
            return
    except urllib.error.HTTPError as error:
        error.close()
        _refuse(error.code)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Undelivered(UNREACHABLE, f"the webhook cannot be reached ({type(error).__name__})") from None


def _refuse(status: int) -> NoReturn:
    if status < 500 and status not in BUSY:
        raise Undelivered(REFUSED, f"the webhook answered {status}", final=True)
    raise Undelivered(FAILED, f"the webhook answered {status}")


def _tls(work: Work) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(work.ca_file) if work.ca_file else None)
    if not work.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


# ---- e-mail ---------------------------------------------------------------------------------------------------------


def mail(channel: Email, message: Message, work: Work) -> None:
    """Hand a message to the mail relay; in a thread.

    Raises:
        Undelivered: it failed, for at least one recipient.
    """
    letter = letter_of(channel, message)
    try:
        with _relay(channel, work) as relay:
            if channel.starttls:
                relay.starttls(context=_tls(work))
            if channel.user is not None:
                relay.login(channel.user, channel.password.get_secret_value() if channel.password else "")
            refused = relay.send_message(letter)
    except (smtplib.SMTPAuthenticationError, smtplib.SMTPNotSupportedError) as error:
        raise Undelivered(REFUSED, f"the mail relay refuses us ({type(error).__name__})", final=True) from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise Undelivered(REFUSED, f"no recipient was taken ({codes})", final=min(codes) >= 500) from None
    except smtplib.SMTPResponseException as error:
        message_code = error.smtp_code
        raise Undelivered(FAILED, f"the mail relay answered {message_code}", final=message_code >= 500) from None
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise Undelivered(UNREACHABLE, f"the mail relay cannot be reached ({type(error).__name__})") from None
    if refused:
        raise Undelivered(REFUSED, f"{len(refused)} of {len(channel.recipients)} recipients were refused", final=True)


def _relay(channel: Email, work: Work) -> smtplib.SMTP:
    if channel.tls:
        context = _tls(work)
        return smtplib.SMTP_SSL(channel.host, channel.port, timeout=channel.timeout_seconds, context=context)
    return smtplib.SMTP(channel.host, channel.port, timeout=channel.timeout_seconds)


def letter_of(channel: Email, message: Message) -> EmailMessage:
    """Return the mail; its Message-ID is the same for every attempt."""
    letter = EmailMessage()
    letter["From"] = channel.sender
    letter["To"] = ", ".join(channel.recipients)
    letter["Subject"] = " ".join(message.subject.split())
    letter["Date"] = formatdate(localtime=False)
    domain = channel.sender.rpartition("@")[2].strip("> ") or "localhost"
    letter["Message-ID"] = f"<{message.id}@{domain}>" if message.id else make_msgid(domain=domain)
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(message.text)
    return letter
