"""Hidden states against the model's own forward pass, and the embedder's promises."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from harness.core.errors import UsageError
from harness.models.jukebox import encoding
from harness.models.jukebox.embedder import JukeboxEmbedder, hidden_after, load
from harness.models.jukebox.encoding import encode
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.weights.hparams import prior_config
from metrics.embeddings.base import embed_clip, is_padded
from tests.harness.models.jukebox.tiny import tiny_model

RATE, HOP = 1000, 32  # of the tiny model's top level, in Hz and samples


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny"))


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)


@pytest.fixture(params=["prior_1b_lyrics", "prior_5b", "prior_5b_lyrics"])
def case(request, golden):
    return golden(request.param)


@pytest.fixture
def prior(case):
    made = Prior(prior_config(case.hparams["prior"], case.hparams["vqvae"]))
    made.load_state_dict(case.state)
    return made.eval()


@pytest.mark.parametrize("length", [24, 17, 1])
@torch.inference_mode()
def test_every_layers_states_are_those_of_the_forward_pass(case, prior, length):
    z, y = case.vectors["z"][:, :length].long(), case.vectors["y_a"]
    blocks, seen = list(prior.prior.transformer._attn_mods), []
    hooks = [block.register_forward_hook(lambda module, given, out: seen.append(out)) for block in blocks]
    prior(z, y)
    for hook in hooks:
        hook.remove()
    lyrics = prior.config.n_tokens if prior.config.single_enc_dec else 0
    for layer, expected in enumerate(seen, start=1):
        states = hidden_after(prior, z, y, layer)
        assert states.shape == (len(z), z.shape[1], prior.config.width)
        assert torch.equal(states, expected[:, lyrics : lyrics + z.shape[1]])


@torch.inference_mode()
def test_the_last_layers_states_predict_the_codes(case, prior):
    z, y = case.vectors["z"].long(), case.vectors["y_a"]
    x_cond = prior.conditioning(y, None)[1][:, : z.shape[1]]
    logits = prior.prior.logits(hidden_after(prior, z, y, prior.config.depth), x_cond)
    torch.testing.assert_close(logits, case.vectors["preds_a"][:, -z.shape[1] :], atol=1e-5, rtol=0)


@pytest.mark.parametrize("at_once", [1, 10_000])
def test_frames_are_means_over_seconds_of_windows_that_do_not_overlap(model, at_once, monkeypatch):
    monkeypatch.setitem(encoding.CODES_AT_ONCE, "cpu", at_once)
    embedder, audio = JukeboxEmbedder(model, 2), sound(2.9)
    codes = torch.from_numpy(encode(model.vqvae, audio[: len(audio) // HOP * HOP], 2).astype(np.int64))
    y = torch.from_numpy(model.labellers[2].label("", "", "", 20 * RATE).y).unsqueeze(0)
    with torch.inference_mode():
        states = torch.cat([hidden_after(model.prior(2), part.unsqueeze(0), y, 2)[0] for part in codes.split(16)])
    seconds = np.arange(len(codes)) * HOP // RATE
    frames = embedder.embed(audio)
    assert frames.dtype == np.float32
    assert frames.shape == (2, 16)
    for second in range(2):
        expected = states[torch.from_numpy(seconds == second)].mean(0)
        np.testing.assert_allclose(frames[second], expected, atol=1e-5)
    [frame] = JukeboxEmbedder(model, 2, pool="clip").embed(audio)
    np.testing.assert_allclose(frame, states.mean(0), atol=1e-5)


def test_the_same_audio_gives_the_same_frames_and_other_audio_others(model):
    embedder = JukeboxEmbedder(model, 2)
    first = embedder.embed(sound(2.0))
    other = embedder.embed(sound(2.0, seed=1))
    assert np.array_equal(first, embedder.embed(sound(2.0)))
    assert not np.allclose(first, other)


def test_audio_of_less_than_a_second_is_padded_to_one(model):
    embedder, short = JukeboxEmbedder(model, 3), sound(0.4)
    assert is_padded(embedder, 0.4)
    assert np.array_equal(embedder.embed(short), embedder.embed(np.pad(short, (0, 600))))
    assert embedder.embed(short).shape == (1, 16)
    assert JukeboxEmbedder(model, 3, "clip").embed(short).shape == (1, 16)


def test_a_longer_clip_does_not_change_the_seconds_before(model):
    """The prior is causal; the codec sees a little ahead, so that the last code or two before the cut may differ."""
    embedder, audio = JukeboxEmbedder(model, 2), sound(4.0)
    assert np.array_equal(embedder.embed(audio)[:2], embedder.embed(audio[:3500])[:2])


def test_layers_models_and_pools_that_are_not_there_are_named(model):
    for layer in (0, 5):
        with pytest.raises(UsageError, match=f"no layer {layer} to embed with: 1 to 4 was expected"):
            JukeboxEmbedder(model, layer)
    with pytest.raises(UsageError, match="second, clip"):
        JukeboxEmbedder(model, 1, pool="minute")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown model 'jukebox:mimi'"):
        load("mimi@6")
    with pytest.raises(UsageError, match="unknown model 'jukebox:'"):
        load()


def test_the_provenance_names_what_changes_the_numbers(model):
    made = [JukeboxEmbedder(model, 2), JukeboxEmbedder(model, 3), JukeboxEmbedder(model, 2, "clip")]
    found = [json.dumps(embedder.provenance(), sort_keys=True) for embedder in made]
    assert len(set(found)) == 3
    assert made[0].provenance()["weights_sha256"] == model.folder.sha256
    assert made[0].name == "jukebox:tiny@2"


def test_the_model_of_the_package_embeds_by_its_name():
    embedder = load("mini@6")
    assert (embedder.name, embedder.rate, embedder.dim) == ("jukebox:mini@6", 16_000, 256)
    assert load("mini").name == "jukebox:mini@6"
    time = np.arange(2 * 44_100) / 44_100
    low, high = (embed_clip(embedder, np.sin(2 * np.pi * hertz * time), 44_100) for hertz in (110, 1760))
    assert low.shape == high.shape == (2, 256)
    assert not np.allclose(low, high, atol=0.1)
    with pytest.raises(UsageError, match="no layer 13 to embed with: 1 to 12"):
        load("mini@13")
    with pytest.raises(UsageError, match=r"jukebox:mini@six is not a number: 1 to 12"):
        load("mini@six")
