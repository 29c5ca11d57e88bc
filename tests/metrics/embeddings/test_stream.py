"""Files against clips: frames from a stream are those of `embed_clip`, in any blocks and in any company."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from metrics.embeddings import load_embedder, stream
from metrics.embeddings.base import embed_clip
from metrics.embeddings.stream import cut, embed_files, embed_stream
from metrics.embeddings.windows import WindowEmbedder
from metrics.errors import AudioError, UsageError
from metrics.io import audio, reader
from metrics.io.audio import Preprocessing


class Convolving:
    """A mean over the window and 3 samples before and after it: its frames need their neighbourhood."""

    name, rate, dim, window_seconds, hop_seconds, context_seconds = "convolving", 100, 1, 0.5, 0.2, 0.03

    def __init__(self):
        self.longest = 0

    def provenance(self):
        return {"name": self.name}

    def embed(self, audio):
        self.longest = max(self.longest, audio.size)
        padded = np.pad(audio, (3, 3 + max(0, 50 - audio.size)))
        return np.lib.stride_tricks.sliding_window_view(padded, 56)[::20].mean(axis=1, keepdims=True)


class Means(WindowEmbedder):
    name, rate, dim, window_seconds, hop_seconds, batch = "means", 16000, 2, 0.5, 0.25, 8

    def __init__(self):
        self.batches = []

    def embed_windows(self, windows):
        self.batches.append(len(windows))
        return np.stack([windows.mean(axis=1), windows.std(axis=1)], axis=1)


def noise(seconds, rate=16000, seed=0):
    return np.asarray(0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate)), dtype=np.float32)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Seven files of 0.4 to 3 s, read in small blocks."""
    monkeypatch.setattr(reader, "BLOCK", 3000)
    monkeypatch.setattr(stream, "BLOCK_SECONDS", 0.9)
    paths = [tmp_path / f"{n}.wav" for n in range(7)]
    for n, path in enumerate(paths):
        soundfile.write(path, noise(0.4 + n * 0.43, 22050, n), 22050, subtype="FLOAT")
    return paths


@pytest.mark.parametrize("embedder", [Means(), load_embedder("toy")], ids=["windows", "clips"])
def test_files_give_the_frames_of_their_clips_in_their_order(files, embedder):
    embedded = list(embed_files(files, embedder))
    assert [path for path, _ in embedded] == files
    for path, frames in embedded:
        expected = embed_clip(embedder, *audio.load(path))
        assert frames.shape == expected.shape
        assert frames.dtype == np.float32
        assert np.allclose(frames, expected, atol=2e-4)


def test_windows_of_several_files_share_a_batch(files):
    embedder = Means()
    frames = sum(len(frames) for _, frames in embed_files(files, embedder))
    assert embedder.batches == [8] * (frames // 8) + ([frames % 8] if frames % 8 else [])


@given(st.integers(1, 700), st.integers(1, 90))
def test_frames_that_see_beyond_their_window_are_those_of_the_whole(length, size):
    embedder, samples = Convolving(), noise(length / 100, 100)
    whole = Convolving().embed(samples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "BLOCK_SECONDS", 1.0)
        pieces = (samples[n : n + size] for n in range(0, length, size))
        assert np.allclose(np.concatenate(list(embed_stream(pieces, embedder))), whole, atol=1e-6)
    assert embedder.longest <= 6 * 20 + 50  # five frames, one neighbour at either end


@given(st.integers(1, 300), st.integers(1, 60), st.integers(1, 90), st.integers(1, 50))
def test_windows_cut_from_pieces_are_those_of_the_whole(length, window, hop, size):
    samples = np.arange(1, length + 1, dtype=np.float32)
    found = list(cut((samples[n : n + size] for n in range(0, length, size)), window, hop))
    if length < window:
        assert [piece.tolist() for piece in found] == [samples.tolist()]
    else:
        assert np.array_equal(found, np.lib.stride_tricks.sliding_window_view(samples, window)[::hop])


@pytest.mark.parametrize("embedder", [Means(), load_embedder("toy")], ids=["windows", "clips"])
def test_a_file_that_cannot_be_measured_is_an_error_or_left_out(files, embedder):
    soundfile.write(files[2], np.zeros(16000), 16000)
    files[4].write_text("no sound")
    with pytest.raises(AudioError, match=r"2\.wav"):
        list(embed_files(files, embedder))
    told = {}
    embedded = embed_files(files, embedder, on_error=lambda path, error: told.update({path: str(error)}))
    assert [path for path, _ in embedded] == [path for path in files if path not in (files[2], files[4])]
    assert "silent" in told[files[2]]
    assert "decoded" in told[files[4]]


def test_what_turns_bad_in_the_middle_of_a_file_leaves_no_frames_of_it_behind(files):
    broken = noise(3.0)
    broken[-1] = np.inf
    soundfile.write(files[3], broken, 16000, subtype="FLOAT")
    told = []
    raw = Preprocessing(lufs=None)
    embedded = dict(embed_files(files, Means(), raw, on_error=lambda path, error: told.append(path)))
    assert told == [files[3]]
    assert np.allclose(embedded[files[5]], embed_clip(Means(), *audio.load(files[5]), raw), atol=1e-6)


def test_a_preprocessing_at_another_rate_is_refused(files):
    with pytest.raises(UsageError, match="expects 16000 Hz"):
        list(embed_files(files, Means(), Preprocessing(rate=22050)))
