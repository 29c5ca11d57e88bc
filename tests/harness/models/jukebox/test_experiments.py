"""Shipped experiments that vary what the toy has not, with a tiny Jukebox: hops, levels, upsampling, conditioning."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from experiments.conditioning import conditioning
from experiments.hop import hop
from experiments.levels import levels
from experiments.upsampling import upsampling
from harness.core.progress import Quiet
from harness.models.base import CountsTokens, Sampling
from harness.prompts.prompt import Prompt
from harness.running.experiment import evaluate
from harness.running.settings import RunSettings
from metrics.embeddings import load_embedder
from metrics.reference.sets import build_reference

pytestmark = pytest.mark.whole

SECONDS = 0.5
STYLES = (Prompt(style="calm"), Prompt(style="loud"))


@pytest.fixture(scope="module")
def reference(model, tmp_path_factory) -> Path:
    """Clips of the tiny model itself, of each style."""
    clips = []
    for style in model.styles:
        encoded = model.encode(Prompt(style=style), SECONDS)
        made = model.sample([encoded] * 10, range(100, 110), Sampling())
        clips += [(clip.audio, model.rate, f"{style}-{n}", style) for n, clip in enumerate(made)]
    path = tmp_path_factory.mktemp("reference") / "tiny.safetensors"
    build_reference(clips, load_embedder("toy")).save(path)
    return path


@pytest.fixture
def settings(model, reference, tmp_path, monkeypatch) -> RunSettings:
    monkeypatch.setattr("harness.models.registry.load_model", lambda name: model)
    monkeypatch.setattr("harness.sampling.rates.rates_file", lambda: tmp_path / "rates.json")
    return RunSettings(
        "tiny", 4, SECONDS, prompts=STYLES, references=(str(reference),), embedders=("toy",), results=tmp_path
    )


@pytest.mark.parametrize(
    ("experiment", "differences"),
    [
        (hop([0.25, 0.5]), 1),
        (levels([0, 1]), 1),
        (upsampling([2, 3]), 2),
        (conditioning(["style"]), 1),
    ],
)
def test_an_experiment_runs_to_its_differences(experiment, differences, settings):
    outcome = evaluate(experiment, settings, Quiet())
    assert outcome.sampled == 4 * len(experiment.conditions)
    assert sum(one.label == "declared" for one in outcome.differences) == differences
    sounds = [{clip.stored.record["files"]["audio.flac"]["sha256"] for clip in one.clips} for one in outcome.conditions]
    assert all(one != other for one, other in pairwise(sounds))


def test_levels_share_the_codes_above(settings):
    from harness.models.codes import read_codes

    outcome = evaluate(levels([0, 1]), settings, Quiet())
    both, top = (
        [read_codes(clip.stored.folder / "codes.safetensors").levels for clip in one.clips]
        for one in outcome.conditions
    )
    for whole, upper in zip(both, top, strict=True):
        assert set(whole) == {0, 1}
        assert set(upper) == {1}
        assert (whole[1] == upper[1]).all()


def test_an_unconditional_clip_is_recorded_without_a_style(settings):
    outcome = evaluate(conditioning(["style"]), settings, Quiet())
    styles = [{clip.stored.record["conditioning"]["style"] for clip in one.clips} for one in outcome.conditions]
    assert styles == [{"calm", "loud"}, {None}]


def test_tokens_are_those_that_are_drawn(model):
    assert isinstance(model, CountsTokens) is True
    encoded = model.encode(STYLES[0], SECONDS)
    [clip] = model.sample([encoded], [0], Sampling())
    assert model.tokens(encoded, Sampling()) == sum(map(len, clip.codes.values()))
    [top] = model.sample([encoded], [0], Sampling(stop_level=1))
    assert model.tokens(encoded, Sampling(stop_level=1)) == sum(map(len, top.codes.values()))
