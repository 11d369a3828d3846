"""The body of OMS's *Create a migration task* (v2) as JSON's own types: fields, lengths, what is unknown or missing.

API reference 5.2.3: https://support.huaweicloud.com/intl/en-us/api-oms/CreateTask.html, with the fields newer releases
of the official SDK add. What the fields mean together is judged in ``taskjson.py``.
"""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from oms_engine.errors import ConfigError
from openoms.words import unknown

NOT_JSON = "OMS.0067"
WRONG_TYPE = "OMS.1002"
CONSTRAINT = "OMS.1003"
MISSING = "OMS.1004"

Text = Annotated[str, Field(max_length=1024)]
Short = Annotated[str, Field(max_length=100)]
Token = Annotated[str, Field(max_length=16_384)]
Long = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Body(BaseModel):
    """Every object of the body: JSON's own types only, no unknown field, no value in an error."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class ListFileBody(Body):
    """``src_node.list_file``."""

    list_file_key: Annotated[str, Field(min_length=1, max_length=1024)]
    obs_bucket: Text
    list_file_num: Annotated[str, Field(max_length=65_535)] | None = None


class NodeBody(Body):
    """What both nodes share."""

    region: Short | None = None
    ak: Short | None = Field(default=None, repr=False)
    sk: Short | None = Field(default=None, repr=False)
    security_token: Token | None = Field(default=None, repr=False)
    bucket: Text | None = None
    crypto_type: str | None = None
    kms_key_id: str | None = None


class SourceBody(NodeBody):
    """``src_node``."""

    cloud_type: str | None = None
    json_auth_file: Annotated[str, Field(max_length=65_535)] | None = Field(default=None, repr=False)
    connection_string: Annotated[str, Field(max_length=2048)] | None = Field(default=None, repr=False)
    app_id: Annotated[str, Field(max_length=255)] | None = None
    object_key: Annotated[list[Text], Field(max_length=500)] | None = None
    list_file: ListFileBody | None = None


class DestinationBody(NodeBody):
    """``dst_node``."""

    save_prefix: Text | None = None


class WindowBody(Body):
    """One rule of ``bandwidth_policy``."""

    start: str
    end: str
    max_bandwidth: int


class CdnBody(Body):
    """``source_cdn``."""

    domain: Text
    protocol: str
    authentication_type: str = "NONE"
    authentication_key: str | None = Field(default=None, repr=False)
    crypto_type: str | None = None
    kms_key_id: str | None = None


class SmnBody(Body):
    """``smn_config``."""

    topic_urn: Text
    trigger_conditions: Annotated[list[str], Field(min_length=1, max_length=2)]
    language: str | None = None
    message_template_name: str | None = None


class TaskBody(Body):
    """The whole body."""

    src_node: SourceBody
    dst_node: DestinationBody
    task_type: str | None = None
    enable_kms: bool | None = None
    description: Annotated[str, Field(max_length=255)] | None = None
    migrate_since: Long | None = None
    bandwidth_policy: list[WindowBody] | None = None
    source_cdn: CdnBody | None = None
    smn_config: SmnBody | None = None
    enable_metadata_migration: bool | None = None
    enable_restore: bool | None = None
    enable_failed_object_recording: bool | None = None
    object_overwrite_mode: str | None = None
    dst_storage_policy: str | None = None
    consistency_check: str | None = None
    enable_requester_pays: bool | None = None
    task_priority: str | None = None


def read_body(text: str | bytes) -> TaskBody:
    """Parse the JSON and judge its fields and types.

    Raises:
        ConfigError: not JSON, an unknown field, a missing one, a wrong type or length.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(f"the task is not JSON{place}; see the README for an example.", code=NOT_JSON) from None
    if not isinstance(document, dict):
        raise ConfigError("the task must be a JSON object with src_node and dst_node.", code=NOT_JSON)
    try:
        return TaskBody.model_validate(document)
    except ValidationError as error:
        raise _explain(error) from None


def _explain(error: ValidationError) -> ConfigError:
    """Turn pydantic's first complaint into our sentence; its input is never shown."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    match first["type"]:
        case "extra_forbidden":
            parent, _, name = path.rpartition(".")
            return unknown("field", name, _fields_at(first["loc"][:-1]), where=parent or "the task", code=CONSTRAINT)
        case "missing":
            return ConfigError(f"{path} is missing; add it to the task.", code=MISSING)
        case kind if kind.endswith("_type"):
            return ConfigError(f"{path} has the wrong type: {_lower(first['msg'])}.", code=WRONG_TYPE)
        case _:
            return ConfigError(f"{path} is out of its limits: {_lower(first['msg'])}.", code=CONSTRAINT)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


_NESTED: dict[str, type[Body]] = {
    "src_node": SourceBody,
    "dst_node": DestinationBody,
    "list_file": ListFileBody,
    "bandwidth_policy": WindowBody,
    "source_cdn": CdnBody,
    "smn_config": SmnBody,
}


def _fields_at(loc: tuple[int | str, ...]) -> list[str]:
    names = [part for part in loc if isinstance(part, str)]
    return list(_NESTED[names[-1]].model_fields if names else TaskBody.model_fields)
