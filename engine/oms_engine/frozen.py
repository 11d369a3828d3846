"""``@dataclass(frozen=True, slots=True)``, made in a fifth of the time.

The standard library writes six methods for every such class and compiles each: half a millisecond. Some forty of them
load before a run begins, a sixth of a small one. Here only ``__init__`` is written out; what else is the same for all
classes is shared. To type checkers, and to ``fields``, ``replace`` and ``asdict``, it is the standard library's own.

It takes what our classes have: fields with or without a default or :func:`dataclasses.field`, a ``__post_init__``,
generic bases. Whatever else is asked for (to be changed, an order, a dataclass above it, a field that is compared or
given in its own way), the standard library makes, or refuses.
Modules that mypyc compiles import from there: it knows no other.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - how a name is passed on
else:

    def dataclass(**options: bool) -> Callable[[type], type]:
        """Return the decorator; it takes the options of :func:`dataclasses.dataclass`."""
        if options == {"frozen": True, "slots": True}:
            return _finish
        return dataclasses.dataclass(**options)


def _finish(plain: type) -> type:
    """Return the class again, with slots for its fields and with its methods."""
    body = dict(plain.__dict__)
    kinds = {name: str(kind) for name, kind in inspect.get_annotations(plain).items()}
    names = [name for name, kind in kinds.items() if "ClassVar" not in kind]
    stated = {name: body.pop(name) for name in names if name in body}
    above = any(hasattr(base, "__dataclass_fields__") for base in plain.__bases__)
    special = any("InitVar" in kind or "KW_ONLY" in kind for kind in kinds.values())
    if not names or above or special or not all(map(_is_plain, stated.values())):
        return dataclasses.dataclass(frozen=True, slots=True)(plain)
    for name in ("__dict__", "__weakref__"):
        body.pop(name, None)
    body |= {"__slots__": tuple(names), "__match_args__": tuple(names)}
    cls: Any = type(plain)(plain.__name__, plain.__bases__, body)
    cls.__qualname__ = plain.__qualname__
    shown = [name for name in names if getattr(stated.get(name), "repr", True)]
    own: list[Any] = [_write_init(cls, names, stated), *_value_methods(cls, names), _repr(shown)]
    for method in own:
        method.__qualname__ = f"{cls.__qualname__}.{method.__name__}"
    for method in (*own, *_FROZEN):
        if body.get(method.__name__) is None:  # Python itself writes None for the hash where it finds an __eq__
            setattr(cls, method.__name__, method)
    cls.__dataclass_fields__ = _Fields(names, stated)
    made: type = cls
    return made


def _is_plain(default: Any) -> bool:
    """Whether a field differs from others in its default and its place in the text only; no list is a default."""
    if isinstance(default, dataclasses.Field):
        usual = default.init and default.compare and default.hash is None and default.kw_only is not True
        return usual and (default.default is dataclasses.MISSING or _is_plain(default.default))
    return default.__class__.__hash__ is not None


def _write_init(cls: type, names: list[str], stated: dict[str, Any]) -> Callable[..., None]:
    """Compile ``__init__``: each field is set through its slot, which is open to nobody else."""
    given: dict[str, Any] = {}
    takes, sets = [], []
    for name in names:
        given[f"_set_{name}"] = cls.__dict__[name].__set__
        value = name
        default = stated.get(name, dataclasses.MISSING)
        if isinstance(default, dataclasses.Field):
            if default.default_factory is not dataclasses.MISSING:
                given[f"_make_{name}"] = default.default_factory
                value = f"_make_{name}() if {name} is _missing else {name}"
                default = dataclasses.MISSING
                takes.append(f"{name}=_missing")
            else:
                default = default.default
        if default is not dataclasses.MISSING:
            given[f"_default_{name}"] = default
            takes.append(f"{name}=_default_{name}")
        elif value == name:
            takes.append(name)
        sets.append(f"  _set_{name}(self, {value})\n")
    if hasattr(cls, "__post_init__"):
        sets.append("  self.__post_init__()\n")
    text = f"def __init__({', '.join(['self', *takes])}):\n{''.join(sets)}"
    space: dict[str, Any] = {"_missing": dataclasses.MISSING, "__name__": cls.__module__, **given}
    exec(text, space)  # noqa: S102 - made of names of fields only, as in the standard library
    made: Callable[..., None] = space["__init__"]
    made.__annotations__ = {**{name: cls.__annotations__[name] for name in names}, "return": None}
    return made


def _value_methods(cls: type, names: list[str]) -> list[Callable[..., Any]]:
    """Return what makes two objects with the same values equal, and lets them be pickled."""
    values: Callable[[Any], Any] = attrgetter(*names)
    setters = [cls.__dict__[name].__set__ for name in names]

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807
        if other.__class__ is not self.__class__:
            return NotImplemented
        return bool(values(self) == values(other))

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash((cls, values(self)))

    def __getstate__(self: Any) -> list[Any]:  # noqa: N807
        return [getattr(self, name) for name in names]

    def __setstate__(self: Any, state: list[Any]) -> None:  # noqa: N807
        for put, value in zip(setters, state, strict=True):
            put(self, value)

    return [__eq__, __hash__, __getstate__, __setstate__]


def _repr(names: list[str]) -> Callable[[Any], str]:
    def __repr__(self: Any) -> str:  # noqa: N807
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({told})"

    return __repr__


def _frozen() -> list[Callable[..., None]]:
    def __setattr__(_self: Any, name: str, _value: object) -> None:  # noqa: N807
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(_self: Any, name: str) -> None:  # noqa: N807
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    return [__setattr__, __delattr__]


_FROZEN = _frozen()


class _Fields:
    """``__dataclass_fields__``, by the standard library when somebody asks; most classes are never asked."""

    def __init__(self, names: list[str], stated: dict[str, Any]) -> None:
        self._names = names
        self._stated = stated

    def __get__(self, _instance: object, cls: type) -> dict[str, dataclasses.Field[Any]]:
        kinds = {name: cls.__annotations__[name] for name in self._names}
        # A class without a docstring would be given one, made of its signature: ten times the work.
        told = {"__annotations__": kinds, "__module__": cls.__module__, "__doc__": cls.__name__}
        likeness: Any = type(cls.__name__, (), told | self._stated)
        dataclasses.dataclass(init=False, repr=False, eq=False)(likeness)
        found: dict[str, dataclasses.Field[Any]] = likeness.__dataclass_fields__
        type.__setattr__(cls, "__dataclass_fields__", found)
        return found
