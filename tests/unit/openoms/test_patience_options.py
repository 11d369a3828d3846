"""--patience and --min-rate: from the words to the engine's settings."""

import pytest

from oms_engine.errors import ConfigError
from oms_worker.running import engine_settings as service_settings
from oms_worker.setting_parts import Work
from openoms import cli, options
from openoms.compose import wire_settings
from openoms.plan import build_run
from openoms.settings import Proxies, Settings


def parsed(words):
    """Read the words behind ``openoms migrate``."""
    parser = options.Parser(prog="openoms migrate")
    cli._declare_migrate(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "patience", "rate"),
    [([], None, None), (["--patience", "90"], 90, None), (["--patience=2h", "--min-rate", "0"], 7200, 0)],
)
def test_times_and_sizes_are_read(words, patience, rate):
    """Seconds, minutes, hours; bytes with their unit; 0 switches the rate off."""
    options = vars(parsed(["s3://a", "obs://b", *words]))
    run = build_run(Settings(), {name: options[name] for name in ("patience", "min_rate")})
    assert (run.patience, run.min_rate) == (patience, rate)
    wire = wire_settings(run, [], Proxies())
    assert wire.min_rate == (1024.0 if rate is None else rate)


@pytest.mark.parametrize("word", ["soon", "-1", "1.5m", "", "15x"])
def test_what_is_no_time_is_a_usage_error(word):
    """One sentence that says what is one."""
    with pytest.raises(ConfigError, match="a time such as"):
        parsed(["s3://a", "obs://b", f"--patience={word}"])


def test_patience_has_an_end():
    """More than a month is a mistake."""
    with pytest.raises(ConfigError, match="--patience"):
        build_run(Settings(), {"patience": 1 << 40})


def test_the_service_has_both_too():
    """The settings of the service's tasks reach the engine."""
    settings = service_settings(Work(patience_seconds=60.0, min_rate=5.0))
    assert (settings.patience, settings.wire.min_rate) == (60.0, 5.0)


def test_a_task_body_is_run_with_patience_too():
    """``openoms run`` takes both options; ``check``, which waits for nothing, takes none."""
    parser = options.Parser(prog="openoms run")
    cli._declare_run(parser)
    said = parser.parse_args(["task.json", "--patience", "1h", "--min-rate", "1K"])
    assert (said.patience, said.min_rate) == (3600, 1024)
    parser = options.Parser(prog="openoms check")
    cli._declare_check(parser)
    with pytest.raises(ConfigError, match="--patience"):
        parser.parse_args(["s3://a", "obs://b", "--patience", "1h"])
