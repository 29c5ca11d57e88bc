"""Train a prior on the codes of a corpus: the top one with style, artist and time, an upsampler under the codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.models.jukebox.conditioning.labels import Labels
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.train.codes import CodedTrack
from harness.models.jukebox.train.loop import Job, Trainer
from harness.models.jukebox.weights.checkpoint import ModelFolder

NO_ARTIST, NO_LABELS = 0.4, 0.1
"""How often the artist, or the artist and the style, are left out, so that the model can be sampled without them."""


@dataclass(frozen=True)
class Window:
    """A training example: codes (n_ctx,), labels (y,), and the codes above (n_ctx / ratio,) of an upsampler."""

    codes: np.ndarray
    labels: np.ndarray
    above: np.ndarray | None


class Windows:
    """Random windows of coded tracks. A style is picked in proportion to the square root of its length, which keeps the
    small ones from being drowned and from being learnt by heart; within it every position is as likely."""

    def __init__(self, folder: ModelFolder, level: int, tracks: list[CodedTrack]) -> None:
        self.config, self.labeller, self.level = folder.priors[level], folder.labeller(level), level
        self.ratio = self.config.ratio if self.config.conditioner else 1
        self.tracks = [t for t in tracks if len(t.codes[level]) >= self.config.n_ctx + self.ratio]
        seconds = np.array([t.samples for t in self.tracks], float)
        of_style: dict[str, float] = {}
        for track, length in zip(self.tracks, seconds, strict=True):
            of_style[track.track.style] = of_style.get(track.track.style, 0.0) + length
        weights = seconds / np.sqrt([of_style[t.track.style] for t in self.tracks])
        self.chances = weights / weights.sum()

    def pick(self, rng: np.random.Generator) -> Window:
        """One window, with labels left out now and then."""
        track = self.tracks[rng.choice(len(self.tracks), p=self.chances)]
        room = (len(track.codes[self.level]) - self.config.n_ctx) // self.ratio
        fate = rng.random()
        style = "" if fate < NO_LABELS else track.track.style
        artist = "" if fate < NO_LABELS + NO_ARTIST else track.track.artist
        return self.at(track, int(rng.integers(room + 1)) * self.ratio, style, artist)

    def at(self, track: CodedTrack, start: int, style: str, artist: str) -> Window:
        """The window from code `start` of a track."""
        labels: Labels = self.labeller.label(artist, style, "", track.samples)
        above = None
        if self.config.conditioner:
            first = start // self.ratio
            above = track.codes[self.level + 1][first : first + self.config.n_ctx // self.ratio]
        codes = track.codes[self.level][start : start + self.config.n_ctx]
        return Window(codes, self.labeller.window(labels, start), above)

    def grid(self, most: int) -> list[Window]:
        """At most `most` windows spread evenly over all tracks, fully labelled: what validation and reports use."""
        starts = [
            (track, start)
            for track in self.tracks
            for start in range(0, len(track.codes[self.level]) - self.config.n_ctx, self.config.n_ctx)
        ]
        chosen = np.unique(np.linspace(0, len(starts) - 1, min(most, len(starts))).round().astype(int))
        picked = [starts[i] for i in chosen]
        return [self.at(track, start, track.track.style, track.track.artist) for track, start in picked]


def stack(windows: list[Window]) -> tuple[Tensor, Tensor, Tensor | None]:
    """(B, n_ctx) codes, (B, y) labels, (B, n_ctx / ratio) codes above or None."""

    def rows(arrays: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(arrays).astype(np.int64))

    above = None if windows[0].above is None else rows([w.above for w in windows if w.above is not None])
    return rows([w.codes for w in windows]), rows([w.labels for w in windows]), above


def mean_bits(prior: Prior, windows: list[Window], batch: int = 8) -> float:
    """Bits per code of teacher-forced windows."""
    bits = [prior.bits(*stack(windows[i : i + batch]))[0] for i in range(0, len(windows), batch)]
    return torch.cat(bits).mean().item()


def train_prior(folder: ModelFolder, level: int, job: Job, train: list[CodedTrack], valid: list[CodedTrack]) -> Prior:
    """Train the prior of one level.

    Args:
        folder: of the model, for its shapes and labels.
        level: 0 for the finest.
        job: schedule, folder and log; the folder gets checkpoints and the best weights by validation bits.
        train: coded tracks to learn from.
        valid: coded tracks to validate on.
    """
    schedule = job.schedule
    torch.manual_seed(schedule.seed)
    prior = Prior(folder.priors[level])
    windows, checked = Windows(folder, level, train), Windows(folder, level, valid).grid(48)

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng((schedule.seed, index))
        bits = prior.bits(*stack([windows.pick(rng) for _ in range(schedule.batch)]))[0].mean()
        return bits, {}

    Trainer(f"prior-{level}", prior, job).run(step, lambda: {"bits": mean_bits(prior, checked)})
    return prior
