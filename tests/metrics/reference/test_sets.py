import numpy as np
import pytest

from metrics.embeddings import load_embedder
from metrics.errors import AudioError, UsageError
from metrics.io.audio import Preprocessing
from metrics.reference.sets import build_reference, load_reference, reference_names, save_reference, shipped_folder
from metrics.reference.statistics import compute
from metrics.sets.frechet import fad
from metrics.stats.reliability import rules, tail_warnings

TOY = load_embedder("toy")


def music(n=6, seconds=2.0, rate=16000, seed=0):
    """(audio, rate, song, style) of n clips, two excerpts to a song."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        tone = np.sin(2 * np.pi * (200 + 100 * i) * np.arange(round(seconds * rate)) / rate)
        yield (tone + 0.1 * rng.standard_normal(tone.size)).astype(np.float32), rate, f"song{i // 2}", "folk"


@pytest.fixture
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))


def test_excerpts_of_a_track_share_its_song():
    made = build_reference(music(), TOY, about={"licence": "CC0"})
    assert made.provenance["components"] == 16
    assert build_reference(music(), TOY, components=8).provenance["components"] == 8
    assert made.n_units == 3
    assert len(made.frames) == 18
    assert made.provenance["licence"] == "CC0"
    assert made.provenance["preprocessing"]["lufs"] == -23.0
    assert "padded" not in made.provenance


def test_clips_shorter_than_a_window_are_flagged():
    assert build_reference(music(4, seconds=0.8), TOY).provenance["padded"] == ["song0", "song1"]
    cropped = build_reference(music(4), TOY, Preprocessing(seconds=0.9))
    assert cropped.provenance["padded"] == ["song0", "song1"]


@pytest.mark.usefixtures("_own_cache")
def test_a_set_is_kept_under_a_name_and_found_again(tmp_path):
    path = save_reference("mine", build_reference(music(), TOY))
    assert "mine" in reference_names()
    assert np.array_equal(load_reference("mine").frames, load_reference(path).frames)
    with pytest.raises(UsageError, match="Did you mean 'mine'"):
        load_reference("mina")
    with pytest.raises(UsageError, match="no reference set at"):
        load_reference(tmp_path / "absent.safetensors")
    with pytest.raises(UsageError, match="plain name"):
        save_reference("a/b", build_reference(music(), TOY))


def test_other_preprocessing_is_refused_with_the_part_that_differs():
    reference = build_reference(music(8), TOY)
    with pytest.raises(UsageError, match=r"preprocessing\.lufs is -18\.0 against -23\.0"):
        fad(build_reference(music(8), TOY, Preprocessing(lufs=-18.0)), reference)


def test_silence_and_nothing_are_no_reference():
    with pytest.raises(AudioError, match="silent"):
        build_reference([(np.zeros(16000, np.float32), 16000, "a", "folk")], TOY)
    with pytest.raises(UsageError, match="0 clips"):
        build_reference([], TOY)


def test_every_shipped_set_loads_with_styles_and_provenance():
    for path in shipped_folder().glob("*.safetensors"):
        reference = load_reference(path.stem)
        assert {"embedder", "preprocessing"} <= reference.provenance.keys()
        assert reference.strata is not None
        assert reference.n_units >= 16


def test_the_default_reference_is_large_enough_for_the_headline_distance():
    reference = load_reference("heldout")
    assert reference.n_units >= rules()["components"]["fad"]["reference_units"]
    assert compute(reference, 16).explained >= rules()["components"]["explained_variance"]
    tracks = [reference.frames[reference.units == track].mean(0) for track in np.unique(reference.units)]
    assert tail_warnings(tracks) == []
