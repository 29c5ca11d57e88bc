"""Sets of sound files: who is in, under which name, and what is done with the odd ones."""

import shutil

import numpy as np
import pytest
import soundfile

from harness.core.errors import AudioError, UsageError
from harness.core.progress import Quiet
from harness.scoring.references import recipe_for
from harness.scoring.sound_sets import find_clips, measures_against, read_set
from metrics.embeddings import load_embedder
from metrics.embeddings.base import embed_clip
from metrics.io.audio import load
from tests.harness.sounds import RATE, make_folder, tone


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return make_folder(tmp_path / "made", 3)


def read(folder, seconds=None, **options):
    recipe = recipe_for(load_embedder("toy"), -23.0, seconds)
    return read_set("made", find_clips([folder]), recipe, Quiet(), **options)


def test_frames_are_those_of_the_embedder(folder):
    sounds = read(folder)
    embedded = sounds.embedded()
    for file in sounds.files:
        expected = embed_clip(load_embedder("toy"), *load(file.clip.path))
        assert np.allclose(embedded.frames[embedded.units == file.clip.id], expected, atol=2e-3)
    assert embedded.strata is None


def test_suffixes_make_two_clips_and_copies_count_twice(folder):
    soundfile.write(folder / "00.flac", tone(7), RATE)
    shutil.copy(folder / "01.wav", folder / "copy.wav")
    sounds = read(folder)
    assert [file.clip.path.name for file in sounds.files] == ["00.flac", "00.wav", "01.wav", "02.wav", "copy.wav"]
    assert sounds.embedded().n_units == 5


def test_sub_folders_are_styles_and_a_file_is_found_once(folder):
    make_folder(folder / "folk" / "deep", 1)
    clips = find_clips([folder, folder / "01.wav"])
    assert [clip.style for clip in clips] == ["", "", "", "folk"]
    assert len(find_clips([folder / "01.wav", folder])) == 4


def test_silent_and_short_files_are_embedded_at_their_own_level(folder):
    soundfile.write(folder / "silent.wav", np.zeros(2 * RATE), RATE)
    soundfile.write(folder / "short.wav", tone(1, 0.2), RATE)
    for seconds in (None, 1.0):
        sounds = read(folder, seconds)
        assert [file.clip.path.name for file in sounds.files if file.own_level] == ["short.wav", "silent.wav"]
        assert not sounds.failed
        assert sounds.embedded().n_units == 5
        assert len(sounds.embedded().provenance["own_level"]) == 2
        [short] = sounds.embedded().provenance["padded"]
        assert short.endswith("short.wav")


def test_a_broken_file_is_kept_with_its_reason_or_raised(folder):
    (folder / "broken.mp3").write_bytes(b"no sound")
    soundfile.write(folder / "nan.wav", np.full(RATE, np.nan, np.float32), RATE, subtype="FLOAT")
    sounds = read(folder)
    assert [file.clip.path.name for file in sounds.failed] == ["broken.mp3", "nan.wav"]
    assert "broken.mp3 cannot be decoded" in (sounds.failed[0].error or "")
    assert "NaN" in (sounds.failed[1].error or "")
    with pytest.raises(AudioError, match=r"broken\.mp3"):
        read(folder, stop=True)


def test_what_was_embedded_is_not_embedded_again(folder, monkeypatch):
    read(folder)
    monkeypatch.setattr("metrics.embeddings.toy.ToyEmbedder.embed", lambda *_: pytest.fail("embedded again"))
    (folder / "00.wav").rename(folder / "other.wav")
    assert read(folder).embedded().n_units == 3


def test_a_folder_is_a_reference_whose_songs_are_known_by_their_paths(folder):
    (folder / "broken.wav").write_bytes(b"no sound")
    measures, left_out = measures_against(str(folder), "toy", 1.0, Quiet())
    assert sorted(set(measures.reference.units.tolist())) == [str(folder / f"0{n}.wav") for n in range(3)]
    assert measures.recipe.excerpt_seconds == 1.0
    assert list(left_out) == [str(folder / "broken.wav")]


def test_a_named_reference_brings_its_preprocessing(folder):
    measures, _ = measures_against("heldout", None, None, Quiet())
    assert measures.embedder_name == "musicnn"
    with pytest.raises(UsageError, match="one preprocessing"):
        measures_against("heldout", None, 2.5, Quiet())
    with pytest.raises(UsageError, match="Did you mean 'heldout'"):
        measures_against("heldot", None, None, Quiet())
    with pytest.raises(UsageError, match="there is no folder"):
        measures_against(str(folder / "absent"), None, None, Quiet())
    with pytest.raises(UsageError, match="does not fit the embedder"):
        measures_against("heldout", "toy", None, Quiet())
