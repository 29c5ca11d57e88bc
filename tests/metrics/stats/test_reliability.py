import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from metrics.api.score import EmbeddingSet
from metrics.compare.difference import paired_difference
from metrics.sets.diversity import vendi
from metrics.sets.kernel import kad
from metrics.sets.similarity import prompt_similarity
from metrics.stats.reliability import (
    component_warnings,
    effective_dimension,
    full_dimension_warnings,
    interval_rules,
    interval_warnings,
    rules,
    tail_warnings,
    tail_weight,
    units_in_full,
)
from tests.calibration.interval_report import interval_verdicts
from tests.calibration.report import ERRORS, LEAST_COVERAGE, MOST_BIAS, MOST_FALSE, verdicts

RESULTS = Path(__file__).parents[3] / "results" / "calibration"


def test_equal_eigenvalues_count_fully_and_small_ones_by_their_roots():
    assert effective_dimension(np.full(7, 3.0)) == pytest.approx(7)
    assert effective_dimension([4, 1, 0]) == pytest.approx(9 / 5)
    assert effective_dimension([]) == effective_dimension([0, 0]) == 0


def test_songs_needed_grow_with_the_effective_dimension():
    for score, table in rules()["full"].items():
        assert [units_in_full(score, dimension) for dimension, _ in table] == [units for _, units in table]
        assert units_in_full(score, table[-1][0] + 1) is None
        assert all(before <= after for before, after in itertools.pairwise(table))


def test_what_is_too_little_is_named():
    needed = rules()["components"]["fad"]
    assert component_warnings("fad", 16, 0.9, needed["songs"], needed["reference_units"]) == []
    assert component_warnings("fad", 16, 0.9, needed["songs"] - 1, 40) == [
        f"{needed['songs'] - 1} clips, and it takes {needed['songs']}",
        f"40 reference tracks, and it takes {needed['reference_units']}",
    ]
    assert component_warnings("fad", 16, 0.9, 300, 60) == ["60 reference tracks, and it takes 300"]
    assert component_warnings("paired fad", 16, 0.9, 120, 60) == []
    assert component_warnings("fad", 16, 0.5, 200, 200) == ["components with 50% of the variance, and it takes 80%"]
    assert "use more" in component_warnings("fad", 8, 0.5, 200, 200)[0]
    assert component_warnings("fad", 25, 0.9, 200, 200) == ["25 components, and 16 is the most that is known to work"]
    assert component_warnings("paired fad", 16, 0.9, 16, 60) == []
    assert len(full_dimension_warnings("fad", 20, 60, 60)) == 2
    assert (
        "an effective dimension of 200, and beyond 58 no number" in full_dimension_warnings("fad", 200, 5000, 5000)[0]
    )


def test_heavy_tails_are_seen():
    rng = np.random.default_rng(0)
    normal = rng.standard_normal((200, 16))
    assert tail_warnings(normal) == []
    assert "heavy tails" in tail_warnings(normal, normal / np.sqrt(rng.chisquare(3, (200, 1))))[0]
    assert tail_weight(np.ones((5, 3)))[0] == 1.0
    assert tail_weight(normal[:12, :2])[1] > 1.5 > tail_weight(normal)[1]
    assert tail_weight(normal[:8]) == pytest.approx(tail_weight(normal[:8] @ np.linalg.qr(rng.random((16, 16)))[0]))


@pytest.mark.parametrize("file", ["fad.json", "confirmation.json"])
def test_the_rules_refuse_every_cell_of_the_calibration_that_fails(file):
    assert (MOST_BIAS, LEAST_COVERAGE, ERRORS, MOST_FALSE) == (0.25, 0.92, (0.9, 1.5), 0.07)
    results = json.loads((RESULTS / file).read_text())
    shown = [(name, what, failed) for name, what, failed, out in verdicts(results) if not out]
    assert len(shown) > 5
    assert [entry for entry in shown if entry[2]] == []
    assert min(results[name]["repetitions"] for name, _, _ in shown) >= 2000


def test_every_rule_was_found_on_cells_that_pass_under_it():
    """For each limit there is a cell at it, or just within, that is shown."""
    results = json.loads((RESULTS / "fad.json").read_text())
    shown = {(name, what) for name, what, failed, out in verdicts(results) if not out and not failed}
    for score, table in rules()["full"].items():
        for _, units in table:
            assert any(results[name]["cell"]["songs"] == units for name, what in shown if what == score)
    for score in ("fad", "paired fad"):
        least = rules()["components"][score]["songs"]
        cells = [results[name]["cell"] for name, what in shown if what == score]
        assert any((cell["songs"], cell["components"]) == (least, rules()["components"]["most"]) for cell in cells)


def test_the_rules_refuse_every_other_interval_that_fails():
    results = json.loads((RESULTS / "intervals.json").read_text())
    verdicts = list(interval_verdicts(results))
    assert {metric for _, metric, *_ in verdicts} == interval_rules()["metrics"].keys()
    shown = [(name, metric, difference, failed) for name, metric, difference, failed, out in verdicts if not out]
    assert len(shown) > 50
    assert [entry for entry in shown if entry[3]] == []
    assert min(results[name]["repetitions"] for name, *_ in shown) >= 2000


def test_an_interval_is_shown_from_the_fewest_songs_that_pass():
    """The least number of songs that passes, as all greater ones do."""
    results = json.loads((RESULTS / "intervals.json").read_text())
    for metric, rule in interval_rules()["metrics"].items():
        for difference in (False, True):
            cells: dict[int, bool] = {}
            for name, what, is_difference, failed, _ in interval_verdicts(results):
                if (what, is_difference) == (metric, difference) and not (rule.get("tails") and "t5" in name):
                    units = results[name]["cell"]["songs"]
                    cells[units] = cells.get(units, True) and not failed
            most_failing = max((units for units, passes in cells.items() if not passes), default=0)
            least = min((units for units in cells if units > most_failing), default=None)
            assert least == rule["difference" if difference else "one"], metric


def some(n, seed):
    return EmbeddingSet(np.random.default_rng(seed).standard_normal((n, 8)), np.arange(n))


def test_too_few_clips_or_tracks_are_marked_with_what_it_takes():
    least, tracks = interval_rules()["metrics"]["kad"]["one"], interval_rules()["reference_units"]
    assert kad(some(least, 0), some(tracks, 1)).reliable
    score = kad(some(least - 1, 0), some(tracks - 1, 1))
    assert not score.reliable
    assert f"{least - 1} clips, and it takes {least}" in score.why
    assert f"{tracks - 1} reference tracks, and it takes {tracks}" in score.why
    assert paired_difference("kad", some(60, 0), some(60, 2), some(60, 1)).reliable
    assert not paired_difference("kad", some(5, 0), some(5, 2), some(60, 1)).reliable
    assert not vendi(some(60, 0), clips=5).reliable
    assert vendi(some(60, 0)).reliable
    assert not prompt_similarity(some(5, 0), some(5, 1)).reliable
    assert prompt_similarity(some(60, 0), some(60, 1)).reliable
    assert interval_warnings("of a plug-in", 1000, 1000) == ["its interval was not tried by simulation"]
