"""What another distribution can add: the entry-point groups, and where the registry of each is.

    [project.entry-points."music_harness.experiments"]
    swing = "my_package.swing:swing"

The class is `metrics.api.registry.Registry`, where the rules are: names are found without an import, things are loaded
one at a time, a built-in name wins, a broken plug-in is listed and harms nothing.
"""

from __future__ import annotations

from typing import Any

from metrics.api.registry import EMBEDDERS, METRICS, Registry

EXECUTORS = "music_harness.executors"
EXPERIMENTS = "music_harness.experiments"
KINDS = "music_harness.kinds"
MODELS = "music_harness.models"
PROMPTS = "music_harness.prompts"

REGISTRIES: Registry[Registry[Any]] = Registry(
    kind="group of plug-ins",
    targets={
        MODELS: "harness.models.registry:MODELS",
        EMBEDDERS: "metrics.embeddings:EMBEDDERS",
        METRICS: "metrics.api.catalogue:METRICS",
        EXPERIMENTS: "harness.planning.registry:EXPERIMENTS",
        KINDS: "harness.listening.kinds.catalogue:KINDS",
        PROMPTS: "harness.prompts.sets:PROMPT_SETS",
        EXECUTORS: "harness.sampling.executors:EXECUTORS",
    },
)
"""The registry of each group."""
