import os
from contextlib import contextmanager

import pytest

from harness.core.errors import HarnessError
from harness.core.process_pool import ProcessPool
from harness.core.progress import Quiet


class Recorded(Quiet):
    """Remembers what was reported."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.done: list[float] = []

    @contextmanager
    def stage(self, title: str, total: int):
        self.stages.append((title, total))
        yield self

    def advance(self, done: float, detail: str = "") -> None:
        self.done.append(done)


@pytest.mark.parametrize(("count", "alone"), [(1, False), (2, True), (2, False)])
def test_every_task_has_its_result_and_progress_is_reported(count: int, alone: bool) -> None:
    progress = Recorded()
    with ProcessPool(count) as pool:
        found = dict(pool.map(abs, [-3, 0, 2], "counting", progress, alone=alone))
    assert found == {-3: 3, 0: 0, 2: 2}
    assert (progress.stages, progress.done) == ([("counting", 3)], [1, 2, 3])


def test_few_tasks_start_no_process() -> None:
    with ProcessPool(2) as pool:
        assert list(pool.map(_process, [0], "asking", Quiet(), alone=True)) == [(0, os.getpid())]


def _process(_: int) -> int:
    return os.getpid()


def test_an_error_of_the_work_passes_through() -> None:
    with ProcessPool(1) as pool, pytest.raises(ValueError, match="'a'"):
        list(pool.map(int, ["a"], "counting", Quiet(), alone=False))


def test_a_lost_process_is_reported_with_what_it_was_doing() -> None:
    with ProcessPool(2) as pool, pytest.raises(HarnessError, match=r"making noise.*--workers"):
        list(pool.map(os._exit, [3, 3], "making noise", Quiet(), alone=False))
