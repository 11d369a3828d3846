"""Compile the hot modules with mypyc, in place: ``python tools/native.py`` (``make`` does it where a C compiler is).

The modules named here run as they stand, or compiled to C from the same source: then a small object costs a quarter
less CPU. Nothing but speed depends on it. Without a compiler, or with ``OPENOMS_PURE=1``, nothing is compiled.
https://mypyc.readthedocs.io/

A compiled module is left alone as long as neither its source nor a module it imports changes.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent

MODULES = {
    "engine/oms_engine": "wire/codec wire/http1 batch digest metadata meter pace records verify versions",
    "adapters/oms_adapters": """
        signing/mac signing/quoting signing/sigv4 signing/obs signing/oss signing/cos
        dialects/heads dialects/listing dialects/s3 dialects/substance dialects/times
    """,
}
"""What every object passes through: the connection, heads to and from bytes, signatures, proofs and counts.

Only modules without coroutines: compiled ones have crashed when they were cancelled."""

STAMP = TREE / "engine" / "openoms__mypyc.stamp"
"""Digest of what was compiled."""

_SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import Extension, setup
written = [file for file in sys.argv[1:] if file.endswith(".c")]
options = ["--config-file", "mypy.ini", *(file for file in sys.argv[1:] if file not in written)]
modules = mypycify(options, opt_level="2", debug_level="0", group_name="openoms")
for file in written:
    modules.append(Extension(".".join(file.removesuffix(".c").split("/")[-2:]), [file], extra_compile_args=["-O2"]))
setup(name="openoms-native", ext_modules=modules, script_args=["-q", "build_ext", "--build-lib", "out"])
"""

_MYPY = """
[mypy]
strict = true
mypy_path = {path}
explicit_package_bases = true
namespace_packages = true
"""


WRITTEN = TREE / "engine/oms_engine/md5_lanes.c"
"""What no Python could say: several MD5s side by side in one vector. ``oms_engine/md5.py`` does without it."""


def sources() -> list[Path]:
    """Return the files of the modules that are compiled."""
    return [TREE / root / f"{name}.py" for root, names in MODULES.items() for name in names.split()]


def compiled() -> list[Path]:
    """Return the compiled modules that lie in the tree."""
    return sorted(file for root in MODULES for file in (TREE / root).parent.rglob("*.so"))


def stale() -> bool:
    """Whether compiled modules lie in the tree that are not those of its sources."""
    return bool(compiled()) and not _fresh()


def remove() -> None:
    """Go back to pure Python."""
    for file in [*compiled(), STAMP]:
        file.unlink(missing_ok=True)


def obstacle() -> str:
    """Return what keeps this machine from compiling; nothing where it can."""
    if os.environ.get("OPENOMS_PURE"):
        return "OPENOMS_PURE is set"
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler ({compiler})"
    if not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        return "there is no Python.h"
    return ""


def build() -> None:
    """Compile into the tree.

    Raises:
        subprocess.CalledProcessError: mypyc or the compiler refused a module; the tree is pure Python then.
    """
    remove()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "setup.py").write_text(_SETUP)
        (folder / "mypy.ini").write_text(_MYPY.format(path=":".join(str((TREE / root).parent) for root in MODULES)))
        command = [sys.executable, "setup.py", *map(str, [*sources(), WRITTEN])]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout + done.stderr, file=sys.stderr)
            done.check_returncode()
        for file in (folder / "out").rglob("*.so"):
            inside = file.relative_to(folder / "out")
            root = next((Path(root).parent for root in MODULES if Path(root).name == inside.parts[0]), Path("engine"))
            shutil.copy(file, TREE / root / inside)
    STAMP.write_text(_digest())


def main() -> None:
    """Compile what is not; say in one line why not, where that cannot be. ``--keep``: only drop what is stale."""
    if sys.argv[1:] == ["--keep"]:
        if stale():
            remove()
        return
    why = obstacle()
    if why:
        remove()
        print(f"pure Python: {why}. Nothing is missing but speed: a quarter for small objects, half for large ones.")
    elif not _fresh():
        print("compiling the hot modules: half a minute to a minute")
        try:
            build()
        except subprocess.CalledProcessError:
            print("pure Python: the hot modules could not be compiled. Nothing else is missing.", file=sys.stderr)


def _fresh() -> bool:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    complete = all(file.with_name(f"{file.stem}{suffix}").exists() for file in [*sources(), WRITTEN])
    return complete and STAMP.exists() and STAMP.read_text() == _digest()


def _digest() -> str:
    """Digest the compiled modules and those they import: mypyc builds constants of others in."""
    files = {*sources(), WRITTEN}
    for file in sources():
        files |= _imported(file)
    digest = hashlib.sha256(f"{sys.version} mypy {version('mypy')}".encode())
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _imported(file: Path) -> set[Path]:
    names = [node.module for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
    places = [(TREE / root).parent / f"{name.replace('.', '/')}.py" for name in names if name for root in MODULES]
    return {place for place in places if place.exists()}


if __name__ == "__main__":
    main()
