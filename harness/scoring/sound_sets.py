"""Sound files of any origin as a set: what is in each file, and its frames through one preprocessing.

A file is known by its path as it was given, suffix and all: a.mp3 and a.wav are two clips, and so are two files of the
same content, for a system that gives the same clip twice has made two. (A reference counts them once.)

A silent file, or one too short for a loudness, cannot be brought to a level. It is embedded as it is and flagged, not
left out: a system that falls silent would otherwise be measured by its better clips only. A file that cannot be read
is left out and named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import AudioError, UsageError
from harness.core.progress import Progress
from harness.core.sound_files import sound_files
from harness.scoring.cache import user_cache
from harness.scoring.clips import Clip as Named
from harness.scoring.frames import Recipe, embed_clips
from harness.scoring.references import Folder, embed_folder, recipe_for
from harness.scoring.score import Measures
from harness.scoring.signals import signal_of, structure_of
from metrics.api.score import EmbeddingSet
from metrics.embeddings import load_embedder
from metrics.embeddings.base import Frames
from metrics.io.weights import file_sha256
from metrics.reference.sets import SUFFIX, load_reference, reference_names
from metrics.waves.signal import Signal
from metrics.waves.structure import Structure

DEFAULT_EMBEDDER = "musicnn"
LUFS = -23.0


@dataclass(frozen=True)
class Clip:
    """A file to measure: `id` is its name within the set, `style` its stratum, "" for none."""

    id: str
    path: Path
    style: str = ""


@dataclass(frozen=True)
class SoundFile:
    """A file that was read. `signal` is None where it was not, and `error` then says why.

    `frames` float32 (n, D) or None where none were asked for; `padded`, shorter than a window of the embedder;
    `own_level`, embedded without a gain because it has no loudness.
    """

    clip: Clip
    sha256: str | None = None
    signal: Signal | None = None
    structure: Structure | None = None
    frames: Frames | None = None
    padded: bool = False
    own_level: bool = False
    error: str | None = None


@dataclass(frozen=True)
class SoundSet:
    """Files of one set, in their order, and how they were embedded (None: they were not)."""

    name: str
    files: tuple[SoundFile, ...]
    recipe: Recipe | None

    @property
    def whole(self) -> list[SoundFile]:
        """The files that could be read."""
        return [file for file in self.files if file.error is None]

    @property
    def failed(self) -> list[SoundFile]:
        return [file for file in self.files if file.error is not None]

    def strata(self) -> list[str] | None:
        """The style of each file that could be read; None where none has one."""
        styles = [file.clip.style for file in self.whole]
        return styles if any(styles) else None

    def embedded(self) -> EmbeddingSet:
        """The frames of all files that could be read. Raises `AudioError` when there are none."""
        if self.recipe is None or not self.whole:
            raise AudioError(f"no file of {self.name} could be read and embedded: {len(self.files)} were given.")
        provenance: dict[str, Any] = self.recipe.provenance()
        for flag in ("padded", "own_level"):
            if flagged := [file.clip.id for file in self.whole if getattr(file, flag)]:
                provenance[flag] = flagged
        frames = [file.frames for file in self.whole if file.frames is not None]
        return EmbeddingSet.from_clips(frames, [file.clip.id for file in self.whole], provenance, self.strata())

    def without(self, ids: Iterable[str]) -> SoundSet:
        """The set without some of its files."""
        gone = set(ids)
        return replace(self, files=tuple(file for file in self.files if file.clip.id not in gone))


def find_clips(paths: Sequence[Path]) -> list[Clip]:
    """The files named and those in the folders, each once, under their paths as given. In a folder the first
    sub-folder on a file's path is its style, as in a reference's folder. Raises as `sound_files`.
    """
    found: dict[Path, Clip] = {}
    for path in paths:
        for file in sound_files([path]).files:
            inside = file.relative_to(path).parts if path.is_dir() else ()
            found.setdefault(file, Clip(str(file), file, inside[0] if len(inside) > 1 else ""))
    return list(found.values())


def read_set(
    name: str,
    clips: Sequence[Clip],
    recipe: Recipe | None,
    progress: Progress,
    *,
    structure: bool = False,
    stop: bool = False,
) -> SoundSet:
    """Measure each file's signal (and its structure) and embed it, where that was not done before, by content.

    A file that cannot be read is kept with the reason or, with `stop`, raises it as `AudioError`.
    """
    files = []
    with progress.stage("measuring files", len(clips)) as stage:
        for done, clip in enumerate(clips, start=1):
            files.append(_refusing(stop, clip, lambda clip=clip: _read(clip, structure)))
            stage.advance(done, clip.path.name)
    if recipe is not None:
        files = _with_frames(files, recipe, progress)
        if stop and (failed := next((file for file in files if file.error), None)):
            raise AudioError(failed.error)
    return SoundSet(name, tuple(files), recipe)


def _refusing(stop: bool, clip: Clip, read: Callable[[], SoundFile]) -> SoundFile:
    try:
        return read()
    except (AudioError, OSError) as error:
        said = _naming(clip, str(error))
        if stop:
            raise AudioError(said) from error
        return SoundFile(clip, error=said)


def _naming(clip: Clip, reason: str) -> str:
    return reason if str(clip.path) in reason else f"{clip.path}: {reason}"


def _read(clip: Clip, structure: bool) -> SoundFile:
    if not clip.path.is_file():
        raise AudioError(f"no sound file at {clip.path}. Check the path.")
    sha = file_sha256(clip.path)
    signal = signal_of(clip.path, sha, user_cache())
    return SoundFile(clip, sha, signal, structure_of(clip.path, sha, user_cache()) if structure else None)


def _with_frames(files: Sequence[SoundFile], recipe: Recipe, progress: Progress) -> list[SoundFile]:
    clips = [Named(file.clip.id, file.clip.path, file.sha256) for file in files if file.sha256 is not None]
    found = embed_clips(clips, recipe, user_cache(), progress)
    made = []
    for file in files:
        if (reason := found.failed.get(file.clip.id)) is not None:
            made.append(SoundFile(file.clip, file.sha256, file.signal, error=reason))
        elif (embedded := found.embedded.get(file.clip.id)) is not None:
            made.append(replace(file, frames=embedded.frames, padded=embedded.padded, own_level=embedded.own_level))
        else:
            made.append(file)
    return made


def measures_against(
    reference: str, embedder: str | None, seconds: float | None, progress: Progress
) -> tuple[Measures, dict[str, str]]:
    """What files are measured against, and the reference's files that had to be left out, with the reasons.

    A name (or a .safetensors file) brings embedder, rate, loudness and length of excerpts; `seconds` may only repeat
    it. A folder is embedded as the evaluated files are: whole, or in excerpts of `seconds`, at −23 LUFS. A name that is
    known wins over a folder of that name (which is then ./name). Raises `UsageError` for what is neither.
    """
    path = Path(reference).expanduser()
    if reference not in reference_names() and path.is_dir():
        folder = Folder(path)
        recipe = recipe_for(load_embedder(embedder or DEFAULT_EMBEDDER), LUFS, seconds)
        found, _, left_out = embed_folder(folder, recipe, progress)
        named = replace(found, units=np.array([str(folder.path / song) for song in found.units.tolist()]))
        told = {str(folder.path / name): reason for name, reason in left_out.items()}
        return Measures(named, reference, recipe, embedder or DEFAULT_EMBEDDER), told
    if len(path.parts) > 1 and path.suffix != SUFFIX:
        raise UsageError(
            f"there is no folder {path}: a folder of sound files, or a name of 'harness reference list', was expected."
        )
    made = load_reference(reference).provenance
    measures = Measures.load(embedder or str(made.get("embedder", {}).get("name", DEFAULT_EMBEDDER)), reference)
    if seconds is not None and seconds != measures.recipe.excerpt_seconds:
        raise UsageError(
            f"the reference {reference!r} is of {_length(measures.recipe.excerpt_seconds)} and --excerpt-seconds was "
            f"{seconds:g}: both sides go through one preprocessing. Leave the option out, or build a reference with "
            f"'harness reference build NAME --from FOLDER --seconds {seconds:g}'."
        )
    return measures, {}


def _length(seconds: float | None) -> str:
    return "whole files" if seconds is None else f"excerpts of {seconds:g} s"
