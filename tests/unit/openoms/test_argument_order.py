"""Options before, between and behind places, for every command."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoms import options
from openoms.cli import COMMANDS, invoke
from openoms.client_commands import ACTIONS

EVERY = {name: command for name, command in COMMANDS.items() if not command.actions}
EVERY |= {f"{noun} {name}": command for noun, actions in ACTIONS.items() for name, command in actions.items()}

PLACES = {"source": "s3://from", "destination": "obs://to", "store": "s3://from", "task": "-", "action": None}


@cache
def parser_of(name):
    """A command's parser."""
    parser = options.command_parser(f"openoms {name}", "", "")
    EVERY[name].declare(parser)
    return parser


def words_of(parser, draw):
    """Words for each place of a command, and groups of words for some of its options."""
    places, groups = [], []
    for action in parser._actions:
        if not action.option_strings:
            word = draw(st.sampled_from(sorted(action.choices))) if action.choices else PLACES.get(action.dest, "x")
            places += [word] * (2 if action.nargs in {"*", "+"} else 1)
        elif action.dest != "help" and action.nargs != "+" and draw(st.booleans()):
            value = draw(st.sampled_from(sorted(action.choices))) if action.choices else "2"
            name = draw(st.sampled_from(action.option_strings))
            joined = name.startswith("--") and draw(st.booleans())
            groups.append([name] if action.nargs == 0 else [f"{name}={value}"] if joined else [name, value])
    return places, groups


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=25)
@given(data=st.data())
def test_any_order_means_the_same(name, data):
    """However options stand among the places of a command, it reads them as if the places came first."""
    parser = parser_of(name)
    places, groups = words_of(parser, data.draw)
    mixed, left = [], list(places)
    for group in groups:
        count = data.draw(st.integers(0, len(left)))
        mixed, left = [*mixed, *left[:count], *group], left[count:]
    expected = parser.parse_args([*places, *(word for group in groups for word in group)])
    assert parser.parse_args([*mixed, *left]) == expected


@pytest.mark.parametrize(
    "words",
    [
        ["s3://a", "obs://b", "--object", "k", "l"],
        ["--object", "k", "l", "--json", "s3://a", "obs://b"],
        ["s3://a", "--object", "k", "l", "obs://b"],
        ["--object", "k", "l", "s3://a", "obs://b"],
        ["s3://a", "--object", "k", "--object", "l", "--json", "obs://b"],
        ["--object", "k", "l", "--json", "--", "s3://a", "obs://b"],
        ["s3://a", "--object=k", "--object", "l", "--", "obs://b"],
    ],
)
def test_an_option_that_takes_many_words_leaves_the_places(words):
    """``--object`` takes all keys that follow, and gives back what is missing as a place."""
    said = parser_of("migrate").parse_args(words)
    assert (said.source, said.destination, said.objects) == ("s3://a", "obs://b", ["k", "l"])


def test_keys_that_look_like_places_stay_keys():
    """Where no place is missing nothing is taken from ``--object``."""
    said = parser_of("migrate").parse_args(["s3://a", "obs://b", "--object", "http://k/1", "http://k/2"])
    assert said.objects == ["http://k/1", "http://k/2"]


def test_what_follows_two_dashes_may_begin_with_one():
    """A file, a key or a name that begins with a dash, wherever options stand."""
    said = parser_of("sync events" if "sync events" in EVERY else "user").parse_args(["--json", "--", "add", "-odd"])
    assert vars(said).get("name", "-odd") == "-odd"
    assert parser_of("run").parse_args(["--json", "-"]).task == "-"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["migrate", "s3://abc", "--json"], "DST is missing"),
        (["check", "s3://abc", "--one-way"], "DST"),
        (
            ["migrate", "s3://abc", "--source-endpoint", "--json", "obs://abc"],
            "--source-endpoint: expected one argument",
        ),
        (["migrate", "s3://abc", "--json", "obs://abc", "third"], "third"),
        (["check", "--json", "s3://abc", "obs://abc", "--atributes"], "did you mean '--attributes'"),
        (["migrate", "-x", "s3://abc", "obs://abc"], "-x"),
        (["migrate", "s3://abc", "obs://abc", "--processes"], "--processes: expected one argument"),
    ],
)
def test_errors_still_name_the_word_that_is_wrong(words, sentence, capsys):
    """One sentence, exit code 2."""
    assert invoke(words) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1
