"""Distributions as pip installs them: a folder of metadata with entry points, and a module or more, on the path."""

from collections.abc import Mapping
from pathlib import Path

BROKEN = {
    "no_module": "module_that_is_not_there:X",
    "no_attribute": "broken_parts.empty:X",
    "ends": "broken_parts.ends:X",
    "stops": "broken_parts.stops:X",
    "interrupts": "broken_parts.interrupts:X",
    "raises": "broken_parts.raises:X",
    "syntax": "broken_parts.syntax:X",
    "wrong": "broken_parts.prints:X",
    "odd_target": "not a target",
    "no_target": "",
}
"""Names and targets of entry points that are broken each in its own way, where `BROKEN_MODULES` are installed."""

BROKEN_MODULES = {
    "broken_parts/__init__.py": "",
    "broken_parts/empty.py": "",
    "broken_parts/ends.py": "import sys\nsys.exit(0)\n",
    "broken_parts/stops.py": "class Stop(BaseException):\n    def __str__(self): raise self\nraise Stop\n",
    "broken_parts/interrupts.py": "raise KeyboardInterrupt\n",
    "broken_parts/raises.py": "raise RuntimeError('two\\nlines [/bold] \\x1b[31m')\n",
    "broken_parts/syntax.py": "def :\n",
    "broken_parts/prints.py": "import os\nprint('LOUD')\nos.system('echo LOUD')\nX = 5\n",
}


def install(
    folder: Path,
    name: str,
    groups: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str] | None = None,
    version: str = "1.0",
) -> None:
    """Put a distribution into `folder`, which is to be on the path.

    `groups` are its entry points, by group and name; `modules` are its files with their source.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{point} = {target}\n" for point, target in points.items())
        for group, points in groups.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for file, source in (modules or {}).items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
