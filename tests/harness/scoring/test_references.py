"""References from folders of small sound files: what is counted, what is kept, what is told."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from harness.core.errors import AudioError, HarnessError, UsageError
from harness.core.progress import Quiet
from harness.corpora import reference as corpus_reference
from harness.corpora.corpus import Corpus
from harness.corpora.manifest import Track
from harness.scoring import references
from harness.scoring.measures import Measures
from harness.scoring.references import (
    BuildSettings,
    MusicFolder,
    build_from_corpus,
    build_from_folder,
    check_free,
    read_manifest,
    recipe_for,
)
from metrics.embeddings import load_embedder
from metrics.embeddings.base import embed_clip
from metrics.errors import AudioError as MetricsAudioError
from metrics.io import audio
from metrics.reference.sets import load_reference, reference_names
from metrics.sets.frechet import fad

RATE = 22050


class Counting:
    """The toy embedder, which remembers how often it was asked."""

    def __init__(self):
        self.toy, self.asked = load_embedder("toy"), 0

    def __getattr__(self, name):
        return getattr(self.toy, name)

    def embed(self, samples):
        self.asked += 1
        return self.toy.embed(samples)


def tone(number, seconds=3.0):
    time = np.arange(round(seconds * RATE)) / RATE
    noise = 0.02 * np.random.default_rng(number).standard_normal(time.size)
    return 0.2 * np.sin(2 * np.pi * 110 * (number + 1) * time) + noise


@pytest.fixture
def music(tmp_path, monkeypatch):
    """Two styles of two files, of which two differ in their suffix only, and a third file beside the styles."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "music"
    for n, name in enumerate(["folk/a.wav", "folk/a.flac", "metal/b.wav", "metal/deep/c.ogg", "d.wav"]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, tone(n), RATE)
    return folder


def build(music, name="mine", seconds=None, embedder=None, **about):
    recipe = recipe_for(embedder or load_embedder("toy"), -23.0, seconds)
    return build_from_folder(name, MusicFolder(music, **about), recipe, Quiet())


def test_a_folder_becomes_a_set_that_is_taken_by_name(music):
    manifest = build(music, licence="CC0-1.0")
    assert "mine" in reference_names()
    found = load_reference("mine")
    names = ["d.wav", "folk/a.flac", "folk/a.wav", "metal/b.wav", "metal/deep/c.ogg"]
    assert sorted(set(found.units.tolist())) == names == [entry.file for entry in manifest.files]
    assert np.asarray(found.unit_strata()).tolist() == ["music", "folk", "folk", "metal", "metal"]
    assert found.provenance["licences"] == ["CC0-1.0"]
    for name in names:
        expected = embed_clip(load_embedder("toy"), *audio.load(music / name))
        assert np.allclose(found.frames[found.units == name], expected, atol=2e-3)


def test_it_is_accepted_where_a_reference_is(music):
    build(music, seconds=1.0)
    measures = Measures.load("toy", "mine")
    assert measures.first.recipe.excerpt_seconds == 1.0
    assert measures.first.reference is not None
    assert fad(load_reference("mine"), measures.first.reference, 2).plain == pytest.approx(0, abs=1e-6)


def test_files_of_one_name_and_two_suffixes_are_two_songs_and_copies_are_one(music):
    shutil.copy(music / "folk" / "a.wav", music / "metal" / "z.wav")
    manifest = build(music)
    assert {"folk/a.wav", "folk/a.flac"} <= set(load_reference("mine").units.tolist())
    assert "metal/z.wav" not in load_reference("mine").units
    [entry] = [entry for entry in manifest.files if entry.file == "folk/a.wav"]
    assert entry.same_as == ("metal/z.wav",)


def test_a_second_build_embeds_what_is_new_only(music):
    embedder = Counting()
    first = build(music, embedder=embedder)
    assert embedder.asked == 5
    soundfile.write(music / "folk" / "new.wav", tone(9), RATE)
    (music / "d.wav").rename(music / "e.wav")
    second = build(music, embedder=embedder)
    assert embedder.asked == 6
    assert second.set_sha256 != first.set_sha256
    soundfile.write(music / "folk" / "new.wav", tone(10), RATE)
    build(music, embedder=embedder)
    assert embedder.asked == 7


def test_the_same_music_makes_the_same_bytes(music, tmp_path):
    build(music)
    first = {path.name: path.read_bytes() for path in (tmp_path / "cache" / "reference").glob("mine.*")}
    shutil.rmtree(tmp_path / "cache")
    build(music)
    assert {path.name: path.read_bytes() for path in (tmp_path / "cache" / "reference").glob("mine.*")} == first
    assert set(first) == {"mine.safetensors", "mine.json"}


def test_excerpts_are_levelled_each_and_silent_ones_keep_their_level(music):
    half = np.concatenate([tone(20, 2.0), np.zeros(2 * RATE), 0.1 * tone(20, 2.5)])
    soundfile.write(music / "folk" / "half.wav", half, RATE)
    manifest = build(music, seconds=2.0)
    assert {entry.file: entry.frames for entry in manifest.files}["folk/half.wav"] == 9
    found = load_reference("mine")
    loud, silent, quiet = found.frames[found.units == "folk/half.wav"].reshape(3, 3, -1)
    assert np.abs(loud.max(axis=1) - quiet.max(axis=1)).max() < 0.1
    assert np.array_equal(silent, load_embedder("toy").embed(np.zeros(2 * 16000, np.float32)))
    assert found.provenance["preprocessing"]["silence"] == "own level"
    assert found.provenance["excerpt_seconds"] == 2.0


def test_what_cannot_be_measured_is_left_out_and_named(music):
    (music / "folk" / "broken.mp3").write_bytes(b"no sound")
    (music / "folk" / "gone.wav").symlink_to(music / "nowhere.wav")
    (music / "folk" / "other.m4a").write_bytes(b"sound for others")
    (music / "folk" / "notes.txt").write_text("no sound at all")
    for seconds in (None, 1.0):
        manifest = build(music, seconds=seconds)
        assert sorted(manifest.left_out) == ["folk/broken.mp3", "folk/gone.wav", "folk/other.m4a"]
        assert len(manifest.files) == 5


def test_short_files_are_flagged(music):
    soundfile.write(music / "folk" / "short.wav", tone(3, 0.7), RATE)
    for _ in range(2):  # embedded, then from the cache
        build(music)
        assert load_reference("mine").provenance["padded"] == ["folk/short.wav"]


def test_nothing_is_no_reference(music, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no sound file"):
        build(tmp_path / "empty")
    with pytest.raises(UsageError, match="no folder"):
        build(tmp_path / "absent")
    (tmp_path / "empty" / "a.wav").write_bytes(b"no sound")
    with pytest.raises(AudioError, match="none of the 1 files"):
        build(tmp_path / "empty")
    assert AudioError is MetricsAudioError


def test_a_name_is_free_or_replaced_on_purpose(music):
    build(music)
    with pytest.raises(UsageError, match="--replace"):
        check_free("mine", replace=False)
    check_free("mine", replace=True)
    with pytest.raises(UsageError, match="comes with the package"):
        check_free("heldout", replace=True)
    for name in ("a/b", "", ".hidden", "x.safetensors"):
        with pytest.raises(UsageError, match="plain name"):
            check_free(name, replace=False)


def test_the_manifest_names_every_file_by_its_hash_and_belongs_to_its_set(music, tmp_path):
    made = build(music, licence="CC-BY-4.0")
    assert read_manifest("mine") == made
    told = json.loads((tmp_path / "cache" / "reference" / "mine.json").read_text())
    assert told["made"]["embedder"]["name"] == "toy"
    assert told["made"]["preprocessing"]["lufs"] == -23.0
    assert all(len(entry["sha256"]) == 64 and entry["licence"] == "CC-BY-4.0" for entry in told["files"])
    assert made.licences() == ["CC-BY-4.0"]
    told["set_sha256"] = "0" * 64
    (tmp_path / "cache" / "reference" / "mine.json").write_text(json.dumps(told))
    with pytest.raises(HarnessError, match="another state"):
        read_manifest("mine")
    (tmp_path / "cache" / "reference" / "mine.json").write_text("{")
    with pytest.raises(HarnessError, match="cannot be read"):
        read_manifest("mine")
    assert read_manifest("heldout") is None


def test_styles_of_a_corpus_go_through_corpus_embed(music, monkeypatch):
    tracks = [
        Track(name.split("/")[0], "1", name, f"{n:064x}", "CC0-1.0", "A", "a", name, "", style, "test", 3.0, name)
        for n, (name, style) in enumerate([("folk/a.wav", "folk"), ("folk/a.flac", "folk"), ("metal/b.wav", "metal")])
    ]
    corpus = Corpus("small", music, tracks)
    monkeypatch.setattr(corpus_reference, "open_corpus", lambda name: corpus)
    monkeypatch.setattr(references, "open_corpus", lambda name: corpus)
    manifest = build_from_corpus(
        "folk", ["folk"], BuildSettings(corpus="small", clips_per_style=4, seconds=1.0, embedder="toy")
    )
    assert [(entry.file, entry.licence) for entry in manifest.files] == [
        ("folk/a.flac", "CC0-1.0"), ("folk/a.wav", "CC0-1.0"),
    ]  # fmt: skip
    assert read_manifest("folk") == manifest
    assert load_reference("folk").provenance["corpus"] == "small"
    assert manifest.source["styles"] == ["folk"]
