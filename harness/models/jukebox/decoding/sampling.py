"""Drawing codes: one token, one window, one level of overlapping windows.

A clip brings its random numbers with it, one uniform per code, drawn ahead from the clip's own generator. A code is the
inverse of its cumulative distribution at that number: what a clip becomes does not depend on who shares its batch. So
windows of different clips, and of different places in them, are sampled together wherever their shapes agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from harness.models.base import Sampling, scalar
from harness.models.jukebox.decoding.incremental import CHUNK
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
    """Logits (B, bins) over the temperature, −inf outside the `top_k` likeliest codes (ties stay) and outside the
    smallest set whose mass reaches `top_p` (Holtzman et al. 2020)."""
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
    decoding = prior.decoding(labels, above, int(scalar(sampling.chunk or CHUNK)))
    codes = prompt.new_empty(len(prompt), uniforms.shape[1])
    logits = decoding.prime(prior.sequence_prompt(prompt, labels))
    for n in range(codes.shape[1]):
        token = draw(logits, uniforms[:, n], sampling)
        codes[:, n] = prior.music_code(token)
        stepped()
        if n + 1 < codes.shape[1]:
            logits = decoding.feed(token)
    return torch.cat([prompt, codes], 1)


@dataclass
class Part:
    """One clip at one level, or a slice of it. `codes` (P,) are there already and are kept; the rest is drawn with
    `uniforms` (total,) by position, given the codes `above` (total / ratio,) and for the window that begins at a code
    the label row (y,) that `labels_at` gives. `kept` is told after every window, when `codes` has grown."""

    codes: Tensor
    uniforms: Tensor
    above: Tensor | None
    labels_at: Callable[[int], Tensor]
    kept: Callable[[], None] = lambda: None

    @property
    def missing(self) -> int:
        return len(self.uniforms) - len(self.codes)

    def windows(self, n_ctx: int, hop: int) -> list[tuple[int, int]]:
        """Where the windows begin and end that still add a code."""
        total = len(self.uniforms)
        windows = [(start, min(start + n_ctx, total)) for start in window_starts(total, n_ctx, hop)]
        return [(start, end) for start, end in windows if end > len(self.codes)]


def sample_parts(
    prior: Prior,
    parts: Sequence[Part],
    width: int,
    sampling: Sampling,
    hop: int,
    stepped: Callable[[int], None] = lambda parts: None,
) -> None:
    """Complete the codes of every part, window by window, `width` parts at a time.

    Windows are taken together that have as many codes before and after; a short batch is filled up with copies of its
    last row, so that what a part becomes depends on the width and on nothing else. `stepped` is told how many parts
    each step served.
    """
    n_ctx = window_length(prior, sampling)
    while True:
        alike: defaultdict[tuple[int, int], list[tuple[Part, int, int]]] = defaultdict(list)
        for part in parts:
            for start, end in part.windows(n_ctx, hop)[:1]:
                alike[len(part.codes) - start, end - start].append((part, start, end))
        if not alike:
            return
        batch = max(alike.values(), key=len)[:width]
        _sample_batch(prior, batch, width, sampling, partial(stepped, len(batch)))


def _sample_batch(
    prior: Prior,
    batch: list[tuple[Part, int, int]],
    width: int,
    sampling: Sampling,
    stepped: Callable[[], None],
) -> None:
    ratio = prior.config.ratio
    rows = batch + batch[-1:] * (width - len(batch))
    labels = torch.stack([part.labels_at(start) for part, start, _ in rows])
    above = None
    if prior.config.conditioner is not None:
        slices = [part.above[start // ratio : -(-end // ratio)] for part, start, end in rows if part.above is not None]
        above = torch.stack(slices)
    prompt = torch.stack([part.codes[start:] for part, start, _ in rows])
    uniforms = torch.stack([part.uniforms[len(part.codes) : end] for part, _, end in rows])
    windows = sample_window(prior, labels, above, prompt, uniforms, sampling, stepped)
    for (part, start, _), window in zip(batch, windows, strict=False):
        part.codes = torch.cat([part.codes[:start], window])
        part.kept()


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
    """All codes (B, total) of a level of B clips of equal length; `codes` (B, P) are there already and are kept.

    `labels_at(start)` gives the label rows (B, y) of the window that starts at that code, `above` the whole level
    above, and `uniforms` (B, total) the random numbers by position.
    """
    parts = [
        Part(codes[b], uniforms[b], None if above is None else above[b], lambda start, b=b: labels_at(start)[b])
        for b in range(len(codes))
    ]
    sample_parts(prior, parts, len(parts), sampling, hop, lambda size: stepped())
    return torch.stack([part.codes for part in parts])
