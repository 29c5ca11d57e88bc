"""Scores of files are those of the metrics called by hand, and what cannot be had says why."""

import numpy as np
import pytest

from harness.core.errors import UsageError
from harness.core.progress import Quiet
from harness.scoring.clips import find_clips, measures_against, read_set
from harness.scoring.measuring import DEFAULTS, choose, measure_set
from metrics.api.catalogue import CATALOGUE, metric
from metrics.sets.frechet_variants import fad_per_song
from metrics.sets.novelty import neighbour_percentiles
from tests.harness.sounds import make_folder


@pytest.fixture
def measures(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    made, _ = measures_against(str(make_folder(tmp_path / "real", 12, first=100)), "toy", None, Quiet())
    return made


def sounds_of(folder, measures):
    return read_set("made", find_clips([folder]), measures.recipe, Quiet(), structure=True)


def test_values_are_those_of_the_metrics(tmp_path, measures):
    sounds = sounds_of(make_folder(tmp_path / "made", 8, pitch=1.3), measures)
    measured = measure_set(sounds, choose([], reference=True), measures)
    assert tuple(measured.scores) == DEFAULTS
    evaluated, reference = sounds.embedded(), measures.reference
    for name in DEFAULTS:
        row = metric(name)
        expected = row.load()(evaluated, reference, **row.options)
        found = measured.scores[name]
        assert (found.value, found.stderr, found.interval) == (expected.value, expected.stderr, expected.interval)
        assert found.provenance["reference_hash"] == measures.described()["reference_hash"]
        assert {"embedder", "preprocessing", "seed"} <= found.provenance.keys()
    distances = fad_per_song(evaluated, reference)
    percentiles = neighbour_percentiles(evaluated, reference)
    for song, values in measured.values.items():
        assert values["fad"] == distances[song]
        assert values["neighbour_percentile"] == percentiles[song]
        assert values["nearest"] in reference.units


def test_figures_of_single_files_are_means_over_files(tmp_path, measures):
    sounds = sounds_of(make_folder(tmp_path / "made", 5), measures)
    measured = measure_set(sounds, choose(["loudness", "onset_density"], reference=False), None)
    values = [file.signal.loudness for file in sounds.files if file.signal]
    assert measured.scores["loudness"].value == pytest.approx(np.mean(np.array(values, dtype=float)))
    assert measured.scores["loudness"].unit == "LUFS"
    assert all("onset_density" in values for values in measured.values.values())


def test_one_clip_has_figures_and_no_scores(tmp_path, measures):
    measured = measure_set(sounds_of(make_folder(tmp_path / "made", 1), measures), choose([], True), measures)
    assert not measured.scores
    assert set(measured.unmeasured) == set(DEFAULTS)
    assert "at least 3" in measured.unmeasured["fad16"]
    assert len(measured.values) == 1


def test_few_clips_have_those_of_the_four_that_they_can_have(tmp_path, measures):
    measured = measure_set(sounds_of(make_folder(tmp_path / "made", 4), measures), choose([], True), measures)
    assert "recall" in measured.unmeasured
    assert {"precision", "density", "coverage"} <= measured.scores.keys()


def test_what_takes_more_is_answered_with_what_it_takes():
    with pytest.raises(UsageError, match="Did you mean 'vendi'"):
        choose(["vendy"], reference=True)
    with pytest.raises(UsageError, match="Did you mean 'loudness'"):
        choose(["loudnes"], reference=True)
    with pytest.raises(UsageError, match="class probabilities"):
        choose(["is_softmax"], reference=True)
    with pytest.raises(UsageError, match="a column 'prompt'"):
        choose(["prompt_effect"], reference=True)
    with pytest.raises(UsageError, match="give --reference"):
        choose(["kad"], reference=False)
    assert [one.name for one in choose(["vendi", "vendi"], reference=False)] == ["vendi"]
    assert choose(["prompt_effect"], reference=False, prompts=True)


MORE = {
    "probabilities": "class probabilities", "text": "words", "prompt audio": "sound that each clip continues",
    "known audio": "waveforms of known music", "predictions": "a classifier hears", "likelihood": "--likelihood",
    "prompt": "a column 'prompt'",
}  # fmt: skip


def test_every_metric_is_measured_on_files_or_says_what_it_takes_besides(tmp_path, measures):
    for style, pitch in (("folk", 1.0), ("metal", 3.0)):
        make_folder(tmp_path / "made" / style, 4, pitch=pitch)
    from_files = []
    for row in CATALOGUE.values():
        lacking = [said for need, said in MORE.items() if need in row.needs]
        if not lacking and row.gives == "score":
            from_files.append(row.name)
        for said in lacking or ([] if row.gives == "score" else ["the Fréchet distance of each file"]):
            with pytest.raises(UsageError, match=said):
                choose([row.name], reference=True)
    measured = measure_set(sounds_of(tmp_path / "made", measures), choose(from_files, reference=True), measures)
    assert {"fad_fadtk", "neighbour_percentile", "onset_density", "loudness"} <= measured.scores.keys()
    assert set(from_files) - measured.scores.keys() == measured.unmeasured.keys()
    assert all(score.name in (name, "fad16") for name, score in measured.scores.items())
    assert all(measured.unmeasured.values())


def test_sub_folders_are_the_styles_that_clips_are_held_against(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    for style, pitch in (("folk", 1.0), ("metal", 3.0)):
        make_folder(tmp_path / "real" / style, 5, first=100, pitch=pitch)
        make_folder(tmp_path / "made" / style, 4, pitch=pitch)
    measures, _ = measures_against(str(tmp_path / "real"), "toy", None, Quiet())
    chosen = choose(["style_similarity"], reference=True)
    styled = measure_set(sounds_of(tmp_path / "made", measures), chosen, measures)
    assert styled.scores["style_similarity"].value > 0
    plain = measure_set(sounds_of(tmp_path / "made" / "folk", measures), chosen, measures)
    assert "the style of each clip" in plain.unmeasured["style_similarity"]
