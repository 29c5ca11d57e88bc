"""The headline distance is seen in as many components as the reference says, in scores and in differences alike."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.models.base import Sampling
from harness.planning.experiment import Condition, Experiment
from harness.scoring.frames import Embedded
from harness.scoring.score import differences, measure
from metrics.api.score import EmbeddingSet


def units(seed: int, shift: float = 0.0, provenance: dict[str, Any] | None = None) -> EmbeddingSet:
    rows = np.random.default_rng(seed).standard_normal((80, 20)) + shift
    return EmbeddingSet(rows, np.arange(80) // 2, provenance or {}, np.repeat(["folk", "jazz"], 40))


@pytest.mark.parametrize(("stored", "components"), [({}, 16), ({"components": 3}, 3)])
def test_components_are_those_that_the_reference_stores(stored, components):
    measures: Any = SimpleNamespace(reference=units(0, provenance=stored))
    first, second = units(1), units(1, shift=1.0)
    row: Any = (None, None, Embedded(first.frames[:2], None, False, False))
    scores, unmeasured = measure(first, [row], measures)
    assert (scores["fad16"].name, scores["fad16"].provenance["components"]) == (f"fad{components}", components)
    assert unmeasured == {}
    experiment = Experiment("shift", (Condition("none"), Condition("some", Sampling(temperature=0.5))), "shift")
    [difference] = differences(experiment, {"none": first, "some": second}, measures)
    assert difference.score.provenance["components"] == components
    assert difference.score.name == f"fad{components} difference"
