"""Mistakes in a user's file, collected so that all are reported at once, each with its line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from harness.core.errors import UsageError

MOST_SHOWN = 20


@dataclass(frozen=True)
class Mistake:
    """One mistake: its line, None where it is of the whole file; the field it is in, empty without one; and what was
    found and expected."""

    line: int | None
    field: str
    problem: str

    def __str__(self) -> str:
        place = [f"line {self.line}"] if self.line else []
        place += [self.field] if self.field else []
        return f"{', '.join(place)}: {self.problem}" if place else self.problem


class FileMistakes(UsageError):
    """A file that cannot be used. `mistakes` are in the order of their lines; the message lists them, one a line."""

    def __init__(self, path: Path, mistakes: Iterable[Mistake]) -> None:
        self.path = path
        self.mistakes = tuple(sorted(dict.fromkeys(mistakes), key=lambda one: one.line or 0))
        super().__init__(self._message())

    def _message(self) -> str:
        if len(self.mistakes) == 1:
            [only] = self.mistakes
            return f"{self.path}{', ' if only.line or only.field else ': '}{only}"
        lines = [f"{self.path}: {len(self.mistakes)} mistakes"]
        lines += [f"  {one}" for one in self.mistakes[:MOST_SHOWN]]
        more = len(self.mistakes) - MOST_SHOWN
        return "\n".join([*lines, f"  … and {more} more"] if more > 0 else lines)


@dataclass
class Mistakes:
    """The mistakes found so far in the file at `path`."""

    path: Path
    found: list[Mistake] = field(default_factory=list)

    def add(self, line: int | None, field: str, problem: str) -> None:
        self.found.append(Mistake(line, field, problem))

    def refuse(self, line: int | None, field: str, problem: str) -> NoReturn:
        """Add a mistake after which reading cannot continue, and raise `FileMistakes`."""
        self.add(line, field, problem)
        raise FileMistakes(self.path, self.found)

    def check(self) -> None:
        """Raise `FileMistakes` where there are any."""
        if self.found:
            raise FileMistakes(self.path, self.found)
