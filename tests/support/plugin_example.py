"""The example package of CONTRIBUTING.md, taken out of its text."""

import re
import tomllib
from pathlib import Path

TEXT = Path(__file__).parents[2].joinpath("CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```(?:toml|python)\n# (\S+)\n(.*?)```", TEXT, re.DOTALL))
"""Name of the file -> what the text says is in it."""


def install_example(folder):
    """Lay the example out as pip would install it: modules, data, and metadata with the entry point."""
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    for name, text in FILES.items():
        if name.startswith("openoms_acme/"):
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    info = folder / f"openoms_acme-{project['version']}.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["openoms.adapters"]
    lines = "".join(f"{name} = {target}\n" for name, target in points.items())
    info.joinpath("entry_points.txt").write_text(f"[openoms.adapters]\n{lines}")
