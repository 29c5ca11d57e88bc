"""A small world without weights: the toy model, the toy embedder, and a reference of toy music."""

from pathlib import Path

import numpy as np
import pytest

from harness.models.base import Sampling
from harness.models.toy import RATE, ToyModel
from harness.prompts.prompt import Prompt
from metrics.embeddings import load_embedder
from metrics.reference.sets import build_reference


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of whole commands guard the main path, and take their time."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker("whole")


@pytest.fixture(autouse=True)
def _no_rates_of_the_user(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """How fast a test samples is not how fast this machine does."""
    path = tmp_path_factory.getbasetemp() / "rates.json"
    monkeypatch.setattr("harness.sampling.rates.rates_file", lambda: path)


@pytest.fixture(scope="session")
def toy_reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty toy melodies, fifteen of each style, with a little noise so that they are not what the model makes."""
    model, rng = ToyModel(), np.random.default_rng(12)
    clips = []
    for style in model.styles:
        encoded = model.encode(Prompt(style=style), 2.0)
        for n, clip in enumerate(model.sample([encoded] * 15, range(1000, 1015), Sampling(0.9))):
            noise = rng.normal(0, 0.01, len(clip.audio)).astype(np.float32)
            clips.append((clip.audio + noise, RATE, f"{style}-{n}", style))
    path = tmp_path_factory.mktemp("reference") / "toy.safetensors"
    build_reference(clips, load_embedder("toy")).save(path)
    return path
