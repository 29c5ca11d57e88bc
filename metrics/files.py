"""Files that appear whole or not at all.

The bytes are written beside their place, flushed to the disk and renamed: a reader sees the old file or the new one,
and a kill in the middle leaves only a temporary name that nothing reads. The folder is flushed as well, so that the
rename survives a power cut.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

STALE_SECONDS = 24 * 3600
"""Leftovers of a process that cannot be asked (on another machine) are old enough to go."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically, making its folder. `OSError` passes through and leaves no file behind."""
    with atomic_writer(path) as file:
        file.write(content)


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path` when the block ends well and is gone when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{temporary_mark()}.part"
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_mark() -> str:
    """A part of a temporary name: unique, and it says which process of which machine the file belongs to."""
    return f"{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def abandoned(paths: Iterable[Path]) -> Iterator[Path]:
    """Those of the temporary files and folders whose process has ended, or that are a day old."""
    for path in paths:
        machine, _, rest = path.name.removesuffix(".part").rpartition(".")[2].partition("-")
        process = rest.partition("-")[0]
        try:
            ended = machine == _machine() and process.isdecimal() and not _is_running(int(process))
            if ended or time.time() - path.stat().st_mtime > STALE_SECONDS:
                yield path
        except FileNotFoundError:  # another sweep was first
            continue


@lru_cache(maxsize=1)
def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
