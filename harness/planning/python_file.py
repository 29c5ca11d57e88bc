"""An experiment of one's own: a Python file with an @experiment, or a study in YAML, run by its path.

    harness run my_experiment.py
    harness run my_experiments.py:second
    harness run study.yaml

The file is run as Python runs a script, with its folder on the path. The SHA-256 of its bytes is recorded with what was
found. Whatever goes wrong in it is a `UsageError` with the line.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.core.errors import HarnessError, UsageError
from harness.core.foreign import Stopped
from harness.planning.experiment import Condition, Declaration, StudyFile

SUFFIXES = (".py", ".yaml", ".yml")


def is_file_name(name: str) -> bool:
    """Whether an experiment is named by a file rather than by a name that is installed."""
    return Path(_split(name)[0]).suffix in SUFFIXES


def load_experiment(name: str) -> Declaration:
    """The experiment in a file: `study.yaml`, `file.py`, or `file.py:name` where there are several."""
    file, wanted = _split(name)
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"there is no experiment {file}: the path of a Python file or a YAML study was expected.")
    if path.suffix != ".py":
        from harness.planning.yaml_file import read_study

        return read_study(path)
    found = read_experiments(path)
    if wanted is not None and wanted not in found:
        from metrics.api.registry import unknown_name

        raise UsageError(unknown_name(f"experiment in {path}", wanted, list(found)))
    if wanted is None and len(found) > 1:
        raise UsageError(f"{path} declares {', '.join(found)}: name one, for example {path}:{next(iter(found))}.")
    return found[wanted or next(iter(found))]


def read_experiments(path: Path) -> dict[str, Declaration]:
    """The experiments that a Python file declares, by name. Raises `UsageError` when there are none."""
    try:
        content = path.read_bytes()
        code = compile(content, str(path), "exec", dont_inherit=True)
    except OSError as error:
        raise UsageError(f"the experiment {path} cannot be read ({error.strerror}).") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UsageError(f"{path}{line}: {getattr(error, 'msg', error)}. A Python file was expected.") from None
    module = ModuleType(f"_experiment_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses and pickled functions look for their names
    with _importing_beside(path), explained(path):
        exec(code, module.__dict__)
    sha256 = hashlib.sha256(content).hexdigest()
    found: dict[str, Declaration] = {}
    for value in vars(module).values():
        if isinstance(value, Declaration) and getattr(value.function, "__module__", "") == module.__name__:
            function, study = _guarded(value.function, path), StudyFile(path.name, content)
            found[value.name] = replace(value, function=function, source=sha256, study=study)
    if not found:
        raise UsageError(
            f"{path} declares no experiment: a function under @experiment(varies=…) was expected, with "
            "from harness import Condition, experiment."
        )
    for name, declaration in found.items():
        with explained(path):
            _ = declaration.parameters
        if not declaration.question:
            raise UsageError(f"{path}: experiment {name!r} asks nothing: write its question as its docstring.")
    return found


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """What a user's file raises, as a `UsageError` with its line there."""
    try:
        yield
    except (KeyboardInterrupt, Stopped):
        raise
    except BaseException as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f"{path}, line {lines[-1]}" if lines else str(path)
        what = str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
        raise UsageError(f"{where}: {what}") from error


def _guarded(function: Callable[..., Sequence[Condition]], path: Path) -> Callable[..., Sequence[Condition]]:
    """The function, with what it raises explained and what it returns checked."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Sequence[Condition]:
        with explained(path):
            returned = function(*args, **kwargs)
            conditions = list(returned) if isinstance(returned, Iterable) else None
        if conditions is None or not all(isinstance(one, Condition) for one in conditions):
            raise UsageError(f"{path}: {function.__name__} returned {returned!r:.80}; a list of Condition was expected")
        return conditions

    return guarded


@contextmanager
def _importing_beside(path: Path) -> Iterator[None]:
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def _split(name: str) -> tuple[str, str | None]:
    """
    >>> _split("a/b.py:second"), _split("a.yaml"), _split("temperature")
    (('a/b.py', 'second'), ('a.yaml', None), ('temperature', None))
    """
    file, colon, wanted = name.rpartition(":")
    return (file, wanted) if colon and file.endswith(".py") else (name, None)
