"""The sets that come with the harness: each is whole, in two languages, and names no music it may not."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import harness.models.jukebox.mini
from harness.cli import app
from harness.core.errors import CorpusError, UsageError
from harness.corpora.corpus import ROWS, corpus_folder
from harness.corpora.manifest import SHIPPABLE, load_manifest, write_tracks
from harness.prompts import sets as prompt_sets
from harness.prompts.prompt import choose_labels, read_cards
from harness.prompts.sets import PromptExcerpt, PromptSet, load_prompt_set, prompt_set_names
from metrics.io.audio import load, save

BILINGUAL = ("emotion", "experiment_design", "ideation", "styles", "writing")


def tags(prompts: PromptSet) -> list[dict[str, str]]:
    return [dict(tag.split(":", 1) for tag in row.tags) for row in prompts.rows]


def test_the_sets_are_those_promised():
    assert prompt_set_names() == sorted([*BILINGUAL, "continuation"])


@pytest.mark.parametrize("name", BILINGUAL)
def test_every_prompt_is_there_in_both_languages(name: str):
    prompts = load_prompt_set(name)
    assert prompts.description
    assert len(prompts.prompts()) == len(prompts.rows)
    pairs = Counter((tag["pair"], tag["lang"]) for tag in tags(prompts))
    assert set(pairs.values()) == {1}
    assert {pair for pair, _ in pairs} == {f"{n:02d}" for n in range(1, len(pairs) // 2 + 1)}
    for row, tag in zip(prompts.rows, tags(prompts), strict=True):
        chinese = any("\u4e00" <= c <= "\u9fff" for c in row.words["text"])
        assert chinese == (tag["lang"] == "zh")


def test_ideas_come_in_at_least_twelve_pairs():
    prompts = load_prompt_set("ideation")
    assert len(prompts.rows) >= 24
    assert prompts.rows[0].words["text"] == "科研创意激发"


def test_emotions_cover_the_quadrants_alike():
    found = Counter((tag["quadrant"], tag["valence"], tag["arousal"]) for tag in tags(load_prompt_set("emotion")))
    assert set(found) == {
        ("excited", "high", "high"), ("tense", "low", "high"), ("sad", "low", "low"), ("calm", "high", "low"),
        ("neutral", "neutral", "neutral"),
    }  # fmt: skip
    assert len(set(found.values())) == 1


def test_a_described_style_is_understood_as_that_style():
    """Measured: 20 of 20. The descriptions are no phrases of the cards."""
    cards = read_cards(Path(harness.models.jukebox.mini.__path__[0]) / "styles.toml")
    prompts = load_prompt_set("styles")
    understood = [choose_labels(row.words["text"], cards).style for row in prompts.rows]
    right = [found == tag["style"] for found, tag in zip(understood, tags(prompts), strict=True)]
    assert np.mean(right) >= 0.9
    phrases = {phrase for card in cards.values() for phrase in card}
    assert phrases.isdisjoint(row.words["text"] for row in prompts.rows)


def test_music_to_go_on_from_is_free_and_was_not_trained_on():
    tracks = {track.file: track for track in load_manifest("mini").tracks}
    rows = load_prompt_set("continuation").rows
    assert len(rows) == 15
    for row in rows:
        assert isinstance(row.audio, PromptExcerpt)
        track = tracks[row.audio.file]
        assert (track.split, track.style) == ("test", row.words["style"])
        assert track.licence in SHIPPABLE
        assert track.author in row.audio.credit()
    assert set(Counter(row.words["style"] for row in rows).values()) == {3}


def test_without_the_corpus_the_set_says_how_to_build_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    with pytest.raises(CorpusError, match="harness corpus build mini"):
        load_prompt_set("continuation").prompts()


def test_an_excerpt_is_cut_from_the_built_corpus(monkeypatch, tmp_path):
    """A corpus of the right rows and of noise, to cut from."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    folder, manifest = corpus_folder("mini"), load_manifest("mini")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 20 * 16_000).astype(np.float32)
    folder.mkdir(parents=True)
    (folder / ROWS).write_text(write_tracks(manifest.tracks), "utf-8")
    path = folder / "naev-data" / "ambient1.flac"
    path.parent.mkdir()
    save(path, noise, 16_000)
    [row] = [row for row in load_prompt_set("continuation").rows if "ambient1" in str(row.audio)]
    prompt = row.prompt()
    assert prompt.audio is not None
    found, rate = load(prompt.audio)
    np.testing.assert_array_equal(found, load(path)[0][10 * 16_000 : 13 * 16_000])
    assert rate == 16_000
    path.unlink()
    assert row.prompt().content() == prompt.content()  # from the cache


def test_an_unknown_set_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match=r"Did you mean 'emotion'\?.*\.yaml, \.yml, \.csv, \.jsonl"):
        load_prompt_set("emotions")


def test_a_file_called_like_a_set_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "styles").write_text("not a set")
    assert load_prompt_set("styles").description


# The command line


def prompts(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["prompts", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list_and_show():
    assert [line.split()[0] for line in prompts("list").splitlines()] == prompt_set_names()
    assert {row["name"] for row in json.loads(prompts("list", "--json"))} == set(prompt_set_names())
    assert "科研创意激发  [stage:spark" in prompts("show", "ideation")
    assert "“Ambient1” by Nikola Whallon, CC-BY-3.0, from naev-data" in prompts("show", "continuation")


@pytest.mark.parametrize("name", prompt_set_names())
def test_what_show_prints_as_json_is_the_set_again(name: str, tmp_path: Path):
    (tmp_path / "again.jsonl").write_text(prompts("show", name, "--json"), "utf-8")
    again, rows = load_prompt_set(str(tmp_path / "again.jsonl")).rows, load_prompt_set(name).rows
    assert [row.as_dict() for row in again] == [row.as_dict() for row in rows]


def test_run_takes_sets_and_files(tmp_path: Path, monkeypatch):
    from harness.running import experiment as runner

    asked = []
    monkeypatch.setattr(runner, "evaluate", lambda _, settings, __: asked.append(settings) or 1 / 0)
    (tmp_path / "mine.csv").write_text("text,style\na slow waltz,\n,metal\n")
    arguments = [
        "run",
        "temperature",
        "--model",
        "toy",
        "--prompts",
        "writing",
        "--prompts",
        str(tmp_path / "mine.csv"),
    ]
    result = CliRunner().invoke(app, [*arguments, "--prompt", "one more"])
    assert isinstance(result.exception, ZeroDivisionError)
    assert "takes the first 16 of 27 prompts" in result.stderr
    [settings] = asked
    labels = [prompt.label() for prompt in settings.prompts]
    assert (labels[0], labels[-2:]) == ("“one more”", ["“a slow waltz”", "metal"])
    assert len(labels) == 27


def test_corpora_are_read_once():
    prompt_sets._tracks.cache_clear()
    load_prompt_set("continuation")
    assert prompt_sets._tracks.cache_info().misses == 1
