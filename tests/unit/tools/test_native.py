"""The modules that are compiled stay such that compiling changes nothing but their speed."""

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).parents[3]
NATIVE = runpy.run_path(str(TREE / "tools" / "native.py"))
MODULES = NATIVE["sources"]()


@pytest.fixture(params=MODULES, ids=lambda file: file.stem)
def module(request):
    """A module of the table, parsed."""
    return ast.parse(request.param.read_text())


def test_every_compiled_module_is_there():
    """The table names files, each once."""
    assert len(set(MODULES)) == len(MODULES) > 10
    assert all(file.is_file() for file in MODULES)


def test_handlers_of_different_errors_have_different_names(module):
    """Mypyc gives a name one type per function: a second handler's error would be refused as not being the first's."""
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            named = [entry for entry in ast.walk(function) if isinstance(entry, ast.ExceptHandler) and entry.name]
            kinds = {}
            for handler in named:
                kinds.setdefault(handler.name, set()).add(ast.unparse(handler.type))
            assert all(len(kind) == 1 for kind in kinds.values()), (function.name, kinds)


def test_no_coroutines_are_compiled(module):
    """A compiled coroutine that is cancelled may end the process: they stay Python."""
    assert not [node for node in ast.walk(module) if isinstance(node, ast.AsyncFunctionDef)]


def test_no_star_arguments_are_handed_to_a_base(module):
    """Mypyc mixes up positions in ``super().method(*arguments, **options)``."""
    for call in ast.walk(module):
        if isinstance(call, ast.Call) and "super()" in ast.unparse(call.func):
            assert not any(isinstance(argument, ast.Starred) for argument in call.args)
            assert not any(keyword.arg is None for keyword in call.keywords)


def test_nothing_wrong_is_hidden_from_the_type_checker():
    """A cast that mypy was told to overlook is a TypeError in compiled code."""
    assert not [file for file in MODULES if "type: ignore" in file.read_text()]


def test_what_is_compiled_is_what_is_imported():
    """Where compiled modules lie in the tree, they are the ones that run, and those of these sources."""
    if not NATIVE["compiled"]():
        code = "import oms_engine.wire.codec as m; assert m.__file__.endswith('.py'), m.__file__"
    else:
        assert not NATIVE["stale"]()
        code = "import oms_engine.wire.codec as m; assert not m.__file__.endswith('.py'), m.__file__"
    subprocess.run([sys.executable, "-c", code], check=True, cwd="/")


def test_a_changed_source_is_noticed(tmp_path):
    """Compiled modules of other sources are stale, and dropped before anything runs with them."""
    for root, names in NATIVE["MODULES"].items():
        for name in names.split():
            target = tmp_path / root / f"{name}.py"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((TREE / root / f"{name}.py").read_bytes())
    tool = tmp_path / "tools" / "native.py"
    tool.parent.mkdir()
    tool.write_bytes((TREE / "tools" / "native.py").read_bytes())
    library = tmp_path / "engine" / "oms_engine" / "transfer.so"
    library.touch()
    (tmp_path / "engine" / "openoms__mypyc.stamp").write_text("of another day")
    subprocess.run([sys.executable, tool, "--keep"], check=True)
    assert not library.exists()
