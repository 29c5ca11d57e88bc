"""Sound files of any length in bounded memory: read, resampled, levelled and measured block by block.

The result is that of `audio.load` and `Preprocessing.apply`. One gain for the whole clip needs the whole clip: a file
is read twice, once to measure it and once to use it. The resampler gives the same bits in blocks of any size, the
loudness is that of `audio.loudness` within 0.001 LU, and files decode to the same bits.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metrics.errors import AudioError
from metrics.io.audio import LOUDNESS_BLOCK_SECONDS, Audio, Preprocessing, check, loudness_gain
from metrics.io.reader import SoundReader


def read_blocks(
    path: str | os.PathLike[str], rate: int | None = None, seconds: float | None = None, start: int = 0
) -> Iterator[Audio]:
    """A sound file as mono float32 pieces (samples,), none of them empty, at `rate` Hz (its own without one).

    `start` leaves out that many samples of the file, and `seconds` keeps only so much from there on. Raises
    `AudioError`, as `audio.load`: for a file that is missing, cannot be decoded, is empty, or holds samples that are
    not finite.
    """
    left = math.inf
    for piece, found in _resampled(Path(path), rate, start):
        if left is math.inf and seconds is not None:
            left = round(seconds * found)
        if piece.size:
            yield piece[: int(min(left, piece.size))]
            left -= piece.size
        if left <= 0:
            return


def preprocessed_blocks(path: str | os.PathLike[str], preprocessing: Preprocessing) -> Iterator[Audio]:
    """A sound file through the preprocessing, piece by piece. Raises `AudioError` as it does, naming the file."""
    gain = 1.0
    if preprocessing.lufs is not None:
        found, seconds = file_loudness(path, preprocessing)
        try:
            gain = loudness_gain(found, preprocessing.lufs, seconds)
        except AudioError as error:
            raise AudioError(f"{path}: {error}") from error
    for piece in read_blocks(path, preprocessing.rate, preprocessing.seconds):
        yield piece if preprocessing.lufs is None else piece * np.float32(gain)


def file_loudness(path: str | os.PathLike[str], preprocessing: Preprocessing) -> tuple[float, float]:
    """Loudness in LUFS of the part that the preprocessing keeps, and its length in seconds."""
    meter = LoudnessMeter(preprocessing.rate)
    for piece in read_blocks(path, preprocessing.rate, preprocessing.seconds):
        meter.add(piece)
    if meter.seconds < LOUDNESS_BLOCK_SECONDS:
        raise AudioError(
            f"{path} lasts {meter.seconds:.3f} s: a loudness is defined from {LOUDNESS_BLOCK_SECONDS} s. "
            "Use a longer clip."
        )
    return meter.integrated(), meter.seconds


def file_rate(path: str | os.PathLike[str]) -> int:
    """A sound file's sampling rate in Hz. Raises `AudioError` as `read_blocks`."""
    with SoundReader(path) as reader:
        return reader.rate


def _resampled(path: Path, rate: int | None, start: int = 0) -> Iterator[tuple[Audio, int]]:
    """Pieces and their rate in Hz; a resampler's first pieces may be empty."""
    import soxr

    with SoundReader(path) as reader:
        to = rate or reader.rate
        stream = None if to == reader.rate else soxr.ResampleStream(reader.rate, to, 1, dtype="float32", quality="HQ")
        for samples in reader.blocks(start):
            mono = check(samples.mean(axis=1, dtype=np.float32), what=str(path))
            yield mono if stream is None else stream.resample_chunk(mono), to
        if stream is not None:
            yield stream.resample_chunk(np.zeros(0, np.float32), last=True), to


CHANNEL_WEIGHTS = {
    4: (1.0, 1.0, 1.41, 1.41),
    5: (1.0, 1.0, 1.0, 1.41, 1.41),
    6: (1.0, 1.0, 1.0, 0.0, 1.41, 1.41),
}
"""BS.1770-4, table 3, by number of channels in the order of WAV: surround channels count more, the LFE (the fourth of
5.1) not at all. Channels of any other number count alike."""


class LoudnessMeter:
    """Integrated, gated loudness (ITU-R BS.1770-4) of audio that comes piece by piece, one number kept for each 0.1 s.

    Channels are weighted as the standard has it, and their energies added: the same sound in two channels is 3 LU
    louder than in one, and opposite signs do not cancel.

    >>> meter = LoudnessMeter(16000)
    >>> for _ in range(20):
    ...     meter.add(np.sin(2 * np.pi * 1000 * np.arange(1600) / 16000))
    >>> round(meter.integrated())
    -3
    """

    def __init__(self, rate: int, channels: int = 1) -> None:
        from pyloudnorm.iirfilter import IIRfilter

        self.rate = rate
        self._weights = np.array(CHANNEL_WEIGHTS.get(channels, (1.0,) * channels))
        # The weighting curve K, as pyloudnorm builds it: a shelf above 1.5 kHz and a high-pass at 38 Hz.
        stages = (IIRfilter(4.0, 2**-0.5, 1500.0, rate, "high_shelf"), IIRfilter(0.0, 0.5, 38.0, rate, "high_pass"))
        self._stages = [(stage.b, stage.a) for stage in stages]
        self._states = [np.zeros((2, channels)) for _ in stages]
        self._count = 0  # samples heard
        self._energies: list[float] = []  # sum of squares of each whole 0.1 s
        self._rest = np.zeros(0)  # squares since

    @property
    def seconds(self) -> float:
        """How much has been heard."""
        return self._count / self.rate

    def add(self, audio: NDArray[np.floating]) -> None:
        """The next samples, (samples,) of one channel or (samples, channels)."""
        from scipy.signal import lfilter

        weighted = np.asarray(audio, dtype=np.float64).reshape(len(audio), -1)
        for n, (b, a) in enumerate(self._stages):
            weighted, self._states[n] = lfilter(b, a, weighted, axis=0, zi=self._states[n])
        self._count += len(weighted)
        squares, used = np.concatenate([self._rest, np.square(weighted) @ self._weights]), 0
        begin = self._end(len(self._energies) - 1)
        while (end := self._end(len(self._energies)) - begin) <= squares.size:
            self._energies.append(float(squares[used:end].sum()))
            used = end
        self._rest = squares[used:]

    def _end(self, number: int) -> int:
        """The sample after the 0.1 s of that number."""
        return round((number + 1) * 0.1 * self.rate)

    def integrated(self) -> float:
        """LUFS; −inf for silence, and for less than the 0.4 s of a gating block."""
        # The last block may reach beyond the end by less than half a step, as in pyloudnorm.
        count = round((self.seconds - LOUDNESS_BLOCK_SECONDS) / 0.1) + 1
        steps = np.array([*self._energies, self._rest.sum()])
        blocks = np.convolve(steps, np.ones(4), "valid")[: max(count, 0)] / (LOUDNESS_BLOCK_SECONDS * self.rate)
        heard = blocks[_lufs(blocks) >= -70.0]
        if not heard.size:
            return -math.inf
        kept = heard[_lufs(heard) > _lufs(heard.mean()) - 10.0]
        return float(_lufs(kept.mean()))


def _lufs(power: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return -0.691 + 10.0 * np.log10(power)
