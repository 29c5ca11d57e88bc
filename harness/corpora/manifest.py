"""Manifests: which tracks of which packages make a corpus. Data, read and checked; nothing is fetched here.

A manifest is two files of one name: a TOML file with what holds for the corpus and for each package, and a CSV file
with a row per track. A track's `path` says where its sound lies inside the package:

- `usr/share/games/x/theme.ogg`: a file of the package;
- `usr/share/games/x/data.zip!music/theme.ogg`: a file inside a zip of the package;
- `songs/x/song.ogg|songs/x/guitar.ogg`: stems, which are summed to one track (`sha256` has as many parts).
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from harness.core.csv_table import read_table, write_table
from harness.core.errors import CorpusError, UsageError
from harness.corpora.splits import SPLITS
from harness.corpora.splits import assign as assign_splits
from metrics.api.registry import unknown_name

FOLDER = Path(__file__).parent / "manifests"

SHIPPABLE = ("CC0-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "MIT")
"""Licences under which music may be trained on for weights that are given away (SPDX names)."""

LICENCES = (*SHIPPABLE, "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later")
"""Licences a manifest may name at all: the others are for measuring against, at home."""


@dataclass(frozen=True)
class Track:
    """One track of a corpus.

    `author` is who made it, in words, for attribution; `artist` the short label a model is conditioned on. `style` is
    the corpus's label, `genre` the tag inside the file, often empty. `seconds` is its duration; `file` the FLAC's place
    inside the built corpus. `gain` is 1.0 unless the track had to be turned down so that its peak fits.
    """

    package: str
    version: str
    path: str
    sha256: str
    licence: str
    author: str
    artist: str
    title: str
    genre: str
    style: str
    split: str
    seconds: float
    file: str
    gain: float = 1.0

    @property
    def members(self) -> list[str]:
        """The places inside the package: one, or one per stem."""
        return self.path.split("|")

    @property
    def hashes(self) -> list[str]:
        """The SHA-256 of every member, in hex."""
        return self.sha256.split("|")

    @property
    def what(self) -> str:
        """The track, for a message."""
        return f"{self.package}: {self.title}"


@dataclass(frozen=True)
class Package:
    """A package and how its tracks are divided.

    `test` tracks are held out, or all of them when it is None; `valid` validate, the others train. `evidence` says
    where the licence was read; `source` is the work's home page; `size` the package's bytes.
    """

    name: str
    version: str
    size: int
    source: str
    evidence: str
    valid: int = 0
    test: int | None = None


@dataclass(frozen=True)
class Manifest:
    """A corpus as declared: its packages and tracks, and whether weights trained on it may be given away."""

    name: str
    description: str
    seed: int
    shippable: bool
    packages: tuple[Package, ...]
    tracks: tuple[Track, ...]

    def package(self, name: str) -> Package:
        """The package of this name."""
        return next(package for package in self.packages if package.name == name)

    def of_package(self, name: str) -> list[Track]:
        """The tracks of one package."""
        return [track for track in self.tracks if track.package == name]


def manifest_names() -> list[str]:
    """The manifests that come with the harness."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_manifest(name: str) -> Manifest:
    """The manifest of this name, or the user's own when `name` is a path to its TOML file.

    Raises `UsageError` for an unknown name and `CorpusError`, naming the row, for one that does not hold together.
    """
    place = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not place.is_file():
        own = f"there is no manifest at {name}. Check the path."
        raise UsageError(own if name.endswith(".toml") else unknown_name("corpus", name, manifest_names()))
    try:
        declared = tomllib.loads(place.read_text(encoding="utf-8"))
        rows = place.with_suffix(".csv")
        tracks = read_tracks(rows.read_text(encoding="utf-8"), what=str(rows))
        packages = tuple(
            Package(**{**package, "test": None if package.get("test") == "all" else package.get("test", 0)})
            for package in declared.pop("packages")
        )
        includes = declared.pop("include", [])
        manifest = Manifest(packages=packages, tracks=tuple(tracks), **declared)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, UnicodeDecodeError, FileNotFoundError) as error:
        raise CorpusError(
            f"the manifest {place} cannot be read ({error}). Compare it with the ones shipped."
        ) from error
    check(manifest)
    for part in includes:
        manifest = _include(manifest, load_manifest(part["manifest"]), part["splits"])
    return manifest


def read_tracks(text: str, what: str) -> list[Track]:
    """The rows of a manifest's CSV, or of a built corpus's. Raises `CorpusError` for a column or number that is off."""
    try:
        columns, rows = read_table(io.StringIO(text))
    except csv.Error as error:
        raise CorpusError(f"{what} is no CSV ({error}).") from error
    names = [field.name for field in fields(Track)]
    missing = [name for name in names if name != "gain" and name not in columns]
    if missing:
        raise CorpusError(f"{what} has no column {', '.join(missing)}; its columns are {', '.join(columns)}.")
    tracks = []
    for line, row in enumerate(rows, start=2):
        try:
            numbers = {"seconds": float(row["seconds"]), "gain": float(row.get("gain") or 1.0)}
            tracks.append(Track(**{**{name: row[name] for name in names if name in row}, **numbers}))
        except (TypeError, ValueError) as error:
            raise CorpusError(f"line {line} of {what} cannot be read ({error}).") from error
    return tracks


def write_tracks(tracks: Sequence[Track]) -> str:
    """The CSV of these tracks, with a header."""
    return write_table([field.name for field in fields(Track)], [asdict(track) for track in tracks])


def check(manifest: Manifest) -> None:
    """Raise `CorpusError` unless the manifest holds together: licences allowed, authors named, splits by the rule."""
    known = {package.name: package for package in manifest.packages}
    for track in manifest.tracks:
        _require(track.package in known, track, f"its package is none of {', '.join(known)}")
        _require(track.version == known[track.package].version, track, f"version {track.version} is not the package's")
        _require(bool(track.author.strip() and track.artist and track.title and track.style), track, "a label is empty")
        _require(track.split in SPLITS, track, f"split {track.split!r} is none of {', '.join(SPLITS)}")
        allowed = SHIPPABLE if manifest.shippable else LICENCES
        _require(track.licence in allowed, track, f"licence {track.licence!r} is none of {', '.join(allowed)}")
        _require(len(track.members) == len(track.hashes), track, "it needs one hash per stem")
        _require(all(len(value) == 64 for value in track.hashes), track, "its hash is not a SHA-256")
        _require(track.seconds > 0, track, f"its duration is {track.seconds} s")
        inside = Path(track.file)
        safe = not inside.is_absolute() and ".." not in inside.parts and inside.suffix == ".flac"
        _require(safe, track, f"file {track.file!r} is not the place of a FLAC inside the corpus")
    _unique(manifest)
    for package in manifest.packages:
        tracks = manifest.of_package(package.name)
        test = len(tracks) if package.test is None else package.test
        expected = assign_splits(package.name, [track.path for track in tracks], package.valid, test, manifest.seed)
        for track in tracks:
            _require(
                track.split == expected[track.path],
                track,
                f"its split is {track.split}, the rule gives {expected[track.path]}",
            )


def _include(manifest: Manifest, other: Manifest, splits: Sequence[str]) -> Manifest:
    """`manifest` with the tracks of `other` that are in `splits`, in front."""
    tracks = tuple(track for track in other.tracks if track.split in splits)
    used = {track.package for track in tracks}
    own = {package.name: package for package in manifest.packages}
    packages = tuple(package for package in other.packages if package.name in used and package.name not in own)
    joined = replace(manifest, packages=(*packages, *manifest.packages), tracks=(*tracks, *manifest.tracks))
    _unique(joined)
    for track in joined.tracks:
        _require(
            track.version == joined.package(track.package).version, track, "two versions of its package are requested"
        )
    return joined


def _unique(manifest: Manifest) -> None:
    for column in ("file", "sha256"):
        counts = Counter(getattr(track, column) for track in manifest.tracks)
        twice = [value for value, count in counts.items() if count > 1]
        if twice:
            raise CorpusError(f"the manifest {manifest.name} has two tracks with the same {column}: {twice[0]}.")


def _require(condition: bool, track: Track, problem: str) -> None:
    if not condition:
        raise CorpusError(f"the manifest's row for {track.what} ({track.path}) is off: {problem}.")
