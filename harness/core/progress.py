"""Progress output: bars on a terminal, plain lines elsewhere, nothing when quiet.

Everything goes to standard error, so that standard output holds results only. Work is counted in parts of a stage
(clips), and a part may be reported in fractions (tokens of a batch): the time left is right from the first batch on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 10.0
"""Off a terminal a stage says where it is this often, so that a log stays short."""


class Stage(Protocol):
    """One stage's progress: `advance` to `done` parts of its total, perhaps with a detail such as the tokens so far."""

    def advance(self, done: float, detail: str = "") -> None: ...


class Progress(Protocol):
    """Where stages and notes are shown."""

    def stage(self, title: str, total: int) -> Any:
        """A context manager that gives a `Stage` of `total` parts."""
        ...

    def note(self, message: str) -> None:
        """One line that stays."""
        ...


class Quiet:
    """Shows nothing."""

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Stage]:
        yield _Silent()

    def note(self, message: str) -> None:
        pass


class _Silent:
    def advance(self, done: float, detail: str = "") -> None:
        pass


NO_STAGE: Stage = _Silent()
"""For work that nobody watches."""


class Lines:
    """Plain lines: when a stage begins, now and then, and when it ends."""

    def __init__(self, stream: TextIO | None = None, every: float = LINE_SECONDS) -> None:
        self.stream = stream
        self.every = every

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Stage]:
        started = time.monotonic()
        self.note(f"{title}: {total}")
        yield _LineStage(self, title, total)
        self.note(f"{title}: done in {clock(time.monotonic() - started)}")

    def note(self, message: str) -> None:
        print(message, file=self.stream or sys.stderr, flush=True)


class _LineStage:
    def __init__(self, lines: Lines, title: str, total: int) -> None:
        self.lines, self.title, self.total = lines, title, total
        self.started = self.shown = time.monotonic()
        self.done = 0.0

    def advance(self, done: float, detail: str = "") -> None:
        done = self.done = max(done, self.done)  # a part that is tried again is no step back
        now = time.monotonic()
        if now - self.shown < self.lines.every or done >= self.total:
            return
        self.shown = now
        begun = done > self.total / 100  # before that the time of setting up would be taken for the speed
        left = f", {clock((now - self.started) / done * (self.total - done))} left" if begun else ""
        self.lines.note(f"{self.title}: {int(done)}/{self.total}{left}{f' · {detail}' if detail else ''}")


class Bars:
    """Rich bars with the time left."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Stage]:
        from rich import progress as rich_progress

        columns = (
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(bar_width=24),
            rich_progress.TextColumn("{task.fields[count]}", style="progress.percentage"),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TextColumn("·"),
            rich_progress.TimeRemainingColumn(compact=True),
            rich_progress.TextColumn("[dim]{task.fields[detail]}"),
        )
        # A batch can take minutes: the speed is averaged over a long window, or the time left would come and go.
        with rich_progress.Progress(*columns, console=self.console, speed_estimate_period=600) as bars:
            task = bars.add_task(title, total=total, count=f"0/{total}", detail="")
            yield _BarStage(bars, task, total)

    def note(self, message: str) -> None:
        self.console.print(message, highlight=False, soft_wrap=True, markup=False)


class _BarStage:
    def __init__(self, bars: Any, task: Any, total: int) -> None:
        self.bars, self.task, self.total = bars, task, total
        self.done = 0.0

    def advance(self, done: float, detail: str = "") -> None:
        done = self.done = max(done, self.done)
        self.bars.update(self.task, completed=done, count=f"{int(done)}/{self.total}", detail=detail)


def progress_for(quiet: bool = False) -> Progress:
    """Nothing when quiet, bars on a terminal, lines elsewhere."""
    if quiet:
        return Quiet()
    from rich.console import Console

    console = Console(stderr=True)
    return Bars(console) if console.is_terminal else Lines()


def clock(seconds: float) -> str:
    """A readable duration.

    >>> clock(4.2), clock(75), clock(3700)
    ('4 s', '1 min 15 s', '1 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
