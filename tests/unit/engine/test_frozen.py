"""``oms_engine.frozen.dataclass`` held against the standard library's: same values, same behaviour, same errors."""

import copy
import dataclasses
import inspect
import pickle
from typing import ClassVar, Generic, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine import frozen

T = TypeVar("T")


class Declared:
    """A class with each kind of field, as it is before any decorator."""

    name: str
    size: int = 3
    tags: tuple[str, ...] = ()
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    secret: str = dataclasses.field(default="-", repr=False)
    LIMIT: "ClassVar[int]" = 7

    @property
    def doubled(self):
        """A property."""
        return 2 * self.size


def declared(name):
    """Return the class anew, under a name of its own."""
    of_instances = {"__dict__", "__weakref__"}
    return type(name, (), {key: value for key, value in vars(Declared).items() if key not in of_instances})


Ours = frozen.dataclass(frozen=True, slots=True)(declared("Ours"))
Theirs = dataclasses.dataclass(frozen=True, slots=True)(declared("Theirs"))

BOTH = pytest.mark.parametrize("kind", [Ours, Theirs])
VALUES = st.fixed_dictionaries(
    {"name": st.text()},
    optional={
        "size": st.integers(),
        "tags": st.lists(st.text()).map(tuple),
        "counts": st.dictionaries(st.text(), st.integers()),
        "secret": st.text(),
    },
)


def test_what_is_tried_here_is_ours_and_not_handed_on():
    """Both decorators do not secretly lead to the same place."""
    assert not hasattr(Ours, "__dataclass_params__")
    assert hasattr(Theirs, "__dataclass_params__")


@given(VALUES, VALUES)
def test_objects_behave_as_the_standard_library_has_it(one, other):
    """Values, text, equality, hashes, copies, pickles and changed copies are alike for any values."""
    ours, theirs = Ours(**one), Theirs(**one)
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert dataclasses.astuple(ours) == dataclasses.astuple(theirs)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert (ours == Ours(**other)) is (theirs == Theirs(**other))
    assert ours == Ours(**one)
    for again in (copy.copy(ours), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert type(again) is Ours
        assert again == ours
    changed = dataclasses.replace(ours, **other)
    assert dataclasses.asdict(changed) == dataclasses.asdict(dataclasses.replace(theirs, **other))


@given(st.text(), st.integers(), st.lists(st.text()).map(tuple))
def test_equal_objects_have_equal_hashes(name, size, tags):
    """As far as their fields can be hashed; where one cannot, neither can they."""

    @frozen.dataclass(frozen=True, slots=True)
    class Point:
        name: str
        size: int
        tags: tuple[str, ...]

    assert hash(Point(name, size, tags)) == hash(Point(name, size, tags))
    with pytest.raises(TypeError, match="unhashable"):
        hash(Ours("a"))
    with pytest.raises(TypeError, match="unhashable"):
        hash(Theirs("a"))


@BOTH
def test_nothing_can_be_changed(kind):
    """Neither a field nor anything new can be set, and nothing deleted; slots leave no dictionary."""
    made = kind("a")
    for name in ("size", "other"):
        with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
            setattr(made, name, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        del made.size
    assert not hasattr(made, "__dict__")


@BOTH
def test_wrong_arguments_are_type_errors(kind):
    """Too few, too many, unknown."""
    for given_ in ({}, {"name": "a", "other": 1}):
        with pytest.raises(TypeError, match="__init__"):
            kind(**given_)
    with pytest.raises(TypeError, match="__init__"):
        kind(*range(9))


@BOTH
def test_defaults_that_are_made_are_made_anew(kind):
    """No two objects share a dictionary."""
    assert kind("a").counts is not kind("a").counts


def test_a_class_tells_of_itself_as_the_standard_library_has_it():
    """Fields, parameters by name and kind, annotations, patterns, constants, names."""
    assert [(item.name, item.type, item.repr) for item in dataclasses.fields(Ours)] == [
        (item.name, item.type, item.repr) for item in dataclasses.fields(Theirs)
    ]
    ours, theirs = inspect.signature(Ours).parameters, inspect.signature(Theirs).parameters
    assert [(name, item.kind, item.annotation) for name, item in ours.items()] == [
        (name, item.kind, item.annotation) for name, item in theirs.items()
    ]
    assert Ours.__match_args__ == Theirs.__match_args__
    assert Ours.__init__.__module__ == __name__
    assert Ours.__init__.__qualname__ == "Ours.__init__"
    assert (Ours.LIMIT, Ours("a", 4).doubled) == (7, 8)


def test_methods_of_the_class_itself_stay():
    """Its own text and equality, and what follows the making."""
    seen = []

    @frozen.dataclass(frozen=True, slots=True)
    class Own:
        value: int

        def __post_init__(self):
            seen.append(self.value)

        def __repr__(self):
            return "own"

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 1

    assert (repr(Own(5)), Own(5) == 9, hash(Own(6)), seen) == ("own", True, 1, [5, 5, 6])


@pytest.mark.parametrize("maker", [frozen.dataclass, dataclasses.dataclass])
def test_a_class_with_an_equality_of_its_own_still_has_a_hash(maker):
    """Python takes the hash from a class that defines ``__eq__``; the decorator gives one by the fields."""

    class Loose:  # noqa: PLW1641 - that is the point
        value: int

        def __eq__(self, other):
            return True

    made = maker(frozen=True, slots=True)(Loose)
    assert hash(made(1)) == hash(made(1))
    assert made(1) == 2


def test_generic_classes():
    """They stay generic."""

    @frozen.dataclass(frozen=True, slots=True)
    class Box(Generic[T]):
        value: T

    assert Box[int](3) == Box(3)
    assert Box(3) != Box(4)


def test_what_it_does_not_make_the_standard_library_refuses():
    """A list would be shared by all objects; a field without a default cannot follow one that has it."""
    for default in ([], dataclasses.field(default=[])):
        with pytest.raises(ValueError, match="mutable default"):
            frozen.dataclass(frozen=True, slots=True)(
                type("Shared", (), {"__annotations__": {"value": "list[int]"}, "value": default})
            )
    with pytest.raises((TypeError, SyntaxError), match="default"):
        frozen.dataclass(frozen=True, slots=True)(
            type("Late", (), {"__annotations__": {"first": "int", "second": "int"}, "first": 1})
        )


def test_fields_with_ways_of_their_own():
    """Not given, given by name only, or not compared: as the standard library has them."""

    @frozen.dataclass(frozen=True, slots=True)
    class Made:
        first: int
        made: int = dataclasses.field(init=False, default=9)
        note: str = dataclasses.field(default="", compare=False)
        named: int = dataclasses.field(default=1, kw_only=True)

    @frozen.dataclass(frozen=True, slots=True)
    class Late:
        first: int
        _: dataclasses.KW_ONLY
        second: int = 2

    @frozen.dataclass(frozen=True, slots=True)
    class Once:
        first: int
        given: dataclasses.InitVar[int] = 0

    assert Made(1, note="a") == Made(1, note="b")
    assert Made(1).made == 9
    with pytest.raises(TypeError):
        Made(1, "", 2)
    with pytest.raises(TypeError):
        Late(1, 2)
    assert [item.name for item in dataclasses.fields(Once(1, 2))] == ["first"]


def test_what_it_does_not_make_the_standard_library_makes():
    """Mutable and ordered classes, and one whose base has fields."""

    @frozen.dataclass(slots=True)
    class Mutable:
        value: int = 1

    @frozen.dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        value: int

    @dataclasses.dataclass(frozen=True, slots=True)
    class Base:
        first: int

    @frozen.dataclass(frozen=True, slots=True)
    class Derived(Base):
        second: int

    changed = Mutable()
    changed.value = 2
    assert changed == Mutable(2)
    assert sorted([Ordered(2), Ordered(1)]) == [Ordered(1), Ordered(2)]
    assert Derived(1, 2).first == 1
