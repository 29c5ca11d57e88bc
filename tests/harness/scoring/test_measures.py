"""Each embedder goes with the reference that it made, or makes now, or with the reason for having none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.core.errors import UsageError
from harness.core.progress import Quiet
from harness.scoring.measures import LUFS, Measures, split_name
from harness.scoring.references import MusicFolder, build_from_folder, recipe_for
from metrics.embeddings import load_embedder
from metrics.io.weights import cache_dir
from metrics.reference.sets import load_reference, reference_names
from tests.harness.sounds import make_folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "weights").symlink_to(cache_dir() / "weights")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def music(tmp_path):
    """Five tones, as a folder and as a reference that the toy embedder made of it."""
    folder = make_folder(tmp_path / "music", 5)
    build_from_folder("mine", MusicFolder(folder), recipe_for(load_embedder("toy"), LUFS, None), Quiet())
    return folder


def test_a_reference_names_its_embedder_and_is_the_only_one_where_none_is_named(music):
    found = Measures.load((), "mine")
    assert [(space.name, space.reference_name) for space in found.spaces] == [("toy", "mine")]
    assert found.first.reference is not None
    assert found.first.audio == music
    assert len(found.content()) == 5
    assert found.described().keys() == {"embedder", "embedder_hash", "reference", "reference_hash"}
    assert Measures.load().first.name == "musicnn"
    assert Measures.load("toy").first.reference is None


def test_each_embedder_has_its_own_reference_whatever_their_order(music):
    found = Measures.load(("toy", "musicnn"), ("heldout", "mine"))
    assert [(space.name, space.reference_name) for space in found.spaces] == [("toy", "mine"), ("musicnn", "heldout")]
    assert (found.score_name("kad", found.spaces[0]), found.score_name("kad", found.spaces[1])) == (
        "kad",
        "kad@musicnn",
    )
    assert found.described()["further"][0]["reference"] == "heldout"
    with pytest.raises(UsageError, match=r"one was expected\. A folder"):
        Measures.load("toy", ("mine", str(music)))


def test_a_folder_is_embedded_by_each(music):
    found = Measures.load(("toy", "musicnn"), str(music))
    sizes = [space.reference.frames.shape[1] for space in found.spaces if space.reference is not None]
    assert sizes == [16, 200]
    assert all(unit.startswith(str(music)) for unit in found.first.reference.units.tolist())  # type: ignore[union-attr]


def test_a_reference_of_another_embedder_is_made_on_demand_from_its_audio(music):
    found = Measures.load("musicnn", "mine")
    space = found.first
    assert space.reference is not None
    assert space.reference_name == "mine@musicnn"
    assert space.reference.frames.shape[1] == 200
    assert "mine@musicnn" in reference_names()
    again = Measures.load("musicnn", "mine")  # stored: not made a second time
    assert again.first.reference_hash == space.reference_hash
    assert load_reference("mine@musicnn").n_units == 5


def test_without_its_audio_the_reason_is_told_and_a_file_is_refused(music, tmp_path):
    found = Measures.load("toy", "heldout")
    assert found.first.reference is None
    for said in ("'heldout' was made by 'musicnn'", "harness corpus build heldout"):
        assert said in found.first.lacking
    path = tmp_path / "elsewhere.safetensors"
    load_reference("heldout").save(path)
    with pytest.raises(UsageError, match="does not fit the embedder 'toy'"):
        Measures.load("toy", str(path))
    assert Measures.load(("musicnn", "toy"), str(path)).spaces[1].reference is None
    with pytest.raises(UsageError, match="Did you mean 'heldout'"):
        Measures.load((), "heldot")
    with pytest.raises(UsageError, match="there is no folder"):
        Measures.load((), str(tmp_path / "no" / "folder"))


def test_a_length_of_excerpts_can_only_repeat_that_of_the_reference(music):
    assert Measures.load("toy", str(music), 1.0).first.recipe.excerpt_seconds == 1.0
    assert Measures.load((), "heldout", 6.0).first.recipe.excerpt_seconds == 6.0
    with pytest.raises(UsageError, match=r"excerpts of 6 s and --excerpt-seconds was 3"):
        Measures.load((), "heldout", 3.0)


def test_clips_shorter_than_the_excerpts_are_noted():
    found = Measures.load((), "heldout")
    assert found.notes([6.0, 7.0]) == ()
    [note] = found.notes([2.0, 6.0])
    assert "1 of 2 clips are shorter than the reference's excerpts of 6 s" in note
    bare = replace(found, spaces=(replace(found.first, reference=None),))
    assert bare.notes([2.0]) == ()


def test_a_name_is_split_at_its_first_at():
    assert split_name("kad@hf:facebook/wav2vec2-base@6") == ("kad", "hf:facebook/wav2vec2-base@6")
    assert split_name("kad") == ("kad", "")
