"""A built corpus on disk: its tracks and where they lie."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from harness.core.errors import CorpusError, UsageError
from harness.corpora.manifest import Track, load_manifest, manifest_names, read_tracks
from harness.corpora.splits import SPLITS
from metrics.io.weights import cache_dir

ROWS = "manifest.csv"


@dataclass(frozen=True)
class Corpus:
    """Real music, built: mono 16-bit FLAC at 16 kHz and −23 LUFS, one file per track, with its labels."""

    name: str
    folder: Path
    tracks: list[Track]

    def path(self, track: Track) -> Path:
        """The track's FLAC."""
        return self.folder / track.file

    def select(self, split: str | None = None, style: str | None = None) -> list[Track]:
        """The tracks of a split, of a style, or of both. Raises `UsageError` for one the corpus does not have."""
        if split is not None and split not in SPLITS:
            raise UsageError(f"unknown split {split!r}: one of {', '.join(SPLITS)} was expected.")
        if style is not None and style not in self.styles:
            raise UsageError(f"style {style!r} is not in the corpus {self.name}: it has {', '.join(self.styles)}.")
        return [track for track in self.tracks if split in (None, track.split) and style in (None, track.style)]

    @cached_property
    def styles(self) -> list[str]:
        """The styles, in alphabetical order."""
        return sorted({track.style for track in self.tracks})

    @cached_property
    def artists(self) -> list[str]:
        """The artist labels of the training tracks, in alphabetical order."""
        return sorted({track.artist for track in self.tracks if track.split == "train"})


def corpus_folder(name: str) -> Path:
    """Where the corpus of this name is built: `<cache>/corpora/<name>`."""
    return cache_dir() / "corpora" / name


def open_corpus(name: str) -> Corpus:
    """The built corpus of this name, without touching its audio.

    Raises `CorpusError`, naming the command to run, when it is not built, or was built from a manifest with other
    tracks, labels or splits than today's; `UsageError` for a name no manifest has.
    """
    folder = corpus_folder(name)
    rows = folder / ROWS
    build = f"Run 'harness corpus build {name}' first."
    if not rows.is_file():
        if name not in manifest_names():
            load_manifest(name)
        raise CorpusError(f"the corpus {name} is not built: {rows} was expected. {build}")
    tracks = read_tracks(rows.read_text(encoding="utf-8"), what=str(rows))
    if name in manifest_names():
        declared = load_manifest(name).tracks
        if [_declared(track) for track in tracks] != [_declared(track) for track in declared]:
            raise CorpusError(f"the corpus {name} in {folder} was built from another version of its manifest. {build}")
    return Corpus(name, folder, tracks)


def _declared(track: Track) -> Track:
    # The built row carries what was measured.
    return replace(track, seconds=0.0, gain=1.0)
