"""What other distributions bring: entry points, found without importing anything and loaded one at a time.

The code behind an entry point is somebody else's. It may not import, end the program, print, or give something other
than what was expected; a whole distribution's metadata may be unreadable. None of this may harm a command that asked
for something else: whatever happens becomes a reason in words (`PluginFailure`), and the caller goes on.
"""

from __future__ import annotations

import importlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from typing import Any, TypeVar

from metrics.errors import HarnessError, Stopped

T = TypeVar("T")

OWN = "music-harness"
"""The distribution that this is part of; its entry points count as built in."""

LONGEST_REASON = 300
_TARGET = re.compile(r"([\w.]+)(?::([\w.]+))?\s*(?:\[.*\])?")


class PluginFailure(Exception):
    """Code of another distribution did not give what was expected; the message says why, in one printable line."""


@dataclass(frozen=True)
class Plugin:
    """An entry point: a name in a group, the distribution that brings it, and its target "module:object".

    `location` is the folder that the distribution was found in. `problem` says why the entry point cannot be loaded,
    where its own line tells.
    """

    group: str
    name: str
    target: str
    distribution: str
    version: str
    location: str = ""
    problem: str = ""

    @property
    def built_in(self) -> bool:
        """Whether this project's own distribution brings it."""
        return self.distribution == OWN

    def load(self) -> Any:
        """The object behind the target, imported now. Raises `PluginFailure` whatever goes wrong."""
        if self.problem:
            raise PluginFailure(self.problem)
        return run_foreign(lambda: resolve(self.target))


def find_plugins(group: str) -> list[Plugin]:
    """The entry points of a group, this project's own first, then by distribution; nothing is imported.

    A distribution that is found twice counts where it is found first, as in an import. What is installed meanwhile is
    found by the next call.
    """
    return list(_find_plugins(group, tuple((folder, _changed(folder)) for folder in sys.path)))


@lru_cache(maxsize=64)
def _find_plugins(group: str, path: tuple[tuple[str, int], ...]) -> tuple[Plugin, ...]:
    """The entry points of a group where `path` is the import path, each folder with the time of its last change."""
    found: dict[str, list[Plugin]] = {}
    for distribution in distributions():
        text = _entry_points(distribution)
        if group in text and (lines := list(_lines(text, group))):
            where = str(distribution.locate_file(""))
            name, release = _name_and_version(distribution, where)
            key = re.sub(r"[-_.]+", "-", name).lower()
            found.setdefault(key, [_plugin(group, *line, name, release, where) for line in lines])
    return tuple(plugin for key in sorted(found, key=lambda key: (key != OWN, key)) for plugin in found[key])


def own_version() -> str:
    """The version of this project's distribution as installed; empty where it is not."""
    try:
        return version(OWN)
    except PackageNotFoundError:
        return ""


def resolve(target: str) -> Any:
    """The object behind "module:object", or the module behind "module", imported now. Raises what the import does."""
    module, _, path = target.partition(":")
    found = importlib.import_module(module)
    for attribute in path.split(".") if path else ():
        found = getattr(found, attribute)
    return found


def run_foreign(action: Callable[[], T]) -> T:
    """The result of `action`, which runs code of another distribution.

    What it prints to standard output goes to standard error, where it cannot spoil JSON. Raises `PluginFailure` for
    whatever it raises, an exit of the program included. A person's Ctrl-C stays one, and so does `Stopped`.
    """
    with _stdout_to_stderr(), _noting_interrupts() as interrupts:
        try:
            return action()
        except (PluginFailure, Stopped):
            raise
        except KeyboardInterrupt as error:
            if interrupts:
                raise
            raise PluginFailure(reason_of(error)) from error
        except BaseException as error:
            raise PluginFailure(reason_of(error)) from error


def reason_of(error: BaseException) -> str:
    """What an error of somebody else's code says, in one printable line that is not too long."""
    name = type(error).__name__
    try:
        said = plain(error)
    except BaseException:  # its own __str__ is broken as well
        said = ""
    reason = f"{plain(name)}: {said}" if said else plain(name)
    if isinstance(error, SystemExit):
        reason = f"it ends the program ({reason})"
    elif isinstance(error, HarnessError):
        reason = said
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 1]}…"


def plain(text: object) -> str:
    """Text in one line that any terminal can show: what is not printable is escaped.

    >>> plain("two\\nlines, \\x1b[31mred")
    'two lines, \\\\x1b[31mred'
    """
    words = " ".join(str(text).split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)


def _changed(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return 0


def _entry_points(distribution: Distribution) -> str:
    try:
        return distribution.read_text("entry_points.txt") or ""
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "replace")
    except Exception:  # a finder of somebody else's, in which nothing can be found
        return ""


def _lines(text: str, group: str) -> Iterator[tuple[str, str]]:
    """(name, target) of each line of a section; a line without "=" has an empty target."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif section == group and line and not line.startswith(("#", ";")):
            name, _, target = line.partition("=")
            yield name.strip(), target.strip()


def _plugin(group: str, name: str, target: str, distribution: str, release: str, location: str) -> Plugin:
    match, problem = _TARGET.fullmatch(target), ""
    if match is None:
        problem = f"its target is {target!r}: module:object was expected"
    else:
        target = f"{match[1]}:{match[2]}" if match[2] else match[1]
    if not name or plain(name) != name:
        problem = f"its name is {name!r}: printable characters were expected"
    return Plugin(group, plain(name) or "''", plain(target), distribution, release, location, plain(problem))


def _name_and_version(distribution: Distribution, where: str) -> tuple[str, str]:
    try:
        name, release = distribution.metadata["Name"], distribution.metadata["Version"]
    except Exception:  # no METADATA, or none that can be read
        name = release = None
    return plain(name or f"a distribution without a name in {where}"), plain(release or "")


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Standard output is standard error in the block: that of Python, and that of libraries below it."""
    kept = None
    with suppress(OSError, ValueError, AttributeError):  # closed, or not there
        sys.stdout.flush()
    with suppress(OSError):
        kept = os.dup(1)
        os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            with suppress(OSError, ValueError, AttributeError):
                sys.__stdout__.flush()  # type: ignore[union-attr]  # None is among what is suppressed
            os.dup2(kept, 1)
            os.close(kept)


@contextmanager
def _noting_interrupts() -> Iterator[list[int]]:
    """A list that a SIGINT is noted in before it raises `KeyboardInterrupt`, to tell it from code that raises one."""
    interrupts: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield interrupts
        return

    def note(number: int, frame: Any) -> None:
        interrupts.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupts
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, before)
