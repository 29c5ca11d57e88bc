"""A built corpus opens with its labels; one that is not built, or out of date, says which command to run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.corpus import app
from harness.core.errors import CorpusError, UsageError
from harness.corpora import open_corpus
from harness.corpora.build import build
from harness.corpora.corpus import ROWS, corpus_folder
from harness.corpora.manifest import load_manifest, write_tracks

from .conftest import Songs, World


def test_a_corpus_opens_with_its_labels(units: Songs) -> None:
    build(units.manifest)
    corpus = open_corpus("sines")
    assert corpus.styles == ["sine"]
    assert corpus.artists == ["ada"]
    assert [track.title for track in corpus.select("train", "sine")] == ["one", "song", "three"]
    assert corpus.select("test") == []
    assert all(corpus.path(track).is_file() for track in corpus.tracks)
    with pytest.raises(UsageError, match="style 'saw' is not in the corpus sines: it has sine"):
        corpus.select(style="saw")
    with pytest.raises(UsageError, match="split 'all'"):
        corpus.select("all")


@pytest.mark.usefixtures("world")
def test_a_corpus_that_is_not_built_names_the_command() -> None:
    with pytest.raises(CorpusError, match="Run 'harness corpus build mini' first"):
        open_corpus("mini")
    with pytest.raises(UsageError, match="Did you mean 'mini'"):
        open_corpus("minni")


@pytest.mark.usefixtures("world")
def test_a_corpus_built_from_another_manifest_is_refused() -> None:
    tracks = list(load_manifest("mini").tracks)
    rows = corpus_folder("mini") / ROWS
    rows.parent.mkdir(parents=True)
    rows.write_text(write_tracks([replace(track, seconds=track.seconds + 0.01, gain=0.5) for track in tracks]))
    assert len(open_corpus("mini").tracks) == len(tracks)
    other = "train" if tracks[0].split == "test" else "test"
    rows.write_text(write_tracks([replace(tracks[0], split=other), *tracks[1:]]))
    with pytest.raises(CorpusError, match=r"another version of its manifest.*harness corpus build mini"):
        open_corpus("mini")


def run(*arguments: str) -> str:
    """What `harness corpus ...` prints; the error it stops with is raised."""
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("world")
def test_the_corpora_are_listed_and_shown() -> None:
    listed = run("list")
    assert "mini" in listed
    assert "heldout" in listed
    shown = run("show", "mini")
    assert all(style in shown for style in ("ambient", "metal", "ancient", "fantasy", "electronic"))
    assert "singularity-music" in shown
    assert "CC-BY-SA-3.0" in shown
    table = run("attribution", "mini", "--split", "test")
    assert "| fretsonfire-songs-muldjord" in table
    assert "marsshooter-data" in run("attribution", "mini")


def test_build_from_the_command_line_with_a_manifest_and_packages_of_ones_own(
    world: World, units: Songs, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(
        'name = "own"\ndescription = "Mine."\nseed = 0\nshippable = true\n'
        '[[packages]]\nname = "songs"\nversion = "1-1"\nsize = 1\nsource = "x"\nevidence = "x"\n'
    )
    (tmp_path / "own.csv").write_text(write_tracks(units.manifest.tracks))
    arguments = ("build", str(tmp_path / "own.toml"), "--packages", str(world.registry), "--quiet")
    assert "3 converted now, 0 existing" in run(*arguments)
    assert "0 converted now, 3 existing" in run(*arguments)
    assert world.downloads() == []
    assert len(open_corpus("own").tracks) == 3
