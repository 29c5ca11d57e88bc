"""The network on random weights against one written out in NumPy, from the samples to the embedding."""

import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from metrics.embeddings import load_embedder, vggish
from metrics.embeddings.vggish import VGGish
from metrics.errors import UsageError, WeightsError

pytestmark = pytest.mark.whole


def random_tensors(seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in vggish.expected_shapes().items():
        gain = (2 / np.prod(shape[1:])) ** 0.5 if name.endswith("weight") else 0.1
        made[name] = float(gain) * torch.randn(shape, generator=generator)
    return made


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("vggish") / "vggish.safetensors"
    save_file(random_tensors(), path)
    return path


@pytest.fixture(scope="module")
def embedder(weights):
    return VGGish(weights=weights, device="cpu")


def noise(seconds, seed=0):
    return np.asarray(0.1 * np.random.default_rng(seed).standard_normal(round(seconds * 16000)), dtype=np.float32)


def log_mel_in_numpy(audio):
    """Frame by frame and band by band, as the original describes it."""
    mel = lambda hertz: 1127.0 * np.log(1.0 + hertz / 700.0)  # noqa: E731
    edges = np.linspace(mel(125.0), mel(7500.0), 66)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    rows = []
    for frame in range(96):
        magnitude = np.abs(np.fft.rfft(audio[frame * 160 : frame * 160 + 400] * window, 512))
        energies = []
        for band in range(64):
            low, middle, high = edges[band : band + 3]
            energy = 0.0
            for k in range(1, 257):
                at = mel(k * 16000 / 512)
                energy += magnitude[k] * max(0.0, min((at - low) / (middle - low), (high - at) / (high - middle)))
            energies.append(np.log(energy + 0.01))
        rows.append(energies)
    return np.array(rows)


def network_in_numpy(mel, tensors):
    weights = {name: tensor.double().numpy() for name, tensor in tensors.items()}
    hidden = mel[..., None]  # (time, band, channel)
    for name in vggish.CONVOLUTIONS:
        kernel = weights[f"{name}.weight"]
        rows, columns = hidden.shape[:2]
        padded = np.pad(hidden, ((1, 1), (1, 1), (0, 0)))
        hidden = weights[f"{name}.bias"] + sum(
            padded[i : i + rows, j : j + columns] @ kernel[:, :, i, j].T for i in range(3) for j in range(3)
        )
        hidden = np.maximum(0, hidden)
        if name in ("features.0", "features.3", "features.8", "features.13"):
            hidden = hidden.reshape(rows // 2, 2, columns // 2, 2, -1).max(axis=(1, 3))
    hidden = hidden.reshape(-1)
    for name in ("embeddings.0", "embeddings.2", "embeddings.4"):
        hidden = weights[f"{name}.weight"] @ hidden + weights[f"{name}.bias"]
        hidden = hidden if name == "embeddings.4" else np.maximum(0, hidden)
    return hidden


def test_the_embedding_is_that_of_the_arithmetic_written_out(embedder):
    audio = noise(0.975)
    mel = log_mel_in_numpy(audio.astype(np.float64))
    assert np.abs(vggish.log_mel(torch.from_numpy(audio)[None])[0].numpy() - mel).max() < 1e-4
    frames, expected = embedder.embed(audio), network_in_numpy(mel, random_tensors())
    assert frames.shape == (1, 128)
    assert frames.dtype == np.float32
    assert np.abs(frames[0] - expected).max() < 1e-4 * np.abs(expected).max()


def test_windows_follow_each_other_every_096_s(embedder):
    audio = noise(3.0)
    frames = embedder.embed(audio)
    assert frames.shape == (3, 128)
    assert np.allclose(frames[1], embedder.embed(audio[15360 : 15360 + 15600])[0], atol=1e-4)
    assert embedder.embed(noise(0.3)).shape == (1, 128)
    assert np.isfinite(embedder.embed(np.zeros(16000, np.float32))).all()


def test_the_last_relu_is_off_unless_asked_for(weights, embedder):
    cut = VGGish(weights=weights, final_relu=True, device="cpu")
    frames = embedder.embed(noise(2))
    assert (frames < 0).any()
    assert np.allclose(cut.embed(noise(2)), np.maximum(0, frames))
    assert cut.provenance() != embedder.provenance()
    assert (cut.provenance()["pca"], cut.provenance()["quantised"]) == (False, False)


def test_a_state_dictionary_of_pytorch_is_read_as_well(tmp_path, embedder, monkeypatch):
    torch.save(random_tensors(), tmp_path / "vggish-10086976.pth")
    monkeypatch.setenv(vggish.VARIABLE, str(tmp_path))
    assert np.array_equal(load_embedder("vggish", device="cpu").embed(noise(1)), embedder.embed(noise(1)))


class Runs:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.mark),)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    (tmp_path / "vggish.pth").write_bytes(pickle.dumps(Runs(tmp_path / "mark"), protocol=2))
    with pytest.raises(WeightsError, match="could not be read"):
        VGGish(weights=tmp_path)
    assert not (tmp_path / "mark").exists()


def test_other_weights_are_refused_with_what_is_wrong(tmp_path):
    tensors = random_tensors()
    tensors["embeddings.4.bias"] = torch.zeros(64)
    save_file(tensors, tmp_path / "vggish.safetensors")
    with pytest.raises(WeightsError, match=r"embeddings\.4\.bias of shape \(128,\) was expected, \(64,\) was found"):
        VGGish(weights=tmp_path)
    (tmp_path / "vggish.safetensors").write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="could not be read"):
        VGGish(weights=tmp_path)


def test_without_the_file_the_message_names_it_its_source_its_licence_and_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.delenv(vggish.VARIABLE, raising=False)
    with pytest.raises(WeightsError) as caught:
        load_embedder("vggish")
    for part in ("vggish-10086976.pth", "Apache-2.0", "curl -L", "VGGISH_WEIGHTS"):
        assert part in str(caught.value)


def test_a_hop_that_makes_no_sense_is_refused(weights):
    with pytest.raises(UsageError, match="positive"):
        VGGish(hop_seconds=-1, weights=weights)
