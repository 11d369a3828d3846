"""Who a serve process is."""

import pytest

from oms_engine.errors import ConfigError
from oms_worker.node import take_identity


def test_the_same_name_after_a_restart(tmp_path):
    """A process that ended and starts again has its name again."""
    first = take_identity(tmp_path, alone=True)
    name = first.id
    first.close()
    again = take_identity(tmp_path, alone=True)
    assert again.id == name
    again.close()


def test_two_on_one_sqlite_are_refused(tmp_path):
    """A second process on one data directory is refused while the first lives, where only one may be."""
    first = take_identity(tmp_path, alone=True)
    with pytest.raises(ConfigError, match="another openoms serves"):
        take_identity(tmp_path, alone=True)
    first.close()


def test_several_have_names_of_their_own(tmp_path):
    """Where several may be, each has a name of its own."""
    nodes = [take_identity(tmp_path, alone=False) for _ in range(3)]
    assert len({node.id for node in nodes}) == 3
    for node in nodes:
        node.close()
