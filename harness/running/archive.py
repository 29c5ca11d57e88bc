"""Clips and runs in one tar file, to be handed to somebody else: each file with its hash, read without trust.

    manifest.json                         first: schema, clips, runs, and the files in order with SHA-256 and bytes
    store/ab/abcdef…/audio.flac …         the clips, by id
    runs/<experiment>-<id>/result.json …  the runs; the links to their clips are made again from clips.csv

The same clips give the same bytes: names are sorted, and times and owners left out. On the way in nothing is unpacked
by name. The manifest's names must be those a store has, each member must be the next one the manifest names, a plain
file (no sparse one) of the recorded size and hash, and a clip is renamed into the store only when it has passed the
checks of `Store.get`. Existing clips and runs are not changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from harness.core.errors import HarnessError, StoreError, UsageError
from harness.core.identity import readable_json
from harness.reporting.projection import link_clip
from harness.store.clips import Store, checked_record, refusal, rename
from harness.store.listing import read_rows
from metrics.api.registry import unknown_name
from metrics.io.archives import is_plain
from metrics.io.files import atomic_writer, owned

SCHEMA = 1
MANIFEST, MANIFEST_BYTES = "manifest.json", 1 << 28
CLIP_ID = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[\w=+][\w.=+-]{0,254}")
"""Names of runs and of files: no separators, no leading dot or dash."""


@dataclass(frozen=True)
class Imported:
    """The result of an import: new clips and runs, and the number of existing ones."""

    clips: tuple[str, ...]
    runs: tuple[str, ...]
    kept: int


def choose(results: Path, names: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The runs and the clips that `names` mean: folders of runs, or ids of clips (or beginnings of at least 6 digits).

    Without names all runs. Raises `UsageError` for a name that means neither or several.
    """
    runs = {path.parent.name: path.parent for path in sorted(results.glob("runs/*/result.json"))}
    if not names:
        if not runs:
            raise UsageError(f"there is no run in {results}: run an experiment first, or name its folder by --results.")
        return list(runs.values()), []
    chosen, clips, ids = [], [], Store(results / "store").ids()
    for name in names:
        found = [clip_id for clip_id in ids if clip_id.startswith(name)] if re.fullmatch("[0-9a-f]{6,64}", name) else []
        last = Path(name).name  # a path that the shell completed
        if last in runs:
            chosen.append(runs[last])
        elif len(found) == 1:
            clips += found
        elif found:
            raise UsageError(f"{len(found)} clips begin with {name}: give more of the id ('harness store ls').")
        else:
            raise UsageError(unknown_name("run or clip", name, list(runs)))
    return chosen, clips


def export(results: Path, runs: Sequence[Path], clips: Sequence[str], output: Path) -> tuple[int, int]:
    """Write `output` with these runs, the clips they refer to, and `clips`; how many clips and runs are in it.

    Raises `StoreError` for a clip that is missing or damaged: nothing is handed on unchecked.
    """
    store = Store(results / "store")
    wanted = sorted({*clips, *(row["clip"] for run in runs for row in read_rows(run))})
    records = {clip_id: store.get(clip_id).record for clip_id in wanted}
    entries: dict[str, Path] = {}
    for clip_id, record in records.items():
        for name in sorted({*record["files"], "record.json"}):
            entries[_clip_member(clip_id, name)] = store.folder(clip_id) / name
    for run in sorted(runs):
        for path in sorted(run.iterdir()):
            if path.is_file() and not path.is_symlink() and NAME.fullmatch(path.name):
                entries[f"runs/{run.name}/{path.name}"] = path
    manifest = {
        "schema": SCHEMA,
        "clips": wanted,
        "runs": sorted(run.name for run in runs),
        "files": [{"name": name, **_described(path)} for name, path in entries.items()],
    }
    try:
        with atomic_writer(output) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            content = readable_json(manifest)
            archive.addfile(_member(MANIFEST, len(content)), io.BytesIO(content))
            for name, path in entries.items():
                with path.open("rb") as source:
                    archive.addfile(_member(name, path.stat().st_size), source)
    except OSError as error:
        raise StoreError(refusal(output.parent, error)) from error
    return len(wanted), len(runs)


def import_(path: Path, results: Path) -> Imported:
    """Add the clips and runs of an archive to `results`.

    Raises `UsageError` for a file that is no such archive, or one that has been changed; clips that came before the
    place of the damage are whole and are kept.
    """
    reader = _Reader(Store(results / "store"), results)
    try:
        with tarfile.open(path, "r:") as archive:
            return reader.read(archive)
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{path} is no archive of clips ({error}): a file of 'harness store export' was expected. Fetch it again."
        ) from error
    except FileNotFoundError as error:
        raise UsageError(
            f"{error.filename} is not there: an archive of 'harness store export' was expected."
        ) from error
    except OSError as error:
        raise StoreError(refusal(results, error)) from error
    except HarnessError as error:
        raise UsageError(f"{path} was changed or damaged: {error} Fetch it again.") from error
    finally:
        shutil.rmtree(reader.temporary, ignore_errors=True)


class _Reader:
    """An archive on its way in. Files go to a temporary folder of the store, and from there whole to their places."""

    def __init__(self, store: Store, results: Path) -> None:
        self.store, self.results = store, results
        self.temporary = store.root / ".partial" / f"import-{uuid.uuid4().hex}"

    def read(self, archive: tarfile.TarFile) -> Imported:
        manifest = _manifest(archive)
        self.temporary.mkdir(parents=True)
        files = {entry["name"]: entry for entry in manifest["files"]}
        groups: dict[str, list[str]] = {}
        for name in files:
            groups.setdefault(str(PurePosixPath(name).parent), []).append(name)
        clips, runs = [], {}
        for folder, names in groups.items():
            target = self.temporary / uuid.uuid4().hex
            target.mkdir()
            for name in names:
                _take(archive, name, files[name], target / PurePosixPath(name).name)
            if folder.startswith("store/"):
                clips += self._clip(PurePosixPath(folder).name, target)
            else:
                runs[PurePosixPath(folder).name] = target
        if archive.next() is not None:
            raise StoreError("it holds more than its manifest names.")
        # A run shows its clips: it comes when all of them are there, and the whole archive was as its manifest says.
        placed = [name for name, folder in runs.items() if self._run(name, folder)]
        kept = len(manifest["clips"]) - len(clips) + len(runs) - len(placed)
        return Imported(tuple(clips), tuple(placed), kept)

    def _clip(self, clip_id: str, folder: Path) -> list[str]:
        record = checked_record(folder, clip_id)
        if {path.name for path in folder.iterdir()} != {*record["files"], "record.json"}:
            raise StoreError(f"clip {clip_id[:12]} has other files than its record names.")
        if self.store.has(clip_id):
            return []
        final = self.store.folder(clip_id)
        final.parent.mkdir(parents=True, exist_ok=True)
        rename(folder, final)
        return [clip_id]

    def _run(self, name: str, folder: Path) -> bool:
        final = self.results / "runs" / name
        rows = read_rows(folder) if (folder / "clips.csv").is_file() else []
        for row in rows:
            link = PurePosixPath(row.get("path", ""))
            if not (len(link.parts) == 3 and link.parts[0] == "clips" and all(map(NAME.fullmatch, link.parts[1:]))):
                raise StoreError(
                    f"run {name} names its clip {row.get('path')!r}: clips/CONDITION/CLIP.flac was expected."
                )
            if not CLIP_ID.fullmatch(row["clip"]) or not self.store.has(row["clip"]):
                raise StoreError(f"run {name} refers to the clip {row['clip'][:12]!r}, which is not in it.")
        if final.exists():
            return False
        for row in rows:
            # Relative links: they must be made as seen from the place where the run is going to be.
            link_clip(
                self.store.folder(row["clip"]) / "audio.flac", folder / row["path"], seen_from=final / row["path"]
            )
        final.parent.mkdir(parents=True, exist_ok=True)
        rename(folder, final)
        return True


def _manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    """The manifest, which must come first and name nothing but files of clips and runs."""
    member = archive.next()
    if member is None or member.name != MANIFEST or not is_plain(member) or member.size > MANIFEST_BYTES:
        raise UsageError(f"it does not begin with {MANIFEST}.")
    manifest = json.loads(_open(archive, member).read())
    if manifest["schema"] != SCHEMA:
        raise UsageError(f"its schema is {manifest['schema']!r}, this version reads {SCHEMA}: update the harness.")
    clips, runs = set(manifest["clips"]), set(manifest["runs"])
    if len({entry["name"] for entry in manifest["files"]}) != len(manifest["files"]):
        raise UsageError("it names a file twice.")
    for entry in manifest["files"]:
        name = entry["name"]
        top, *middle, folder, file = PurePosixPath(name).parts if name.count("/") >= 2 else ("", "", "")
        of_clip = top == "store" and folder in clips and CLIP_ID.fullmatch(folder) and middle == [folder[:2]]
        of_run = top == "runs" and folder in runs and NAME.fullmatch(folder) and not middle
        if not (of_clip or of_run) or not NAME.fullmatch(file) or name != "/".join((top, *middle, folder, file)):
            raise UsageError(f"it names the file {name!r}: files of its clips and runs were expected.")
        if not isinstance(entry["bytes"], int) or not isinstance(entry["sha256"], str):
            raise UsageError(f"it does not say what {name!r} is.")
    return manifest


def _take(archive: tarfile.TarFile, name: str, entry: Mapping[str, Any], target: Path) -> None:
    """Copy the next member, which must be `name`, a plain file as `entry` describes it."""
    member = archive.next()
    if member is None or member.name != name or not is_plain(member) or member.size != entry["bytes"]:
        found = "its end" if member is None else f"{member.name!r} of {member.size} bytes"
        if member is not None and not is_plain(member):
            found = f"{member.name!r}, which is no plain file with all of its bytes"
        raise StoreError(f"{name!r} of {entry['bytes']} bytes was expected, found was {found}.")
    source, sha256 = _open(archive, member), hashlib.sha256()
    with open(target, "xb", opener=owned) as file:
        while block := source.read(1 << 20):
            sha256.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if sha256.hexdigest() != entry["sha256"]:
        raise StoreError(f"{name!r} has SHA-256 {sha256.hexdigest()}, {entry['sha256']} was expected.")


def _open(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    source = archive.extractfile(member)
    if source is None:
        raise UsageError(f"{member.name!r} is no file.")
    return source


def _described(path: Path) -> dict[str, Any]:
    from metrics.io.weights import file_sha256

    return {"sha256": file_sha256(path), "bytes": path.stat().st_size}


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


def _clip_member(clip_id: str, name: str) -> str:
    return f"store/{clip_id[:2]}/{clip_id}/{name}"
