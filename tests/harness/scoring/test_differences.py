"""Differences of two sets of paired files: the metrics' own, tested as one family, or refused by name."""

from dataclasses import replace

import pytest

from harness.core.errors import UsageError
from harness.core.progress import Quiet
from harness.scoring.differences import check_alike, differences
from harness.scoring.measuring import choose, measure_set
from harness.scoring.sound_pairs import pair_files
from harness.scoring.sound_sets import measures_against, read_set
from metrics.compare.comparison import holm, paired_difference
from tests.harness.sounds import make_folder


@pytest.fixture
def compared(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    measures, _ = measures_against(str(make_folder(tmp_path / "real", 10, first=100)), "toy", None, Quiet())
    pairs = pair_files(make_folder(tmp_path / "a", 8), make_folder(tmp_path / "b", 8, noise=0.4), "name")
    chosen = choose(["kad", "fad", "vendi", "rolloff"], reference=True)
    sides = [
        measure_set(read_set(name, pairs.clips(side), measures.recipe, Quiet()), chosen, measures)
        for side, name in enumerate("ab")
    ]
    return chosen, *sides, measures.reference


def test_differences_are_the_jackknifed_ones_and_one_family(compared):
    chosen, first, second, reference = compared
    found, untested = differences(chosen, first, second, reference, Quiet())
    assert not untested
    assert [one.metric for one in found] == ["kad", "fad", "vendi", "rolloff"]
    for one in found[:3]:
        expected = paired_difference(one.metric, first.sounds.embedded(), second.sounds.embedded(), reference)
        assert (one.score.value, one.score.stderr) == (expected.value, expected.stderr)
        assert one.score.provenance["reference_hash"] == first.settings["reference_hash"]
    assert [one.adjusted for one in found] == holm([one.p for one in found])
    assert {(one.family, one.relabellings) for one in found} == {(4, 256)}
    rolloffs = [[file.signal.rolloff for file in side.sounds.files] for side in (first, second)]
    assert found[3].score.value == pytest.approx(sum(b - a for a, b in zip(*rolloffs, strict=True)) / 8)
    assert found[3].significant  # far more noise in each file of b


def test_a_set_does_not_differ_from_itself(compared):
    chosen, first, _, reference = compared
    found, _ = differences(chosen, first, first, reference, Quiet())
    assert all(one.score.value == 0 and one.p == 1 and not one.significant for one in found)


def test_sets_made_differently_are_refused_by_what_differs(compared):
    _, first, second, _ = compared
    fewer = replace(second, sounds=second.sounds.without(["00.wav"]))
    with pytest.raises(UsageError, match="number of clips is 8 against 7"):
        check_alike(first, fewer)
    for part in ("embedder", "preprocessing", "reference"):
        with pytest.raises(UsageError, match=f"{part} is"):
            check_alike(first, replace(second, settings=second.settings | {part: "another"}))
    other = replace(first, sounds=first.sounds.without(["01.wav"]))
    with pytest.raises(UsageError, match=r"2 clips are in one only, such as '00\.wav'"):
        check_alike(fewer, other)
