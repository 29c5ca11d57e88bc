"""Drawing codes: one token, one window, one level of overlapping windows.

A clip brings its random numbers with it, one uniform per code, drawn ahead from the clip's own generator. A code is the
inverse of its cumulative distribution at that number: what a clip becomes does not depend on who shares its batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from harness.models.base import Sampling
from harness.models.jukebox.prior import Prior

ENGINE_VERSION = 1
"""Raised whenever the same request would give other codes or other audio."""


def window_starts(total: int, n_ctx: int, hop: int) -> list[int]:
    """Where windows of `n_ctx` codes begin so that they cover `total`, each adding at most `hop`; the last ends there.

    >>> window_starts(10, 4, 2), window_starts(9, 4, 2), window_starts(3, 4, 2)
    ([0, 2, 4, 6], [0, 2, 4, 5], [0])
    """
    if total <= n_ctx:
        return [0]
    starts = range(0, total - n_ctx + hop, hop)
    return [min(start, total - n_ctx) for start in starts]


def truncate(logits: Tensor, sampling: Sampling) -> Tensor:
    """Logits (B, bins) over the temperature, −inf outside the `top_k` likeliest codes (ties stay) and outside the
    smallest set whose mass reaches `top_p` (Holtzman et al. 2020)."""
    logits = logits.float() / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p > 0:
        ranked, order = logits.sort(descending=True)
        mass = ranked.softmax(-1)
        beyond = mass.cumsum(-1) - mass >= sampling.top_p  # the mass of likelier codes already reaches top_p
        logits = logits.masked_fill(torch.zeros_like(beyond).scatter(-1, order, beyond), -torch.inf)
    return logits


def draw(logits: Tensor, uniforms: Tensor, sampling: Sampling) -> Tensor:
    """One token (B,) per row of logits (B, bins), by inverse transform of uniforms (B,) in [0, 1)."""
    cumulative = truncate(logits, sampling).softmax(-1).double().cumsum(-1)
    reached = cumulative > (uniforms * cumulative[:, -1]).unsqueeze(-1)
    return reached.int().argmax(-1)


def sample_window(
    prior: Prior,
    labels: Tensor,
    above: Tensor | None,
    prompt: Tensor,
    uniforms: Tensor,
    sampling: Sampling,
    stepped: Callable[[], None] = lambda: None,
) -> Tensor:
    """Codes (B, P + N): the prompt's (B, P) and one per column of uniforms (B, N), under labels (B, y)."""
    decoding = prior.decoding(labels, above)
    codes = prompt.new_empty(len(prompt), uniforms.shape[1])
    logits = decoding.prime(prior.sequence_prompt(prompt, labels))
    for n in range(codes.shape[1]):
        token = draw(logits, uniforms[:, n], sampling)
        codes[:, n] = prior.music_code(token)
        stepped()
        if n + 1 < codes.shape[1]:
            logits = decoding.feed(token)
    return torch.cat([prompt, codes], 1)


def sample_level(
    prior: Prior,
    labels_at: Callable[[int], Tensor],
    above: Tensor | None,
    codes: Tensor,
    uniforms: Tensor,
    sampling: Sampling,
    hop: int,
    stepped: Callable[[], None] = lambda: None,
) -> Tensor:
    """All codes (B, total) of a level, window by window; `codes` (B, P) are there already and are kept.

    `labels_at(start)` gives the label rows of the window that starts at that code, `above` the whole level above, and
    `uniforms` (B, total) the random numbers by position.
    """
    total, ratio = uniforms.shape[1], prior.config.cond_stride**prior.config.cond_down
    for start in window_starts(total, prior.config.n_ctx, hop):
        end, there = min(start + prior.config.n_ctx, total), codes.shape[1]
        if there >= end:
            continue
        upper = None if above is None else above[:, start // ratio : -(-end // ratio)]
        window = sample_window(
            prior, labels_at(start), upper, codes[:, start:], uniforms[:, there:end], sampling, stepped
        )
        codes = torch.cat([codes[:, :start], window], 1)
    return codes
