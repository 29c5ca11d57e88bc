"""Drawing codes: one token, one window, one level of overlapping windows.

Each clip has its own random numbers, one uniform per code, drawn in advance from the clip's own generator. A code is
the inverse of its cumulative distribution at that number, so that a clip does not depend on the others of its batch:
windows of different clips, and of different positions in them, are sampled together wherever their shapes agree.

Shapes: B rows of a batch, P codes of a prompt, N codes to draw, y the length of a label row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from harness.models.base import Sampling, scalar
from harness.models.jukebox.decoding.incremental import CHUNK, begin_window
from harness.models.jukebox.network.prior import Prior

ENGINE_VERSION = 2
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
    """Temperature, then truncation by rank and by mass.

    Args:
        logits: (B, bins).
        sampling: the values of one level.

    Returns:
        float32 (B, bins) over the temperature; −inf outside the `top_k` likeliest codes (ties stay) and outside the
        smallest set whose mass reaches `top_p` (Holtzman et al. 2020, arXiv:1904.09751).
    """
    temperature, top_k, top_p = scalar(sampling.temperature), int(scalar(sampling.top_k)), scalar(sampling.top_p)
    logits = logits.float() / temperature
    if 0 < top_k < logits.shape[-1]:
        least = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if top_p > 0:
        ranked, order = logits.sort(descending=True)
        mass = ranked.softmax(-1)
        beyond = mass.cumsum(-1) - mass >= top_p  # the mass of likelier codes already reaches top_p
        logits = logits.masked_fill(torch.zeros_like(beyond).scatter(-1, order, beyond), -torch.inf)
    return logits


def draw(logits: Tensor, uniforms: Tensor, sampling: Sampling) -> Tensor:
    """One token (B,) per row of logits (B, bins), by inverse transform of uniforms (B,) in [0, 1)."""
    cumulative = truncate(logits, sampling).softmax(-1).double().cumsum(-1)
    reached = cumulative > (uniforms * cumulative[:, -1]).unsqueeze(-1)
    return reached.int().argmax(-1)


def window_length(prior: Prior, sampling: Sampling) -> int:
    """Codes of a window: the prior's n_ctx, or fewer where `sampling` says so."""
    return min(int(scalar(sampling.window or prior.config.n_ctx)), prior.config.n_ctx)


@dataclass(frozen=True)
class WindowBatch:
    """Windows to sample together: N codes are drawn after each prompt."""

    labels: Tensor  # (B, y)
    above: Tensor | None  # (B, ⌈(P + N) / ratio⌉): codes of the level above
    prompt: Tensor  # (B, P)
    uniforms: Tensor  # (B, N)


def sample_window(
    prior: Prior, window: WindowBatch, sampling: Sampling, on_step: Callable[[], None] = lambda: None
) -> Tensor:
    """Draw the codes of a batch of windows.

    Args:
        prior: of the level.
        window: labels, codes above, prompts and random numbers.
        sampling: the values of this level.
        on_step: called after every token.

    Returns:
        Codes (B, P + N), the prompt first.
    """
    decoding = begin_window(prior, window.labels, window.above, int(scalar(sampling.chunk or CHUNK)))
    codes = window.prompt.new_empty(len(window.prompt), window.uniforms.shape[1])  # (B, N)
    logits = decoding.prime(prior.sequence_prompt(window.prompt, window.labels))
    for n in range(codes.shape[1]):
        token = draw(logits, window.uniforms[:, n], sampling)
        codes[:, n] = prior.music_code(token)
        on_step()
        if n + 1 < codes.shape[1]:
            logits = decoding.feed(token)
    return torch.cat([window.prompt, codes], 1)


@dataclass
class CodeSequence:
    """One clip at one level, or a slice of it: `codes` (P,) exist and stay, the others of `total` are drawn.

    `uniforms` (total,) are the random numbers by position, `above` (total / ratio,) the codes above, and `labels_at`
    gives the label row (y,) of the window that begins at a code. `on_window` is called after every window, when `codes`
    has grown.
    """

    codes: Tensor
    uniforms: Tensor
    above: Tensor | None
    labels_at: Callable[[int], Tensor]
    on_window: Callable[[], None] = lambda: None

    @property
    def missing(self) -> int:
        """How many codes are still to be drawn."""
        return len(self.uniforms) - len(self.codes)

    def windows(self, n_ctx: int, hop: int) -> list[tuple[int, int]]:
        """Where the windows begin and end that still add a code."""
        total = len(self.uniforms)
        windows = [(start, min(start + n_ctx, total)) for start in window_starts(total, n_ctx, hop)]
        return [(start, end) for start, end in windows if end > len(self.codes)]


def sample_sequences(
    prior: Prior,
    sequences: Sequence[CodeSequence],
    width: int,
    sampling: Sampling,
    hop: int,
    on_step: Callable[[int], None] = lambda rows: None,
) -> None:
    """Complete the codes of every sequence, window by window, `width` sequences at a time.

    Windows are taken together that have as many codes before and after; a short batch is filled up with copies of its
    last row, so that the result depends on the width and not on the other sequences.

    Args:
        prior: of the level.
        sequences: completed in place.
        width: rows of a batch.
        sampling: the values of this level.
        hop: codes that a window adds.
        on_step: called after every token with the number of sequences that it served.
    """
    n_ctx = window_length(prior, sampling)
    while True:
        alike: defaultdict[tuple[int, int], list[tuple[CodeSequence, int, int]]] = defaultdict(list)
        for sequence in sequences:
            for start, end in sequence.windows(n_ctx, hop)[:1]:
                alike[len(sequence.codes) - start, end - start].append((sequence, start, end))
        if not alike:
            return
        batch = max(alike.values(), key=len)[:width]
        rows = batch + batch[-1:] * (width - len(batch))
        window = _window_batch(rows, prior.config.ratio if prior.config.conditioner is not None else None)
        sampled = sample_window(prior, window, sampling, partial(on_step, len(batch)))
        for (sequence, start, _), codes in zip(batch, sampled, strict=False):
            sequence.codes = torch.cat([sequence.codes[:start], codes])
            sequence.on_window()


def _window_batch(rows: list[tuple[CodeSequence, int, int]], ratio: int | None) -> WindowBatch:
    """The windows [start, end) of sequences; `ratio` is None for a prior without codes above."""
    above = None
    if ratio is not None:
        above = torch.stack(
            [row.above[start // ratio : -(-end // ratio)] for row, start, end in rows if row.above is not None]
        )
    return WindowBatch(
        labels=torch.stack([row.labels_at(start) for row, start, _ in rows]),
        above=above,
        prompt=torch.stack([row.codes[start:] for row, start, _ in rows]),
        uniforms=torch.stack([row.uniforms[len(row.codes) : end] for row, _, end in rows]),
    )


@dataclass(frozen=True)
class LevelBatch:
    """One level of B clips of equal length. `labels_at(start)` gives the label rows (B, y) of the window that begins at
    that code."""

    labels_at: Callable[[int], Tensor]
    above: Tensor | None  # (B, total / ratio): the whole level above
    codes: Tensor  # (B, P): exist and stay
    uniforms: Tensor  # (B, total): the random numbers by position


def sample_level(prior: Prior, level: LevelBatch, sampling: Sampling, hop: int) -> Tensor:
    """Complete a level of clips of equal length.

    Args:
        prior: of the level.
        level: labels, codes above, existing codes and random numbers.
        sampling: the values of this level.
        hop: codes that a window adds.

    Returns:
        Codes (B, total), the existing ones first.
    """
    sequences = [
        CodeSequence(
            level.codes[b],
            level.uniforms[b],
            None if level.above is None else level.above[b],
            lambda start, b=b: level.labels_at(start)[b],
        )
        for b in range(len(level.codes))
    ]
    sample_sequences(prior, sequences, len(sequences), sampling, hop)
    return torch.stack([sequence.codes for sequence in sequences])
