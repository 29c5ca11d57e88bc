"""A composed corpus on disk: audio, MIDI, the truth table and a datasheet, in the layout of every other corpus.

    <cache>/corpora/NAME/manifest.csv    the tracks, as for real music: `open_corpus(NAME)` reads it
                         truth.csv       a row per piece: key, mode, tempo, metre, chords, form, instruments, …
                         STYLE/0001.flac, STYLE/0001.mid
                         DATASHEET.md

Pieces are added until there are the hours asked for; those that are there are kept. `manifest.csv` comes last.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import soundfile

from harness.core.errors import UsageError
from harness.core.progress import Progress, Quiet
from harness.corpora.audio import RATE
from harness.corpora.composed.piece import Piece, Truth, compose_piece
from harness.corpora.composed.sound import SOUNDFONT, midi, render, soundfont
from harness.corpora.composed.sound import VERSION as FONT_VERSION
from harness.corpora.composed.styles import STYLES
from harness.corpora.corpus import ROWS, corpus_folder
from harness.corpora.manifest import Track, manifest_names, write_tracks
from harness.corpora.splits import assign
from metrics.io import audio as sound
from metrics.io.files import write_bytes

VERSION = "1"
"""Raised when a seed gives another piece, or a piece another sound."""

TRUTH, DATASHEET = "truth.csv", "DATASHEET.md"
HELD_OUT = 8
"""One piece in eight of each style is for testing, and one for validation."""


@dataclass(frozen=True)
class ComposeRequest:
    """What to compose: `hours` in all, shared evenly by `styles`; `seed` is that of the first piece."""

    name: str
    hours: float
    styles: tuple[str, ...] = tuple(STYLES)
    seed: int = 0


@dataclass(frozen=True)
class Composed:
    """What is there after composing."""

    folder: Path
    pieces: int
    added: int
    hours: float


def compose(wanted: ComposeRequest, packages: Path | None = None, progress: Progress | None = None) -> Composed:
    """Bring a composed corpus to disk.

    Args:
        wanted: name, hours, styles and first seed.
        packages: a folder with the soundfont's `.deb`, instead of downloading it.
        progress: told of each piece.

    Raises:
        UsageError: an unknown style, no hours, a name that is taken, or symusic is not installed.
        CorpusError: the soundfont cannot be had.
    """
    _check(wanted)
    folder = corpus_folder(wanted.name)
    planned = list(_plan(wanted))
    font = soundfont(packages)
    added = 0
    tracks, truths = [], []
    with (progress or Quiet()).stage(f"Composing {wanted.name}", len(planned)) as stage:
        for done, piece in enumerate(planned):
            track, truth, fresh = _written(piece, folder, font)
            tracks.append(track)
            truths.append(truth)
            added += fresh
            stage.advance(done + 1, track.title)
    rows = _split(tracks, wanted.seed)
    write_bytes(folder / TRUTH, _table(truths, rows).encode())
    write_bytes(folder / DATASHEET, datasheet(wanted, rows).encode())
    write_bytes(folder / ROWS, write_tracks(rows).encode())
    return Composed(folder, len(rows), added, sum(track.seconds for track in rows) / 3600)


def _check(wanted: ComposeRequest) -> None:
    unknown = [style for style in wanted.styles if style not in STYLES]
    if unknown or not wanted.styles:
        raise UsageError(f"styles to compose were {list(wanted.styles)}: of {', '.join(STYLES)} were expected.")
    if not wanted.hours > 0:
        raise UsageError(f"{wanted.hours:g} hours were asked for: more than 0 were expected.")
    if wanted.name in manifest_names() or Path(wanted.name).name != wanted.name or wanted.name in ("", ".", ".."):
        raise UsageError(
            f"{wanted.name!r} cannot name a composed corpus: a plain name was expected, and none of "
            f"{', '.join(manifest_names())}, which are of real music."
        )


def _plan(wanted: ComposeRequest) -> Iterator[Piece]:
    """Pieces of each style until it has its share: one that is shorter by number is a part of one that is longer."""
    share = wanted.hours * 3600 / len(wanted.styles)
    for style in wanted.styles:
        seconds, seed = 0.0, wanted.seed
        while seconds < share:
            piece = compose_piece(style, seed)
            seconds, seed = seconds + piece.truth.seconds, seed + 1
            yield piece


def _written(piece: Piece, folder: Path, font: Path) -> tuple[Track, Truth, bool]:
    truth = piece.truth
    place = f"{truth.style}/{truth.seed:05d}.flac"
    audio, score = folder / place, (folder / place).with_suffix(".mid")
    content = midi(piece)
    fresh = not (audio.is_file() and score.is_file() and score.read_bytes() == content)
    if fresh:
        audio.parent.mkdir(parents=True, exist_ok=True)
        sound.save(audio, render(content, font), RATE)
        write_bytes(score, content)  # last: with it the piece is whole
    track = Track(
        package="composed",
        version=VERSION,
        path=f"{truth.style}/{truth.seed}",
        sha256=hashlib.sha256(content).hexdigest(),
        licence="CC0-1.0",
        author="composed by this program",
        artist=truth.style,
        title=f"{truth.style} {truth.seed} in {truth.key}",
        genre=truth.style,
        style=truth.style,
        split="train",
        seconds=round(soundfile.info(audio).duration, 3),
        file=place,
    )
    return track, truth, fresh


def _split(tracks: Sequence[Track], seed: int) -> list[Track]:
    found = []
    for style in dict.fromkeys(track.style for track in tracks):
        of_style = [track for track in tracks if track.style == style]
        held = len(of_style) // HELD_OUT
        split = assign("composed", [track.path for track in of_style], valid=held, test=held, seed=seed)
        found += [replace(track, split=split[track.path]) for track in of_style]
    return found


def _table(truths: Sequence[Truth], tracks: Sequence[Track]) -> str:
    out = io.StringIO()
    rows = [
        {"file": track.file, "split": track.split, **asdict(truth)} for truth, track in zip(truths, tracks, strict=True)
    ]
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def read_truth(folder: Path) -> list[dict[str, str]]:
    """The rows of a composed corpus's truth table, as text."""
    with (folder / TRUTH).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def datasheet(wanted: ComposeRequest, tracks: Sequence[Track]) -> str:
    """What the corpus is, how it was made, and under which terms, as Markdown."""
    lines = [
        f"# {wanted.name}",
        "",
        f"{len(tracks)} pieces, {sum(t.seconds for t in tracks) / 3600:.2f} h, composed by a seeded program (version "
        f"{VERSION}, first seed {wanted.seed}) for measuring: their key, mode, tempo, metre, chords, form, instruments "
        "and motifs are known (`truth.csv`). They are no sample of the music that people make: harmony, metre and "
        "tempo never leave their rules, and nothing is sung.",
        "",
        "| style | pieces | minutes | metre | beats a minute | modes | instruments |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in wanted.styles:
        style, own = STYLES[name], [track for track in tracks if track.style == name]
        cells = [
            name,
            str(len(own)),
            f"{sum(track.seconds for track in own) / 60:.1f}",
            f"{style.metre[0]}/{style.metre[1]}",
            f"{style.tempo[0]}–{style.tempo[1]}",
            ", ".join(style.modes),
            ", ".join(dict.fromkeys(part.name for part in style.parts)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    counts = ", ".join(f"{sum(t.split == split for t in tracks)} {split}" for split in ("train", "valid", "test"))
    lines += [
        "",
        f"Splits by whole pieces: {counts}. Audio: mono FLAC, 16 kHz, −23 LUFS (lower where the peak would pass full "
        f"scale), rendered by symusic 0.5.9 with FluidR3 GM by Frank Wen (MIT licence; Debian's {SOUNDFONT} "
        f"{FONT_VERSION}).",
        "",
        "The pieces and their recordings are released under CC0 1.0. Made again, byte for byte in MIDI, by "
        f"`harness corpus compose {wanted.name} --hours {wanted.hours:g} --seed {wanted.seed}`.",
    ]
    return "\n".join(lines) + "\n"
