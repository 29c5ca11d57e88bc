"""Embeddings are cached by content, silence is kept and flagged, and a prompt is no part of what is measured."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from harness.core.errors import UsageError
from harness.core.progress import Quiet
from harness.scoring.cache import ContentCache
from harness.scoring.clips import ClipFile
from harness.scoring.frames import Embedded, Recipe, embed_clips, excerpts
from metrics.api.score import check_comparable
from metrics.embeddings import load_embedder
from metrics.embeddings.base import embedding_provenance
from metrics.io.audio import Preprocessing, save
from metrics.io.weights import file_sha256
from metrics.reference.sets import load_reference

RATE = 16000
TOY = load_embedder("toy")
PREPROCESSING = Preprocessing()


def noise(seed: int, seconds: float) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * RATE)).astype(np.float32)


@pytest.fixture
def cache(tmp_path: Path) -> ContentCache:
    return ContentCache(tmp_path / "cache")


@pytest.fixture
def put(tmp_path: Path):
    """Writes a sound file and gives its clip."""

    def write(audio: np.ndarray, name: str = "clip", **more) -> ClipFile:
        path = tmp_path / f"{name}.flac"
        save(path, audio, RATE)
        return ClipFile(name, path, file_sha256(path), **more)

    return write


def embed_all(clips, cache: ContentCache, preprocessing: Preprocessing = PREPROCESSING, **more) -> list[Embedded]:
    found = embed_clips(clips, Recipe(TOY, preprocessing), cache, Quiet(), **more)
    assert not found.failed
    return [found.embedded[clip.unit] for clip in clips]


def entries(cache: ContentCache) -> list[Path]:
    return sorted(cache.folder.rglob("*.entry"))


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


def test_the_cache_is_used_and_gives_the_same_frames(put, cache):
    clips = [put(noise(n, 2.0), str(n), prompt_seconds=0.5) for n in range(3)]
    counting = Counting()
    first = embed_clips(clips, Recipe(counting, PREPROCESSING), cache, Quiet()).embedded
    asked = counting.asked
    second = embed_clips(clips, Recipe(counting, PREPROCESSING), cache, Quiet()).embedded
    assert asked == 6  # continuation and prompt of each
    assert counting.asked == asked
    assert list(first) == list(second) == ["0", "1", "2"]
    for one, other in zip(first.values(), second.values(), strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        np.testing.assert_array_equal(one.prompt, other.prompt)


def test_with_again_everything_is_embedded_anew(put, cache):
    clips, counting = [put(noise(n, 2.0), str(n)) for n in range(2)], Counting()
    for _ in range(2):
        embed_clips(clips, Recipe(counting, PREPROCESSING), cache, Quiet(), again=True)
    assert counting.asked == 4


def test_equal_sound_under_two_names_is_embedded_once_and_other_settings_again(put, cache, tmp_path):
    clips = [put(noise(0, 2.0), name) for name in ("a", "b")]
    counting = Counting()
    embed_clips(clips, Recipe(counting, PREPROCESSING), cache, Quiet())
    assert (counting.asked, len(entries(cache))) == (1, 1)
    embed_all(clips, cache, Preprocessing(seconds=1.0))
    assert len(entries(cache)) == 2
    embed_all([replace(clip, prompt_seconds=0.5) for clip in clips], cache)
    assert len(entries(cache)) == 3
    embed_clips(clips, Recipe(TOY, PREPROCESSING, 1.0), cache, Quiet())
    assert len(entries(cache)) == 4


def flipped(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


@pytest.mark.parametrize("damage", [lambda _: b"", lambda _: b"\x00" * 40, lambda c: c[:-1], flipped])
def test_a_damaged_entry_is_measured_again(put, cache, damage):
    clip = put(noise(0, 2.0))
    [before] = embed_all([clip], cache)
    [path] = entries(cache)
    content = path.read_bytes()
    path.write_bytes(damage(content))
    [after] = embed_all([clip], cache)
    np.testing.assert_array_equal(before.frames, after.frames)
    assert path.read_bytes() == content


def test_an_entry_copied_over_another_is_measured_again(put, cache):
    clips = [put(noise(n, 2.0), str(n)) for n in range(3)]
    before = embed_all(clips, cache)
    first, *others = entries(cache)
    for other in others:
        other.write_bytes(first.read_bytes())
    for one, other in zip(before, embed_all(clips, cache), strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)


@pytest.mark.parametrize(
    "wrong", [np.full((3, TOY.dim), np.nan), np.zeros((3, 2)), np.zeros((0, TOY.dim)), np.zeros(3)]
)
def test_frames_that_cannot_be_are_measured_again_even_if_their_hash_fits(put, cache, wrong):
    clip = put(noise(0, 2.0))
    [before] = embed_all([clip], cache)
    [path] = entries(cache)
    key = json.loads(path.read_bytes().split(b"\n", 1)[0])["key"]
    cache.write(key, safetensors.numpy.save({"frames": wrong.astype(np.float32)}, {"flags": ""}))
    [after] = embed_all([clip], cache)
    np.testing.assert_array_equal(before.frames, after.frames)


def test_without_a_cache_everything_is_measured_all_the_same(put, cache):
    clips = [put(noise(n, 1.0), str(n)) for n in range(2)]
    expected = embed_all(clips, cache)
    (cache.folder.parent / "taken").write_text("a file where the folder would be")
    elsewhere = ContentCache(cache.folder.parent / "taken" / "cache")
    for one, other in zip(expected, embed_all(clips, elsewhere), strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
    assert elsewhere.note is not None
    assert "HARNESS_CACHE" in elsewhere.note


def test_frames_do_not_depend_on_the_path_or_the_clips_beside_it(put, tmp_path):
    clips = [put(noise(n, 2.5), str(n)) for n in range(3)]
    together = embed_all(clips, ContentCache(tmp_path / "one"))
    moved = replace(clips[1], unit="x", path=clips[1].path.rename(tmp_path / "other name.wav"))
    [alone] = embed_all([moved], ContentCache(tmp_path / "two"))
    np.testing.assert_array_equal(alone.frames, together[1].frames)


def test_loudness_does_not_count(put, cache):
    loud, soft = put(noise(0, 2.0), "loud"), put(noise(0, 2.0) * 0.25, "soft")
    one, other = embed_all([loud, soft], cache)
    np.testing.assert_allclose(one.frames, other.frames, atol=0.01)


@pytest.mark.parametrize(("seconds", "padded"), [(2.0, False), (0.2, True)])
def test_silence_is_embedded_and_flagged(put, cache, seconds, padded):
    [embedded] = embed_all([put(np.zeros(round(seconds * RATE), np.float32))], cache)
    assert embedded.silent
    assert embedded.own_level
    assert embedded.padded == padded
    assert np.isfinite(embedded.frames).all()


def test_a_silent_excerpt_counts_and_is_flagged(put, cache):
    clip = put(np.concatenate([noise(0, 2.0), np.zeros(2 * RATE, np.float32)]))
    found = embed_clips([clip], Recipe(TOY, PREPROCESSING, 2.0), cache, Quiet()).embedded["clip"]
    assert len(found.frames) == 6  # three of each excerpt
    assert found.own_level
    assert not found.silent


def test_a_clip_too_short_for_a_loudness_is_padded_not_refused(put, cache):
    [embedded] = embed_all([put(noise(0, 0.3))], cache)
    assert embedded.padded
    assert embedded.own_level
    assert not embedded.silent
    assert embedded.frames.shape == (1, TOY.dim)


def test_the_prompt_is_embedded_apart(put, cache):
    prompt, continuation = noise(1, 1.0), np.sin(np.arange(2 * RATE) / 5).astype(np.float32) * 0.3
    whole = put(np.concatenate([prompt, continuation]), "whole", prompt_seconds=1.0)
    alone, start = put(continuation, "alone"), put(prompt, "start")
    one, other, first = embed_all([whole, alone, start], cache)
    np.testing.assert_allclose(one.frames, other.frames, atol=1e-4)
    assert one.prompt is not None
    np.testing.assert_allclose(one.prompt, first.frames, atol=1e-4)
    assert other.prompt is None


def test_what_cannot_be_measured_is_named_and_the_rest_is_measured(put, cache, tmp_path):
    (tmp_path / "text.wav").write_text("not a sound")
    text = ClipFile("text", tmp_path / "text.wav", file_sha256(tmp_path / "text.wav"))
    clips = [put(noise(0, 1.0), "prompt", prompt_seconds=1.0), text, put(noise(1, 1.0), "good")]
    found = embed_clips(clips, Recipe(TOY, PREPROCESSING), cache, Quiet())
    assert list(found.embedded) == ["good"]
    assert "all audio prompt" in found.failed["prompt"]
    assert "text.wav" in found.failed["text"]


def test_the_reason_for_a_name_that_is_not_utf8_can_be_printed(cache, tmp_path):
    path = tmp_path / "\udcff.wav"
    path.write_text("not a sound")
    found = embed_clips([ClipFile("x", path, file_sha256(path))], Recipe(TOY, PREPROCESSING), cache, Quiet())
    assert "\\xff.wav" in found.failed["x"]
    found.failed["x"].encode("utf-8")


def test_long_clips_are_cut_into_excerpts_of_the_references_length(put, cache):
    whole = put(noise(0, 5.0), "whole")
    found = embed_clips([whole], Recipe(TOY, PREPROCESSING, 2.0), cache, Quiet()).embedded["whole"]
    parts = [put(noise(0, 5.0)[n * 2 * RATE :][: 2 * RATE], str(n)) for n in range(2)]
    expected = np.concatenate([part.frames for part in embed_all(parts, cache)])
    np.testing.assert_allclose(found.frames, expected, atol=1e-5)


def test_a_file_too_long_to_be_held_has_the_frames_of_one_that_is_not(put, tmp_path, monkeypatch):
    clip = put(noise(0, 9.0), prompt_seconds=1.5)
    [held] = embed_all([clip], ContentCache(tmp_path / "one"))
    monkeypatch.setattr("harness.scoring.frames.WHOLE_SECONDS", 4.0)
    [streamed] = embed_all([clip], ContentCache(tmp_path / "two"))
    np.testing.assert_allclose(streamed.frames, held.frames, atol=1e-3)
    assert (streamed.silent, streamed.own_level, streamed.padded) == (False, False, False)


@pytest.mark.parametrize(
    ("samples", "seconds", "lengths"),
    [(5, None, [5]), (5, 2.0, [2, 2]), (4, 2.0, [2, 2]), (1, 2.0, [1]), (2, 2.0, [2]), (0, 2.0, [])],
)
@pytest.mark.parametrize("block", [1, 3, 9])
def test_excerpts_are_of_one_length_unless_there_is_none_of_it(samples, seconds, lengths, block):
    audio = np.arange(samples, dtype=np.float32)
    pieces = list(excerpts([audio[n : n + block] for n in range(0, samples, block)], 1, seconds))
    assert [len(piece) for piece in pieces] == lengths
    np.testing.assert_array_equal(np.concatenate([*pieces, audio[:0]]), np.arange(sum(lengths)))


def test_sets_made_under_another_policy_are_not_compared():
    made = Recipe(TOY, PREPROCESSING).provenance()
    other = {**made, "preprocessing": {**made["preprocessing"], "silence": "left out"}}
    with pytest.raises(UsageError, match="left out"):
        check_comparable(made, other)
    refused = embedding_provenance(TOY, PREPROCESSING)  # holds no silent clip, as the sets that ship
    check_comparable(made, refused)
    with pytest.raises(UsageError, match="left out"):  # as references were built from folders before
        check_comparable(made, {**refused, "files_sha256": "0" * 64})


@pytest.mark.parametrize("name", ["heldout", "others"])
def test_the_shipped_references_count_as_made_by_any_policy(name):
    """They were embedded from excerpts above −70 LUFS only: a silent one would have ended their build."""
    shipped = load_reference(name)
    assert "silence" not in shipped.provenance["preprocessing"]
    policies = [{**shipped.provenance["preprocessing"], "silence": policy} for policy in ("own level", "refused")]
    for preprocessing in policies:
        check_comparable(shipped.provenance, {**shipped.provenance, "preprocessing": preprocessing})
