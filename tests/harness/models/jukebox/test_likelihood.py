"""Likelihoods against the original's losses, and against sampling's own distributions, one code at a time."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import AudioError, UsageError
from harness.models.jukebox import encoding
from harness.models.jukebox.decoding.incremental import begin_window
from harness.models.jukebox.decoding.sampling import window_starts
from harness.models.jukebox.likelihood import (
    encode_clip,
    likelihood,
    likelihoods,
    window_nats,
)
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.weights.hparams import prior_config
from harness.models.likelihood import LevelLikelihood, LikelihoodRequest
from harness.prompts.prompt import Prompt
from tests.harness.models.jukebox.tiny import tiny_model

LOUDNESS_AS_IT_IS = LikelihoodRequest(lufs=None)
PRIORS = ("prior_1b_lyrics", "prior_5b", "prior_5b_lyrics", "upsampler_level_1", "upsampler_level_0")


@pytest.fixture(params=PRIORS)
def case(request, golden):
    return golden(request.param)


@pytest.fixture
def prior(case):
    model = Prior(prior_config(case.hparams["prior"], case.hparams["vqvae"]))
    model.load_state_dict(case.state)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny"))


def sound(seconds: float = 3.0, rate: int = 1000, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate)).astype(np.float32)


def nats_of(prior, codes, labels_at, above, hop) -> np.ndarray:
    return np.concatenate(list(window_nats(prior, codes, labels_at, above, hop)))


@pytest.mark.parametrize("labels", ["a", "b"])
def test_one_window_costs_what_the_original_says(case, prior, labels):
    z, y, z_cond = case.vectors["z"].long(), case.vectors[f"y_{labels}"], case.vectors.get("z_cond")
    bits = prior.bits(z, y, None if z_cond is None else z_cond.long())[0]
    for row in range(len(z)):
        above = None if z_cond is None else z_cond[row].numpy()
        nats = nats_of(prior, z[row].numpy(), lambda start, row=row: y[row].numpy(), above, 4)
        mean = nats.mean(dtype=np.float64) / math.log(2)
        assert nats.shape == z[row].shape
        assert mean == pytest.approx(bits[row].item(), abs=1e-5)
        assert mean == pytest.approx(case.vectors[f"gen_loss_{labels}"][row].item(), abs=1e-5)


@pytest.mark.parametrize("at_once", [1, 10_000])
@torch.inference_mode()
def test_over_windows_every_code_costs_what_sampling_would_have_charged(case, prior, at_once, monkeypatch):
    """The oracle draws nothing: it walks the windows as sampling does and looks up, at each code, its log probability
    under the cached decoding."""
    monkeypatch.setitem(encoding.CODES_AT_ONCE, "cpu", at_once)
    config, y = prior.config, case.vectors["y_a"][0].numpy()
    ratio = config.cond_stride**config.cond_down if config.conditioner else 1
    total, hop = 2 * config.n_ctx + 2 * ratio, config.n_ctx // 4 // ratio * ratio
    rng = np.random.default_rng(0)
    codes = rng.integers(0, config.bins, total)
    above = rng.integers(0, config.bins, total // ratio) if config.conditioner else None

    def labels_at(start: int) -> np.ndarray:
        return np.concatenate([y[:1], y[1:2] + start * config.hop, y[2:]])

    expected = []
    for start in window_starts(total, config.n_ctx, hop):
        end = start + config.n_ctx
        upper = None if above is None else torch.from_numpy(above[start // ratio : -(-end // ratio)]).unsqueeze(0)
        labels = torch.from_numpy(labels_at(start)).unsqueeze(0)
        decoding = begin_window(prior, labels, upper)
        window = torch.from_numpy(codes[start:end]).unsqueeze(0)
        logits = decoding.prime(prior.sequence_prompt(window[:, : len(expected) - start], labels))
        for code in codes[len(expected) : end]:
            token = torch.tensor([code + (config.n_vocab if config.single_enc_dec else 0)])
            expected.append(-logits.log_softmax(-1)[0, token].item())
            if len(expected) < end:
                logits = decoding.feed(token)
    nats = nats_of(prior, codes, labels_at, above, hop)
    assert len(expected) == total
    np.testing.assert_allclose(nats, expected, atol=2e-5)


def test_a_prior_that_knows_nothing_charges_the_logarithm_of_its_bins(case, prior):
    prior.prior.x_out.weight.zero_()
    z_cond = case.vectors.get("z_cond")
    above = None if z_cond is None else z_cond[0].numpy()
    nats = nats_of(prior, case.vectors["z"][0].numpy(), lambda start: case.vectors["y_a"][0].numpy(), above, 4)
    bins = prior.config.bins + (prior.config.n_vocab if prior.config.single_enc_dec else 0)
    np.testing.assert_allclose(nats, math.log(bins), rtol=1e-6)


def test_all_levels_of_audio_are_scored_and_add_up(model):
    found = likelihood(model, sound(), 1000)
    assert found.seconds == pytest.approx(3000 // 32 * 32 / 1000)
    assert [level.codes for level in found.levels] == [744, 372, 93]
    assert found.codes == 744 + 372 + 93
    assert found.nats == pytest.approx(sum(level.nats for level in found.levels))
    assert found.bits_per_second == pytest.approx(sum(level.bits_per_second for level in found.levels))
    for level in found.levels:
        assert level.bits_per_token == pytest.approx(level.nats_per_token / math.log(2))
        assert level.bits_per_second == pytest.approx(level.nats / math.log(2) / found.seconds)


def test_a_level_is_that_of_its_prior_given_the_codes_above_and_the_labels(model):
    piece = encode_clip(model, sound(), 1000, LikelihoodRequest(Prompt(style="loud", artist="ada"), 2.0, 30.0))
    found = likelihoods(model, [piece])[0]
    genre, artist = model.labellers[0].genres["loud"], model.labellers[0].artists["ada"]
    for level, hop in ((0, 8), (1, 16), (2, 8)):
        labeller = model.labellers[level]
        y = labeller.label("ada", "loud", "", 30_000, 2_000)
        assert y.y[3:5].tolist() == [artist, genre]
        above = piece.codes[level + 1] if level < 2 else None
        expected = nats_of(
            model.prior(level), piece.codes[level], lambda s, y=y, k=labeller: k.window(y, s), above, hop
        )
        np.testing.assert_array_equal(found.levels[level].nats_by_code, expected)
    other = likelihood(model, sound(), 1000)
    assert all(a.nats != b.nats for a, b in zip(found.levels, other.levels, strict=True))


def test_what_a_piece_costs_does_not_depend_on_its_neighbours(model):
    sounds = [sound(1.0, seed=1), sound(0.7, seed=2), sound(1.0, seed=3)]
    seen: list[tuple[int, int]] = []
    together = likelihoods(
        model, [encode_clip(model, x, 1000) for x in sounds], lambda done, total: seen.append((done, total))
    )
    for x, found in zip(sounds, together, strict=True):
        assert found.as_dict() == likelihood(model, x, 1000).as_dict()
    assert [done for done, _ in seen] == list(range(1, seen[-1][1] + 1))


def test_each_prior_is_used_once_for_all_pieces_from_the_top_down(model, monkeypatch):
    asked, prior = [], model.prior

    def asked_for(level):
        asked.append(level)
        return prior(level)

    monkeypatch.setattr(model, "prior", asked_for)
    likelihoods(model, [encode_clip(model, sound(1.0, seed=seed), 1000) for seed in range(3)])
    assert asked == [2, 1, 0]


def test_loudness_and_rate_do_not_count_unless_they_are_asked_to(model):
    x, twice = sound(), 2 * sound()
    assert likelihood(model, x, 1000).nats == pytest.approx(likelihood(model, twice, 1000).nats, rel=1e-3)
    assert likelihood(model, x, 1000, LOUDNESS_AS_IT_IS).nats != likelihood(model, twice, 1000, LOUDNESS_AS_IT_IS).nats
    assert likelihood(model, sound(3.0, 4000), 4000).seconds == pytest.approx(2.976)


@given(
    nats=st.lists(st.floats(0, 50, width=32), min_size=1, max_size=300),
    code_seconds=st.sampled_from([0.004, 0.016, 0.3]),
)
def test_the_surprise_over_time_averages_to_the_whole(nats, code_seconds):
    level = LevelLikelihood(0, np.array(nats, np.float32), code_seconds)
    curve = level.by_second()
    assert len(curve) == math.floor((len(nats) - 1) * code_seconds + 1e-9) + 1
    counts = np.bincount(np.floor(np.arange(len(nats)) * code_seconds + 1e-9).astype(int))
    assert (curve * counts).sum() / len(nats) == pytest.approx(level.bits_per_token)


def test_surprise_shows_where_it_is():
    nats = np.repeat(np.array([1.0, 3.0, 2.0], np.float32) * np.float32(math.log(2)), [250, 250, 100])
    np.testing.assert_allclose(LevelLikelihood(0, nats, 0.004).by_second(), [1.0, 3.0, 2.0], rtol=1e-6)


def test_everything_goes_into_json_with_where_it_came_from(model):
    prompt = Prompt(style="calm")
    read = json.loads(json.dumps(likelihood(model, sound(), 1000, LikelihoodRequest(prompt)).as_dict()))
    assert read["provenance"]["model"]["weights_sha256"] == model.folder.sha256
    assert read["provenance"]["labels"]["style"] == "calm"
    assert read["provenance"]["read_as"]["total_seconds"] == 20.0
    assert read["provenance"]["lufs"] == -23.0
    assert len(read["levels"][0]["bits_per_token_by_second"]) == 3


def test_a_piece_is_as_long_as_its_audio_at_least(model):
    record = likelihood(model, sound(25.0), 1000).provenance["read_as"]
    assert record["total_seconds"] == pytest.approx(25.0, abs=0.04)


@pytest.mark.parametrize(
    ("audio", "request_", "error", "said"),
    [
        (np.zeros(2000, np.float32), None, AudioError, "silent"),
        (np.full(2000, np.nan, np.float32), None, AudioError, "NaN"),
        (sound(61.0), None, UsageError, "60"),
        (sound(), LikelihoodRequest(Prompt(style="clam")), UsageError, "calm"),
        (sound(), LikelihoodRequest(total_seconds=99.0), UsageError, "99"),
    ],
)
def test_what_cannot_be_scored_is_said(model, audio, request_, error, said):
    with pytest.raises(error, match=said):
        likelihood(model, audio, 1000, request_)


def test_a_prompt_with_a_sound_file_and_an_impossible_place_are_refused(model, tmp_path):
    with pytest.raises(UsageError, match="only says its labels"):
        likelihood(model, sound(), 1000, LikelihoodRequest(Prompt(audio=tmp_path / "a.wav")))
    for wrong in ((-1.0, None), (math.nan, None), (0.0, 0.0), (0.0, math.inf)):
        with pytest.raises(UsageError):
            LikelihoodRequest(None, *wrong)
