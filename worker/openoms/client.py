"""Calls to the service over HTTP, signed: one method, one reply, errors as sentences. What calls mean is elsewhere.

httpx is imported when the first call is made; it comes with the extra ``service``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from secrets import token_hex
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

from oms_engine.errors import ConfigError, OmsError
from openoms import __version__
from openoms.client_access import Access
from openoms.client_signing import Unsigned, sign
from openoms.client_tables import visible

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
_PROJECT_ID = re.compile(r"[0-9a-f]{32}")
_SIGNED = ("Host", "Content-Type", "X-Request-Nonce")
"""The nonce keeps two requests of one second apart: over plain HTTP a signature serves once."""


class ServiceRefused(ConfigError):
    """The service refuses the call as it is (4xx): nothing was changed. ``code`` is its ``error_code``."""

    def __init__(self, message: str, *, code: str | None, status: int) -> None:
        super().__init__(message, code=code)
        self.status = status


class ServiceFailed(OmsError):
    """The service could not carry out a call that it understood, or there is no service (5xx, no answer)."""

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        """None: no answer came."""


class Reply:
    """What the service answered, its JSON beside its own bytes."""

    def __init__(self, content: bytes, told: dict[str, Any]) -> None:
        self.content = content
        self.told = told


class Service:
    """The service, as one caller of one project; a context manager that closes its connections."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._http = _open(access)
        self._project = access.project if access.project and _PROJECT_ID.fullmatch(access.project) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def url(self) -> str:
        """Return where it is."""
        return self._access.url

    @property
    def exposes_secrets(self) -> bool:
        """Whether a body with keys would cross a network unencrypted."""
        parts = urlsplit(self._access.url)
        return parts.scheme == "http" and not _is_here(parts.hostname or "")

    def call(
        self, method: str, *path: str, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> Reply:
        """Call ``/v2/{project}/`` and the parts of ``path``, each of which is one segment whatever it holds.

        Raises:
            ServiceRefused: 4xx.
            ServiceFailed: 5xx, or no answer.
            ConfigError: a part of the path that no id can be.
        """
        return self._send(method, f"/v2/{self._project_id()}/" + "/".join(map(_segment, path)), query, body)

    def _project_id(self) -> str:
        """Return the project of the path; what only its name, or nothing, is known of is asked for once."""
        if self._project is None:
            self._project = self._find_project(self._access.project)
        return self._project

    def _find_project(self, name: str | None) -> str:
        reply = self._send("GET", "/v3/projects", {"name": name} if name else None, None)
        with suppress(LookupError, TypeError):
            return quote(str(reply.told["projects"][0]["id"]), safe="")
        if name:
            raise ConfigError(f"these keys have no project {name!r}; set OPENOMS_PROJECT to the id of theirs.")
        raise ConfigError("these keys have no project; set OPENOMS_PROJECT to its id.")

    def _send(self, method: str, path: str, query: Mapping[str, Any] | None, body: Mapping[str, Any] | None) -> Reply:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "X-Request-Nonce": token_hex(16)}
        request = self._http.build_request(method, path, params=given or None, content=content, headers=headers)
        self._sign(request)
        return _read(self._answer(request), self._access)

    def _sign(self, request: httpx.Request) -> None:
        raw_path, _, raw_query = request.url.raw_path.partition(b"?")
        headers = [(name, request.headers[name]) for name in _SIGNED]
        unsigned = Unsigned(request.method, raw_path, raw_query, headers, request.content)
        request.headers.update(sign(unsigned, self._access.keys, datetime.now(UTC)))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        import httpx  # noqa: PLC0415

        try:
            return self._http.send(request)
        except httpx.TimeoutException:
            raise ServiceFailed(f"the service at {self.url} did not answer in time.") from None
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ServiceFailed(f"the service at {self.url} cannot be reached: {reason}.") from None


def _open(access: Access) -> httpx.Client:
    try:
        import httpx  # noqa: PLC0415 - 0.2 s, and not there without the extra
    except ImportError:
        raise ConfigError("the client needs httpx: pip install 'openoms[service]'.") from None
    from oms_engine.wire.tls import make_context  # noqa: PLC0415

    try:
        return httpx.Client(
            base_url=access.url,
            verify=make_context(ca_file=access.ca_file, verify=access.verify_tls),
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            headers={"User-Agent": f"openoms/{__version__}", "Accept": "application/json"},
        )
    except (ImportError, ValueError, httpx.InvalidURL):
        raise ConfigError(
            "the proxy variables cannot be used for the service; mend them, or name its host in NO_PROXY."
        ) from None


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _segment(part: str) -> str:
    """Return one segment of a path; what no id can be is refused, as it would lead to another path."""
    if not part or set(part) == {"."} or "/" in part or not part.isprintable():
        raise ConfigError(f"{part[:60]!r} is no id.")
    return quote(part, safe="")


def _read(response: httpx.Response, access: Access) -> Reply:
    told: Any = None
    with suppress(ValueError):
        told = json.loads(response.content) if response.content.strip() else {}
    if response.is_success and isinstance(told, dict):
        return Reply(response.content, told)
    raise _error(response, told, access)


def not_oms(url: str, status: int) -> ServiceFailed:
    """Return the error of a server that is another one."""
    return ServiceFailed(
        f"{url} does not answer as OMS does (HTTP {status}); is it the service's address?", status=status
    )


def _error(response: httpx.Response, told: Any, access: Access) -> OmsError:
    status = response.status_code
    if not isinstance(told, dict) or not told.get("error_code"):
        return not_oms(access.url, status)
    number = response.headers.get("X-Request-Id", "")
    reason = visible(str(told.get("error_msg") or "the call was refused."))
    sentence = f"{reason}{f' (request {visible(number)})' if number else ''}"
    if 400 <= status < 500:
        return ServiceRefused(sentence, code=visible(str(told["error_code"])), status=status)
    return ServiceFailed(sentence, code=visible(str(told["error_code"])), status=status)
