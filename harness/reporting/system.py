"""What the machine did during a run, as MLflow's own monitors see it: processor, memory, disk, network and, where
`nvidia-ml-py` is installed, GPUs.

    <results>/runs/<experiment>-<id>/system.json     [[ms since 1970, {"cpu_utilization_percentage": 98.0, …}], …]

A thread of the driver looks now and then. What it saw is kept with the run and logged with it, whenever that is: while
clips are sampled, no server is needed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from harness.core.errors import UsageError

SECONDS = 10.0
"""Between two looks; MLflow's default."""

MOST_LOOKS = 1000
"""Of a longer run every second look is dropped, and the others come half as often."""

Look = tuple[int, dict[str, float]]
"""When, in milliseconds since 1970, and what was seen."""


@contextmanager
def watched(wanted: bool, seconds: float = SECONDS) -> Iterator[list[Look]]:
    """Look at the machine while the block runs; without being `wanted`, nothing is done. The looks are in the list.

    Raises `UsageError` where psutil is not installed.
    """
    looks: list[Look] = []
    if not wanted:
        yield looks
        return
    monitors, ended = _monitors(), threading.Event()
    watch = threading.Thread(target=_watch, args=(monitors, looks, seconds, ended), daemon=True)
    watch.start()
    try:
        yield looks
    finally:
        ended.set()
        watch.join()


def _watch(monitors: list[Any], looks: list[Look], seconds: float, ended: threading.Event) -> None:
    while True:
        with suppress(Exception):  # a counter that cannot be read is no reason to disturb a run
            looks.append((time.time_ns() // 10**6, _look(monitors)))
        if len(looks) > MOST_LOOKS:
            del looks[1::2]
            seconds *= 2
        if ended.wait(seconds):
            return


def _look(monitors: list[Any]) -> dict[str, float]:
    seen: dict[str, float] = {}
    for monitor in monitors:
        monitor.collect_metrics()
        seen |= {name: float(value) for name, value in monitor.aggregate_metrics().items()}
        monitor.clear_metrics()
    return seen


def _monitors() -> list[Any]:
    from harness.reporting.mlflow import quiet_mlflow

    try:
        with quiet_mlflow():
            from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
            from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
            from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
            from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
    except ImportError as error:
        raise UsageError(
            f"system metrics need psutil, which is not installed ({error}): pip install 'music-harness[system]', or "
            "leave out --system-metrics."
        ) from None
    monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    with suppress(ImportError, RuntimeError):  # no nvidia-ml-py, or no GPU
        monitors.append(GPUMonitor())
    _look(monitors)  # the processor's load is counted since the last look
    return monitors
