"""How a clip is built in time: its pulse, its key, how much it repeats, how many notes begin in a second.

None of these is better when higher or lower. They describe music, and show where generated music differs from real:
no pulse, no tonal centre, one sound held, or one bar for ever. Compare clips of equal length: a longer one has more
places where it may repeat itself.

All are computed at 22,050 Hz. A value that a clip does not have is None: a silent clip has none but an onset density
of 0; noise has no tempo; key and density take 1 s, pulse 4 s, repetition 6 s, stability two windows of 3 s.

- `tempo`: the period at which the onset envelope is most like itself, near 120 BPM first (Ellis, "Beat tracking by
  dynamic programming", JNMR 36, 2007, by librosa), refined by a parabola through the autocorrelation. Errors by a
  factor of two are the rule in all such estimates.
- `tempo_confidence`: the envelope's autocorrelation at that period over that at lag 0, 0 to 1: the pulse clarity of
  Lartillot et al., "Multi-feature modeling of pulse clarity", ISMIR 2008.
- `key`: the one of 24 whose profile correlates best with the mean chroma, and `key_strength` that correlation
  (Krumhansl, "Cognitive Foundations of Musical Pitch", 1990; profiles of Krumhansl & Kessler, 1982).
- `tonal_stability`: the mean correlation between the chroma of windows of 3 s that do not overlap: 1 when the same
  pitch classes sound throughout, about 0 when they change at random.
- `self_difference` (dB) and `repetition` (0 to 1): between all passages of 2 s that start 2 s apart or more, the root
  mean square difference of their log-mel spectrograms; its mean, and by how much the nearest passage is nearer than
  the mean one. The self-similarity matrix is Foote's ("Visualizing music and audio using self-similarity", ACM
  Multimedia 1999). One sound held has no difference; a loop has a repetition of 1.
- `onset_density`: onsets a second, by librosa's picking of peaks in the spectral flux.

What to expect (20 s of each of 59 tracks of seven kinds: 10 %, median, 90 %; white noise): confidence .31, .60, .83;
.04. Key strength .40, .65, .81; .41. Stability .35, .70, .98; .01. Difference 5.2, 8.2, 12.2 dB; 1.7. Repetition .27,
.43, .58; .07. Onsets 2.8, 5.4, 7.4 a second; 3.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.score import Score
from metrics.io.audio import Audio, check, resample
from metrics.waves.clips import AudioSet, ClipValue, clip_value_score

RATE = 22050
PULSE_HOP = 256  # 11.6 ms
PULSE_SECONDS = 4.0
SLOWEST_BPM = 30.0
KEY_SECONDS = 1.0
CHROMA_HOP = 2048
LONGEST_FILTER = 2**16  # samples that librosa wants for C1
WINDOW_SECONDS = 3.0  # of tonal stability
PASSAGE_SECONDS = 2.0  # of repetition
BLOCK_HOP = 1024  # 46 ms: the grid on which passages are compared
ROWS_AT_ONCE = 1024
LEAST_DB = 1e-3  # of difference: below it all passages are one
BANDS = 32
FLOOR_DB = 60.0  # below the clip's loudest band

VERSION = 1
"""Raised when the values of a clip change."""

# Krumhansl & Kessler, Psychological Review 89 (1982), from the tonic upwards.
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

Matrix = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Structure:
    """What `measure_structure` finds in one clip; None where the clip has no such value.

    `tempo` in beats a minute, `onset_density` in onsets a second, `self_difference` in dB; `key` such as "C major" or
    "A minor"; confidence and repetition from 0 to 1, strength and stability from −1 to 1.
    """

    seconds: float
    tempo: float | None
    tempo_confidence: float | None
    key: str | None
    key_strength: float | None
    tonal_stability: float | None
    self_difference: float | None
    repetition: float | None
    onset_density: float | None

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self)


def measure_structure(audio: ArrayLike, rate: int) -> Structure:
    """All values of one clip; see the module for what each is and its source.

    Args:
        audio: float (samples,).
        rate: In Hz.

    Returns:
        The values, None where the clip has none.

    Raises:
        AudioError: The clip is empty or not finite.

    >>> measure_structure(np.zeros(22050), 22050).onset_density
    0.0
    """
    samples = check(audio)
    seconds = samples.size / rate
    samples = resample(samples, rate, RATE)
    if seconds < KEY_SECONDS or not samples.any():
        return Structure(seconds, None, None, None, None, None, None, None, None if seconds < KEY_SECONDS else 0.0)
    envelope = onset_envelope(samples)
    tempo, confidence = pulse(envelope)
    frames = chroma(samples)
    key, strength = key_of(frames.sum(axis=1))
    difference, repetition = recurrence(samples)
    return Structure(
        seconds=seconds,
        tempo=tempo,
        tempo_confidence=confidence,
        key=key,
        key_strength=strength,
        tonal_stability=tonal_stability(frames),
        self_difference=difference,
        repetition=repetition,
        onset_density=_onsets(envelope) / seconds,
    )


def onset_envelope(audio: Audio) -> Matrix:
    """The spectral flux of audio at 22,050 Hz, one value each 11.6 ms."""
    import librosa

    return librosa.onset.onset_strength(y=_at_least(audio, 2048), sr=RATE, hop_length=PULSE_HOP)


def pulse(envelope: Matrix) -> tuple[float | None, float | None]:
    """(tempo in beats a minute, confidence 0 to 1) of an onset envelope.

    (None, 0) where the envelope is not like itself at its likeliest period, (None, None) below 4 s or when flat.
    """
    import librosa

    frames_a_minute = 60 * RATE / PULSE_HOP
    centred = envelope - envelope.mean()
    if envelope.size < PULSE_SECONDS * RATE / PULSE_HOP or not envelope.std() > 1e-6:
        return None, None
    [guess] = librosa.feature.tempo(onset_envelope=envelope, sr=RATE, hop_length=PULSE_HOP)
    # Each lag by the number of products it has, so that a steady pulse is 1 at its period.
    longest = min(int(frames_a_minute / SLOWEST_BPM) + 1, envelope.size // 2)
    products = librosa.autocorrelate(centred, max_size=longest + 1)
    correlation = products / (envelope.size - np.arange(products.size)) / (products[0] / envelope.size)
    lag = min(round(frames_a_minute / float(guess)), longest - 1)
    lag = max(1, lag - 2) + int(np.argmax(correlation[max(1, lag - 2) : min(lag + 3, longest)]))
    before, peak, after = correlation[lag - 1 : lag + 2]
    bend = before - 2 * peak + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    tempo = float(frames_a_minute / (lag + np.clip(shift, -0.5, 0.5)))
    return (tempo, min(1.0, float(peak))) if peak > 0 else (None, 0.0)


def chroma(audio: Audio) -> Matrix:
    """Magnitude per pitch class, C first, of audio at 22,050 Hz: (12, frames) of 93 ms each, A being 440 Hz.

    From a constant-Q transform of seven octaves from C1, and not normalised frame by frame: silence weighs nothing.
    """
    import librosa

    filled = _at_least(audio, LONGEST_FILTER)
    # With a third of a semitone to a bin: with one bin to a semitone neighbours leak, and the key of four chords of C
    # major fits with a correlation of .63 in place of .96.
    return librosa.feature.chroma_cqt(y=filled, sr=RATE, hop_length=CHROMA_HOP, tuning=0.0, norm=None)


def key_of(vector: ArrayLike) -> tuple[str | None, float | None]:
    """(key, correlation) of the key, of 24, that fits a chroma vector (12,) best; (None, None) when it is flat.

    >>> key_of([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1])[0]
    'C major'
    """
    vector = np.asarray(vector, dtype=np.float64)
    if not vector.std() > 1e-9 * abs(vector.mean()):
        return None, None
    names = [f"{pitch} {mode}" for mode in ("major", "minor") for pitch in PITCHES]
    profiles = [np.roll(profile, shift) for profile in (MAJOR, MINOR) for shift in range(12)]
    fits = [float(np.corrcoef(vector, profile)[0, 1]) for profile in profiles]
    best = int(np.argmax(fits))
    return names[best], fits[best]


def tonal_stability(frames: Matrix) -> float | None:
    """The mean correlation between the chroma of windows of 3 s; None with fewer than two that sound."""
    length = round(WINDOW_SECONDS * RATE / CHROMA_HOP)
    count = frames.shape[1] // length
    sums = frames[:, : count * length].reshape(12, count, length).sum(axis=2)
    sums = sums[:, sums.std(axis=0) > 1e-6 * sums.max(initial=0.0)]
    if sums.shape[1] < 2:
        return None
    return float(np.corrcoef(sums.T)[np.triu_indices(sums.shape[1], 1)].mean())


def recurrence(audio: Audio) -> tuple[float | None, float | None]:
    """(self_difference in dB, repetition 0 to 1) of audio at 22,050 Hz; (None, None) below 6 s, no repetition for one
    sound held."""
    import librosa

    if audio.size < 3 * PASSAGE_SECONDS * RATE:
        return None, None
    power = librosa.feature.melspectrogram(y=audio, sr=RATE, hop_length=BLOCK_HOP, n_mels=BANDS)
    levels = librosa.power_to_db(power, ref=np.max, top_db=FLOOR_DB).T
    span = round(PASSAGE_SECONDS * RATE / BLOCK_HOP)
    passages = np.lib.stride_tricks.sliding_window_view(levels, span, axis=0).reshape(-1, BANDS * span)
    squares = np.einsum("ij,ij->i", passages, passages, dtype=np.float64)
    total, pairs, nearest = 0.0, 0, []
    for start in range(0, len(passages), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(passages)))
        distance = squares[rows, None] + squares - 2 * (passages[rows] @ passages.T)
        distance = np.sqrt(np.maximum(distance, 0) / passages.shape[1])
        apart = np.abs(rows[:, None] - np.arange(len(passages))) >= span
        total, pairs = total + float(distance[apart].sum()), pairs + int(apart.sum())
        nearest.append(np.where(apart, distance, np.inf).min(axis=1))
    mean, closest = total / pairs, np.concatenate(nearest)
    # A passage in the middle of a short clip has no other that is far enough.
    return mean, float(1 - closest[np.isfinite(closest)].mean() / mean) if mean > LEAST_DB else None


VALUES: dict[str, ClipValue[Structure]] = {
    "tempo": ClipValue("beats a minute", "none", lambda s: s.tempo),
    "tempo_confidence": ClipValue("autocorrelation", "none", lambda s: s.tempo_confidence),
    "key_strength": ClipValue("correlation", "none", lambda s: s.key_strength),
    "tonal_stability": ClipValue("correlation", "none", lambda s: s.tonal_stability),
    "self_difference": ClipValue("dB", "none", lambda s: s.self_difference),
    "repetition": ClipValue("share", "none", lambda s: s.repetition),
    "onset_density": ClipValue("onsets a second", "none", lambda s: s.onset_density),
}


def structure_score(name: str, clips: AudioSet, measured: Sequence[Structure] | None = None) -> Score:
    """The mean over clips of one of `VALUES`.

    Args:
        name: Such as "tempo" or "repetition".
        clips: As audio.
        measured: Of the same clips in order; saves measuring them again.

    Returns:
        The score.

    Raises:
        UsageError: An unknown name.
        AudioError: A clip is not finite.
        DegenerateInput: Fewer than 3 units have the value.

    >>> clips = AudioSet([np.zeros(22050)] * 3, 22050, ["a", "b", "c"])
    >>> structure_score("onset_density", clips).value
    0.0
    """
    return clip_value_score(name, VALUES, clips, clips.measure(measure_structure) if measured is None else measured)


def _onsets(envelope: Matrix) -> int:
    import librosa

    return len(librosa.onset.onset_detect(onset_envelope=envelope, sr=RATE, hop_length=PULSE_HOP))


def _at_least(audio: Audio, samples: int) -> Audio:
    return np.pad(audio, (0, max(0, samples - audio.size)))
