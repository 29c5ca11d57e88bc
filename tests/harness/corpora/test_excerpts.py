"""Excerpts and reference sets of a small corpus: tones that rise from track to track, one of them half silent."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from harness.core.errors import CorpusError
from harness.corpora.corpus import Corpus
from harness.corpora.excerpts import excerpts, halves
from harness.corpora.manifest import Track

RATE = 16_000


@pytest.fixture
def corpus(tmp_path):
    tracks = []
    for style, package, seconds in (("calm", "a", 8), ("calm", "b", 20), ("calm", "b", 12), ("loud", "c", 30)):
        number = len(tracks)
        audio = 0.1 * np.sin(2 * np.pi * 110 * (number + 1) * np.arange(seconds * RATE) / RATE)
        if number == 1:
            audio[: len(audio) // 2] = 0
        name = f"{package}/{number}.flac"
        (tmp_path / package).mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, audio, RATE)
        tracks.append(
            Track(package, "1", name, f"{number:064x}", "CC0-1.0", "A", "a", name, "", style, "test", seconds, name)
        )
    return Corpus("small", tmp_path, tracks)


def test_excerpts_are_equal_loud_and_the_same_every_time(corpus):
    found, again = (excerpts(corpus, corpus.tracks, 6, 2.0) for _ in range(2))
    assert [(e.song, e.start) for e in found] == [(e.song, e.start) for e in again]
    assert {len(e.audio) for e in found} == {2 * RATE}
    assert all(np.abs(e.audio).max() > 0.05 for e in found)
    assert [e.track.style for e in found] == ["calm"] * 6 + ["loud"] * 6


def test_excerpts_do_not_overlap_and_tracks_take_turns(corpus):
    found = excerpts(corpus, [t for t in corpus.tracks if t.style == "calm"], 9, 2.0)
    for song in {e.song for e in found}:
        starts = sorted(e.start for e in found if e.song == song)
        assert (np.diff(starts) >= 2.0).all()
    assert [e.song for e in found[:3]] == ["a/0.flac", "b/1.flac", "b/2.flac"]


def test_long_tracks_make_up_for_short_ones_until_there_is_no_more(corpus):
    assert len(excerpts(corpus, corpus.tracks[:3], 14, 2.0)) == 14
    with pytest.raises(CorpusError, match="calm"):
        excerpts(corpus, corpus.tracks[:3], 40, 2.0)


def test_halves_share_no_track_and_split_every_package(corpus):
    first, second = halves(corpus.tracks)
    assert not {t.file for t in first} & {t.file for t in second}
    assert len(first) + len(second) == len(corpus.tracks)
    assert {"b"} == {t.package for t in first} & {t.package for t in second}


def test_a_reference_set_says_where_it_is_from(corpus, monkeypatch):
    from harness.corpora import reference

    monkeypatch.setattr(reference, "open_corpus", lambda name: corpus)
    embedded = reference.embed_corpus("small", ["calm"], 3, 4.0, "toy")
    assert embedded.n_units == 3
    assert embedded.strata is not None
    assert set(embedded.strata) == {"calm"}
    assert embedded.provenance["corpus"] == "small"
    assert embedded.provenance["packages"] == {"a": "1", "b": "1"}
    assert embedded.provenance["licences"] == ["CC0-1.0"]
