"""Ways to run one worker by name: in this process, in several, on a Ray cluster, or as a plug-in has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from harness.core import registry as groups
from harness.core.errors import UsageError
from harness.sampling.worker import Executor, Worker
from metrics.api.registry import Registry, nearest_name

MOST_PROCESSES = 1024


@dataclass(frozen=True)
class Way:
    """How a worker is to be run. `argument` is what follows a colon in the executor's name; `timeout` how many seconds
    a worker may be silent over a batch before it is taken for hung; `address` that of a cluster."""

    argument: str = ""
    timeout: float | None = None
    address: str | None = None


Make = Callable[[Worker, Way], Executor]


def _local(worker: Worker, way: Way) -> Executor:
    from harness.sampling.executors.local import Local

    return Local(worker, way.timeout)


def _processes(worker: Worker, way: Way) -> Executor:
    from harness.sampling.executors.processes import Processes

    return Processes(worker, int(way.argument), way.timeout)


def _ray(worker: Worker, way: Way) -> Executor:
    from harness.sampling.executors.ray import Ray

    return Ray(worker, way.address, way.timeout)


def _makes(name: str, found: Any) -> Make:
    """What a plug-in's entry point is, if an executor can be had by calling it with a worker and a `Way`."""
    if not callable(found):
        raise UsageError(f"it is of type {type(found).__name__}: a function of (worker, way) was expected")
    return cast(Make, found)


_OWN: dict[str, Make] = {"local": _local, "processes": _processes, "ray": _ray}

EXECUTORS: Registry[Make] = Registry(
    kind="executor", entry_point_group=groups.EXECUTORS, rows=lambda: _OWN, accept=_makes
)


def make_executor(name: str, worker: Worker, timeout: float | None = None, address: str | None = None) -> Executor:
    """The executor of that name: `local`, `processes:N`, `ray`, or that of a plug-in.

    Args:
        name: as `parse` takes it.
        worker: what is run.
        timeout: how many seconds a worker may be silent over a batch before it is taken for hung.
        address: of a cluster.

    Raises:
        UsageError: for another name.
        BrokenPlugin: for a plug-in that does not load, or gives no executor.
    """
    kind, argument = parse(name)
    with EXECUTORS.blamed(kind):
        executor = EXECUTORS.get(kind)(worker, Way(argument, timeout, address))
        if lacking := [part for part in ("__enter__", "__exit__", "run") if not hasattr(executor, part)]:
            raise AttributeError(f"the executor has no {', '.join(lacking)}")
    return executor


def parse(name: str) -> tuple[str, str]:
    """An executor's name and what follows the colon.

    Raises `UsageError` for an unknown one and `BrokenPlugin` for a broken plug-in, before any work is done.

    >>> parse("local"), parse("processes:4")
    (('local', ''), ('processes', '4'))
    """
    kind, colon, argument = name.partition(":")
    count = argument.isdecimal() and 1 <= int(argument) <= MOST_PROCESSES
    if kind in EXECUTORS.names() and (kind not in _OWN or (count if kind == "processes" else not colon)):
        EXECUTORS.get(kind)
        return kind, argument
    others = [f"{other!r}, " for other in EXECUTORS.names() if other not in _OWN]
    near = nearest_name(kind, EXECUTORS.names())
    hint = f" Did you mean {near!r}?" if near and kind not in EXECUTORS.names() else ""
    raise UsageError(
        f"the executor was {name!r}: expected 'local', 'ray', {''.join(others)}or 'processes:N' with 1 to "
        f"{MOST_PROCESSES} workers, for example processes:2.{hint}"
    )
