"""The levels of clips being sampled, one after another from the top: exactly, or in slices side by side.

Exact sampling draws the codes of a level in their order, and upsampling takes nearly all of the time. In parallel
upsampling a lower level is cut in slices that begin a little early, in the last codes of the slice before; the codes of
the overlap are drawn in both, with the same random numbers, and those of the later slice serve only as its beginning.
Slices of all clips are sampled as one batch: fewer steps, at the price of a seam where the later slice had another
past.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from harness.models.base import Sampling, SamplingProgress, scalar
from harness.models.codes import write_codes
from harness.models.jukebox.decoding.sampling import CodeSequence, sample_sequences, window_length
from harness.models.jukebox.network.prior import Prior


@dataclass
class Draws:
    """The random numbers of one clip, from one generator, in this order: where in a longer piece the clip lies, then a
    uniform for each code of each level, the top level first."""

    offset: float  # in [0, 1), as a share of the room in the piece
    uniforms: list[Tensor]  # float64 (codes,) by level

    @classmethod
    def from_seed(cls, seed: int, codes: Sequence[int]) -> Draws:
        """`codes` is the number of codes by level."""
        generator = torch.Generator().manual_seed(seed % 2**63)
        offset = torch.rand((), generator=generator, dtype=torch.float64).item()
        top_first = [torch.rand(count, generator=generator, dtype=torch.float64) for count in reversed(codes)]
        return cls(offset, top_first[::-1])


@dataclass
class UnfinishedClip:
    """A clip being sampled. By level: the label row (y,) of the window that begins at a code, the random numbers
    (total,), and the codes so far, which are stored in the file `path` after every window."""

    labels: list[Callable[[int], Tensor]]
    uniforms: list[Tensor]
    codes: list[Tensor]
    path: Path | None
    offset: int  # samples: where in its piece the clip begins

    def missing(self, level: int) -> int:
        """How many codes of a level are still to be drawn."""
        return len(self.uniforms[level]) - len(self.codes[level])

    def save(self) -> None:
        """Store the codes so far, to resume from."""
        if self.path is not None:
            write_codes(self.path, {level: codes.cpu().numpy() for level, codes in enumerate(self.codes)})


class Slice(NamedTuple):
    """Codes [begin, end) of a level, sampled from `first` ≤ begin on."""

    first: int
    begin: int
    end: int


def slices(existing: int, total: int, count: int, overlap: int, ratio: int) -> list[Slice]:
    """Cut the codes from `existing` to `total` in slices, at codes where a code of the level above begins.

    Args:
        existing: codes that the clip has.
        total: codes that it is to have.
        count: slices, fewer where they would be empty.
        overlap: codes by which a slice begins early.
        ratio: codes of this level per code of the level above.

    >>> slices(0, 64, 4, 8, 4)
    [Slice(first=0, begin=0, end=16), Slice(first=8, begin=16, end=32), Slice(first=24, begin=32, end=48), Slice(first=40, begin=48, end=64)]
    """  # fmt: skip  # noqa: E501
    inner = {(existing + (total - existing) * n // count) // ratio * ratio for n in range(1, count)}
    cuts = [0, *sorted(cut for cut in inner if existing < cut < total), total]
    first = [0, *(max(0, cut - overlap) // ratio * ratio for cut in cuts[1:-1])]
    return [Slice(*cut) for cut in zip(first, cuts[:-1], cuts[1:], strict=True)]


def complete_level(
    prior: Prior,
    clips: Sequence[UnfinishedClip],
    width: int,
    sampling: Sampling,
    hop_fraction: float,
    counter: TokenCounter,
) -> None:
    """Complete one level of every clip; all codes of the level above exist.

    Args:
        prior: of the level.
        clips: completed in place.
        width: rows of a batch.
        sampling: the values of this level.
        hop_fraction: the share of a window that every window adds, unless `sampling` says another.
        counter: counts the tokens.
    """
    window = window_length(prior, sampling)
    hop = max(1, int(scalar(sampling.hop_fraction or hop_fraction) * window))
    parallel = sampling.slices() if prior.config.conditioner is not None else None
    if parallel is None:
        _complete_exactly(prior, clips, width, sampling, hop, counter)
        return
    level, ratio = prior.config.level, prior.config.ratio
    number, overlap = parallel
    cuts = [
        (clip, cut)
        for clip in clips
        for cut in slices(len(clip.codes[level]), len(clip.uniforms[level]), number, int(overlap * window), ratio)
    ]
    sequences = [_sequence(clip, level, prior, cut) for clip, cut in cuts]
    for sequence in sequences:
        sequence.on_window = counter.window
    counter.begin(level, sum(len(sequence.windows(window, hop)) for sequence in sequences))
    counter.total += sum(sequence.missing for sequence in sequences) - sum(clip.missing(level) for clip in clips)
    sample_sequences(prior, sequences, width, sampling, hop, counter.step)
    for clip in clips:
        own = [(cut, sequence) for (owner, cut), sequence in zip(cuts, sequences, strict=True) if owner is clip]
        clip.codes[level] = torch.cat([sequence.codes[cut.begin - cut.first :] for cut, sequence in own])
        clip.save()


def _complete_exactly(
    prior: Prior, clips: Sequence[UnfinishedClip], width: int, sampling: Sampling, hop: int, counter: TokenCounter
) -> None:
    level, window = prior.config.level, window_length(prior, sampling)
    sequences = [_sequence(clip, level, prior, Slice(0, 0, len(clip.uniforms[level]))) for clip in clips]
    for clip, sequence in zip(clips, sequences, strict=True):

        def save(clip: UnfinishedClip = clip, sequence: CodeSequence = sequence) -> None:
            clip.codes[level] = sequence.codes
            clip.save()
            counter.window()

        sequence.on_window = save
    counter.begin(level, sum(len(sequence.windows(window, hop)) for sequence in sequences))
    sample_sequences(prior, sequences, width, sampling, hop, counter.step)


def _sequence(clip: UnfinishedClip, level: int, prior: Prior, cut: Slice) -> CodeSequence:
    above = None
    if prior.config.conditioner is not None:
        ratio = prior.config.ratio
        above = clip.codes[level + 1][cut.first // ratio : -(-cut.end // ratio)]
    return CodeSequence(
        clip.codes[level][cut.first : cut.end],
        clip.uniforms[level][cut.first : cut.end],
        above,
        lambda start: clip.labels[level](cut.first + start),
    )


class TokenCounter:
    """Counts sampled codes and windows, and reports them to `progress`."""

    def __init__(self, total: int, progress: SamplingProgress | None) -> None:
        self.done, self.total, self.progress = 0, total, progress
        self.level, self.windows_done, self.windows = 0, 0, 0

    def begin(self, level: int, windows: int) -> None:
        """A level of so many windows begins."""
        self.level, self.windows_done, self.windows = level, 0, windows

    def window(self) -> None:
        """A window is complete."""
        self.windows_done += 1

    def step(self, clips: int) -> None:
        """One more code of so many clips is drawn."""
        self.done += clips
        if self.progress is not None:
            detail = f"level {self.level}, window {min(self.windows_done + 1, self.windows)}/{self.windows}"
            self.progress(self.done, self.total, detail)
