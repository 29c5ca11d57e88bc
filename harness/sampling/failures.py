"""Clips that could not be made: what went wrong, where, at which attempt, and whether another attempt is worth it.

    <results>/failures/abcdef….json     the last failure of a clip; gone once the clip is stored

A model draws from the clip's own seed, so what it did wrong it would do again: only what the machine did (a killed
worker, a connection that broke, a file system that hiccuped) is tried again.
"""

from __future__ import annotations

import errno
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import harness.core.errors
from harness.core.errors import HarnessError, ModelError, UsageError
from harness.core.host import host_name
from harness.core.identity import readable_json
from harness.planning.plan import ClipRequest
from harness.store.clips import explained
from metrics.io.files import write_bytes

Kind = Literal["usage", "disk", "memory", "infrastructure", "model"]
"""Whose matter it is: a user's mistake, a disk that refuses, memory that is too small, the machine, the model."""

ENDS_THE_RUN: tuple[Kind, ...] = ("usage", "disk", "memory")
"""What every further clip would meet as well."""

USERS_ERRNOS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS),
    *(errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
)
"""What the user has to correct; any other `OSError` is the machine's."""


@dataclass(frozen=True)
class Failure:
    """One clip that was not made. `error` is the exception's class, `attempt` counts from 1 within one run."""

    clip: str
    condition: str
    prompt: str
    index: int
    seed: int
    kind: Kind
    error: str
    message: str
    traceback: str
    host: str
    attempt: int = 1

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; the seed as text, for 63 bits do not survive a JavaScript number."""
        return {**asdict(self), "seed": str(self.seed)}

    def as_error(self) -> HarnessError:
        """The error again: of its own class if that is one of the harness's, else a `ModelError` that names it."""
        known = getattr(harness.core.errors, self.error, None)
        if isinstance(known, type) and issubclass(known, HarnessError):
            return known(self.message)
        return ModelError(f"{self.condition}, prompt {self.prompt!r}, seed {self.seed}: {self.error}: {self.message}")


def kind_of(error: BaseException) -> Kind:
    """
    >>> kind_of(MemoryError()), kind_of(ConnectionResetError()), kind_of(ZeroDivisionError())
    ('memory', 'infrastructure', 'model')
    """
    if isinstance(error, UsageError):
        return "usage"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, on any device
        return "memory"
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError):
        return "disk" if cause.errno in USERS_ERRNOS else "infrastructure"
    return "model"


def failures_of(requests: Sequence[ClipRequest], error: BaseException, message: str = "") -> tuple[Failure, ...]:
    """One failure for each of `requests`, all for the same reason."""
    trace = "".join(traceback.format_exception(error))
    return tuple(
        Failure(
            request.id,
            request.condition.name,
            request.prompt.label(),
            request.index,
            request.seed,
            kind_of(error),
            type(error).__name__,
            message or str(error) or type(error).__name__,
            trace,
            host_name(),
        )
        for request in requests
    )


class FailureFolder:
    """The failures on disk, one file for a clip."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.known = {path.stem for path in root.glob("*.json")}

    def path(self, clip_id: str) -> Path:
        return self.root / f"{clip_id}.json"

    def write(self, failure: Failure) -> None:
        """Keep `failure`, in place of what was known of its clip. Raises `StoreError` when the disk refuses."""
        with explained(self.root):
            write_bytes(self.path(failure.clip), readable_json(failure.as_dict()))
        self.known.add(failure.clip)

    def forget(self, clip_id: str) -> None:
        """The clip is made: nothing to complain about any more."""
        if clip_id in self.known:
            self.path(clip_id).unlink(missing_ok=True)
            self.known.discard(clip_id)
