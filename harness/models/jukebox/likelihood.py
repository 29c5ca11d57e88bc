"""How likely music is under a model: log p(codes | codes above, labels), code by code, level by level.

The audio is encoded to the codes of every level and each code is asked for as sampling would have asked: in the
windows of `window_starts`, given the codes before it in its window, the codes above and the window's labels. Every code
counts once, in the window in which sampling would draw it; what a window shares with the one before is context. All
codes of a window are scored in one teacher-forced pass.

This is the likelihood of the codes, not of the waveform: what the codec throws away costs nothing. Nor is it quality:
what is simple is likely. Under mini's top prior white noise costs 3.5 bits a code and a sine 0.9; 12 s of calm music
6.2, played backwards 6.4, its tenths of a second shuffled 7.6. Compare like with like.

Where lyrics and music share one sequence (1b_lyrics) the distribution is over the joint vocabulary, lyric characters
included, as in the original's loss: a code is never cheaper for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from harness.core.errors import UsageError
from harness.models.jukebox.conditioning.labels import Labels
from harness.models.jukebox.decoding.sampling import window_starts
from harness.models.jukebox.encoding import device_of, encode, prepare, windows_at_once
from harness.models.jukebox.model import JukeboxModel
from harness.models.jukebox.network.prior import Prior
from harness.prompts.prompt import Prompt

LUFS = -23.0
"""The loudness that audio prompts are brought to before they are encoded."""


@dataclass(frozen=True, eq=False)
class LevelLikelihood:
    """One level. `nats_by_code` float32 (codes,) is −ln p of each code, `code_seconds` the length of one."""

    level: int
    nats_by_code: NDArray[np.float32]
    code_seconds: float

    @property
    def codes(self) -> int:
        return len(self.nats_by_code)

    @property
    def nats(self) -> float:
        """−ln p of all codes."""
        return float(self.nats_by_code.sum(dtype=np.float64))

    @property
    def seconds(self) -> float:
        """Of audio that the codes stand for."""
        return self.codes * self.code_seconds

    @property
    def nats_per_token(self) -> float:
        return self.nats / self.codes

    @property
    def bits_per_token(self) -> float:
        return self.nats_per_token / math.log(2)

    @property
    def bits_per_second(self) -> float:
        """Bits per second of audio."""
        return self.bits_per_token / self.code_seconds

    def by_second(self) -> NDArray[np.float64]:
        """Bits per token of the codes that begin in each second, (seconds,): the surprise over time."""
        second = np.floor(np.arange(self.codes) * self.code_seconds + 1e-9).astype(np.int64)
        bits = np.bincount(second, self.nats_by_code.astype(np.float64)) / math.log(2)
        return bits / np.bincount(second)

    def as_dict(self) -> dict[str, Any]:
        return {
            "level": self.level, "codes": self.codes, "nats": self.nats, "nats_per_token": self.nats_per_token,
            "bits_per_token": self.bits_per_token, "bits_per_second": self.bits_per_second,
            "bits_per_token_by_second": self.by_second().tolist(),
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Likelihood:
    """All levels, the finest first; `seconds` of audio were scored. `provenance` names the model, the labels and
    whatever else changes the figures."""

    levels: tuple[LevelLikelihood, ...]
    seconds: float
    provenance: dict[str, Any]

    @property
    def codes(self) -> int:
        return sum(level.codes for level in self.levels)

    @property
    def nats(self) -> float:
        """−ln p of the codes of all levels, each level given the one above."""
        return sum(level.nats for level in self.levels)

    @property
    def bits_per_second(self) -> float:
        """Of audio, all levels together."""
        return self.nats / math.log(2) / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it; of the codes their means by second."""
        return {
            "seconds": self.seconds, "codes": self.codes, "nats": self.nats, "bits_per_second": self.bits_per_second,
            "levels": [level.as_dict() for level in self.levels], "provenance": self.provenance,
        }  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where in a longer piece the audio lies, in seconds. `total` is the length of the piece: by default what the model
    takes a clip for an excerpt of when it samples, or the audio's own length where that is more."""

    offset: float = 0.0
    total: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.offset) and self.offset >= 0):
            raise UsageError(f"the offset was {self.offset} s: 0 or more was expected.")
        if self.total is not None and not (math.isfinite(self.total) and self.total > 0):
            raise UsageError(f"the length of the whole piece was {self.total} s: a positive number was expected.")


@dataclass(frozen=True, eq=False)
class Piece:
    """Audio as the priors read it: codes uint16 (T / hop,) and labels by level, the finest first."""

    codes: tuple[NDArray[np.uint16], ...]
    labels: tuple[Labels, ...]
    record: dict[str, Any]


def likelihood(
    model: JukeboxModel,
    audio: ArrayLike,
    rate: int,
    prompt: Prompt | None = None,
    place: Place | None = None,
    lufs: float | None = LUFS,
) -> Likelihood:
    """The likelihood of mono audio (samples,) at `rate` Hz under `model`, by default without labels.

    `prompt` gives style, artist, lyrics or a text to take them from; `place` where in a longer piece the audio lies.
    The audio is resampled to the model's rate and brought to `lufs`, or left as loud as it is where that is None; what
    is left over after the last whole code of the top level, at most some milliseconds, is not scored. Raises
    `AudioError` for audio that is not finite, silent or too short, `UsageError` for labels that the model does not
    know or a length that it has no label for.
    """
    return likelihoods(model, [read_piece(model, audio, rate, prompt, place, lufs)])[0]


def read_piece(
    model: JukeboxModel,
    audio: ArrayLike,
    rate: int,
    prompt: Prompt | None = None,
    place: Place | None = None,
    lufs: float | None = LUFS,
) -> Piece:
    """Codes and labels of audio, as for `likelihood`: whatever can be wrong with a clip is found out here."""
    if prompt is not None and prompt.audio is not None:
        raise UsageError(
            "the prompt has a sound file: the audio to score is given by itself, a prompt only says its labels."
        )
    prepared, place = prepare(audio, rate, model, lufs), place or Place()
    usual = max(len(prepared), round(model.folder.total_seconds * model.rate))
    total = usual if place.total is None else round(place.total * model.rate)
    choice = None if prompt is None else model.understand(prompt)
    style, artist = (choice.style or "", choice.artist or "") if choice else ("", "")
    lyrics = (prompt.lyrics if prompt else None) or ""
    labels = tuple(
        labeller.label(artist, style, lyrics, total, round(place.offset * model.rate)) for labeller in model.labellers
    )
    codes = tuple(encode(model.vqvae, prepared, level) for level in range(model.levels))
    top = labels[-1].record
    return Piece(codes, labels, {"labels": choice.record() if choice else None, "read_as": top, "lufs": lufs})


def likelihoods(
    model: JukeboxModel, pieces: Sequence[Piece], progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Likelihood]:
    """The likelihood of each piece. Goes level by level over all of them, so that each prior is needed once.

    `progress(done, total)` counts windows.
    """
    vqvae, shapes = model.folder.vqvae, model.folder.priors
    hops = [int(fraction * shape.n_ctx) for fraction, shape in zip(model.folder.hop_fractions, shapes, strict=True)]
    total = sum(
        len(window_starts(len(piece.codes[level]), shapes[level].n_ctx, hops[level]))
        for piece in pieces
        for level in range(model.levels)
    )
    done, found = 0, [{} for _ in pieces]
    for level in reversed(range(model.levels)):
        prior, labeller = model.prior(level), model.labellers[level]
        for piece, levels in zip(pieces, found, strict=True):
            parts = []
            labels_at = partial(labeller.window, piece.labels[level])
            above = piece.codes[level + 1] if level + 1 < model.levels else None
            for part in window_nats(prior, piece.codes[level], labels_at, above, hops[level]):
                parts.append(part)
                done += 1
                progress(done, total)
            levels[level] = LevelLikelihood(level, np.concatenate(parts), vqvae.hops[level] / model.rate)
    return [
        Likelihood(
            tuple(levels[level] for level in range(model.levels)),
            len(piece.codes[-1]) * vqvae.hops[-1] / model.rate,
            {"model": model.fingerprint()} | piece.record,
        )
        for piece, levels in zip(pieces, found, strict=True)
    ]


def window_nats(
    prior: Prior,
    codes: NDArray[np.integer],
    labels_at: Callable[[int], NDArray[np.int64]],
    above: NDArray[np.integer] | None,
    hop: int,
) -> Iterator[NDArray[np.float32]]:
    """−ln p of the codes (T,) of a level, window by window: in each those that sampling would draw there, so that what
    comes is (T,) when put together.

    `labels_at(start)` gives the label vector of the window that starts at that code, `above` the whole level above, and
    `hop` is the number of codes that a window adds.
    """
    device, ratio = device_of(prior), prior.config.ratio
    length = min(prior.config.n_ctx, len(codes))
    starts = window_starts(len(codes), prior.config.n_ctx, hop)
    at_once = windows_at_once(prior, length)
    scored = 0

    def rows(arrays: Iterable[NDArray[np.integer]]) -> Tensor:
        return torch.from_numpy(np.stack([array.astype(np.int64) for array in arrays])).to(device)

    for i in range(0, len(starts), at_once):
        batch = starts[i : i + at_once]
        z, y = rows(codes[start : start + length] for start in batch), rows(labels_at(start) for start in batch)
        upper = None
        if above is not None:
            upper = rows(above[start // ratio : -(-(start + length) // ratio)] for start in batch)
        nats = _nats(prior, z, y, upper).float().cpu().numpy()
        for row, start in enumerate(batch):
            yield nats[row, scored - start :]
            scored = start + length


@torch.inference_mode()
def _nats(prior: Prior, z: Tensor, y: Tensor, above: Tensor | None) -> Tensor:
    """−ln p of each music code of teacher-forced windows z (B, T): (B, T)."""
    logits = prior(z, y, above)[:, -z.shape[1] :]  # where lyrics share the sequence they come first
    tokens = prior.sequence_prompt(z, y)[:, -z.shape[1] :]
    return F.cross_entropy(logits.float().transpose(1, 2), tokens, reduction="none")
