"""Scores of a condition, and paired differences between conditions, from the metrics of `metrics`.

Clips are the sampling units, the styles they were asked for strata. Both sides go through the preprocessing that the
reference set was made with, and the metrics refuse sets that were made differently. A metric that has no value for
these clips (one clip, no audio prompt, a style that the reference lacks) is listed with the reason instead: what was
measured is not lost with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import DegenerateInput, UsageError
from harness.core.identity import digest
from harness.planning.experiment import Experiment
from harness.planning.plan import ClipRequest
from harness.scoring.frames import Embedded, Recipe
from harness.scoring.results import Difference
from harness.store.clips import StoredClip
from metrics.api.score import EmbeddingSet, Score, check_comparable
from metrics.compare.comparison import family_p_values, paired_difference
from metrics.embeddings import load_embedder
from metrics.io.audio import Preprocessing
from metrics.reference.sets import load_reference
from metrics.sets.diversity import cosine_diversity, vendi
from metrics.sets.frechet import fad, headline_components
from metrics.sets.similarity import (
    centroid_similarities,
    centroid_similarity,
    prompt_similarities,
    prompt_similarity,
)
from metrics.stats.resampling import p_value

SIGNIFICANCE = 0.05

Row = tuple[ClipRequest, StoredClip, Embedded]
"""A clip as it was asked for, as it is stored, and as it sounds to the embedder."""


@dataclass(frozen=True)
class Measures:
    """What clips are measured against, and how they are embedded for it."""

    reference: EmbeddingSet
    reference_name: str
    recipe: Recipe
    embedder_name: str

    @classmethod
    def load(cls, embedder: str, reference: str) -> Measures:
        """By name. Raises `UsageError` for unknown names, or a reference that was made with another embedder."""
        music = load_reference(reference)
        loaded = load_embedder(embedder)
        made = music.provenance.get("preprocessing", {})
        preprocessing = Preprocessing(**{key: made[key] for key in ("rate", "lufs", "seconds") if key in made})
        recipe = Recipe(loaded, preprocessing, music.provenance.get("excerpt_seconds"))
        try:
            check_comparable(recipe.provenance(), music.provenance)
        except UsageError as error:
            raise UsageError(
                f"the reference {reference!r} does not fit the embedder {embedder!r}: {error} "
                "Name another with --embedder or --reference."
            ) from error
        return cls(music, Path(reference).stem, recipe, embedder)

    def described(self) -> dict[str, Any]:
        """Names and hashes, for the record of a run."""
        music = self.reference
        return {
            "embedder": self.embedder_name,
            "embedder_hash": digest(self.recipe.provenance()),
            "reference": self.reference_name,
            "reference_hash": digest([music.provenance, music.units.tolist(), music.frames.tobytes().hex()]),
        }

    def notes(self, seconds: float) -> tuple[str, ...]:
        """What a reader of the figures should know about clips of this length, in s."""
        length = self.recipe.excerpt_seconds
        if length is None or seconds >= length:
            return ()
        return (
            f"clips of {seconds:g} s are measured against excerpts of {length:g} s: the same length on both sides is "
            f"fairer (--seconds {length:g})",
        )

    def embedding_set(self, clips: Sequence[Row], understood: Mapping[str, str]) -> EmbeddingSet:
        """The clips of a condition as a set; a clip and its counterpart under another condition have the same id.

        `understood` is what `understood_styles` has of all conditions.
        """
        units = [request.unit for request, _, _ in clips]
        provenance = self.recipe.provenance()
        if padded := [request.unit for request, _, embedded in clips if embedded.padded]:
            provenance["padded"] = padded
        styles = [style_of(request, stored, understood) for request, stored, _ in clips]
        return EmbeddingSet.from_clips([embedded.frames for _, _, embedded in clips], units, provenance, styles)

    def prompt_set(self, clips: Sequence[Row]) -> EmbeddingSet:
        """The audio prompts that the clips continue, under the clips' ids."""
        frames = [embedded.prompt for _, _, embedded in clips if embedded.prompt is not None]
        return EmbeddingSet.from_clips(frames, [request.unit for request, _, _ in clips], self.recipe.provenance())


def understood_styles(clips: Iterable[Row]) -> dict[str, str]:
    """The styles that clips were sampled in, by the ids that counterparts under other conditions share."""
    found = ((request.unit, stored.record["conditioning"].get("style")) for request, stored, _ in clips)
    return {unit: style for unit, style in found if style}


def style_of(request: ClipRequest, clip: StoredClip, understood: Mapping[str, str]) -> str:
    """The style a clip was asked for or that its text was understood as; without one, the prompt stands for it.

    Where a condition takes the style or the text away, that of its counterpart is still what the clip is compared with.
    """
    listed = request.listed
    return clip.record["conditioning"].get("style") or listed.style or understood.get(request.unit) or listed.label()


def measure(
    evaluated: EmbeddingSet, clips: Sequence[Row], measures: Measures
) -> tuple[dict[str, Score], dict[str, str]]:
    """Every metric of a condition: the scores, and for those without a value the reason.

    "fad16" is the headline distance: in 16 components, or in as many as the reference says it should be seen in.
    Similarity to the audio prompt is asked for only where every clip continues one.
    """
    reference = measures.reference
    metrics: dict[str, Callable[[], Score]] = {
        "fad16": lambda: fad(evaluated, reference, headline_components(reference)),
        "fad": lambda: fad(evaluated, reference),
        "vendi": lambda: vendi(evaluated, reference),
        "diversity": lambda: cosine_diversity(evaluated, reference),
        "style_similarity": lambda: centroid_similarity(evaluated, reference),
    }
    if _all_continue(clips):
        metrics["prompt_similarity"] = lambda: prompt_similarity(evaluated, measures.prompt_set(clips), reference)
    scores, unmeasured = {}, {}
    for name, metric in metrics.items():
        try:
            scores[name] = metric()
        except DegenerateInput as error:
            unmeasured[name] = str(error)
    return scores, unmeasured


def per_clip(evaluated: EmbeddingSet, clips: Sequence[Row], measures: Measures) -> dict[str, dict[str, float]]:
    """The similarities of single clips, by unit and name: where to begin to listen. Empty for those without a value."""
    metrics: dict[str, Callable[[], dict[Any, float]]] = {
        "style_similarity": lambda: centroid_similarities(evaluated, measures.reference),
    }
    if _all_continue(clips):
        metrics["prompt_similarity"] = lambda: prompt_similarities(
            evaluated, measures.prompt_set(clips), measures.reference
        )
    values: dict[str, dict[str, float]] = {request.unit: {} for request, _, _ in clips}
    for name, metric in metrics.items():
        with suppress(DegenerateInput):
            for unit, value in metric().items():
                values[unit][name] = value
    return values


def _all_continue(clips: Sequence[Row]) -> bool:
    return all(embedded.prompt is not None for _, _, embedded in clips)


def differences(experiment: Experiment, sets: Mapping[str, EmbeddingSet], measures: Measures) -> tuple[Difference, ...]:
    """The declared contrasts in the primary metric, each from pairs of clips that share prompt and seed.

    A clip without its counterpart (one of the two could not be made) is left out. None where the primary metric has no
    value: the conditions say why.
    """
    contrasts = [pair for pair in experiment.contrasts() if all(condition.name in sets for condition in pair)]
    options = {"components": headline_components(measures.reference)} if experiment.primary == "fad16" else {}
    try:
        scores = [
            paired_difference(
                experiment.primary, *shared(sets[first.name], sets[second.name]), measures.reference, **options
            )
            for first, second in contrasts
        ]
    except DegenerateInput:
        return ()
    adjusted = family_p_values(scores) if experiment.family == "all contrasts" else [p_value(score) for score in scores]
    return tuple(
        Difference(experiment.primary, first.name, second.name, score, p, p < SIGNIFICANCE)
        for (first, second), score, p in zip(contrasts, scores, adjusted, strict=True)
    )


def shared(first: EmbeddingSet, second: EmbeddingSet) -> tuple[EmbeddingSet, EmbeddingSet]:
    """Both sets without the clips that the other lacks. Raises `DegenerateInput` when they share none."""
    both = np.intersect1d(first.units, second.units)
    if not len(both):
        raise DegenerateInput("the two conditions share no clip: at least one pair was expected.")
    return _only(first, both), _only(second, both)


def _only(clips: EmbeddingSet, units: NDArray[Any]) -> EmbeddingSet:
    kept = np.isin(clips.units, units)
    if kept.all():
        return clips
    provenance = dict(clips.provenance)
    if "padded" in provenance:
        provenance["padded"] = [song for song in provenance["padded"] if song in set(units.tolist())]
    strata = None if clips.strata is None else clips.strata[kept]
    return EmbeddingSet(clips.frames[kept], clips.units[kept], provenance, strata)
