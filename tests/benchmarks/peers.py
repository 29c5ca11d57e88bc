"""Code of other packages, out of their archives, to be timed beside ours: nothing of theirs is kept here.

Their packages cannot all be installed beside one another, and importing some loads a model zoo; what holds the
arithmetic needs only numpy, scipy, scikit-learn and torch. Each is fetched once into build/peers/ (ignored by git).
"""

from __future__ import annotations

import ast
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metrics.io.sdist import download_sdist
from metrics.io.weights import download

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


def importable(package: str, version: str, *, source: bool = False) -> Path:
    """Let this process import a package that is pure Python from its wheel, or from its `source` archive where it has
    no wheel; after all others. Gives the path that was added.
    """
    path = _unpacked_source(package, version) if source else _wheel(package, version)
    sys.path.append(str(path))
    return path


def _source(package: str, version: str, module: str) -> str:
    with zipfile.ZipFile(_wheel(package, version)) as archive:
        return archive.read(module).decode()


def _wheel(package: str, version: str) -> Path:
    folder = FOLDER / f"{package}-{version}"
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        folder.mkdir(parents=True, exist_ok=True)
        wheels = [download(package, version, folder)]
    return wheels[0]


def _unpacked_source(package: str, version: str) -> Path:
    folder = FOLDER / f"{package}-{version}"
    if not any(path.is_dir() for path in folder.glob("*")):
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(download_sdist(package, version, folder)) as archive:
            archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())
