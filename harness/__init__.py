"""Sample from music models, measure the samples against real music, and say how sure each figure is.

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
    from harness import sweeps
    from harness.experiment import Condition, Experiment
    from harness.models.base import Sampling
    from harness.models.registry import load_model
    from harness.prompts import Prompt
    from harness.run_settings import RunSettings
    from harness.runner import run
    from harness.sampling import Execution

__all__ = ["Condition", "Execution", "Experiment", "Prompt", "RunSettings", "Sampling", "load_model", "run", "sweeps"]

_HOMES = {
    "Condition": "harness.experiment",
    "Execution": "harness.sampling",
    "Experiment": "harness.experiment",
    "Prompt": "harness.prompts",
    "RunSettings": "harness.run_settings",
    "Sampling": "harness.models.base",
    "load_model": "harness.models.registry",
    "run": "harness.runner",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name == "sweeps":
        return importlib.import_module("harness.sweeps")
    if name not in _HOMES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
