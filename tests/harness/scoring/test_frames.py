"""Embeddings are cached by content, silence is kept and flagged, and a prompt is no part of what is measured."""

from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import ModelError
from harness.core.progress import Quiet
from harness.models.base import Clip
from harness.scoring.frames import Recipe, embed_clips, excerpts
from harness.store.clips import Store
from metrics.embeddings import load_embedder
from metrics.io.audio import Preprocessing

RATE = 16000
TOY = load_embedder("toy")
PREPROCESSING = Preprocessing()


def noise(seed: int, seconds: float) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * RATE)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, audio: np.ndarray, name: str = "clip", **record):
    return store.put({"name": name}, Clip(audio, RATE, {}, record), {})


def embed(clips, cache: Path, preprocessing: Preprocessing = PREPROCESSING):
    return embed_clips(clips, Recipe(TOY, preprocessing), cache, Quiet())


class Counting:
    """An embedder that counts what it is asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.name, self.rate, self.dim = TOY.name, TOY.rate, TOY.dim
        self.window_seconds, self.hop_seconds = TOY.window_seconds, TOY.hop_seconds

    def provenance(self):
        return TOY.provenance()

    def embed(self, audio):
        self.asked += 1
        return TOY.embed(audio)


def test_the_cache_is_used_and_gives_the_same_frames(store, tmp_path):
    clips = [put(store, noise(n, 2.0), str(n), prompt_seconds=0.5) for n in range(3)]
    counting = Counting()
    first = embed_clips(clips, Recipe(counting, PREPROCESSING), tmp_path / "cache", Quiet())
    asked = counting.asked
    second = embed_clips(clips, Recipe(counting, PREPROCESSING), tmp_path / "cache", Quiet())
    assert asked == 6  # continuation and prompt of each
    assert counting.asked == asked
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        assert one.prompt is not None
        assert other.prompt is not None
        np.testing.assert_array_equal(one.prompt, other.prompt)


def test_what_is_made_again_takes_the_place_of_what_is_cached(store, tmp_path):
    clip, recipe, cache = put(store, noise(0, 2.0)), Recipe(TOY, PREPROCESSING), tmp_path / "cache"
    [first] = embed_clips([clip], recipe, cache, Quiet())
    [path] = cache.rglob("*.safetensors")
    content = path.read_bytes()
    path.write_bytes(content.replace(first.frames.tobytes(), np.zeros_like(first.frames).tobytes()))
    [cached] = embed_clips([clip], recipe, cache, Quiet())
    assert not cached.frames.any()
    [again] = embed_clips([clip], recipe, cache, Quiet(), again=True)
    np.testing.assert_array_equal(again.frames, first.frames)
    assert path.read_bytes() == content


def test_equal_sound_under_two_names_is_embedded_once_and_other_preprocessing_again(store, tmp_path):
    clips = [put(store, noise(0, 2.0), name) for name in ("a", "b")]
    embed(clips[:1], tmp_path / "cache")
    cached = set((tmp_path / "cache").rglob("*.safetensors"))
    assert len(cached) == 1
    embed(clips, tmp_path / "cache")
    assert set((tmp_path / "cache").rglob("*.safetensors")) == cached
    embed(clips, tmp_path / "cache", Preprocessing(seconds=1.0))
    assert len(set((tmp_path / "cache").rglob("*.safetensors"))) == 2


@pytest.mark.parametrize("damage", [b"", b"\x00" * 40])
def test_a_damaged_cache_is_made_again(store, tmp_path, damage):
    clip = put(store, noise(0, 2.0))
    [before] = embed([clip], tmp_path / "cache")
    [path] = (tmp_path / "cache").rglob("*.safetensors")
    content = path.read_bytes()
    path.write_bytes(damage)
    [after] = embed([clip], tmp_path / "cache")
    np.testing.assert_array_equal(before.frames, after.frames)
    assert path.read_bytes() == content


def test_loudness_does_not_count(store, tmp_path):
    loud, soft = put(store, noise(0, 2.0), "loud"), put(store, noise(0, 2.0) * 0.25, "soft")
    one, other = embed([loud, soft], tmp_path / "cache")
    np.testing.assert_allclose(one.frames, other.frames, atol=0.01)


@pytest.mark.parametrize(("seconds", "padded"), [(2.0, False), (0.2, True)])
def test_silence_is_embedded_and_flagged(store, tmp_path, seconds, padded):
    [embedded] = embed([put(store, np.zeros(round(seconds * RATE), np.float32))], tmp_path / "cache")
    assert embedded.silent
    assert embedded.padded == padded
    assert np.isfinite(embedded.frames).all()


def test_a_clip_too_short_for_a_loudness_is_padded_not_refused(store, tmp_path):
    [embedded] = embed([put(store, noise(0, 0.3))], tmp_path / "cache")
    assert embedded.padded
    assert not embedded.silent
    assert embedded.frames.shape == (1, TOY.dim)


def test_the_prompt_is_embedded_apart(store, tmp_path):
    prompt, continuation = noise(1, 1.0), np.sin(np.arange(2 * RATE) / 5).astype(np.float32) * 0.3
    whole = put(store, np.concatenate([prompt, continuation]), "whole", prompt_seconds=1.0)
    alone, start = put(store, continuation, "alone"), put(store, prompt, "start")
    one, other, first = embed([whole, alone, start], tmp_path / "cache")
    np.testing.assert_allclose(one.frames, other.frames, atol=1e-4)
    assert one.prompt is not None
    np.testing.assert_allclose(one.prompt, first.frames, atol=1e-4)
    assert other.prompt is None


def test_a_clip_that_is_all_prompt_is_refused(store, tmp_path):
    with pytest.raises(ModelError, match="all audio prompt"):
        embed([put(store, noise(0, 1.0), prompt_seconds=1.0)], tmp_path / "cache")


def test_long_clips_are_cut_into_excerpts_of_the_references_length(store, tmp_path):
    whole = put(store, noise(0, 5.0), "whole")
    recipe = Recipe(TOY, PREPROCESSING, excerpt_seconds=2.0)
    [embedded] = embed_clips([whole], recipe, tmp_path / "cache", Quiet())
    parts = [put(store, noise(0, 5.0)[n * 2 * RATE :][: 2 * RATE], str(n)) for n in range(2)]
    expected = np.concatenate([part.frames for part in embed(parts, tmp_path / "cache")])
    np.testing.assert_allclose(embedded.frames, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("samples", "seconds", "lengths"),
    [(5, None, [5]), (5, 2.0, [2, 2]), (4, 2.0, [2, 2]), (1, 2.0, [1]), (2, 2.0, [2])],
)
def test_excerpts_are_of_one_length_unless_there_is_none_of_it(samples, seconds, lengths):
    pieces = excerpts(np.arange(samples, dtype=np.float32), 1, seconds)
    assert [len(piece) for piece in pieces] == lengths
    np.testing.assert_array_equal(np.concatenate(pieces), np.arange(sum(lengths)))
