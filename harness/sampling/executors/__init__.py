"""Three ways to run one worker: in this process, in several, or on a Ray cluster."""

from __future__ import annotations

from harness.core.errors import UsageError
from harness.sampling.worker import Executor, Worker


def make_executor(name: str, worker: Worker, timeout: float | None = None, address: str | None = None) -> Executor:
    """The executor of that name: `local`, `processes:N` or `ray`. Raises `UsageError` for another.

    `timeout` is how many seconds a worker may be silent over a batch before it is taken for hung, `address` that of a
    Ray cluster.
    """
    kind, count = parse(name)
    if kind == "local":
        from harness.sampling.executors.local import Local

        return Local(worker, timeout)
    if kind == "ray":
        from harness.sampling.executors.ray import Ray

        return Ray(worker, address, timeout)
    from harness.sampling.executors.processes import Processes

    return Processes(worker, count, timeout)


def parse(name: str) -> tuple[str, int]:
    """
    >>> parse("local"), parse("processes:4")
    (('local', 1), ('processes', 4))
    """
    kind, colon, count = name.partition(":")
    if kind in ("local", "ray") and not colon:
        return kind, 1
    if kind == "processes" and count.isdecimal() and 1 <= int(count) <= 1024:
        return kind, int(count)
    raise UsageError(
        f"the executor was {name!r}: expected 'local', 'ray', or 'processes:N' with 1 to 1024 workers, for example "
        "processes:2"
    )
