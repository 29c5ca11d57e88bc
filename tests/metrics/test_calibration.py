"""The simulation computes what the library computes: on one repetition, to the last digits."""

import numpy as np
import pytest

from metrics.api.score import EmbeddingSet
from metrics.compare.difference import paired_fad
from metrics.compare.equality import equality_test
from metrics.sets.frechet import fad
from metrics.sets.frechet_variants import fad_infinity
from metrics.sets.gaussians import frechet_distance_of_moments
from metrics.sets.kernel import kad
from tests.calibration import estimators
from tests.calibration.cells import CELLS, CONFIRMED, Cell, kad_truth, run, truth
from tests.calibration.laws import CONDITIONS, LAWS, draw


def as_set(units):
    return EmbeddingSet(units.reshape(-1, units.shape[-1]), np.repeat(np.arange(len(units)), units.shape[1]))


@pytest.mark.parametrize(("units", "reference_units"), [(6, 25), (25, 9)])
@pytest.mark.parametrize("components", [None, 5])
def test_the_batched_estimators_are_those_of_the_library(units, reference_units, components):
    made, music = draw(LAWS["musicnn, 48 axes"], units, reference_units, 2, np.random.default_rng(0))
    reference = estimators.Reference(music, components)
    first, second = (estimators.Sample(made[name], reference) for name in ("cold", "other"))
    x1, x2, y = as_set(made["cold"][1]), as_set(made["other"][1]), as_set(music[1])

    score, found = fad(x2, y, components), estimators.fad(second)
    assert found["plain"].value[1] == pytest.approx(score.plain, rel=1e-9)
    assert found["corrected"].value[1] == pytest.approx(score.value, rel=1e-8)
    assert found["corrected"].stderr[1] == pytest.approx(score.stderr, rel=1e-8)
    assert found["corrected"].df[1] == pytest.approx(score.provenance["df"], rel=1e-8)

    score, pair = paired_fad(x1, x2, y, components), estimators.paired_fad(first, second)["paired corrected"]
    assert pair.value[1] == pytest.approx(score.value, rel=1e-8)
    assert pair.stderr[1] == pytest.approx(score.stderr, rel=1e-8)

    extrapolated = estimators.fad_infinity(second)["extrapolated"]
    assert extrapolated.value[1] == pytest.approx(fad_infinity(x2, y, components).value, rel=1e-7)


def test_the_interval_is_that_of_the_library():
    made, music = draw(LAWS["musicnn, 16 axes"], 30, 60, 1, np.random.default_rng(1))
    found = estimators.fad(estimators.Sample(made["other"], estimators.Reference(music, None)))["corrected"]
    interval = fad(as_set(made["other"][0]), as_set(music[0])).interval
    assert interval is not None
    assert (found.low[0], found.high[0]) == pytest.approx(interval, rel=1e-8)


def test_the_batched_test_finds_what_the_library_finds():
    made, music = draw(LAWS["musicnn, 48 axes"], 12, 20, 1, np.random.default_rng(2))
    for name in ("same", "other"):
        sample = estimators.Sample(made[name], estimators.Reference(music, 8))
        (p,) = estimators.equality_test(sample, np.random.default_rng(0))
        assert p == pytest.approx(equality_test(as_set(made[name][0]), as_set(music[0]), "fad8").p, abs=0.12)


def test_the_truth_of_a_kernel_distance_is_that_of_very_many_songs():
    """Two Gaussians in closed form against 1,500 songs a side, whose distance is known to some .0005."""
    law = LAWS["musicnn, 16 axes"]
    made, music = draw(law, 1500, 1500, 1, np.random.default_rng(4))
    for name in ("other", "warm"):
        score = kad(as_set(made[name][0]), as_set(music[0]))
        (known,) = kad_truth(law, name, np.array([score.provenance["bandwidth"]]))
        assert abs(score.value - known) < 3 * score.stderr
        assert score.stderr < 0.1 * known
    assert kad_truth(law, "same", np.array([3.0])) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="Gaussians"):
        kad_truth(LAWS["musicnn, 48 axes, t5"], "same", np.array([3.0]))


def test_a_kernel_distance_is_calibrated_by_the_library_itself(tmp_path):
    cell = Cell("musicnn, 16 axes", 6, 9, None, ("same", "other"), ("kad",), tests=True)
    rows = run([cell], tmp_path / "cells.json", 6)[cell.name]["rows"]
    assert [(row["condition"], row["estimator"]) for row in rows] == [
        ("same", "kad"), ("other", "kad"), ("same", "equality_test by kad"), ("warm", "equality_test by kad"),
    ]  # fmt: skip


def test_a_confirmation_draws_other_samples(tmp_path):
    cell = Cell("musicnn, 16 axes", 5, 6, None)
    first, again = (run([cell], tmp_path / f"{seed}.json", 3, seed)[cell.name]["rows"][0] for seed in (0, 1))
    assert first["bias"] != again["bias"]
    assert {cell.name for cell in CONFIRMED} <= {cell.name for cell in CELLS}


def test_the_conditions_are_drawn_as_they_are_declared():
    law = LAWS["musicnn, 16 axes"]
    eigenvalues = law.eigenvalues()
    made, _ = draw(law, 400, 3, 20, np.random.default_rng(3))
    for name, change in CONDITIONS.items():
        rows = made[name].reshape(-1, 16).astype(np.float64)
        distance = frechet_distance_of_moments(
            rows.mean(0), np.cov(rows.T), change.mean(eigenvalues), change.covariance(eigenvalues)
        )
        assert distance < 0.01 * eigenvalues.sum()


def test_cold_and_warm_are_equally_far():
    law = LAWS["musicnn, 48 axes"]
    assert truth(law, "warm − cold", 16) == pytest.approx(0, abs=1e-9)
    assert truth(law, "cold", 16) == pytest.approx(0.25**2 * law.eigenvalues()[:16].sum())
    assert truth(law, "same", None) <= 1e-9


def test_a_finished_cell_is_not_run_again(tmp_path, capsys):
    cell = Cell("musicnn, 16 axes", 5, 6, None, pairs=True, tests=True)
    first = run([cell], tmp_path / "cells.json", 4)
    assert run([cell], tmp_path / "cells.json", 3) == first
    assert capsys.readouterr().out.count("s of CPU") == 1
    run([cell], tmp_path / "cells.json", 5)
    assert capsys.readouterr().out.count("s of CPU") == 1


def test_every_cell_has_a_name_of_its_own():
    assert len({cell.name for cell in CELLS}) == len(CELLS)
