"""What every metric says of input that it cannot, or can hardly, measure: a written answer or a typed error, never NaN.

One table for all metrics of the catalogue that take sets of embeddings or probabilities; those that take audio, text or
labels are in test_degenerate_clips.py.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from metrics.api.catalogue import CATALOGUE, Metric
from metrics.api.score import EmbeddingSet, Score
from metrics.errors import DegenerateInput, UsageError

CLIPS, FRAMES, DIMENSIONS, STYLES = 24, 2, 5, 4

SETS_ALONE = frozenset({"embedding", "reference", "probabilities", "prompt", "labels", "known", "prompt audio"})
TAKEN = [
    name
    for name, metric in CATALOGUE.items()
    if metric.needs <= SETS_ALONE and metric.needs & {"embedding", "probabilities"}
]


@dataclass(frozen=True)
class Case:
    """How the evaluated set and the reference are made."""

    clips: int = CLIPS
    frames: int = FRAMES
    dimensions: int = DIMENSIONS
    made: str = "varied"
    reference: str = "varied"


CASES = {
    "one clip": Case(clips=1),
    "one frame": Case(clips=1, frames=1),
    "two clips": Case(clips=2),
    "identical clips": Case(made="identical"),
    "identical clips and reference": Case(made="identical", reference="identical"),
    "a reference of identical tracks": Case(reference="identical"),
    "more dimensions than clips": Case(dimensions=70),
    "a constant feature": Case(made="one constant", reference="one constant"),
    "constant features": Case(made="zeros", reference="varied"),
    "NaN": Case(made="nan"),
    "infinity": Case(made="infinite"),
}

Expected = float | type[Exception]
# What is not in here has a finite value. An error stands for itself; a number is the value.
TOO_FEW: dict[str, Expected] = dict.fromkeys(TAKEN, DegenerateInput)
WITHOUT_ERRORS = ("fad_per_song",)  # has a value for any two frames
BUT_THOSE = {name: error for name, error in TOO_FEW.items() if name not in WITHOUT_ERRORS}
VARIETY_OF_ONE: dict[str, Expected] = {
    "vendi": 1.0, "vendi2": 1.0, "vendi_inf": 1.0, "vendi_frames": 1.0, "diversity": 0.0, "frame_diversity": 0.0,
    "within_prompt_diversity": 0.0, "across_prompt_diversity": 0.0, "prompt_effect": 0.0, "is_softmax": 1.0,
}  # fmt: skip
EXPECTED: dict[str, Mapping[Any, Expected]] = {
    "one clip": BUT_THOSE,
    "one frame": TOO_FEW,
    "two clips": BUT_THOSE,
    "NaN": TOO_FEW,
    "infinity": TOO_FEW,
    "identical clips": VARIETY_OF_ONE | {"recall": 0.0},  # balls without an inside
    # The reference's centre is where all clips are, and a bandwidth takes two points; distances of 0 lie in no ball.
    "identical clips and reference": VARIETY_OF_ONE
    | dict.fromkeys(
        ("precision", "recall", "density", "coverage", "mad", "kid", "fad", "fad_fadtk", "fad_infinity"), 0.0
    )
    | dict.fromkeys(("kld_softmax_mean", "kld_sigmoid_mean", "kld_softmax_pooled"), 0.0)
    | {"fad_per_song": 0.0, "prompt_similarity": 1.0}
    | dict.fromkeys(("kad", "style_similarity", "fad16", "neighbour_percentile"), DegenerateInput),
    "a reference of identical tracks": dict.fromkeys(("precision", "density", "coverage"), 0.0)
    | dict.fromkeys(("kad", "style_similarity", "fad16", "neighbour_percentile"), DegenerateInput),
    "constant features": dict.fromkeys(
        ("mad", "vendi", "vendi2", "vendi_inf", "vendi_frames", "diversity", "frame_diversity"),
        DegenerateInput,
    )
    | dict.fromkeys(("within_prompt_diversity", "across_prompt_diversity", "prompt_effect"), DegenerateInput)
    | {"prompt_similarity": DegenerateInput}
    | {"recall": 0.0}
    | dict.fromkeys(("is_softmax", "kld_softmax_mean", "kld_softmax_pooled"), UsageError),  # rows do not sum to 1
}


def made(kind: str, clips: int, frames: int, dimensions: int, seed: int, probabilities: bool) -> EmbeddingSet:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((clips * frames, dimensions)) + 1
    if kind == "identical":
        rows[:] = np.arange(dimensions) + 1
    if kind == "one constant":
        rows[:, 0] = 2
    if probabilities:
        rows = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
    if kind == "zeros":
        rows[:] = 0
    if kind == "nan":
        rows[0, 0] = math.nan
    if kind == "infinite":
        rows[0, 0] = math.inf
    styles = np.repeat(np.char.add("s", (np.arange(clips) % STYLES).astype(str)), frames)
    return EmbeddingSet(rows, np.repeat(np.arange(clips), frames), {}, styles)


def measured(metric: Metric, case: Case) -> Score | float | dict[Any, float]:
    probabilities = "probabilities" in metric.needs
    sets = [made(case.made, case.clips, case.frames, case.dimensions, 1, probabilities)]
    if metric.needs & {"reference", "known", "prompt audio"}:
        # KLD in pairs, and similarity to what a clip continues, take counterparts of the same ids.
        clips = case.clips if probabilities or "prompt audio" in metric.needs else CLIPS
        sets.append(made(case.reference, clips, FRAMES, case.dimensions, 2, probabilities))
    return metric.load()(*sets, **metric.options)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", TAKEN)
def test_every_metric_has_an_answer(name, case):
    metric, expected = CATALOGUE[name], EXPECTED.get(case, {}).get(name)
    if name == "fad16":  # more components than frames or dimensions: as many as there are
        metric = replace(metric, options={"components": 3})
    if isinstance(expected, type):
        with pytest.raises(expected):
            measured(metric, CASES[case])
        return
    found = measured(metric, CASES[case])
    if isinstance(found, Score):
        assert found.stderr >= 0
        assert np.isfinite([found.stderr, found.plain, *(found.interval or ())]).all()
        found = found.value
    values = list(found.values()) if isinstance(found, dict) else [found]
    assert np.isfinite(values).all()
    if expected is not None:
        assert values == [pytest.approx(expected, abs=1e-6)] * len(values)


def test_every_case_of_the_table_is_one_that_is_tested():
    assert set(EXPECTED) <= set(CASES)
    assert all(set(row) <= set(TAKEN) for row in EXPECTED.values())
