"""From a piece to MIDI, and from MIDI to sound: symusic with the FluidR3 soundfont, fetched by package name."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import CorpusError, UsageError
from harness.corpora import packages
from harness.corpora.audio import LUFS, RATE
from metrics.io import audio as sound
from metrics.io.files import write_bytes
from metrics.io.weights import cache_dir, file_sha256

if TYPE_CHECKING:
    from harness.corpora.composed.piece import Piece

SOUNDFONT = "fluid-soundfont-gm"
VERSION = "3.1-5.3"
MEMBER = "usr/share/sounds/sf2/FluidR3_GM.sf2"
SHA256 = "74594e8f4250680adf590507a306655a299935343583256f3b722c48a1bc1cb0"

TICKS = 480  # a quarter
RENDERED_RATE = 48_000  # Hz: three times the corpus's, so that nothing folds back
LOWEST_HZ = 20.0
TAIL_SECONDS = 2.5  # of the last note's decay, the last second faded out
FLATS = {"major": 0, "pentatonic": 0, "minor": 3, "dorian": 2}


def require_symusic() -> Any:
    """The module. Raises `UsageError`, naming the extra, where it is not installed."""
    try:
        import symusic
    except ImportError as error:
        raise UsageError(
            f"composed music is written and played with symusic, which cannot be imported ({error}). "
            "Install it: pip install 'music-harness[corpora]'"
        ) from error
    return symusic


def soundfont(brought: Path | None = None) -> Path:
    """The soundfont's file in the cache, fetched without being installed where it is not there yet.

    Args:
        brought: a folder with the package's `.deb`, instead of downloading it.

    Raises:
        CorpusError: the package cannot be had, or holds another file than this version did.
    """
    kept = cache_dir() / "soundfonts" / "FluidR3_GM.sf2"
    if kept.is_file():
        return kept
    deb = packages.fetch(SOUNDFONT, VERSION, cache_dir() / "packages", brought)
    for _, content in packages.read(deb, {MEMBER}):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(kept, content)
        if (found := file_sha256(kept)) != SHA256:
            kept.unlink()
            raise CorpusError(
                f"{deb}: {MEMBER} has SHA-256 {found[:16]}…, {SHA256[:16]}… was expected. Delete the package and run "
                "the command again to fetch it afresh."
            )
        return kept
    raise CorpusError(f"{deb} holds no {MEMBER}. Delete it and run the command again to fetch it afresh.")


def midi(piece: Piece) -> bytes:
    """A standard MIDI file: a track for each part, with tempo, metre and key; the same bytes for the same piece."""
    symusic = require_symusic()
    score = symusic.Score(TICKS)
    score.tempos.append(symusic.Tempo(0, piece.quarters))
    score.time_signatures.append(symusic.TimeSignature(0, *piece.style.metre))
    sharps = ((piece.key.tonic * 7 - FLATS[piece.key.mode] + 5) % 12) - 5
    score.key_signatures.append(symusic.KeySignature(0, sharps, int(piece.key.mode == "minor")))
    for part, notes in piece.parts:
        track = symusic.Track(name=part.name, program=part.program, is_drum=bool(part.drums))
        for note in notes:
            start, end = round(note.start * TICKS), round(note.end * TICKS)
            track.notes.append(symusic.Note(start, max(1, end - start), note.pitch, note.velocity))
        score.tracks.append(track)
    return score.dumps_midi()


@cache
def _synthesizer(path: Path) -> Any:
    return require_symusic().Synthesizer(str(path), RENDERED_RATE, 0)  # higher qualities were silent


def render(content: bytes, font: Path) -> NDArray[np.float32]:
    """The sound of a MIDI file: mono (samples,) at 16 kHz and −23 LUFS, turned down as a whole where its peak is over
    full scale."""
    from scipy.signal import butter, sosfilt

    score = require_symusic().Score.from_midi(content)
    stereo = np.asarray(_synthesizer(font).render(score, True), np.float32)
    end = score.to("Second").end() + TAIL_SECONDS
    mono = np.zeros(round(end * RENDERED_RATE), np.float32)
    played = stereo.mean(0)[: len(mono)]
    mono[: len(played)] = played
    fade = RENDERED_RATE
    mono[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    high_pass = butter(2, LOWEST_HZ, "highpass", fs=RENDERED_RATE, output="sos")  # the organ's samples have an offset
    filtered = np.asarray(sosfilt(high_pass, mono), np.float32)
    levelled = sound.normalise(sound.resample(filtered, RENDERED_RATE, RATE), RATE, LUFS)
    return levelled / max(1.0, float(np.abs(levelled).max()) / 0.999)
