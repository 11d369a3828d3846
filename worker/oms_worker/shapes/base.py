"""How a body is read: strict JSON, JSON's own types only, errors with OMS's code and without the value they are about.

What is refused, and with which code:

==========================================================  ========
nothing, or not UTF-8                                       OMS.0004
not JSON; NaN, a name given twice, half a surrogate pair    OMS.0067
more than a million values                                  OMS.0067
JSON, but no object                                         OMS.1006
a field OMS does not have                                   OMS.0074
a field that must be there is not                           OMS.1004
another type                                                OMS.1002
out of its limits; a word that is not allowed               OMS.1003
==========================================================  ========

``null`` stands for an absent optional field: clients in other languages send it. Fields that only some releases have
(``enable_kms``, ``crypto_type``) are all known. A field that none has is refused, because it is a typing error whose
meaning would be lost silently; who takes bodies of clients that are newer than this program is told of such fields
instead (``ignored``), and the rest is judged without them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from oms_engine.errors import ConfigError
from oms_worker.shapes.words import CONSTRAINT, MISSING, WRONG_FORMAT, WRONG_TYPE, nearest

NO_BODY = "OMS.0004"
NOT_JSON = "OMS.0067"
NO_OBJECT = "OMS.1006"
UNKNOWN_FIELD = "OMS.0074"


class Body(BaseModel):
    """Every object of a request: JSON's own types only, no unknown field, no value in an error."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Shape(BaseModel):
    """Every object of a response."""

    model_config = ConfigDict(extra="forbid")


B = TypeVar("B", bound=BaseModel)

MOST_VALUES = 1_000_000
"""A body of 12 MB could hold four million objects, which take half a gigabyte; the largest that OMS has holds 500 keys
of 1024 characters, each of which might be a comma."""


def read_json(raw: str | bytes) -> Any:
    """Read strict JSON (RFC 8259): UTF-8, no NaN, no name twice in one object.

    Raises:
        ConfigError: OMS.0004 or OMS.0067.
    """
    if not raw.strip():
        raise ConfigError("the body is missing.", code=NO_BODY)
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError("the body is not UTF-8 text.", code=NO_BODY) from None
    if text.count(",") + text.count("[") + text.count("{") > MOST_VALUES:
        raise ConfigError(f"the body has more than {MOST_VALUES} values.", code=NOT_JSON)
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(f"the body is not JSON{place}.", code=NOT_JSON) from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return made


Ignored = Callable[[Sequence[str]], None]
"""Hears of unknown fields, by their paths."""


def read_body(model: type[B], raw: str | bytes, *, ignored: Ignored | None = None) -> B:
    """Read a body of one shape.

    Raises:
        ConfigError: with OMS's code; see the module's head.
    """
    return judge(model, read_json(raw), ignored=ignored)


def judge(model: type[B], document: Any, *, ignored: Ignored | None = None) -> B:
    """Return a document as one shape.

    Raises:
        ConfigError: with OMS's code; see the module's head.
    """
    if not isinstance(document, dict):
        raise ConfigError("the body must be a JSON object.", code=NO_OBJECT)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        unknown = [item["loc"] for item in error.errors(include_url=False) if item["type"] == "extra_forbidden"]
        if ignored is None or not unknown:
            raise explain(model, error) from None
        for loc in unknown:
            _leave_out(document, loc)
        ignored([".".join(_printable(str(part)[:100]) for part in loc) for loc in unknown])
        return judge(model, document)


def _leave_out(document: Any, loc: tuple[int | str, ...]) -> None:
    """Remove what a path leads to; parts that name an alternative of a shape stand for no level of the document."""
    for part in loc[:-1]:
        if isinstance(part, str) and isinstance(document, dict):
            document = document.get(part, document)
        elif isinstance(part, int) and isinstance(document, list):
            document = document[part]
    if isinstance(document, dict):
        document.pop(loc[-1], None)


def explain(model: type[BaseModel], error: ValidationError) -> ConfigError:
    """Turn pydantic's first complaint into our sentence; its input is never shown."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    kind, path = first["type"], ".".join(str(part) for part in first["loc"])
    message = first["msg"][:1].lower() + first["msg"][1:]
    if kind == "extra_forbidden":
        return _unknown_field(model, tuple(first["loc"]))
    if kind == "missing":
        return ConfigError(f"{path} is missing.", code=MISSING)
    if kind.startswith(("OMS.", "TRF.", "S3M.")):
        return ConfigError(f"{path} {message}.".strip(), code=kind)
    if kind == "string_unicode":
        return ConfigError(f"{path} must be text without lone surrogates.", code=WRONG_FORMAT)
    if kind.endswith("_type"):
        return ConfigError(f"{path} has the wrong type: {message}.", code=WRONG_TYPE)
    return ConfigError(f"{path} is out of its limits: {message}.", code=CONSTRAINT)


def _unknown_field(model: type[BaseModel], loc: tuple[int | str, ...]) -> ConfigError:
    name = str(loc[-1])[:100]
    known = list(_model_at(model, loc[:-1]).model_fields)
    guess = nearest(name, known)
    hint = f"did you mean {guess!r}?" if guess else f"known are: {', '.join(known)}."
    where = ".".join(str(part) for part in loc[:-1]) or "the body"
    return ConfigError(f"unknown field {_printable(name)} in {where}; {hint}", code=UNKNOWN_FIELD)


def _printable(word: str) -> str:
    return word.encode("unicode_escape").decode("ascii")


def _model_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model of the object a path leads to."""
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(inner) for inner in getattr(annotation, "__args__", ()))
    return next((inner for inner in found if inner is not None), None)
