"""What an experiment may set besides what it varies: the model, the clips, the prompts, and what is measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from harness.core.option import DEFAULT_MODEL, MODEL, SEED, Option
from harness.core.settings import Names, options_of, settings_class
from harness.prompts.prompt import Prompt

MOST_CLIPS = 1_000_000
MEASURED, HOW = "What is measured", "How it is run"


@settings_class
class ExperimentSettings:
    """The settings that an experiment or a study may declare; the command line goes before them.

    Attributes:
        model: name of the model that samples.
        clips: clips per condition, spread evenly over the prompts.
        seconds: length of each clip, in seconds.
        seed: every clip's seed is derived from it.
        prompts: what clips are requested with; without any, one prompt per style of the model.
        references: sets of embeddings of real music, by name or file.
        embedders: what makes embeddings of clips, by name.
        metrics: names of the catalogue; empty for the default set. The primary metric is always measured.
        independent_seeds: own random numbers for each condition; otherwise conditions share them.
    """

    model: Annotated[str, MODEL] = DEFAULT_MODEL
    clips: Annotated[
        int,
        Field(ge=1, le=MOST_CLIPS),
        Option("Clips per condition, spread evenly over the prompts.", counts=True, declarable=True),
    ] = 16
    seconds: Annotated[
        float,
        Field(gt=0, allow_inf_nan=False),
        Option("Length of each clip.", counts=True, declarable=True),
    ] = 6.0
    seed: Annotated[int, Field(ge=0, lt=2**63), SEED] = 0
    prompts: Annotated[
        tuple[Prompt, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
    ] = ()
    references: Annotated[
        Names,
        Field(min_length=1),
        Option(
            "Real music: a name of 'harness reference list', a folder of sounds, or a file of embeddings.",
            flag="reference",
            key="reference",
            panel=MEASURED,
            declarable=True,
        ),
    ] = ("heldout",)
    embedders: Annotated[
        Names,
        Field(min_length=1),
        Option(
            "What makes embeddings of clips.",
            flag="embedder",
            key="embedder",
            panel=MEASURED,
            declarable=True,
        ),
    ] = ("musicnn",)
    metrics: Annotated[
        Names,
        Option(
            "A metric to measure instead of the usual ones ('harness metrics' lists them).",
            flag="metric",
            panel=MEASURED,
            default="the usual ones",
            counts=True,
            optional=True,
            declarable=True,
        ),
    ] = ()
    independent_seeds: Annotated[
        bool,
        Option(
            "Own random numbers for each condition: pairs share prompts only.",
            panel=HOW,
            counts=True,
            optional=True,
            declarable=True,
        ),
    ] = False


def declared_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that an experiment declares, by field name and checked.

    A key of a study (`embedder`) stands for its field (`embedders`). Prompts may be the name of a prompt set, which is
    left as it is. Raises `UsageError` for names that are unknown or cannot be declared, and for values out of range.
    """
    keys = {field.key: name for name, field in options_of(ExperimentSettings).items()}
    named = {keys.get(name, name): value for name, value in given.items()}
    if isinstance(prompts := named.get("prompts"), str):
        del named["prompts"]
        return {**declared_settings(named), "prompts": prompts}
    checked = ExperimentSettings(**named)
    return {name: getattr(checked, name) for name in named}
