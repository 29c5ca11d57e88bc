import numpy as np
import pytest

from metrics.embeddings import load_embedder
from metrics.embeddings.base import embed_clip, embedding_provenance, is_padded
from metrics.errors import AudioError, UsageError
from metrics.io.audio import Preprocessing

TOY = load_embedder("toy")


def noise(seconds, rate=16000):
    return np.asarray(0.1 * np.random.default_rng(0).standard_normal(round(seconds * rate)), dtype=np.float32)


def test_frames_follow_window_and_hop():
    assert TOY.embed(noise(3.0)).shape == (5, TOY.dim)
    assert TOY.embed(noise(3.0)).dtype == np.float32


def test_a_clip_shorter_than_a_window_is_one_padded_frame():
    assert TOY.embed(noise(0.5)).shape == (1, TOY.dim)
    assert is_padded(TOY, 0.5)
    assert not is_padded(TOY, 1.0)


def test_a_low_and_a_high_tone_excite_different_bands():
    time = np.arange(16000) / 16000
    low, high = (TOY.embed(np.sin(2 * np.pi * hertz * time).astype(np.float32))[0] for hertz in (100, 6000))
    assert low.argmax() < 3
    assert high.argmax() == TOY.dim - 1


def test_embedding_a_clip_is_blind_to_its_level_and_to_its_rate():
    quiet = embed_clip(TOY, noise(2.0), 16000)
    loud = embed_clip(TOY, 3 * noise(2.0), 16000)
    assert np.abs(quiet - loud).max() < 1e-4
    assert embed_clip(TOY, noise(2.0, 44100), 44100).shape == quiet.shape


def test_a_preprocessing_at_another_rate_is_refused():
    with pytest.raises(UsageError, match="expects 16000 Hz"):
        embed_clip(TOY, noise(1.0), 16000, Preprocessing(rate=22050))


@pytest.mark.parametrize(
    ("audio", "message"),
    [(np.zeros(16000), "silent"), (np.full(16000, np.nan), "NaN"), (np.zeros(0), "no samples"), (noise(0.3), "0.4 s")],
)
def test_a_clip_without_a_measurable_sound_is_refused(audio, message):
    with pytest.raises(AudioError, match=message):
        embed_clip(TOY, audio, 16000)


def test_the_provenance_holds_both_halves():
    made = embedding_provenance(TOY, Preprocessing())
    assert (made["embedder"]["name"], made["preprocessing"]["lufs"]) == ("toy", -23.0)


def test_an_unknown_embedder_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'musicnn'"):
        load_embedder("musicn")
