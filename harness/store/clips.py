"""The content-addressed store of clips: the truth on disk.

    <results>/store/ab/abcdef…/audio.flac          16-bit FLAC, mono
                               codes.safetensors   level_0, level_1, …: the codes the audio was decoded from, if any
                               record.json         identity, what the prompt was understood as, hashes, host facts
    <results>/store/.unfinished/abcdef….safetensors   codes so far of a clip that is being sampled
    <results>/store/.damaged/abcdef…/                 what `harness store verify --quarantine` set aside

A clip's folder is named by the digest of its identity. It is filled under a temporary name in the same file system,
flushed, and renamed: a folder that has its name is whole, and a kill in the middle leaves nothing that looks like a
clip. Resuming is therefore a set difference. When two processes make one clip at once, the first rename wins and the
other's is dropped; both hold the same sound. Clips are never changed in place.

    <results>/store/.locks/abcdef….lock         held by the process that samples this clip; ends with the process

A run claims its clips before sampling them, so that several runs share the work. Nothing in the
store expires.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import AudioError, DamagedClip, HarnessError, StoreError, UsageError
from harness.core.identity import digest, readable_json
from harness.models.base import Clip
from harness.models.codes import request_of, write_codes
from metrics.io.files import abandoned, sync_all, temporary_mark, unsynced, write_bytes

RECORD_SCHEMA = 2
"""Since 2 a record holds its own hash; one of schema 1 is read without."""
RECORD_PARTS = ("identity", "conditioning", "audio", "files", "host")


@dataclass(frozen=True)
class StoredClip:
    """A whole clip on disk."""

    id: str
    folder: Path
    record: dict[str, Any]

    @property
    def path(self) -> Path:
        """The sound file."""
        return self.folder / "audio.flac"

    def audio(self) -> tuple[np.ndarray, int]:
        """float32 (samples,) and the rate in Hz, as decoded from the file."""
        from metrics.io.audio import load

        return load(self.path)


@dataclass(frozen=True)
class Kept:
    """A clip after storing: its record (None where one that was there stays), and whether its sound was another."""

    record: dict[str, Any] | None
    changed: bool


@dataclass(frozen=True)
class Claim:
    """Ids that are this process's to sample, and ids that another process is sampling."""

    mine: tuple[str, ...]
    busy: tuple[str, ...]


class Store:
    """Clips by identity, below `root`. Nothing is created before the first `put`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, clip_id: str) -> Path:
        return self.root / clip_id[:2] / clip_id

    def has(self, clip_id: str) -> bool:
        return self.folder(clip_id).is_dir()

    def unfinished(self, clip_id: str) -> Path:
        """Where a model may keep what it has of a clip; gone once the clip is stored."""
        return self.root / ".unfinished" / f"{clip_id}.safetensors"

    def missing(self, clip_ids: Iterable[str]) -> list[str]:
        """The ids that are not stored, each once, in the order given."""
        return [clip_id for clip_id in dict.fromkeys(clip_ids) if not self.has(clip_id)]

    def ids(self) -> list[str]:
        """The stored clips, in the order of their ids."""
        return sorted(path.name for path in self.root.glob("??/*") if path.is_dir())

    def get(self, clip_id: str) -> StoredClip:
        """The stored clip, checked: its record must be readable and its files must have the recorded SHA-256.

        Raises `StoreError` for a clip that is missing and `DamagedClip` for one that is damaged, with the command that
        sets it aside.
        """
        folder = self.folder(clip_id)
        if not folder.is_dir():
            raise StoreError(
                f"no clip {clip_id[:12]} in {self.root}. Run the experiment again: it samples what is missing."
            )
        return StoredClip(clip_id, folder, checked_record(folder, clip_id, self.remedy))

    @property
    def remedy(self) -> str:
        """What to do about a damaged clip."""
        return (
            f"Set it aside with 'harness store verify --quarantine --results {self.root.parent}', then run the "
            "experiment again: only it is sampled anew."
        )

    def put(self, identity: Mapping[str, Any], clip: Clip, host: Mapping[str, Any]) -> StoredClip:
        """Store a clip under the digest of its identity; an existing clip is kept and returned.

        `host` holds the facts that are not part of the identity: device, threads, versions. Raises `StoreError` when
        the disk refuses, and `AudioError` when the audio is empty or not finite: nothing is stored then.
        """
        clip_id = digest(identity)
        if self.has(clip_id):
            return self.get(clip_id)
        [kept] = self.put_all([(identity, clip)], host)
        if isinstance(kept, AudioError):
            raise kept
        return self.get(clip_id) if kept.record is None else StoredClip(clip_id, self.folder(clip_id), kept.record)

    def put_all(
        self, clips: Sequence[tuple[Mapping[str, Any], Clip]], host: Mapping[str, Any], replace: bool = False
    ) -> list[Kept | AudioError]:
        """Store clips together, which costs hardly more than one: the disk is asked to flush all of them at once.

        An existing clip is kept; with `replace`, only if its sound is the same. For a clip whose audio is
        empty or not finite its `AudioError` is returned. Raises `StoreError` when the disk refuses: none is stored.
        """
        filled: dict[int, tuple[str, Path, dict[str, Any]]] = {}
        outcomes: list[Kept | AudioError] = []
        with ExitStack() as temporaries, explained(self.root):
            for n, (identity, clip) in enumerate(clips):
                temporary = self.root / ".partial" / temporary_mark()
                temporaries.callback(shutil.rmtree, temporary, ignore_errors=True)
                temporary.mkdir(parents=True)
                try:
                    with unsynced():
                        filled[n] = digest(identity), temporary, _write(temporary, identity, clip, host)
                    outcomes.append(Kept(filled[n][2], changed=False))
                except AudioError as error:
                    if isinstance(error.__cause__, OSError):
                        raise
                    outcomes.append(error)
            sync_all(path for _, temporary, _ in filled.values() for path in (temporary, *temporary.iterdir()))
            for n, (clip_id, temporary, record) in filled.items():
                final, changed = self.folder(clip_id), False
                if replace and final.is_dir():
                    changed = _sha256(final / "audio.flac") != _sha256(temporary / "audio.flac")
                    if changed:
                        final.rename(self._aside(temporaries))
                final.parent.mkdir(exist_ok=True)
                outcomes[n] = Kept(record if rename(temporary, final) else None, changed)
                self.unfinished(clip_id).unlink(missing_ok=True)
            sync_all(self.folder(clip_id).parent for clip_id, _, _ in filled.values())
        return outcomes

    def _aside(self, temporaries: ExitStack) -> Path:
        """Where a clip that gives way goes, until all is done."""
        aside = self.root / ".partial" / temporary_mark()
        temporaries.callback(shutil.rmtree, aside, ignore_errors=True)
        return aside

    @contextmanager
    def claim(self, clip_ids: Iterable[str], again: bool = False) -> Iterator[Claim]:
        """Hold those of the clips that are missing (with `again`, all) and that no other process holds.

        Nothing is waited for: ask again later for the busy ones. Raises `StoreError` when the disk refuses.
        """
        from filelock import FileLock, Timeout

        mine: list[str] = []
        busy: list[str] = []
        with ExitStack() as held:
            with explained(self.root):
                locks = self.root / ".locks"
                locks.mkdir(parents=True, exist_ok=True)
                for clip_id in clip_ids:
                    if self.has(clip_id) and not again:
                        continue
                    lock = FileLock(locks / f"{clip_id}.lock", timeout=0)
                    try:
                        held.enter_context(lock)
                    except Timeout:
                        busy.append(clip_id)
                        continue
                    # A later run finds the clip stored, or the lock free: the file itself is not needed.
                    held.callback((locks / f"{clip_id}.lock").unlink, missing_ok=True)
                    if again or not self.has(clip_id):  # it may have been stored while we asked
                        mine.append(clip_id)
            yield Claim(tuple(mine), tuple(busy))

    def sweep(self) -> None:
        """Remove what processes that have ended left half written. Raises `StoreError` when the disk refuses."""
        for left in abandoned(self.root.glob(".partial/*")):
            shutil.rmtree(left, ignore_errors=True)
        with explained(self.root):
            for left in abandoned(self.root.glob(".unfinished/.*.part")):
                left.unlink(missing_ok=True)
            for left in self.root.glob(".unfinished/*.safetensors"):
                if self.has(left.stem):
                    left.unlink(missing_ok=True)
        locks = [lock.stem for lock in self.root.glob(".locks/*.lock")]
        if locks:
            with self.claim(locks, again=True):
                pass  # a lock that can be acquired has no owner, and releasing it removes it


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """What the disk refuses in the block, as a `StoreError` that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(refusal(root, error)) from error
    except HarnessError as error:
        if isinstance(error.__cause__, OSError):
            raise StoreError(refusal(root, error.__cause__)) from error.__cause__
        raise


def _write(folder: Path, identity: Mapping[str, Any], clip: Clip, host: Mapping[str, Any]) -> dict[str, Any]:
    """Fill a clip's folder and return its record."""
    from metrics.io.audio import save

    _check_kinds(clip)
    gain = save(folder / "audio.flac", clip.audio, clip.rate)
    if clip.codes:
        write_codes(folder / "codes.safetensors", clip.codes, request_of(identity))
    record = {
        "schema": RECORD_SCHEMA,
        "identity": dict(identity),
        "conditioning": clip.record,
        "audio": {"rate": clip.rate, "samples": len(clip.audio), "seconds": len(clip.audio) / clip.rate, "gain": gain},
        "files": {
            path.name: {"sha256": _sha256(path), "bytes": path.stat().st_size} for path in sorted(folder.iterdir())
        },
        "host": dict(host),
    }
    record["sha256"] = record_hash(json.loads(readable_json(record)))
    write_bytes(folder / "record.json", readable_json(record))
    return record


def _check_kinds(clip: Clip) -> None:
    """Raises `AudioError` for sound that is not real floats (samples,), and for codes that are not whole numbers."""
    audio = clip.audio
    if not isinstance(audio, np.ndarray) or audio.ndim != 1 or audio.dtype.kind != "f":
        found = f"{audio.dtype} {audio.shape}" if isinstance(audio, np.ndarray) else type(audio).__name__
        raise AudioError(f"the audio is {found}: floats (samples,) were expected.")
    for level, codes in (clip.codes or {}).items():
        if np.asarray(codes).dtype.kind not in "iu":
            raise AudioError(f"the codes of level {level} are {np.asarray(codes).dtype}: whole numbers were expected.")


def record_hash(record: Mapping[str, Any]) -> str:
    """SHA-256 in hex of all that a record holds, as read from JSON, except this hash itself."""
    covered = {name: value for name, value in record.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(covered, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def checked_record(folder: Path, clip_id: str, remedy: str = "") -> dict[str, Any]:
    """The record in `folder`, whose files must have the recorded SHA-256 and whose identity must be that of `clip_id`.

    Raises `DamagedClip`, which ends with the `remedy`.
    """
    record = read_record(folder, remedy)
    if digest(record["identity"]) != clip_id:
        raise DamagedClip(f"the record in {folder} describes another clip than its name says. {remedy}".strip())
    for name, entry in record["files"].items():
        found = _sha256(folder / name)
        if found != entry["sha256"]:
            raise DamagedClip(
                f"{folder / name} has SHA-256 {found or 'nothing'}, recorded was {entry['sha256']}. {remedy}".strip()
            )
    return record


def read_record(folder: Path, remedy: str = "") -> dict[str, Any]:
    """A clip's record as it was written: its shape and its own hash are checked, the files' hashes are not.

    Raises `DamagedClip`, also for a record of another schema than this version knows.
    """
    try:
        path = folder / "record.json"
        if not path.is_file():  # a pipe would be waited for without end
            raise ValueError("record.json is missing or no regular file")
        record = json.loads(path.read_text("utf-8"))
        if type(record["schema"]) is not int or not 1 <= record["schema"] <= RECORD_SCHEMA:
            raise ValueError(f"its schema is {record['schema']!r}, this version reads 1 to {RECORD_SCHEMA}")
        if (record["schema"] > 1 or "sha256" in record) and record["sha256"] != record_hash(record):
            raise ValueError("it was altered: it does not have the hash it was written with")
        files = record["files"]
        if wrong := [name for name in RECORD_PARTS if not isinstance(record[name], dict)]:
            raise TypeError(f"its {wrong[0]} is no table")
        if "audio.flac" not in files or not all(isinstance(entry["sha256"], str) for entry in files.values()):
            raise TypeError("it lacks the hash of a file")
        seconds = record["audio"]["seconds"]
        if type(seconds) not in (int, float) or not 0 < seconds < math.inf:
            raise TypeError(f"its audio.seconds is {seconds!r}, not a positive number")
        digest(record["identity"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else error
        raise DamagedClip(f"the record of clip {folder.name[:12]} cannot be read ({said}). {remedy}".strip()) from error
    return record


def rename(temporary: Path, final: Path) -> bool:
    """Give a filled folder its name; when the name is taken already, leave both as they are. Whether it was given."""
    try:
        temporary.rename(final)
    except OSError as error:
        # Another process renamed its copy of the same clip first: keep that one.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _sha256(path: Path) -> str | None:
    """SHA-256 in hex, None for a file that is not there."""
    from metrics.io.weights import file_sha256

    return file_sha256(path) if path.is_file() else None


def refusal(root: Path, error: OSError) -> str:
    """The message for a disk that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(next(path for path in (root, *root.absolute().parents) if path.exists())).free
        return (
            f"no space left for {root} ({free / 1e6:.1f} MB are free). Free some space or choose another folder with "
            "--results, then run the same command again: clips that are stored are not sampled again."
        )
    again = "then run the same command again: clips that are stored are not sampled again."
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"too many files are open for {root}. Raise the limit ('ulimit -n 4096') or use fewer workers, {again}"
    if error.errno == errno.EFBIG:
        return (
            f"a file in {root} would be larger than its file system or the limit of this shell allows "
            f"('ulimit -f'). Raise the limit or choose another folder with --results, {again}"
        )
    return (
        f"{root} cannot be written ({error.strerror or error}). Choose a folder you can write to with --results, "
        f"or correct the permissions (you are user {os.getuid()}), then run the same command again."
    )
