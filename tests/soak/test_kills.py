"""A handful of the kills of `make soak`: a run that is killed and gone on with is the run that was not killed."""

from __future__ import annotations

import random

import pytest

from tests.benchmarks.bench_harness import reference
from tests.soak.killing import contents, faults, kill_after, made, resume


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak")
    music = reference(folder)
    resume(folder / "whole", music, "local")
    return music, contents(folder / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(("executor", "seed"), [("local", 1), ("processes:2", 2), ("local", 3), ("processes:2", 4)])
def test_a_run_killed_at_some_moment_comes_out_the_same(executor, seed, undisturbed, tmp_path):
    music, expected = undisturbed
    kill_after(tmp_path, music, executor, random.Random(seed).uniform(0, 1.0) ** 2)
    before = made(tmp_path)
    assert before
    resume(tmp_path, music, executor)
    assert faults(tmp_path, expected, before) == []
