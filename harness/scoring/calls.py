"""How each metric of the catalogue is called with one condition's material: which needs become which arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from harness.core.errors import DegenerateInput, UsageError
from harness.scoring.likelihood import likelihoods_of
from harness.scoring.material import Material
from harness.scoring.measures import Measures, Space
from harness.scoring.references import recipe_for
from metrics.api.catalogue import NEEDS, Metric
from metrics.api.score import Score
from metrics.embeddings import load_embedder
from metrics.sets.frechet import headline_components
from metrics.sets.manifold import NAMES as MANIFOLD
from metrics.sets.manifold import prdc
from metrics.stats.scoring import Kind, mean_score
from metrics.waves.clips import ClipValue
from metrics.waves.signal import VALUES as SIGNAL
from metrics.waves.structure import VALUES as STRUCTURE

JOINT_EMBEDDER = "clap"
"""What texts and clips are embedded by in one space, where none of the embedders that were named does."""

OF_FRAMES = frozenset({"embedding", "predictions"})
"""Needs that come from an embedder's frames: metrics with one of them are measured in every space."""


def value_of(row: Metric) -> ClipValue[Any] | None:
    """The value of single files that a metric is the mean of; None for a metric of sets."""
    return {"signal": SIGNAL, "structure": STRUCTURE}.get(row.group, {}).get(row.name)


def spaces_of(row: Metric, measures: Measures) -> list[tuple[str, Space]]:
    """The names under which a metric is measured, each with its space: one for a metric that needs no frames."""
    if {"embedding", "text"} <= row.needs:
        joint = [space for space in measures.spaces if hasattr(space.recipe.embedder, "embed_text")]
        named = [row.name, *(f"{row.name}@{space.name}" for space in joint[1:])]
        return list(zip(named, joint, strict=True)) if joint else [(row.name, joint_space())]
    spaces = measures.spaces if row.needs & OF_FRAMES else measures.spaces[:1]
    return [(measures.score_name(row.name, space), space) for space in spaces]


@cache
def joint_space() -> Space:
    """CLAP's. Raises `HarnessError` where its weights are not at hand."""
    return Space(JOINT_EMBEDDER, recipe_for(load_embedder(JOINT_EMBEDDER), -23.0, None))


def measure(row: Metric, material: Material, space: Space) -> Score:
    """One metric of one condition. Raises `HarnessError` with the reason where it has no value for these clips."""
    if row.gives != "score":
        where = "the table of clips has it" if row.name == "fad_per_song" else "a metrics.api.score.Score was expected"
        raise UsageError(f"it gives a {row.gives}, not a score: {where}.")
    clip_value = value_of(row)
    if clip_value is not None:
        return _mean_of_values(row, clip_value, material)
    if row.name in MANIFOLD and (found := _manifold(material, space).get(row.name)) is not None:
        return found
    if row.needs <= OF_SETS:
        found = _of_sets(row, material, space)
    elif (call := _CALLS.get(row.needs)) is not None:
        positional, named = call(row, material, space)
        found = row.load()(*positional, **named, **row.options)
    else:
        raise UsageError(f"it takes {'; '.join(NEEDS[need] for need in sorted(row.needs))}: clips do not have that.")
    if not isinstance(found, Score):
        raise UsageError(f"{row.target} gave a {type(found).__name__}: a Score was expected.")
    return found


OF_SETS = frozenset({"embedding", "reference", "known", "prompt"})
"""Needs of metrics of one embedded set, a reference, and the prompts as a mapping."""


def _of_sets(row: Metric, material: Material, space: Space) -> Any:
    """A reference goes to every metric that takes one: without it, cosines are seen from the origin."""
    evaluated = material.evaluated(space)
    if row.needs & {"reference", "known"}:
        material.reference(space)
    prompts = material.prompts() if "prompt" in row.needs else None
    arguments = row.arguments(space.reference, prompts)
    if row.name == "fad16":
        arguments["components"] = headline_components(material.reference(space))
    return row.load()(evaluated, **arguments)


def _mean_of_values(row: Metric, clip_value: ClipValue[Any], material: Material) -> Score:
    """The mean of what single files have, over those that could be read."""
    measured = [
        (clip.unit, clip_value.of(found))
        for clip, found in zip(material.clips.clips, material.signals(row.group), strict=True)
        if found is not None
    ]
    if not measured:
        raise DegenerateInput(f"no clip of {material.clips.name} could be read.")
    strata = material.strata()
    return mean_score(
        Kind(row.name, row.unit, row.direction, needs_calibration=False),
        [value for _, value in measured],
        [unit for unit, _ in measured],
        strata=None if strata is None else [strata[unit] for unit, _ in measured],
    )


def _manifold(material: Material, space: Space) -> dict[str, Score]:
    """Precision, recall, density and coverage, which cost as much together as one alone; empty unless all four have a
    value."""

    def all_four() -> dict[str, Score]:
        with suppress(DegenerateInput):
            return prdc(material.evaluated(space), material.reference(space))
        return {}

    return material.once(("manifold", space.name), all_four)


Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Call = Callable[[Metric, Material, Space], Arguments]


def _predicted(row: Metric, material: Material, space: Space) -> Arguments:
    heard, asked, units = material.predictions(space)
    about = {**space.recipe.provenance(), "classifier": "nearest style centre of the reference"}
    return (heard, asked, units), {"provenance": about}


def _tags_beside_real(row: Metric, material: Material, space: Space) -> Arguments:
    kind = "sigmoid" if "sigmoid" in row.name else "softmax"
    return (material.tags(kind), material.reference_tags(kind)), {}


_CALLS: Mapping[frozenset[str], Call] = {
    frozenset({"embedding", "labels", "reference"}): lambda row, material, space: (
        (material.styled(space), material.reference(space)),
        {},
    ),
    frozenset({"labels", "predictions"}): _predicted,
    frozenset({"embedding", "prompt audio"}): lambda row, material, space: (
        material.continued(space),
        {"reference": space.reference},
    ),
    frozenset({"embedding", "text"}): lambda row, material, space: ((material.text_pairs(space),), {}),
    frozenset({"probabilities", "text"}): lambda row, material, space: ((material.tag_pairs(),), {}),
    frozenset({"probabilities"}): lambda row, material, space: ((material.tags("softmax"),), {}),
    frozenset({"probabilities", "reference"}): _tags_beside_real,
    frozenset({"audio"}): lambda row, material, space: ((material.waveforms(),), {}),
    frozenset({"audio", "prompt audio"}): lambda row, material, space: (material.chroma_pairs(), {}),
    frozenset({"audio", "known audio"}): lambda row, material, space: (material.copies(), {}),
    frozenset({"likelihood"}): lambda row, material, space: ((likelihoods_of(material),), {}),
}
