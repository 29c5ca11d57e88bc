"""Files that appear whole or not at all.

The bytes are written beside their place, flushed to the disk, and renamed: a reader sees the old file or the new one, and a
kill in the middle leaves only a temporary name that nothing reads. The folder is flushed as well, so that the rename
survives a power cut. `metrics.audio.save` does the same for sound.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically, making its folder. `OSError` passes through."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write JSON that a person can read and diff: sorted keys, two spaces, characters as they are."""
    write_bytes(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """The one spelling of a record on disk. Raises `ValueError` for NaN or infinity, which JSON does not have."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
