"""Looking after a store: finding what is damaged, and removing what nothing needs."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import AudioError, DamagedClip, StoreError, UsageError
from harness.core.progress import NO_STAGE, Stage
from harness.models.codes import read_codes
from harness.store.clips import Store, StoredClip, refusal, rename
from harness.store.listing import begun_runs, folder_bytes, references
from metrics.io.files import STALE_SECONDS


def verify(store: Store, stage: Stage = NO_STAGE) -> dict[str, str]:
    """What is wrong with each damaged clip, by id: hashes, record, and whether the audio decodes to what was recorded.

    A store without damage gives an empty table.
    """
    damaged = {}
    for done, clip_id in enumerate(store.ids(), start=1):
        try:
            check_content(store.get(clip_id))
        except DamagedClip as error:
            damaged[clip_id] = str(error)
        stage.advance(done)
    return damaged


def check_content(clip: StoredClip) -> None:
    """Decode a clip whose hashes agree. Raises `DamagedClip` when its files do not hold what its record says."""
    recorded = clip.record["audio"]
    try:
        audio, rate = clip.audio()
        if "codes.safetensors" in clip.record["files"]:
            read_codes(clip.folder / "codes.safetensors")
    except (AudioError, UsageError) as error:
        raise DamagedClip(f"clip {clip.id[:12]} has the recorded bytes, which cannot be read: {error}") from error
    if (len(audio), rate) != (recorded.get("samples"), recorded.get("rate")):
        raise DamagedClip(
            f"{clip.path} holds {len(audio)} samples at {rate} Hz, recorded were {recorded.get('samples')} at "
            f"{recorded.get('rate')} Hz."
        )


def quarantine(store: Store, clip_ids: Sequence[str]) -> Path:
    """Set damaged clips aside, so that the next run samples them anew; the folder they are in now.

    Raises `StoreError` where the store cannot be written.
    """
    aside = store.root / ".damaged"
    try:
        aside.mkdir(exist_ok=True)
        for clip_id in clip_ids:
            target = aside / clip_id
            shutil.rmtree(target, ignore_errors=True)
            rename(store.folder(clip_id), target)
    except OSError as error:
        raise StoreError(refusal(store.root, error)) from error
    return aside


@dataclass(frozen=True)
class Leftover:
    """Something that can go: `why` is one of "no run refers to it", "temporary", "unfinished"."""

    path: Path
    why: str
    bytes: int


@dataclass(frozen=True)
class Garbage:
    """What `collect` found, how many clips no run refers to were left because they are young, and the runs that are
    under way or were interrupted, whose clips stay."""

    leftovers: tuple[Leftover, ...]
    young: int
    begun: tuple[str, ...] = ()


def collect(results: Path, older_than: float = STALE_SECONDS) -> Garbage:
    """What can go: clips that no run refers to, temporary folders, codes of clips that are stored or were given up.

    Only what is older than `older_than` seconds. A run refers to its clips from its beginning on, so that one which was
    interrupted long ago can still go on. Nothing is removed. Raises `StoreError` when a run's table of clips is
    damaged, for without it nobody can say which clips it needs.
    """
    store, known, now = Store(results / "store"), references(results), time.time()

    def old(path: Path) -> bool:
        return now - path.stat().st_mtime >= older_than

    unreferenced = [store.folder(clip_id) for clip_id in store.ids() if clip_id not in known]
    found = [Leftover(path, "no run refers to it", folder_bytes(path)) for path in unreferenced if old(path)]
    young = len(unreferenced) - len(found)
    for path in sorted([*store.root.glob(".partial/*"), *store.root.glob(".unfinished/.*.part")]):
        if old(path):
            found.append(Leftover(path, "temporary", _bytes(path)))
    for path in sorted(store.root.glob(".unfinished/*.safetensors")):
        if store.has(path.stem) or (path.stem not in known and old(path)):
            found.append(Leftover(path, "unfinished", _bytes(path)))
    return Garbage(tuple(found), young, tuple(begun_runs(results)))


def remove(store: Store, garbage: Garbage) -> None:
    """Remove what `collect` found. Raises `StoreError` where the store cannot be written."""
    try:
        for leftover in garbage.leftovers:
            if leftover.path.is_dir():
                _remove_folder(store, leftover.path)
            else:
                leftover.path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(refusal(store.root, error)) from error
    for folder in _empty_folders(store):
        folder.rmdir()


def _remove_folder(store: Store, folder: Path) -> None:
    """Give the folder a temporary name first: a clip that is half removed must not have a clip's name."""
    temporary = store.root / ".partial" / f"removed-{folder.name}"
    if folder.parent != temporary.parent:
        temporary.parent.mkdir(exist_ok=True)
        os.replace(folder, temporary)
        folder = temporary
    shutil.rmtree(folder)


def _empty_folders(store: Store) -> Iterator[Path]:
    for folder in store.root.glob("??"):
        if folder.is_dir() and not any(folder.iterdir()):
            yield folder


def _bytes(path: Path) -> int:
    return folder_bytes(path) if path.is_dir() else path.lstat().st_size
