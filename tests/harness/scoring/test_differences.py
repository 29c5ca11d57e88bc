"""A difference is paired where units mean the same, and one declared family is adjusted together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import soundfile

from harness.core.errors import DegenerateInput, UsageError
from harness.scoring.cache import ContentCache
from harness.scoring.clips import ClipFile, ClipSet
from harness.scoring.differences import Family, compare, difference
from harness.scoring.measures import Measures
from harness.scoring.score import score
from metrics.compare.difference import difference_of
from metrics.compare.family import family
from metrics.embeddings import load_embedder
from metrics.io.weights import file_sha256
from metrics.reference.sets import build_reference
from tests.harness.sounds import RATE, tone

NAMES = ("kad", "vendi", "loudness")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def measured(folder):
    """Three conditions of ten clips each, the noisier the later, as their scores by name."""
    cache = ContentCache(folder / "cache")
    path = folder / "real.safetensors"
    build_reference([(tone(100 + n), RATE, f"song {n}", "x") for n in range(30)], load_embedder("toy")).save(path)
    measures = Measures.load("toy", str(path))

    def condition(name: str, noise: float, units: range = range(10), paired: bool = True):
        clips = []
        for n in units:
            file = folder / f"{name}-{n}.wav"
            soundfile.write(file, tone(n, noise=noise), RATE)
            clips.append(ClipFile(str(n), file, file_sha256(file)))
        return score(ClipSet(name, tuple(clips), paired), NAMES, measures, cache)

    return condition


@pytest.fixture(scope="module")
def three(measured):
    return [measured(name, noise) for name, noise in (("a", 0.05), ("b", 0.2), ("c", 0.5))]


def test_it_is_that_of_the_two_scores(three):
    first, second, _ = three
    for name in NAMES:
        found, wanted = difference(first, second, name), difference_of(first.scores[name], second.scores[name])
        assert (found.value, found.stderr, found.p, found.paired) == (wanted.value, wanted.stderr, wanted.p, True)
        assert found.value == pytest.approx(second.scores[name].value - first.scores[name].value)


def test_sets_whose_units_mean_nothing_elsewhere_are_independent(measured, three):
    alone = measured("d", 0.2, paired=False)
    found = difference(three[0], alone, "loudness")
    assert not found.paired
    paired = difference(three[0], three[1], "loudness")
    assert found.stderr > paired.stderr  # what the pairs share does not cancel
    assert found.value == pytest.approx(paired.value)


def test_a_clip_without_its_counterpart_counts_on_neither_side(measured, three):
    fewer = measured("b", 0.2, units=range(8))
    found = difference(three[0], fewer, "kad")
    same = difference(measured("a", 0.05, units=range(8)), fewer, "kad")
    assert (found.paired, found.n_units) == (True, 8)
    assert (found.value, found.stderr) == (same.value, same.stderr)


def test_what_has_no_value_or_no_difference_says_why(three):
    first, second = three[0], replace(three[1], scores={}, unmeasured={"kad": "no sound"})
    with pytest.raises(DegenerateInput, match="no sound"):
        difference(first, second, "kad")
    with pytest.raises(DegenerateInput, match="was not measured"):
        difference(first, second, "vendi")
    with pytest.raises(UsageError, match="but by fad"):
        difference(first, second, "fad_infinity")


def test_all_metrics_over_all_pairs_are_one_family_where_none_decides(three):
    found = compare(three, Family.of_every_pair("abc"))
    assert len(found.differences) == 9
    assert {one.label for one in found.differences} == {"declared"}
    wanted = family([difference_of(*pair) for pair in _pairs(three)])
    assert [one.difference.p_adjusted for one in found.differences] == [one.p_adjusted for one in wanted]
    for one in found.differences:
        interval = one.difference.family_interval
        assert interval is not None
        assert one.significant == (not interval[0] <= 0 <= interval[1])


def test_beside_a_primary_metric_the_rest_is_exploratory(three):
    declared = Family((("a", "b"), ("a", "c"), ("a", "gone")), primary="vendi")
    found = compare(three, declared)
    assert [(one.metric, one.first, one.second, one.label) for one in found.differences[:2]] == [
        ("vendi", "a", "b", "declared"),
        ("vendi", "a", "c", "declared"),
    ]
    rest = found.differences[2:]
    assert [one.metric for one in rest] == ["kad", "kad", "loudness", "loudness"]
    for one in rest:
        assert (one.label, one.significant, one.difference.p_adjusted) == ("exploratory", False, None)
    wanted = family([difference_of(three[0].scores["vendi"], other.scores["vendi"]) for other in three[1:]])
    assert [one.difference.p_adjusted for one in found.differences[:2]] == [one.p_adjusted for one in wanted]
    alone = compare(three, replace(declared, adjusted=False)).differences[:2]
    assert [one.difference.p_adjusted for one in alone] == [one.difference.p for one in alone]


def test_of_too_many_exploratory_ones_none_is_listed(three, monkeypatch):
    monkeypatch.setattr("harness.scoring.differences.MOST_EXPLORATORY", 3)
    found = compare(three, replace(Family.of_every_pair("abc"), primary="kad"))
    assert {one.metric for one in found.differences} == {"kad"}
    assert "differences in vendi, loudness are not listed: there are 6" in found.notes[0]


def _pairs(three):
    return [
        (three[first].scores[name], three[second].scores[name])
        for name in NAMES
        for first, second in ((0, 1), (0, 2), (1, 2))
    ]


def test_conditions_of_the_same_sounds_are_called_identical(three):
    first, second, _ = three
    twin = replace(first, clips=replace(first.clips, name="twin"))
    compared = compare([first, twin, second], Family.of_every_pair(["a", "twin", "b"]))
    [note] = [note for note in compared.notes if "byte for byte" in note]
    assert "twin" in note
    assert {one.difference.value for one in compared.differences if one.second == "twin"} == {0.0}
