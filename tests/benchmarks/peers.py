"""Functions of other packages, taken out of their wheels to be timed beside ours: nothing of theirs is kept here.

Their packages cannot all be installed beside one another, and importing one loads a model zoo; the functions that hold
the arithmetic need only numpy, scipy and torch. A wheel is fetched once into build/peers/ (ignored by git).
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metrics.weights import download

FOLDER = Path(__file__).parents[2] / "build" / "peers"


def function(package: str, version: str, module: str, name: str, **names: Any) -> Callable[..., Any]:
    """The function `name` (of the module, or of a class in it) from `module` (a path in the wheel), with the modules
    and values that it refers to as keyword arguments.
    """
    tree = ast.parse(_source(package, version, module))
    found = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)
    found.decorator_list, found.returns = [], None
    for argument in found.args.args:
        argument.annotation = None
    exec(compile(ast.Module([found], []), f"{package}=={version}/{module}", "exec"), names)
    return names[name]


def _source(package: str, version: str, module: str) -> str:
    folder = FOLDER / f"{package}-{version}"
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        folder.mkdir(parents=True, exist_ok=True)
        wheels = [download(package, version, folder)]
    with zipfile.ZipFile(wheels[0]) as archive:
        return archive.read(module).decode()
