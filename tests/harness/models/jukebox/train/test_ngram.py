from __future__ import annotations

import numpy as np
import pytest

from harness.models.jukebox.train.ngram import Trigram


def test_uniform_codes_cost_their_entropy():
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, 16, 20_000) for _ in range(3)]
    model = Trigram.fit(codes[:1], codes[1:2], 16)
    assert model.bits(codes[2:]) == pytest.approx(4.0, abs=0.01)


def test_a_code_that_follows_from_two_before_costs_next_to_nothing():
    codes = np.array([0, 1, 2, 3] * 500)
    model = Trigram.fit([codes], [codes[:400]], 4)
    assert model.bits([codes[:200]]) < 0.01


def test_a_second_order_chain_costs_its_conditional_entropy():
    rng = np.random.default_rng(1)
    table = rng.dirichlet(np.full(4, 0.5), size=(4, 4))
    sequences = []
    for length in (200_000, 5_000, 20_000):
        codes, uniforms = [0, 1], rng.random(length)
        for u in uniforms:
            codes.append(min(int(np.searchsorted(table[codes[-2], codes[-1]].cumsum(), u)), 3))
        sequences.append(np.array(codes))
    a, b, c = sequences[2][:-2], sequences[2][1:-1], sequences[2][2:]
    truth = -np.log2(table[a, b, c]).mean()
    assert Trigram.fit(sequences[:1], sequences[1:2], 4).bits(sequences[2:]) == pytest.approx(truth, abs=0.01)


def test_unseen_codes_are_possible():
    model = Trigram.fit([np.zeros(100, int)], [np.array([0, 0, 0, 5, 0])], 8)
    assert np.isfinite(model.bits([np.array([7, 7, 7])]))
