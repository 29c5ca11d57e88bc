from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from harness.models.base import Sampling
from harness.models.jukebox.decoding.sampling import (
    ENGINE_VERSION,
    LevelBatch,
    draw,
    sample_level,
    truncate,
    window_starts,
)
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.weights.hparams import prior_config
from harness.models.registry import load_model
from harness.prompts.prompt import Prompt

GREEDY = Sampling(temperature=1.0, top_k=1)


@given(total=st.integers(1, 500), n_ctx=st.integers(1, 64), hop=st.integers(1, 64))
def test_windows_cover_everything_and_move_by_the_hop(total, n_ctx, hop):
    hop = min(hop, n_ctx)
    starts = window_starts(total, n_ctx, hop)
    ends = [min(start + n_ctx, total) for start in starts]
    assert starts[0] == 0
    assert ends[-1] == total
    assert all(0 < late - early <= hop for early, late in pairwise(ends))


def test_draws_follow_the_distribution():
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, -torch.inf]).expand(20_000, -1)
    uniforms = torch.rand(20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    tokens = draw(logits, uniforms, Sampling(temperature=0.7))
    counts = tokens.bincount(minlength=5)
    expected = (logits[0] / 0.7).softmax(0)[:4] * 20_000
    assert counts[4] == 0
    assert chisquare(counts[:4].numpy(), expected.double().numpy() / expected.sum().item() * 20_000).pvalue > 1e-3


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 1e-16])
def test_the_ends_of_the_unit_interval_give_possible_codes(uniform):
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]])
    token = draw(logits, torch.tensor([uniform], dtype=torch.float64), Sampling(temperature=1.0))
    assert token.item() in (1, 2)


def test_top_k_keeps_the_likeliest_and_their_ties():
    kept = truncate(torch.tensor([[1.0, 3.0, 2.0, 2.0, 0.0]]), Sampling(temperature=1.0, top_k=2)).isfinite()
    assert kept.tolist() == [[False, True, True, True, False]]


def test_top_p_keeps_the_smallest_set_that_reaches_the_mass():
    logits = torch.tensor([[0.1, 0.5, 0.15, 0.25]]).log()
    for top_p, kept in ((0.4, 1), (0.5, 1), (0.6, 2), (0.75, 2), (0.8, 3), (0.99, 4)):
        assert truncate(logits, Sampling(temperature=1.0, top_p=top_p)).isfinite().sum() == kept, top_p


@pytest.fixture(params=["prior_5b", "upsampler_level_1", "prior_5b_lyrics"])
def prior_and_case(request, golden):
    case = golden(request.param)
    prior = Prior(prior_config(case.hparams["prior"], case.hparams["vqvae"]))
    prior.load_state_dict(case.state)
    return prior.eval(), case


@torch.inference_mode()
def test_greedy_codes_over_windows_equal_teacher_forcing_step_by_step(prior_and_case):
    """The oracle has no cache: every code is the argmax of a whole forward pass over its window so far."""
    prior, case = prior_and_case
    n_ctx = prior.config.n_ctx
    total, hop, prompted = n_ctx + n_ctx // 2, n_ctx // 4, 3
    y = case.vectors["y_a"]
    ratio = prior.config.cond_stride**prior.config.cond_down if prior.config.conditioner else 1
    above = torch.randint(0, 64, (2, total // ratio)) if prior.config.conditioner else None
    prompt = case.vectors["z"][:, :prompted].long()
    labels = lambda start: torch.cat([y[:, :1], y[:, 1:2] + start * prior.config.hop, y[:, 2:]], 1)  # noqa: E731

    level = LevelBatch(labels, above, prompt, torch.zeros(2, total, dtype=torch.float64))
    ours = sample_level(prior, level, GREEDY, hop)

    codes = prompt
    for start in window_starts(total, n_ctx, hop):
        window = codes[:, start:]
        while codes.shape[1] < min(start + n_ctx, total):
            z = torch.cat([window, torch.zeros(2, 1, dtype=torch.long)], 1)
            upper = None if above is None else above[:, start // ratio : (start + n_ctx) // ratio]
            pick = prior(z, labels(start), upper)[:, -1].argmax(-1)
            window = torch.cat([window, pick.unsqueeze(1)], 1)
            codes = torch.cat([codes, pick.unsqueeze(1)], 1)
    assert torch.equal(ours, codes)


@pytest.mark.whole
@torch.inference_mode()
def test_the_engine_version_changes_with_the_codes(golden):
    """Whoever changes what a seed gives must raise ENGINE_VERSION, so that old clips are not mistaken for new ones."""
    case = golden("prior_5b")
    prior = Prior(prior_config(case.hparams["prior"], case.hparams["vqvae"]))
    prior.load_state_dict(case.state)
    generator = torch.Generator().manual_seed(0)
    uniforms = torch.rand(2, 60, generator=generator, dtype=torch.float64)
    nothing = torch.zeros(2, 0, dtype=torch.long)
    level = LevelBatch(lambda start: case.vectors["y_a"], None, nothing, uniforms)
    codes = sample_level(prior.eval(), level, Sampling(), 12)
    digest = hashlib.sha256(codes.numpy().tobytes()).hexdigest()[:16]
    assert (ENGINE_VERSION, digest) == (2, "0f197b19dccf8d63")


CLIPS = [  # sampling, hash of the codes, RMS of each half second
    (Sampling(), "2dfcb37b3f5a57ea", [0.04078852, 0.04833304, 0.03709984, 0.02934248]),
    (
        Sampling(temperature=0.9, top_k=50, top_p=0.95, window=256, chunk=64),
        "4e77b465fa298812",
        [0.01465108, 0.00558696, 0.00631175, 0.00118917],
    ),
    (Sampling(upsampling="parallel:2"), "9b10c02b59591185", [0.04321908, 0.05217952, 0.03711347, 0.02934248]),
]


@pytest.mark.parametrize(("sampling", "digest", "rms"), CLIPS, ids=["exact", "truncated", "parallel"])
def test_the_engine_version_changes_with_a_clip_of_the_embedded_model(sampling, digest, rms):
    """From labels to sound: codes are equal to the last one, samples as near as processors allow."""
    model = load_model("jukebox:mini", device="cpu", dtype="float32")
    [clip] = model.sample([model.encode(Prompt(style=model.styles[0]), 2.0)], [3], sampling)
    codes = b"".join(clip.codes[level].astype("<i8").tobytes() for level in sorted(clip.codes))
    assert (ENGINE_VERSION, hashlib.sha256(codes).hexdigest()[:16]) == (2, digest)
    halves = clip.audio.reshape(4, -1)  # of a second
    assert np.sqrt(np.mean(np.square(halves, dtype=np.float64), axis=1)) == pytest.approx(rms, rel=1e-3)
