"""What the machine did is looked at now and then, whatever happens, and no oftener than can be kept."""

from __future__ import annotations

import threading

import pytest

from harness.reporting import system as system_metrics
from harness.reporting.system import watched


class Monitor:
    """Counts its looks; the `bad` ones find nothing to read. The `last` ends the watch."""

    def __init__(self, bad: tuple[int, ...] = (), last: int = 1) -> None:
        self.bad, self.last, self.looks, self.seen = bad, last, 0, threading.Event()

    def collect_metrics(self) -> None:
        self.looks += 1
        if self.looks == self.last:
            self.seen.set()
        if self.looks in self.bad:
            raise OSError("no such counter")

    def aggregate_metrics(self) -> dict[str, float]:
        return {"look": self.looks}

    def clear_metrics(self) -> None:
        pass


def looks_of(monitor: Monitor, monkeypatch) -> list[float]:
    monkeypatch.setattr(system_metrics, "_monitors", lambda: [monitor])
    with watched(True, seconds=1e-6) as looks:
        assert monitor.seen.wait(60)
    return [seen["look"] for _, seen in looks]


def test_nothing_is_done_unasked(monkeypatch):
    monkeypatch.setattr(system_metrics, "_monitors", pytest.fail)
    with watched(False) as looks:
        assert looks == []


def test_a_counter_that_cannot_be_read_costs_one_look(monkeypatch):
    assert looks_of(Monitor(bad=(2,), last=4), monkeypatch)[:3] == [1, 3, 4]


def test_of_a_long_run_every_second_look_is_dropped(monkeypatch):
    monkeypatch.setattr(system_metrics, "MOST_LOOKS", 4)
    seen = looks_of(Monitor(last=12), monkeypatch)
    assert len(seen) <= 4
    assert seen[0] == 1
    assert seen[1] >= 5  # of looks 1 to 5 the odd ones are left; 1, 3, 5, 6, 7 follow, and then 1, 5, 7
