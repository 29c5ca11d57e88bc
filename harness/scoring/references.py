"""Reference sets of the user's own: built from a folder or a corpus, kept by name beside what they were built from.

    <cache>/reference/NAME.safetensors     the embedded frames; taken by name wherever a --reference is
    <cache>/reference/NAME.json            the manifest: every file with its hash, the licence, how it was embedded

The frames of single files are in the cache of `harness.scoring.cache`, so that a build resumes.
A file is known by the SHA-256 of its content, and its song by its whole path inside the folder, suffix and all: a.mp3
and a.wav are two songs, and a file that is there twice is counted once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from harness.core.errors import AudioError, HarnessError, UsageError
from harness.core.identity import digest, readable_json
from harness.core.option import Option
from harness.core.progress import Progress
from harness.core.settings import settings_class
from harness.core.sound_files import Listing, shown, sound_files
from harness.corpora.corpus import open_corpus
from harness.corpora.reference import embed_corpus
from harness.scoring.cache import user_cache
from harness.scoring.clips import ClipFile, hashed
from harness.scoring.frames import Recipe, embed_clips
from metrics.api.score import EmbeddingSet
from metrics.io.audio import Preprocessing
from metrics.io.files import write_bytes
from metrics.reference.sets import SUFFIX, load_reference, save_reference, shipped_folder, user_folder
from metrics.reference.statistics import content_sha256, reference_statistics
from metrics.sets.frechet import HEADLINE_COMPONENTS

MANIFEST_SCHEMA = 1


@settings_class
class BuildSettings:
    """How a set is built. Raises `UsageError` for values out of range."""

    embedder: Annotated[str, Option("What makes embeddings.")] = "musicnn"
    seconds: Annotated[
        float | None,
        Field(ge=0.4),
        Option("Cut into excerpts of this length.", default="whole files; 6 of a corpus"),
    ] = None
    licence: Annotated[str | None, Option("The licence of the files, for the record.")] = None
    corpus: Annotated[str, Option("Where corpus:STYLE is from.")] = "heldout"
    clips_per_style: Annotated[int, Field(ge=1), Option("Excerpts of each style of a corpus.")] = 30
    replace: Annotated[bool, Option("Build anew over a set of this name.")] = False


@dataclass(frozen=True)
class Entry:
    """A file of a reference. `licence` None: not known; `same_as`: other names of the same content."""

    file: str
    sha256: str
    style: str
    licence: str | None
    frames: int
    same_as: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReferenceManifest:
    """What a reference set was built from. `set_sha256` is the content of the set it belongs to."""

    name: str
    source: dict[str, Any]
    made: dict[str, Any]
    files: tuple[Entry, ...]
    left_out: dict[str, str]
    set_sha256: str

    def licences(self) -> list[str]:
        return sorted({entry.licence or "not stated" for entry in self.files})

    def as_json(self) -> bytes:
        return readable_json({"schema": MANIFEST_SCHEMA, **asdict(self)})


@dataclass(frozen=True)
class MusicFolder:
    """A folder of sound files, sub-folders and all; the first sub-folder on a file's path is its style.

    Files that lie in the folder itself have `style`, or the folder's name. `licence` is what the user says about all of
    them.
    """

    path: Path
    licence: str | None = None
    style: str | None = None

    def listing(self) -> Listing:
        """The sound files, by name, and what is left out of them. Raises `UsageError` when there are none."""
        if not self.path.is_dir():
            raise UsageError(f"no folder at {self.path}. Check the path; a corpus is named as corpus:STYLE.")
        return sound_files([self.path])

    def name(self, path: Path) -> str:
        """A file's name in the manifest: its path inside the folder."""
        return shown(path.relative_to(self.path).as_posix())

    def style_of(self, path: Path) -> str:
        parts = path.relative_to(self.path).parts
        return shown(parts[0]) if len(parts) > 1 else self.style or shown(self.path.resolve().name)


def build_from_folder(name: str, folder: MusicFolder, recipe: Recipe, progress: Progress) -> ReferenceManifest:
    """Embed a folder's music under a name. What was embedded before, by content, is not embedded again.

    With `recipe.excerpt_seconds` files are cut into excerpts of that length; without it each is taken whole, however
    long it is. A silent one is embedded at its own level, as on the evaluated side. A file that cannot be read is left
    out, and the manifest says why.
    Raises `AudioError` when nothing is left, `UsageError` for a name that cannot be used.
    """
    reference, entries, told = embed_folder(folder, recipe, progress)
    return _keep(name, reference, {"folder": str(folder.path.resolve())}, entries, told)


def embed_folder(
    folder: MusicFolder, recipe: Recipe, progress: Progress
) -> tuple[EmbeddingSet, tuple[Entry, ...], dict[str, str]]:
    """A folder's music as a set that is kept under no name, its files, and why others were left out, by file.

    What was embedded before, by content, is not embedded again. Raises `AudioError` when nothing is left.
    """
    listing = folder.listing()
    told = {folder.name(path): reason for path, reason in listing.passed_over.items()}
    hashes, unread = hashed(listing.files, progress)
    told |= {folder.name(path): unread[shown(path)] for path in listing.files if shown(path) in unread}
    by_content: dict[str, list[Path]] = {}
    for path, sha in hashes.items():
        by_content.setdefault(sha, []).append(path)
    clips = [ClipFile(sha, same[0], sha) for sha, same in by_content.items()]
    found = embed_clips(clips, recipe, user_cache(), progress)
    frames = found.embedded
    told |= {folder.name(by_content[sha][0]): reason for sha, reason in found.failed.items()}
    if not frames:
        reason = next(iter(told.values()))
        raise AudioError(f"none of the {len(told)} files in {folder.path} has a measurable sound; the first: {reason}")
    entries = tuple(
        Entry(
            folder.name(same[0]), sha, folder.style_of(same[0]), folder.licence, len(frames[sha].frames),
            tuple(folder.name(path) for path in same[1:]),
        )
        for sha, same in by_content.items()
        if sha in frames
    )  # fmt: skip
    provenance = recipe.provenance() | {
        "files_sha256": digest([[entry.file, entry.sha256] for entry in entries]),
        "licences": sorted({entry.licence or "not stated" for entry in entries}),
    }
    if padded := [entry.file for entry in entries if frames[entry.sha256].padded]:
        provenance["padded"] = padded
    reference = EmbeddingSet.from_clips(
        [frames[entry.sha256].frames for entry in entries],
        [entry.file for entry in entries],
        provenance,
        [entry.style for entry in entries],
    )
    return reference, entries, told


def build_from_corpus(name: str, styles: Sequence[str], settings: BuildSettings) -> ReferenceManifest:
    """The same from excerpts of the test tracks of a built corpus, as `harness corpus embed` makes them."""
    corpus, clips_per_style = settings.corpus, settings.clips_per_style
    seconds = settings.seconds or 6.0
    reference = embed_corpus(corpus, styles, clips_per_style, seconds, settings.embedder)
    units, counts = np.unique(reference.units, return_counts=True)
    frames = dict(zip(units.tolist(), counts.tolist(), strict=True))
    entries = tuple(
        Entry(track.file, track.sha256, track.style, track.licence, frames[track.file])
        for track in sorted(open_corpus(corpus).tracks, key=lambda track: track.file)
        if track.file in frames
    )
    source = {"corpus": corpus, "styles": sorted(styles), "clips_per_style": clips_per_style, "seconds": seconds}
    return _keep(name, reference, source, entries, {})


def read_manifest(name: str) -> ReferenceManifest | None:
    """The manifest of a set of the user's; None where it has none. Raises `HarnessError` for one of another set."""
    path = user_folder() / f"{name}.json"
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        told.pop("schema")
        entries = tuple(Entry(**{**entry, "same_as": tuple(entry["same_as"])}) for entry in told.pop("files"))
        manifest = ReferenceManifest(files=entries, **told)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HarnessError(f"{path} cannot be read ({error}). Build the reference {name!r} again.") from error
    if manifest.set_sha256 != content_sha256(load_reference(name)):
        raise HarnessError(f"{path} belongs to another state of the reference {name!r}. Build it again.")
    return manifest


def check_free(name: str, replace: bool) -> None:
    """Raise `UsageError` when a set of this name is there and was not to be replaced, or the name cannot be one."""
    if not name or Path(name).name != name or name.startswith(".") or name.endswith(SUFFIX):
        raise UsageError(f"{name!r} cannot name a reference set: a plain name without folders was expected.")
    if (shipped_folder() / f"{name}{SUFFIX}").is_file():
        raise UsageError(f"{name!r} is a reference set that comes with the package: choose another name.")
    if (user_folder() / f"{name}{SUFFIX}").is_file() and not replace:
        raise UsageError(f"a reference {name!r} exists: choose another name, or give --replace.")


def _keep(
    name: str, reference: EmbeddingSet, source: dict[str, Any], files: tuple[Entry, ...], left_out: dict[str, str]
) -> ReferenceManifest:
    """Set, manifest and statistics onto the disk; the set last but one, so that a manifest is never missing."""
    made = {
        key: reference.provenance[key]
        for key in ("embedder", "preprocessing", "excerpt_seconds")
        if key in reference.provenance
    }
    manifest = ReferenceManifest(name, source, made, files, left_out, content_sha256(reference))
    write_bytes(user_folder() / f"{name}.json", manifest.as_json())
    save_reference(name, reference)
    if len(reference.frames) > 1:
        components = min(HEADLINE_COMPONENTS, reference.frames.shape[1], len(reference.frames) - 1)
        reference_statistics(reference, components)
    return manifest


def recipe_for(embedder: Any, lufs: float | None, excerpt_seconds: float | None) -> Recipe:
    """How a reference's music is embedded: at the embedder's rate, at one loudness, whole or in excerpts."""
    return Recipe(embedder, Preprocessing(rate=embedder.rate, lufs=lufs), excerpt_seconds)
