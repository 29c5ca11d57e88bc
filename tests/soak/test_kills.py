"""A handful of the kills of `make soak`, and many runs at once: what comes out is what one undisturbed run gives."""

from __future__ import annotations

import pytest

from tests.soak.killing import CLIPS, EXECUTORS, RUN_SECONDS, Trial


@pytest.mark.parametrize(
    ("executor", "phase", "seconds"),
    [
        pytest.param("processes:2", "sampling", 0.02, marks=pytest.mark.slow),
        pytest.param("local", "logging", 0.2, marks=pytest.mark.slow),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in (
                ("local", "sampling", 0.05),
                ("processes:2", "embedding", 0.05),
                ("local", "scoring", 0.02),
                ("local", "projecting", 0.1),
            )
        ),
    ],
)
def test_a_run_killed_in_any_phase_comes_out_the_same(executor, phase, seconds, world, expected, tmp_path):
    trial = Trial(tmp_path, world, None if phase == "logging" else world.database)
    assert trial.kill(executor, phase, seconds)
    trial.resume(EXECUTORS[executor == "local"])
    assert trial.faults(*expected) == []


@pytest.mark.slow
def test_ten_runs_of_one_experiment_at_once_sample_each_clip_once(world, expected, tmp_path):
    trial = Trial(tmp_path, world, world.database)
    runs = [trial.start("local") for _ in range(10)]
    for run in runs:
        run.join(RUN_SECONDS)
    assert [run.exitcode for run in runs] == [0] * 10, trial.told.read_text()
    assert len(trial.samplings()) == len(trial.stored()) == 2 * CLIPS
    assert trial.faults(*expected) == []
