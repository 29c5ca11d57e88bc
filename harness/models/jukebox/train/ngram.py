"""An interpolated trigram model of codes: the yardstick that a prior must beat to have learnt more than neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BUCKETS = 8
"""Interpolation weights differ by how often the context was seen: 0, 1, 2–3, 4–7, …"""


@dataclass(frozen=True)
class Counts:
    """How often each key occurs, keys sorted for lookup."""

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, keys: NDArray[np.int64]) -> Counts:
        """Count keys (N,)."""
        return cls(*np.unique(keys, return_counts=True))

    def __getitem__(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        if not len(self.keys):
            return np.zeros(len(keys), np.int64)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.counts[place], 0)


@dataclass(frozen=True)
class Trigram:
    """p(c | a, b) = Σ λᵢ pᵢ over the uniform, unigram, bigram and trigram estimates (Jelinek & Mercer 1980)."""

    bins: int
    grams: tuple[Counts, ...]  # of 1, 2 and 3 codes
    contexts: tuple[Counts, ...]  # of the 0, 1 and 2 codes before
    weights: NDArray[np.float64]  # (BUCKETS, 4)

    @classmethod
    def fit(cls, train: Sequence[NDArray], tune: Sequence[NDArray], bins: int, rounds: int = 30) -> Trigram:
        """Counts from `train`, interpolation weights by expectation–maximisation on `tune`; each a list of (codes,)."""
        keys, before = zip(*(_keys(codes, bins) for codes in train), strict=True)
        grams = tuple(Counts.of(np.concatenate(order)) for order in zip(*keys, strict=True))
        contexts = tuple(Counts.of(np.concatenate(order)) for order in zip(*before, strict=True))
        model = cls(bins, grams, contexts, np.full((BUCKETS, 4), 0.25))
        parts = [model._parts(codes) for codes in tune]
        estimates, buckets = (np.concatenate(column) for column in zip(*parts, strict=True))
        weights = model.weights.copy()
        for _ in range(rounds):
            share = weights[buckets] * estimates  # (N, 4)
            share /= share.sum(1, keepdims=True)
            for bucket in np.unique(buckets):
                weights[bucket] = share[buckets == bucket].mean(0)
        return cls(bins, grams, contexts, weights)

    def _parts(self, codes: NDArray) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """The four estimates (N, 4) of every code from the third on, and the bucket (N,) of its context."""
        keys, before = _keys(codes, self.bins)
        estimates = [np.full(len(keys[0]), 1 / self.bins)]
        for order in range(3):
            seen = self.contexts[order][before[order]]
            estimates.append(self.grams[order][keys[order]] / np.maximum(seen, 1))
        seen = self.contexts[2][before[2]]
        bucket = np.minimum(np.ceil(np.log2(seen + 1)).astype(np.intp), BUCKETS - 1)
        return np.stack(estimates, 1), bucket

    def bits(self, sequences: Sequence[NDArray]) -> float:
        """Mean bits per code of sequences (codes,), each code from the third on given the two before."""
        total, count = 0.0, 0
        for codes in sequences:
            estimates, buckets = self._parts(codes)
            total -= np.log2((self.weights[buckets] * estimates).sum(1)).sum()
            count += len(estimates)
        return total / count


def _keys(codes: NDArray, bins: int) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """For every code from the third on: its 1-, 2- and 3-gram as one number each, and what is before in each."""
    a, b, c = (codes[i : len(codes) - 2 + i].astype(np.int64) for i in range(3))
    return [c, b * bins + c, (a * bins + b) * bins + c], [np.zeros_like(c), b, a * bins + b]
