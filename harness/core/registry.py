"""What another distribution can add: the entry-point groups, and where the registry of each is.

    [project.entry-points."music_harness.experiments"]
    swing = "my_package.swing:swing"

What the target of an entry point is, by group:

    models        a function that gives a model (harness.models.base.Model), or a class of models; its parameters are
                  the options that the model takes
    embedders     a function that gives an embedder (metrics.embeddings.base.Embedder), or a class of them; in
                  "name:rest" the rest is its first argument
    metrics       a row of the catalogue (metrics.api.catalogue.Metric), named as its entry point
    experiments   a function under @experiment (harness.planning.experiment)
    kinds         a kind of listening study (harness.listening.kinds.catalogue.StudyKind), named as its entry point
    prompts       the path of a prompt file (.yaml, .csv or .jsonl)
    executors     a function of a worker and a harness.sampling.executors.Way that gives an executor
                  (harness.sampling.worker.Executor)

The class is `metrics.api.registry.Registry`, where the rules are: names are found without an import, things are loaded
one at a time, a built-in name wins, a broken plug-in is listed by `harness plugins` and harms nothing.
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
