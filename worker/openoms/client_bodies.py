"""Bodies of calls that carry credentials of buckets: those of *create*, from a file or from two places, and of *start*.

Credentials are found as ``openoms migrate`` finds them: variables, then a profile. In a file they may be given, too.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oms_engine.errors import ConfigError
from oms_engine.model import Credentials
from openoms.client_looks import Told, part, word
from openoms.clouds import HUAWEI, URL_SOURCE, Cloud, cloud_of_type, every_cloud
from openoms.keys import SideName
from openoms.settings import Settings, SideOptions
from openoms.sources import CDN_KEY
from openoms.urls import BucketUrl
from openoms.words import unknown

Body = dict[str, Any]

DEFAULT_CLOUD = "Aliyun"
"""What OMS takes a source without ``cloud_type`` for."""
_GIVEN = ("ak", "sk", "security_token", "json_auth_file", "connection_string")


def read_file(name: str) -> Body:
    """Read a body from a file, or from standard input where it is called ``-``.

    Raises:
        ConfigError: it cannot be read, or is no JSON object; its content is not repeated, since it holds secrets.
    """
    where = "standard input" if name == "-" else name
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        told = json.loads(raw.decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where} is not UTF-8 text.", code="OMS.0067") from None
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(f"{where} is no JSON{place}.", code="OMS.0067") from None
    if not isinstance(told, dict):
        raise ConfigError(f"{where} holds no JSON object; write the body of OMS's create call.", code="OMS.0067")
    return told


class Keys:
    """The credentials of the buckets, as the environment and the configuration file have them."""

    def __init__(self, settings: Settings, said: Namespace) -> None:
        self._settings = settings
        self._said = said

    def of(self, name: SideName, cloud: Cloud, bucket: str) -> Credentials:
        """Return those of one side.

        Raises:
            ConfigError: there are none, or half of some; how to set them.
        """
        profile = getattr(self._said, f"{name}_profile", None)
        account = getattr(self._said, "source_account", None) if name == "source" else None
        options = SideOptions(profile=profile, account=account)
        return self._settings.side(name, BucketUrl(cloud.scheme, bucket), options).credentials

    def source(self, cloud_type: str, bucket: str) -> Credentials | None:
        """Return those of a source, None where it has none: URLs.

        Raises:
            ConfigError: as :meth:`of`, or nobody knows the cloud.
        """
        if cloud_type.lower() == URL_SOURCE.lower():
            return None
        cloud = cloud_of_type(cloud_type)
        if cloud is None:
            known = [item.cloud_type for item in every_cloud()]
            raise unknown("cloud_type", cloud_type, known, where="src_node", code="OMS.0057")
        return self.of("source", cloud, bucket)

    def destination(self, bucket: str, cloud_type: str = HUAWEI) -> Credentials:
        """Return those of a destination, which is OBS unless its node says otherwise.

        Raises:
            ConfigError: as :meth:`of`.
        """
        cloud = cloud_of_type(cloud_type) or cloud_of_type(HUAWEI)  # the service says what is wrong with another word
        assert cloud is not None
        return self.of("destination", cloud, bucket)

    @property
    def cdn(self) -> str:
        """The authentication key of the source's CDN, nothing when there is none."""
        return self._settings.environ.get(CDN_KEY, "")


def as_node(keys: Credentials, cloud_type: str) -> Body:
    """Return credentials as the fields of a node."""
    secret, token = keys.secret_key.reveal(), keys.token.reveal() if keys.token else ""
    if not keys.access_key and secret:
        return {"json_auth_file" if cloud_type.lower() == "google" else "connection_string": secret}
    found = {"ak": keys.access_key, "sk": secret, "security_token": token}
    return {name: value for name, value in found.items() if value}


def complete_nodes(body: Body, keys: Keys) -> Body:
    """Return the body of a task or group with the credentials that its nodes leave out.

    What is no node is left as it is: the service says what is wrong with it.

    Raises:
        ConfigError: neither the body nor the environment has them.
    """
    source, destination = body.get("src_node"), body.get("dst_node")
    made = with_cdn_key(body, keys)
    if isinstance(source, Mapping) and not any(source.get(name) for name in _GIVEN):
        listed = str(body.get("task_type", "")).lower() == "url_list"
        cloud = word(source, "cloud_type") or (URL_SOURCE if listed else DEFAULT_CLOUD)
        found = keys.source(cloud, word(source, "bucket"))
        made["src_node"] = {**source, **(as_node(found, cloud) if found else {})}
    if isinstance(destination, Mapping) and not any(destination.get(name) for name in _GIVEN):
        found = keys.destination(word(destination, "bucket"), word(destination, "cloud_type") or HUAWEI)
        made["dst_node"] = {**destination, **as_node(found, HUAWEI)}
    return made


def complete_sync(body: Body, keys: Keys) -> Body:
    """Return the body of a sync task with the credentials that it leaves out.

    Raises:
        ConfigError: neither the body nor the environment has them.
    """
    made = with_cdn_key(body, keys)
    if not any(body.get(f"src_{name}") for name in _GIVEN):
        cloud = word(body, "src_cloud_type") or DEFAULT_CLOUD
        found = keys.source(cloud, word(body, "src_bucket"))
        made.update(_prefixed("src", as_node(found, cloud)) if found else {})
    if not any(body.get(f"dst_{name}") for name in _GIVEN):
        made.update(_prefixed("dst", as_node(keys.destination(word(body, "dst_bucket")), HUAWEI)))
    return made


def task_keys(told: Told, keys: Keys) -> Body:
    """Return the credentials that *start* asks for, for a task or group as the service shows it.

    Raises:
        ConfigError: the environment has none.
    """
    source, destination = part(told, "src_node"), part(told, "dst_node")
    cloud = word(source, "cloud_type")
    found = keys.source(cloud, word(source, "bucket"))
    body = _prefixed("src", as_node(found, cloud)) if found else {}
    stated = keys.destination(word(destination, "bucket"), word(destination, "cloud_type") or HUAWEI)
    body.update(_prefixed("dst", as_node(stated, HUAWEI)))
    return {**body, **_cdn_key(told, keys)}


def sync_keys(told: Told, keys: Keys) -> Body:
    """Return the credentials that *start* asks for, for a sync task as the service shows it.

    Raises:
        ConfigError: the environment has none.
    """
    sides = {name: told.get(name) for name in ("src_cloud_type", "src_bucket", "dst_bucket")}
    made = complete_sync(sides, keys)
    return {**{name: value for name, value in made.items() if name not in sides}, **_cdn_key(told, keys)}


def with_cdn_key(body: Body, keys: Keys) -> Body:
    """Return a body whose CDN has the key that it leaves out."""
    cdn = body.get("source_cdn")
    if not isinstance(cdn, Mapping) or cdn.get("authentication_key") or not keys.cdn:
        return dict(body)
    return {**body, "source_cdn": {**cdn, "authentication_key": keys.cdn}}


def _cdn_key(told: Told, keys: Keys) -> Body:
    return {"source_cdn_authentication_key": keys.cdn} if part(told, "source_cdn") and keys.cdn else {}


def _prefixed(side: str, node: Body) -> Body:
    """Return a node's credentials as *start* calls them; only ``ak``, ``sk`` and the token are named by their side."""
    whole = ("json_auth_file", "connection_string")
    return {name if name in whole else f"{side}_{name}": value for name, value in node.items()}
