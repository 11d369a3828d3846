"""The part of IAM v3 that clients of OMS need: https://support.huaweicloud.com/intl/en-us/api-iam/iam_30_0001.html."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from oms_worker.shapes.base import Body, Shape
from oms_worker.shapes.words import secret, text

Name = Annotated[str, text(64, 1)]

TOKEN_EXAMPLE: dict[str, Any] = {
    "auth": {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "alice", "password": "a-password", "domain": {"name": "default"}}},
        },
        "scope": {"project": {"name": "default"}},
    }
}


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
    password: Annotated[SecretStr, secret(1024)]
    domain: Named | None = None


class Password(Loose):
    """The method ``password``."""

    user: PasswordUser


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
