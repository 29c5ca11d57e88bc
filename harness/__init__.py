"""Sample from music models, measure the samples against real music, and report how certain each score is.

    import harness

    prompt = harness.Prompt(text="科研创意激发")
    model = harness.load_model("jukebox:mini", width=1)
    encoded = model.encode(prompt, seconds=30)
    [clip] = model.sample([encoded], seeds=[0])
    clip.save("output.wav")

An experiment, without a file:

    conditions = harness.sweeps.grid(temperature=[0.7, 0.99], top_k=[0, 64])
    outcome = harness.run(harness.Experiment("cold", tuple(conditions), varies="temperature, top_k"))

The names below are imported when they are first used, so that `import harness` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.models.base import Sampling
    from harness.models.registry import load_model
    from harness.planning import sweeps
    from harness.planning.experiment import Condition, Experiment, experiment
    from harness.prompts.prompt import Prompt
    from harness.running.experiment import run
    from harness.running.settings import RunSettings
    from harness.sampling.loop import Execution

__all__ = [
    "Condition",
    "Execution",
    "Experiment",
    "Prompt",
    "RunSettings",
    "Sampling",
    "experiment",
    "load_model",
    "run",
    "sweeps",
]

_HOMES = {
    "Condition": "harness.planning.experiment",
    "Execution": "harness.sampling.loop",
    "Experiment": "harness.planning.experiment",
    "experiment": "harness.planning.experiment",
    "Prompt": "harness.prompts.prompt",
    "RunSettings": "harness.running.settings",
    "Sampling": "harness.models.base",
    "load_model": "harness.models.registry",
    "run": "harness.running.experiment",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name == "sweeps":
        return importlib.import_module("harness.planning.sweeps")
    if name not in _HOMES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
