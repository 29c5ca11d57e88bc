"""What was measured of a sound file, cached by content: one cache for every command.

    <cache>/measured/ab/abcdef….entry      a line of JSON with the key and the hash of what follows it, then the content

An entry is named by the digest of its key (the file's hash and everything that decides the result) and is believed
only if it carries that very key and the content has the recorded SHA-256: a file copied over another, a flipped bit or
a torn write is measured again. The folder may be deleted at any time.

A cache that cannot be written costs time and nothing else: what was measured is used, and `ContentCache.note` says so
once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.identity import canonical_json, digest
from harness.core.sound_files import shown
from metrics.io.files import abandoned, unsynced, write_bytes
from metrics.io.weights import cache_dir


class ContentCache:
    """Entries below `folder`, which is created when the first is written.

    Attributes:
        folder: where the entries lie.
        note: why entries could not be written or read; None while all is well. One line, for the user.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.note: str | None = None

    def place(self, key: Mapping[str, Any]) -> Path:
        """Where the entry of that key lies, or would."""
        name = digest(key)
        return self.folder / name[:2] / f"{name}.entry"

    def read(self, key: Mapping[str, Any]) -> bytes | None:
        """The content under `key`, a JSON-able mapping; None where there is none that can be believed."""
        try:
            head, _, content = self.place(key).read_bytes().partition(b"\n")
            said = json.loads(head)
            whole = said["sha256"] == hashlib.sha256(content).hexdigest()
            return content if whole and said["key"] == json.loads(canonical_json(key)) else None
        except FileNotFoundError:
            return None
        except OSError as error:
            self._trouble("read", error)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        return None

    def write(self, key: Mapping[str, Any], content: bytes) -> None:
        """Put `content` under `key`. After a first failure nothing more is tried."""
        if self.note is not None:
            return
        # What cannot be believed is measured again: there is nothing that flushing would save.
        head = canonical_json({"key": key, "sha256": hashlib.sha256(content).hexdigest()})
        try:
            with unsynced():
                write_bytes(self.place(key), head.encode("utf-8", "backslashreplace") + b"\n" + content)
        except OSError as error:
            self._trouble("written", error)

    def sweep(self) -> None:
        """Remove what processes that have ended left half written."""
        try:
            for left in abandoned(self.folder.glob("??/.*.part")):
                left.unlink(missing_ok=True)
        except OSError as error:
            self._trouble("swept", error)

    def _trouble(self, what: str, error: OSError) -> None:
        self.note = self.note or (
            f"the cache {shown(self.folder)} cannot be {what} ({error.strerror or error}): everything is measured "
            "without it, and again next time. Name a folder you can write to in the environment variable HARNESS_CACHE."
        )


def user_cache() -> ContentCache:
    """The user's cache of measurements: `$HARNESS_CACHE/measured`, or the one in ~/.cache/music-harness."""
    return ContentCache(cache_dir() / "measured")
