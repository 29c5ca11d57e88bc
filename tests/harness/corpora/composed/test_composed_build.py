"""A composed corpus on disk: whole, resumable, read like every other corpus; and, slowly, its real sound."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from harness.cli.corpus import app
from harness.core.errors import CorpusError, UsageError
from harness.corpora import open_corpus
from harness.corpora.composed import STYLES, ComposeRequest, compose, compose_piece, read_truth
from harness.corpora.composed.sound import midi, render, soundfont
from metrics.io.audio import loudness


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def silent_synthesis(monkeypatch, tmp_path):
    """A tone in place of the soundfont's sound; a list of what was rendered."""
    rendered: list[bytes] = []

    def tone(content, font):
        rendered.append(content)
        return (0.1 * np.sin(np.arange(16_000) / 10)).astype(np.float32)

    monkeypatch.setattr("harness.corpora.composed.build.render", tone)
    monkeypatch.setattr("harness.corpora.composed.build.soundfont", lambda brought: tmp_path / "none.sf2")
    return rendered


def test_a_corpus_is_whole_and_opens_like_any_other(cache, silent_synthesis):
    done = compose(ComposeRequest("small", 0.2, ("organ", "waltz")))
    corpus = open_corpus("small")
    assert done.pieces == len(corpus.tracks) == done.added > 2
    assert corpus.styles == ["organ", "waltz"]
    assert {track.licence for track in corpus.tracks} == {"CC0-1.0"}
    truth = read_truth(done.folder)
    assert [row["file"] for row in truth] == [track.file for track in corpus.tracks]
    assert sum(float(row["seconds"]) for row in truth if row["style"] == "organ") >= 360
    for row, track in zip(truth, corpus.tracks, strict=True):
        assert row["key"] == compose_piece(row["style"], int(row["seed"])).truth.key
        assert soundfile.info(corpus.path(track)).samplerate == 16_000
        assert corpus.path(track).with_suffix(".mid").is_file()
    assert "CC0" in (done.folder / "DATASHEET.md").read_text()


def test_a_second_run_adds_only_what_is_missing(cache, silent_synthesis):
    first = compose(ComposeRequest("small", 0.03, ("organ",)))
    assert compose(ComposeRequest("small", 0.03, ("organ",))).added == 0
    longer = compose(ComposeRequest("small", 0.1, ("organ",)))
    assert longer.added == longer.pieces - first.pieces
    assert len(silent_synthesis) == longer.pieces


def test_pieces_are_held_out_whole(cache, silent_synthesis):
    compose(ComposeRequest("small", 0.42, ("pulse",)))
    splits = [track.split for track in open_corpus("small").tracks]
    assert splits.count("test") == splits.count("valid") == len(splits) // 8 >= 2


@pytest.mark.parametrize(
    "wanted",
    [
        ComposeRequest("x", 1, ("polka",)),
        ComposeRequest("x", 0),
        ComposeRequest("mini", 1),
        ComposeRequest("../x", 1),
        ComposeRequest("x", 1, ()),
    ],
)
def test_what_cannot_be_composed_is_refused(cache, silent_synthesis, wanted):
    with pytest.raises(UsageError):
        compose(wanted)


def test_another_soundfont_is_refused(cache, monkeypatch):
    sound = "harness.corpora.composed.sound.packages"
    monkeypatch.setattr(f"{sound}.fetch", lambda *a: cache / "some.deb")
    monkeypatch.setattr(f"{sound}.read", lambda *a: [("x.sf2", b"no soundfont")])
    with pytest.raises(CorpusError):
        soundfont()
    assert not list((cache / "soundfonts").glob("*"))


def test_the_command_says_what_is_there(cache, silent_synthesis):
    result = CliRunner().invoke(app, ["compose", "small", "--hours", "0.02", "--style", "organ", "--quiet"])
    assert result.exit_code == 0, result.output
    assert "small: 1 pieces" in result.output


@pytest.mark.long
@pytest.mark.parametrize("style", STYLES)
def test_the_sound_is_level_and_ends(style):
    audio = render(midi(compose_piece(style, 0)), soundfont())
    assert -24.5 < loudness(audio, 16_000) < -22.9
    assert np.abs(audio).max() <= 1
    assert abs(float(audio.mean())) < 1e-3
    frames = np.sqrt(np.square(audio[: len(audio) // 1600 * 1600].reshape(-1, 1600)).mean(1))
    assert (frames[:-25] > 1e-4).all()  # sound throughout
    assert np.abs(audio[-160:]).max() < 1e-3  # and nothing after
