"""The levels of clips being sampled, one after another from the top: exactly, or in slices side by side.

Exact sampling draws the codes of a level in their order, and upsampling is nearly all of the time. In parallel a lower
level is cut in slices that begin a little early, in the other slice's last codes; the codes of the overlap are drawn in
both, with the same random numbers, and those of the later slice serve only as its beginning. Slices of all clips are
sampled as one batch: fewer steps, at the price of a seam where the later slice had another past.
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
from harness.models.jukebox.decoding.sampling import Part, sample_parts, window_length
from harness.models.jukebox.network.prior import Prior


@dataclass
class Draws:
    """The random numbers of one clip, from one generator, in this order: where in a longer piece the clip lies, then a
    uniform for each code of each level, the top level first."""

    offset: float  # in [0, 1): of the room there is
    uniforms: list[Tensor]  # float64 (codes,) by level

    @classmethod
    def from_seed(cls, seed: int, codes: Sequence[int]) -> Draws:
        generator = torch.Generator().manual_seed(seed % 2**63)
        offset = torch.rand((), generator=generator, dtype=torch.float64).item()
        top_first = [torch.rand(count, generator=generator, dtype=torch.float64) for count in reversed(codes)]
        return cls(offset, top_first[::-1])


@dataclass
class Song:
    """A clip being sampled. By level: the label row (y,) of the window that begins at a code, the random numbers
    (total,), and the codes so far, which are kept in the file `unfinished` after every window."""

    labels: list[Callable[[int], Tensor]]
    uniforms: list[Tensor]
    codes: list[Tensor]
    unfinished: Path | None
    offset: int  # samples: where in its piece the clip begins

    def missing(self, level: int) -> int:
        return len(self.uniforms[level]) - len(self.codes[level])

    def keep(self) -> None:
        if self.unfinished is not None:
            write_codes(self.unfinished, {level: codes.cpu().numpy() for level, codes in enumerate(self.codes)})


class Slice(NamedTuple):
    """Codes [begin, end) of a level, sampled from `first` ≤ begin on."""

    first: int
    begin: int
    end: int


def slices(there: int, total: int, count: int, overlap: int, ratio: int) -> list[Slice]:
    """Cut the codes from `there` to `total` in `count` slices, at codes where a code of the level above begins.

    >>> slices(0, 64, 4, 8, 4)
    [Slice(first=0, begin=0, end=16), Slice(first=8, begin=16, end=32), Slice(first=24, begin=32, end=48), Slice(first=40, begin=48, end=64)]
    """  # fmt: skip  # noqa: E501
    inner = {(there + (total - there) * n // count) // ratio * ratio for n in range(1, count)}
    cuts = [0, *sorted(cut for cut in inner if there < cut < total), total]
    first = [0, *(max(0, cut - overlap) // ratio * ratio for cut in cuts[1:-1])]
    return [Slice(*cut) for cut in zip(first, cuts[:-1], cuts[1:], strict=True)]


def complete_level(
    prior: Prior, units: Sequence[Song], width: int, sampling: Sampling, hop_fraction: float, counter: Counter
) -> None:
    """Complete the level of `prior` in every song; of the level above all codes are there."""
    level, window = prior.config.level, window_length(prior, sampling)
    hop = max(1, int(scalar(sampling.hop_fraction or hop_fraction) * window))
    parallel = sampling.slices() if prior.config.conditioner is not None else None
    if parallel is None:
        parts = [_part(song, level, prior, Slice(0, 0, len(song.uniforms[level]))) for song in units]
        for song, part in zip(units, parts, strict=True):
            part.kept = lambda song=song, part=part: _kept(song, level, part.codes, counter)
        counter.begin(level, sum(len(part.windows(window, hop)) for part in parts))
        sample_parts(prior, parts, width, sampling, hop, counter.step)
        return
    number, overlap = parallel
    cuts = [
        (song, cut)
        for song in units
        for cut in slices(
            len(song.codes[level]), len(song.uniforms[level]), number, int(overlap * window), prior.config.ratio
        )
    ]
    parts = [_part(song, level, prior, cut) for song, cut in cuts]
    for part in parts:
        part.kept = counter.window
    counter.begin(level, sum(len(part.windows(window, hop)) for part in parts))
    counter.total += sum(part.missing for part in parts) - sum(song.missing(level) for song in units)
    sample_parts(prior, parts, width, sampling, hop, counter.step)
    for song in units:
        own = [(cut, part) for (owner, cut), part in zip(cuts, parts, strict=True) if owner is song]
        song.codes[level] = torch.cat([part.codes[cut.begin - cut.first :] for cut, part in own])
        song.keep()


def _part(song: Song, level: int, prior: Prior, cut: Slice) -> Part:
    above = None
    if prior.config.conditioner is not None:
        ratio = prior.config.ratio
        above = song.codes[level + 1][cut.first // ratio : -(-cut.end // ratio)]
    return Part(
        song.codes[level][cut.first : cut.end],
        song.uniforms[level][cut.first : cut.end],
        above,
        lambda start: song.labels[level](cut.first + start),
    )


def _kept(song: Song, level: int, codes: Tensor, counter: Counter) -> None:
    song.codes[level] = codes
    song.keep()
    counter.window()


class Counter:
    """Counts sampled codes and windows, and tells `progress`."""

    def __init__(self, total: int, progress: SamplingProgress | None) -> None:
        self.done, self.total, self.progress = 0, total, progress
        self.level, self.windows_done, self.windows = 0, 0, 0

    def begin(self, level: int, windows: int) -> None:
        self.level, self.windows_done, self.windows = level, 0, windows

    def window(self) -> None:
        self.windows_done += 1

    def step(self, clips: int) -> None:
        self.done += clips
        if self.progress is not None:
            detail = f"level {self.level}, window {min(self.windows_done + 1, self.windows)}/{self.windows}"
            self.progress(self.done, self.total, detail)
