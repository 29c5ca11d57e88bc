"""The port against the original graph (tests/golden/musicnn) with librosa's front end."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from metrics.embeddings import load_embedder, musicnn, musicnn_network, musicnn_weights, stream
from metrics.errors import UsageError

EXPECTED = load_file(Path(__file__).parents[2] / "golden" / "musicnn" / "expected.safetensors")


def golden_audio():
    """Five seconds of four decaying notes that repeat, and a burst of noise every half second."""
    time = np.arange(5 * 16000) / 16000
    notes = np.zeros(time.size)
    for hertz in (110, 277.18, 329.63, 880):
        notes += np.sin(2 * np.pi * hertz * time) * np.exp(-3 * (time % (0.5 + hertz / 2000)))
    noise = np.random.default_rng(0).standard_normal(time.size) * (time % 0.5 < 0.05)
    return (0.1 * notes + 0.05 * noise).astype(np.float32)


@pytest.mark.parametrize("layer", musicnn_weights.LAYERS)
def test_every_layer_is_that_of_the_original_graph(layer):
    frames = load_embedder("musicnn", layer=layer).embed(golden_audio())
    assert frames.shape == EXPECTED[layer].shape == (3, musicnn_weights.LAYERS[layer])
    assert frames.dtype == np.float32
    assert np.abs(frames - EXPECTED[layer]).max() < 1e-5 * np.abs(EXPECTED[layer]).max()


def test_the_log_mel_is_librosas():
    ours = musicnn_network.log_mel(torch.from_numpy(golden_audio())).numpy()
    assert ours.shape == (1 + golden_audio().size // 256, 96)
    assert np.abs(ours[::12] - EXPECTED["log_mel"]).max() < 1e-5


def test_the_tags_are_those_of_the_penultimate_frames_without_torch():
    embedder = musicnn.Musicnn()
    logits = musicnn.tag_logits(embedder.embed(golden_audio()))
    assert np.abs(logits - EXPECTED["logits"]).max() < 1e-4
    assert np.abs(1 / (1 + np.exp(-logits)) - embedder.tags(golden_audio())).max() < 1e-5
    with pytest.raises(UsageError):
        musicnn.tag_logits(np.zeros((3, 50), np.float32))


def test_cached_frames_are_named_without_importing_torch():
    code = "import sys; from metrics.embeddings import load_embedder; load_embedder('musicnn').provenance(); "
    done = subprocess.run([sys.executable, "-c", f"{code} assert 'torch' not in sys.modules"], check=False)
    assert done.returncode == 0


def test_a_patch_is_embedded_alike_alone_and_among_others():
    long = load_embedder("musicnn").embed(golden_audio())
    # The second patch starts after 62 frames. Alone, its outer frames see zeros in place of the neighbouring samples.
    mel = musicnn_network.log_mel(torch.from_numpy(golden_audio()))
    alone = musicnn_network.load_network()(mel[62 : 62 + musicnn_weights.PATCH], range(0, 1))["penultimate"].numpy()
    assert np.abs(long[1] - alone[0]).max() < 1e-5


def test_a_stream_in_blocks_gives_the_frames_of_the_whole(monkeypatch):
    embedder, audio = load_embedder("musicnn", device="cpu"), np.concatenate([golden_audio(), -golden_audio()])
    monkeypatch.setattr(stream, "BLOCK_SECONDS", 2.0)
    blocks = list(stream.embed_stream((audio[n : n + 7000] for n in range(0, audio.size, 7000)), embedder))
    assert len(blocks) > 2
    assert np.abs(np.concatenate(blocks) - embedder.embed(audio)).max() < 1e-5


def test_audio_shorter_than_a_patch_is_one_frame():
    embedder = load_embedder("musicnn")
    assert embedder.embed(golden_audio()[:16000]).shape == (1, 200)
    shortest = round(embedder.window_seconds * 16000)
    assert embedder.embed(golden_audio()[:shortest]).shape == (1, 200)


def test_the_hop_is_whole_mel_frames():
    assert load_embedder("musicnn").hop_seconds == 0.992
    assert load_embedder("musicnn", hop_seconds=0.5).embed(golden_audio()).shape == (5, 200)


def test_tags_are_probabilities_with_names():
    tags = musicnn.Musicnn().tags(golden_audio())
    assert tags.shape == (3, len(musicnn_weights.TAGS)) == (3, 50)
    assert np.allclose(np.log(tags / (1 - tags)), EXPECTED["logits"], atol=1e-3)


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="penultimate"):
        load_embedder("musicnn", layer="last")
    with pytest.raises(UsageError, match="positive"):
        load_embedder("musicnn", hop_seconds=0)


def test_the_provenance_names_weights_layer_and_hop():
    made = load_embedder("musicnn").provenance()
    assert (made["weights_sha256"], made["layer"], made["hop_seconds"]) == (musicnn.DATA_SHA256, "penultimate", 0.992)
