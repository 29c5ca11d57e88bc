"""How likely music is under a model: log p(codes | codes above, labels), code by code, level by level.

The audio is encoded to the codes of every level, and each code is predicted as it would be in sampling: in the windows
of `window_starts`, given the codes before it in its window, the codes above and the window's labels. Every code counts
once, in the window in which sampling would draw it; what a window shares with the one before is context. All codes of a
window are scored in one teacher-forced pass.

This is the likelihood of the codes, not of the waveform: what the codec throws away costs nothing. Nor is it quality:
what is simple is likely. Under mini's top prior white noise costs 3.5 bits a code and a sine 0.9; 12 s of calm music
6.2, played backwards 6.4, its tenths of a second shuffled 7.6. Compare like with like.

Where lyrics and music share one sequence (1b_lyrics) the distribution is over the joint vocabulary, lyric characters
included, as in the original's loss: a code is never cheaper for it.
"""

from __future__ import annotations

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
from harness.models.likelihood import LevelLikelihood, Likelihood, LikelihoodRequest


@dataclass(frozen=True, eq=False)
class EncodedClip:
    """Audio as the priors read it: codes uint16 (T / hop,) and labels by level, the finest first."""

    codes: tuple[NDArray[np.uint16], ...]
    labels: tuple[Labels, ...]
    record: dict[str, Any]


def likelihood(
    model: JukeboxModel, audio: ArrayLike, rate: int, request: LikelihoodRequest | None = None
) -> Likelihood:
    """The likelihood of one clip, by default without labels.

    Args:
        model: any Jukebox.
        audio: mono, (samples,). It is resampled to the model's rate and brought to the request's loudness; what is left
            over after the last whole code of the top level, at most some milliseconds, is not scored.
        rate: of the audio, in Hz.
        request: labels, place in a longer piece, loudness.

    Returns:
        −ln p of every code, by level.

    Raises:
        AudioError: audio that is not finite, silent or too short.
        UsageError: labels that the model does not know, or a length that it has no label for.
    """
    return likelihoods(model, [encode_clip(model, audio, rate, request)])[0]


def check_request(model: JukeboxModel, request: LikelihoodRequest) -> None:
    """Raise `UsageError` for labels that the model does not know."""
    if request.prompt is not None:
        model.understand(request.prompt)


def encode_clip(
    model: JukeboxModel, audio: ArrayLike, rate: int, request: LikelihoodRequest | None = None
) -> EncodedClip:
    """Codes and labels of audio; arguments and errors are those of `likelihood`, so that all mistakes show here."""
    request = request or LikelihoodRequest()
    prompt = request.prompt
    if prompt is not None and prompt.audio is not None:
        raise UsageError(
            "the prompt has a sound file: the audio to score is given by itself, a prompt only says its labels."
        )
    prepared = prepare(audio, rate, model, request.lufs)
    usual = max(len(prepared), round(model.folder.total_seconds * model.rate))
    total = usual if request.total_seconds is None else round(request.total_seconds * model.rate)
    offset = round(request.offset_seconds * model.rate)
    choice = None if prompt is None else model.understand(prompt)
    style, artist = (choice.style or "", choice.artist or "") if choice else ("", "")
    lyrics = (prompt.lyrics if prompt else None) or ""
    labels = tuple(labeller.label(artist, style, lyrics, total, offset) for labeller in model.labellers)
    codes = tuple(encode(model.vqvae, prepared, level) for level in range(model.levels))
    record = {"labels": choice.record() if choice else None, "read_as": labels[-1].record, "lufs": request.lufs}
    return EncodedClip(codes, labels, record)


def likelihoods(
    model: JukeboxModel, clips: Sequence[EncodedClip], progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Likelihood]:
    """The likelihood of each clip. Goes level by level over all of them, so that each prior is needed once.

    Args:
        model: the Jukebox that encoded them.
        clips: from `encode_clip`.
        progress: called as progress(done, total), in windows.

    Returns:
        One for each clip, in order.
    """
    vqvae, shapes = model.folder.vqvae, model.folder.priors
    hops = [int(fraction * shape.n_ctx) for fraction, shape in zip(model.folder.hop_fractions, shapes, strict=True)]
    total = sum(
        len(window_starts(len(clip.codes[level]), shapes[level].n_ctx, hops[level]))
        for clip in clips
        for level in range(model.levels)
    )
    done, found = 0, [{} for _ in clips]
    for level in reversed(range(model.levels)):
        prior, labeller = model.prior(level), model.labellers[level]
        for clip, levels in zip(clips, found, strict=True):
            parts = []
            labels_at = partial(labeller.window, clip.labels[level])
            above = clip.codes[level + 1] if level + 1 < model.levels else None
            for part in window_nats(prior, clip.codes[level], labels_at, above, hops[level]):
                parts.append(part)
                done += 1
                progress(done, total)
            levels[level] = LevelLikelihood(level, np.concatenate(parts), vqvae.hops[level] / model.rate)
    return [
        Likelihood(
            tuple(levels[level] for level in range(model.levels)),
            len(clip.codes[-1]) * vqvae.hops[-1] / model.rate,
            {"model": model.fingerprint()} | clip.record,
        )
        for clip, levels in zip(clips, found, strict=True)
    ]


def window_nats(
    prior: Prior,
    codes: NDArray[np.integer],
    labels_at: Callable[[int], NDArray[np.int64]],
    above: NDArray[np.integer] | None,
    hop: int,
) -> Iterator[NDArray[np.float32]]:
    """−ln p of the codes of a level, window by window: in each, of the codes that sampling would draw there.

    Args:
        prior: of the level.
        codes: (T,).
        labels_at: called with the code at which a window begins; gives its label row (y,).
        above: the whole level above, (T / ratio,).
        hop: codes that a window adds.

    Yields:
        float32 parts that are (T,) when concatenated.
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
