"""Where in the lyrics a prior reads while it generates the music: attention from music codes to lyric characters.

Of one layer and one head, over a whole piece. Two kinds of layer read the lyrics: those of pattern CROSS (a lyric
encoder's output, 5b_lyrics) and those of pattern PRIME (the beginning of one shared sequence, 1b_lyrics). Which head of
them follows the singing is an observation about trained weights: `HEADS` holds those of the released priors
(Dhariwal et al. 2020, arXiv:2005.00341, section 5.3, figure 7).

The weights come from one teacher-forced pass per window: the input of the layer is captured, and queries and keys are
computed from it again, so that sampling is not slowed by storing weights that it does not use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.core.errors import UsageError
from harness.models.jukebox.conditioning.labels import Labeller, Labels
from harness.models.jukebox.decoding.sampling import window_starts
from harness.models.jukebox.network.attention import Pattern, layer_pattern
from harness.models.jukebox.network.prior import Prior


class AttentionHead(NamedTuple):
    """A head of a layer, both counted from 0."""

    layer: int
    head: int


HEADS = {"5b_lyrics": AttentionHead(68, 2), "1b_lyrics": AttentionHead(63, 0)}
"""The head whose attention follows the lyrics, of the released priors that read lyrics."""


@torch.inference_mode()
def align(
    prior: Prior, labeller: Labeller, labels: Sequence[Labels], codes: Tensor, hop: int, at: AttentionHead
) -> list[NDArray[np.float32]]:
    """Attention from each music code to each lyric character of a piece, one array (T, characters) per row.

    Where windows overlap the earlier one counts, but only for the characters that it was given, as in the original: the
    row of a code in several windows may sum to more than 1. The attention of one window is `window_attention`: there a
    row of a CROSS layer sums to 1, one of a PRIME layer to less, as it may also read the first music codes, which are
    left out. To plot: `plt.imshow(weights.T, aspect="auto", origin="lower")`, time to the right, the lyrics upwards.

    Args:
        prior: of the level.
        labeller: of the prior.
        labels: the B songs that the codes were sampled for.
        codes: of the piece at the prior's level, int64 (B, T).
        hop: codes by which windows move.
        at: the head to read.

    Returns:
        By row, float32 (T, characters): entry [t, c] is the weight that the code at t gives to character c of
        `labels[row].full_tokens`; 0 for characters that no window over t was given.

    Raises:
        UsageError: a prior without lyrics, or a layer or head that does not read them.
    """
    _check_reads_lyrics(prior, at)
    total, n_ctx = codes.shape[1], prior.config.n_ctx
    pieces = [np.zeros((total, len(row.full_tokens)), np.float32) for row in labels]
    for start in reversed(window_starts(total, n_ctx, hop)):  # earlier windows are written over later ones
        y = np.stack([labeller.window(row, start) for row in labels])
        weights = window_attention(prior, codes[:, start : start + n_ctx], torch.from_numpy(y).to(codes.device), at)
        for piece, row, seen in zip(pieces, labels, weights.cpu().numpy(), strict=True):
            characters = labeller.window_characters(row, start)
            real = characters >= 0
            piece[start : start + n_ctx, characters[real]] = seen[:, real]
    return pieces


@torch.inference_mode()
def window_attention(prior: Prior, z: Tensor, y: Tensor, at: AttentionHead) -> Tensor:
    """Attention of one window.

    Args:
        prior: of the level.
        z: codes (B, T).
        y: label rows (B, y).
        at: the head to read.

    Returns:
        float32 (B, T, n_tokens): row t is the position that predicts code t, column c the label's lyric token c,
        padding included.

    Raises:
        UsageError: a prior without lyrics, or a layer or head that does not read them.
    """
    _check_reads_lyrics(prior, at)
    layer, head = at
    block = prior.prior.transformer.blocks[layer]
    x = block.ln_0(_layer_input(prior, block, z, y))
    attention = block.attn
    lyrics = prior.config.n_tokens
    if layer_pattern(prior.config.attn_order, layer) is Pattern.CROSS:
        encoded = prior.encode_lyrics(y)
        assert encoded is not None
        q = _head(attention.c_attn(x), prior.config.heads, head)
        k = _head(attention.c_enc_kv(encoded).chunk(2, -1)[0], prior.config.heads, head)
        return _weights(q, k)
    q, k, _ = (_head(part, prior.config.heads, head) for part in attention.c_attn(x).chunk(3, -1))
    primed = prior.config.transformer.prime_len
    sees = torch.ones(x.shape[1], min(primed, x.shape[1]), dtype=torch.bool, device=x.device).tril()
    return _weights(q, k[:, :primed], sees)[:, lyrics:, :lyrics]  # music positions of lyric keys


class _Caught(Exception):
    """Ends a forward pass at the layer of interest."""


def _layer_input(prior: Prior, block: nn.Module, z: Tensor, y: Tensor) -> Tensor:
    """What `block` is given in a teacher-forced pass, (B, positions, width) without the filling of the last row."""
    caught: list[Tensor] = []

    def catch(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        caught.append(inputs[0])
        raise _Caught

    hook = block.register_forward_pre_hook(catch)
    try:
        prior(z, y, None)
    except _Caught:
        pass
    finally:
        hook.remove()
    positions = z.shape[1] + (prior.config.n_tokens if prior.config.single_enc_dec else 0)
    return caught[0][:, :positions]


def _head(x: Tensor, heads: int, head: int) -> Tensor:
    """(B, T, state) -> (B, T, D) float32 of one head."""
    return x.unflatten(-1, (heads, -1))[:, :, head].float()


def _weights(q: Tensor, k: Tensor, sees: Tensor | None = None) -> Tensor:
    """Softmax of scaled products, (B, T, keys); `sees` (T, keys) is where a query may look."""
    scores = q @ k.transpose(1, 2) * q.shape[-1] ** -0.5
    return (scores if sees is None else scores.masked_fill(~sees, -torch.inf)).softmax(-1)


def _check_reads_lyrics(prior: Prior, at: AttentionHead) -> None:
    (layer, head), config = at, prior.config
    reading = [
        n for n in range(config.depth) if layer_pattern(config.attn_order, n) in (Pattern.CROSS, Pattern.PRIME)
    ]  # fmt: skip
    if not config.n_tokens or not reading:
        raise UsageError("this prior reads no lyrics, so that there is no attention to them.")
    if layer not in reading:
        raise UsageError(f"layer {layer} does not read the lyrics; those that do are {', '.join(map(str, reading))}.")
    if not 0 <= head < config.heads:
        raise UsageError(f"head {head} was requested; layer {layer} has heads 0 to {config.heads - 1}.")
