"""On random weights: the whole against the original package (tests/golden/openl3), the front ends against librosa."""

import gzip
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from metrics.embeddings import load_embedder, openl3
from metrics.embeddings.openl3 import CHANNELS, OpenL3, spectrogram
from metrics.errors import UsageError, WeightsError

pytestmark = pytest.mark.whole

h5py = pytest.importorskip("h5py", reason="OpenL3's files are HDF5: pip install 'music-harness[openl3]'")


EXPECTED = load_file(Path(__file__).parents[2] / "golden" / "openl3" / "expected.safetensors")
DECIBELS = 0.02
"""What float32 leaves of a bin where the window's samples cancel, 40 dB below its neighbours; elsewhere 1e-4."""


def random_arrays(seed=0):
    """What a Keras file holds, with variances that are positive and kernels that keep the scale."""
    rng = np.random.default_rng(seed)
    arrays = []
    for shape in openl3.expected_shapes():
        kernel = len(shape) == 4
        arrays.append(rng.normal(size=shape, scale=(2 / np.prod(shape[:3])) ** 0.5 if kernel else 0.1))
    first = [0, *range(6, len(arrays) - 2, 6)]
    for n in first:
        arrays[n] += 1  # gamma
        arrays[n + 3] = rng.uniform(0.5, 2, size=arrays[n].shape)
    arrays[2], arrays[3] = np.array([-40.0]), np.array([300.0])  # the input is in dB
    return [array.astype(np.float32) for array in arrays]


def write_keras(path, arrays):
    """The layout of `save_weights` in Keras 2: layers without weights are named as well."""
    groups = {"input_1": [], "batch_normalization": arrays[:4]}
    for n in range(len(CHANNELS)):
        groups[f"conv2d_{n}"] = arrays[4 + 6 * n : 6 + 6 * n]
        groups[f"batch_normalization_{n}"] = arrays[6 + 6 * n : 10 + 6 * n]
        groups[f"activation_{n}"] = []
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in groups]
        for name, members in groups.items():
            names = [f"{name}/variable_{n}:0" for n in range(len(members))]
            group = file.create_group(name)
            group.attrs["weight_names"] = [each.encode() for each in names]
            for each, array in zip(names, members, strict=True):
                group[each] = array
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openl3")
    for representation in openl3.REPRESENTATIONS:
        write_keras(folder / openl3.file_name(representation, "music"), random_arrays())
    return folder


def noise(seconds, seed=0):
    """Noise that becomes louder, with a tone."""
    time = np.arange(round(seconds * 48000)) / 48000
    return np.asarray(
        0.1 * time * np.random.default_rng(seed).standard_normal(time.size) + 0.2 * np.sin(2 * np.pi * 440 * time),
        dtype=np.float32,
    )


def librosas(window, representation):
    """The front end as the package writes it with librosa."""
    import librosa

    if representation == "linear":
        magnitude = np.abs(librosa.stft(y=window, n_fft=512, hop_length=242, center=False))
    else:
        magnitude = librosa.feature.melspectrogram(
            y=window, sr=48000, n_mels=int(representation[3:]), n_fft=2048, hop_length=242, center=True, power=1.0
        )
    decibels = librosa.power_to_db(S=magnitude, ref=1.0, amin=1e-10, top_db=80.0)
    return decibels - decibels.max()


@pytest.mark.parametrize("name", EXPECTED)
def test_the_embedding_is_that_of_the_original_package(weights, name):
    representation, front_end, size = name.split("-")
    embedder = OpenL3(representation, size=int(size), front_end=front_end, weights=weights, device="cpu")
    [frame] = embedder.embed(noise(1))
    assert frame.shape == EXPECTED[name].shape
    assert np.abs(frame - EXPECTED[name]).max() < 1e-4 * np.abs(EXPECTED[name]).max()


@pytest.mark.parametrize(("representation", "shape"), [("linear", (257, 197)), ("mel256", (256, 199))])
def test_the_librosa_front_end_is_librosas(representation, shape):
    windows = np.stack([noise(1), noise(1, 1)])
    ours = spectrogram(torch.from_numpy(windows), representation, "librosa").numpy()
    assert ours.shape == (2, *shape)
    for n in range(2):
        assert np.abs(ours[n] - librosas(windows[n], representation)).max() < DECIBELS


def test_the_kapre_front_end_starts_with_the_first_sample_and_pads_the_end():
    window = noise(1)
    kapre = spectrogram(torch.from_numpy(window)[None], "mel128", "kapre")[0].numpy()
    assert kapre.shape == (128, 199)
    import librosa

    padded = np.pad(window, (0, 198 * 242 + 2048 - 48000))
    magnitude = np.abs(librosa.stft(padded, n_fft=2048, hop_length=242, center=False))
    decibels = 10 * np.log10(np.maximum(1e-10, librosa.filters.mel(sr=48000, n_fft=2048, n_mels=128) @ magnitude))
    assert np.abs(kapre - np.maximum(decibels - decibels.max(), -80)).max() < DECIBELS
    assert np.abs(kapre - spectrogram(torch.from_numpy(window)[None], "mel128", "librosa")[0].numpy()).max() > 1


def test_the_spectrogram_is_blind_to_the_level_and_bears_silence():
    window = torch.from_numpy(noise(1))[None]
    quiet, loud = (spectrogram(gain * window, "linear", "kapre") for gain in (0.1, 1.0))
    assert (quiet - loud).abs().max() < DECIBELS
    assert spectrogram(torch.zeros(1, 48000), "mel256", "kapre").abs().max() == 0


@pytest.mark.parametrize("representation", openl3.REPRESENTATIONS)
def test_every_representation_gives_a_vector_a_second(weights, representation):
    embedder = load_embedder("openl3", representation=representation, weights=weights, device="cpu")
    assert embedder.embed(noise(2.9)).shape == (2, 512)
    assert embedder.embed(noise(0.5)).shape == (1, 512)
    assert np.isfinite(embedder.embed(np.zeros(48000, np.float32))).all()


def test_the_provenance_tells_weights_and_front_ends_apart(weights):
    made = OpenL3(weights=weights, device="cpu").provenance()
    assert re.fullmatch("[0-9a-f]{64}", made["weights_sha256"])
    assert made["front_end"].startswith("kapre, 2048/242, 256 slaney bands")
    assert OpenL3(weights=weights, front_end="librosa").provenance()["front_end"].startswith("librosa")
    one, other = (OpenL3("linear", weights=weights, front_end=way).provenance() for way in openl3.FRONT_ENDS)
    assert one == other


def test_the_file_is_found_by_variable_in_the_cache_and_in_the_package(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    name = openl3.file_name("linear", "music")
    monkeypatch.setenv(openl3.VARIABLE, str(weights))
    assert openl3.find_weights("linear", "music") == weights / name
    monkeypatch.setenv(openl3.VARIABLE, str(weights / name))
    assert openl3.find_weights("linear", "music") == weights / name
    monkeypatch.delenv(openl3.VARIABLE)
    package = tmp_path / "site" / "openl3"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('not to be imported')")
    monkeypatch.syspath_prepend(package.parent)
    os.link(weights / name, package / name)
    assert openl3.find_weights("linear", "music") == package / name
    cached = tmp_path / "weights" / "openl3" / name
    cached.parent.mkdir(parents=True)
    os.link(weights / name, cached)
    assert openl3.find_weights("linear", "music") == cached


def test_without_the_file_the_message_names_it_its_source_its_licence_and_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.delenv(openl3.VARIABLE, raising=False)
    with pytest.raises(WeightsError) as caught:
        load_embedder("openl3")
    for part in (
        "openl3_audio_mel256_music.h5",
        "CC BY 4.0",
        "curl -L https://github.com/marl/openl3",
        "OPENL3_WEIGHTS",
    ):
        assert part in str(caught.value)
    with pytest.raises(WeightsError, match="elsewhere"):
        load_embedder("openl3", weights=tmp_path / "elsewhere")


def test_another_file_is_refused(tmp_path):
    (tmp_path / "a.h5").write_bytes(gzip.compress(b"still packed"))
    with pytest.raises(WeightsError, match="not a Keras weights file"):
        OpenL3(weights=tmp_path / "a.h5")
    write_keras(tmp_path / "b.h5", random_arrays()[:-1])
    with pytest.raises(WeightsError, match="47 arrays"):
        OpenL3(weights=tmp_path / "b.h5")


def test_options_that_make_no_sense_are_refused(weights):
    for options, message in [
        ({"representation": "mel64"}, "mel128"), ({"content": "speech"}, "music, env"), ({"size": 256}, "512, 6144"),
        ({"front_end": "torchaudio"}, "kapre, librosa"), ({"hop_seconds": 0}, "positive"),
    ]:  # fmt: skip
        with pytest.raises(UsageError, match=message):
            OpenL3(weights=weights, **options)
