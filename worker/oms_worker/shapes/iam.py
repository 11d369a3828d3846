"""The part of IAM v3 that clients of OMS need: https://support.huaweicloud.com/intl/en-us/api-iam/iam_30_0001.html."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from oms_worker.shapes.base import Body, Shape
from oms_worker.shapes.words import secret, text

SHORTEST_SECONDS, LONGEST_SECONDS = 900, 86_400
"""``duration_seconds`` of a temporary key; without one the shortest."""

_DIGITS = re.compile(r"[0-9]{1,6}", re.ASCII)

Name = Annotated[str, text(64, 1)]
PasswordText = Annotated[SecretStr, secret(1024)]

TOKEN_EXAMPLE: dict[str, Any] = {
    "auth": {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "alice", "password": "a-password", "domain": {"name": "default"}}},
        },
        "scope": {"project": {"name": "default"}},
    }
}


def _duration(value: int | str) -> int:
    seconds = int(value) if isinstance(value, int) or _DIGITS.fullmatch(value) else 0
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise PydanticCustomError(
            "OMS.1003", "must be from {least} to {most}", {"least": SHORTEST_SECONDS, "most": LONGEST_SECONDS}
        )
    return seconds


def _no_policy(value: Any) -> None:
    """Refuse a policy: one that is not held would give more than was asked for."""
    if value is not None:
        raise PydanticCustomError("OMS.1003", "is not supported: a temporary key may what its user may")


class Loose(Body):
    """Clients of IAM send more than is needed here; the rest is not looked at."""

    model_config = ConfigDict(extra="ignore")


class Named(Loose):
    """A project or domain, by name or id."""

    name: Name | None = None
    id: Name | None = None


class PasswordUser(Loose):
    """Who asks."""

    name: Name
    password: PasswordText | None = None
    domain: Named | None = None


class Password(Loose):
    """The method ``password``. IAM's pages write the password within ``user``, OMS's first example beside it."""

    user: PasswordUser
    password: PasswordText | None = None

    @model_validator(mode="after")
    def _once(self) -> Password:
        if self.user.password is None and self.password is None:
            raise PydanticCustomError("OMS.1004", "holds no password: give it in user.password")
        if None not in {self.user.password, self.password} and self.user.password != self.password:
            raise PydanticCustomError("OMS.1003", "holds two passwords: give one, in user.password")
        return self

    @property
    def given(self) -> SecretStr:
        """The password, wherever it stands."""
        found = self.user.password or self.password
        assert found is not None  # the shape has seen to it
        return found


class Key(Loose):
    """One of a pair of keys."""

    key: Annotated[SecretStr, secret(128)]


class KeyPair(Loose):
    """The method ``hw_ak_sk``: both keys."""

    access: Key
    secret: Key


class Identity(Loose):
    """How it is proved: exactly one of the two methods."""

    methods: Annotated[list[Literal["password", "hw_ak_sk"]], Field(min_length=1, max_length=1)]
    password: Password | None = None
    hw_ak_sk: KeyPair | None = None

    @model_validator(mode="after")
    def _whole(self) -> Identity:
        if getattr(self, self.methods[0]) is None:
            raise PydanticCustomError("OMS.1004", "the method that is named is missing")
        return self


class Scope(Loose):
    """For which project."""

    project: Named | None = None
    domain: Named | None = None


class Auth(Loose):
    """Who, and for what."""

    identity: Identity
    scope: Scope | None = None


class TokenRequest(Loose):
    """*Obtaining a user token*. OMS's own pages write ``scope`` beside ``auth``; both places are read."""

    model_config = ConfigDict(json_schema_extra={"examples": [TOKEN_EXAMPLE]})

    auth: Auth
    scope: Scope | None = None

    @property
    def project(self) -> str | None:
        """Name or id of the project that is asked for."""
        scope = self.auth.scope or self.scope
        place = scope.project if scope else None
        return (place.id or place.name) if place else None


class TokenPart(Loose):
    """The method ``token``: a token, unless the request carries one already, and for how long the key is wanted."""

    id: Annotated[SecretStr, secret(16_384)] | None = None
    duration_seconds: Annotated[int | str, AfterValidator(_duration)] = SHORTEST_SECONDS
    """A number, or one as text, as the reference's examples write it."""


class TokenIdentity(Loose):
    """How it is proved: by a token, in the body or the header."""

    methods: Annotated[list[Literal["token"]], Field(min_length=1, max_length=1)]
    token: TokenPart | None = None
    policy: Annotated[Any, AfterValidator(_no_policy)] = None


class TokenAuth(Loose):
    """Who."""

    identity: TokenIdentity


class TemporaryKeyRequest(Loose):
    """*Obtaining a temporary access key and security token*."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 900}}}}]
        }
    )

    auth: TokenAuth


class CredentialShape(Shape):
    """A temporary key."""

    access: str
    secret: str
    securitytoken: str
    expires_at: str


class TemporaryKeyShape(Shape):
    """A temporary key, told once."""

    credential: CredentialShape


class ProjectShape(Shape):
    """A project."""

    id: str
    name: str
    domain_id: str
    parent_id: str
    is_domain: bool
    enabled: bool
    description: str
    links: dict[str, str]


class ProjectList(Shape):
    """The caller's projects."""

    projects: list[ProjectShape]
    links: dict[str, str | None]
