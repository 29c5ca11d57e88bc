"""The simulation of intervals computes what the library computes, on one repetition."""

import numpy as np
import pytest

from metrics.compare.difference import paired_difference
from metrics.sets import diversity
from metrics.sets.kernel import kad, kid
from metrics.sets.manifold import prdc
from metrics.sets.similarity import centroid_similarity
from tests.calibration.intervals import CELLS, IntervalCell, draw_sets, replicates, run, styled
from tests.calibration.laws import LAWS

CELL = IntervalCell("musicnn, 16 axes", 9, 23)


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    conditions, reference = draw_sets(LAWS[CELL.law], CELL, rng)
    return conditions["same"], conditions["other"], reference, draw_sets(LAWS[CELL.law], CELL, rng)[1]


def test_one_condition_is_measured_as_by_the_library(drawn):
    _, made, music, centre = drawn
    law = LAWS[CELL.law]
    found = replicates(law, made, music, centre)
    scores = {
        **prdc(made, music), "kad": kad(made, music), "kid": kid(made, music),
        **{name: getattr(diversity, name)(made, centre) for name in ("vendi", "vendi2", "vendi_inf")},
        "diversity": diversity.cosine_diversity(made, centre),
        "style_similarity": centroid_similarity(*styled(law, made, centre)),
    }  # fmt: skip
    assert found.keys() == scores.keys()
    for name, score in scores.items():
        result = found[name].estimate(made, music if found[name].reference else None)
        assert result.value == pytest.approx(score.value, rel=1e-6), name
        assert result.stderr == pytest.approx(score.stderr, rel=1e-5), name
        assert result.df == pytest.approx(score.provenance["df"], rel=1e-5), name


def test_a_difference_is_measured_as_by_the_library(drawn):
    first, second, music, centre = drawn
    one, other = (replicates(LAWS[CELL.law], data, music, centre) for data in (first, second))
    scores = {
        **{name: paired_difference(name, first, second, music) for name in ("precision", "recall")},
        "kad": paired_difference("kad", first, second, music), "kid": paired_difference("kid", first, second, music),
        **{name: paired_difference(name, first, second, centre) for name in ("vendi", "diversity")},
    }  # fmt: skip
    for name, score in scores.items():
        result = (other[name] - one[name]).estimate(first, music if one[name].reference else None)
        assert (result.value, result.stderr) == pytest.approx((score.value, score.stderr), rel=1e-5), name


def test_the_conditions_of_one_law_have_the_same_spread():
    rng = np.random.default_rng(1)
    conditions, _ = draw_sets(LAWS[CELL.law], IntervalCell(CELL.law, 2000), rng)
    same, again = (conditions[name].frames.var(0) for name in ("same", "again"))
    assert np.abs(again / same - 1).max() < 0.15
    left, right = (conditions[name].means()[1] for name in ("same", "again"))
    assert np.corrcoef(left[:, 0], right[:, 0])[0, 1] == pytest.approx(0.5, abs=0.06)


def test_a_finished_cell_is_not_run_again(tmp_path, capsys):
    first = run([CELL], tmp_path / "cells.json", 4)
    assert run([CELL], tmp_path / "cells.json", 3) == first
    assert capsys.readouterr().out.count("s of CPU") == 1
    rows = first[CELL.name]["rows"]
    assert all(0 <= row["coverage"] <= 1 and row["sd"] > 0 for row in rows)
    assert {row["condition"] for row in rows} == {"same", "other", "again − same", "other − same"}


def test_every_cell_has_a_name_of_its_own():
    assert len({cell.name for cell in CELLS}) == len(CELLS)
