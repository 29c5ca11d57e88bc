"""Any metrics of the catalogue for the clips of one condition: `score(clip_set, metrics, measures)`.

Clips of a run and files of a folder go through here alike, and give the same scores. What a metric needs comes from the
clips (`harness.scoring.material`); one that has no value for these clips (one clip, no audio prompt, a style that the
reference lacks, no weights) is listed with the reason, and takes no other with it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from harness.core.errors import HarnessError, UsageError
from harness.core.progress import Progress, Quiet
from harness.models.registry import doors
from harness.prompts.prompt import Prompt
from harness.scoring.cache import ContentCache, user_cache
from harness.scoring.calls import joint_space, measure, spaces_of, value_of
from harness.scoring.clips import ClipSet
from harness.scoring.material import Material
from harness.scoring.measures import Measures, Space, split_name
from metrics.api.catalogue import Metric, metric
from metrics.api.score import Score
from metrics.sets.frechet_variants import fad_per_song
from metrics.sets.novelty import nearest_songs, neighbour_percentiles
from metrics.sets.similarity import centroid_similarities, prompt_similarities

DEFAULTS: tuple[str, ...] = ("fad16", "kad", "vendi", "diversity", "style_similarity")
"""Measured where no metric is named, in a run and in a folder. Prompts add to them: see `default_metrics`."""


@dataclass(frozen=True)
class ConditionScores:
    """What was measured of one condition: `scores` by name (`kad@clap` in a further embedder's space), the reasons for
    those without a value, and what single clips have, by unit and name. `order` is that in which they were named."""

    clips: ClipSet
    scores: dict[str, Score]
    unmeasured: dict[str, str]
    values: dict[str, dict[str, Any]]
    material: Material = field(repr=False, compare=False)
    order: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.clips.name

    @property
    def n_clips(self) -> int:
        return len(self.clips.clips)


def default_metrics(sets: Sequence[ClipSet]) -> tuple[str, ...]:
    """What is measured where no metric is named: adherence to words and to audio prompts where the clips have some.

    The cosine of texts and clips in a joint space only where CLAP's weights are at hand; that with musicnn's tags
    always.
    """
    clips = [clip for one in sets for clip in one.clips]
    names = list(DEFAULTS)
    if any(clip.prompt_seconds for clip in clips):
        names.append("prompt_similarity")
    if any(clip.text for clip in clips):
        names.append("tag_text_similarity")
        with suppress(HarnessError):
            joint_space()
            names.append("text_audio_similarity")
    return tuple(names)


def choose(names: Sequence[str], measures: Measures) -> tuple[str, ...]:
    """The metrics' names, each once. Raises `UsageError` for an unknown metric, with the nearest known, and for one in
    the space of an embedder that was not named."""
    known = [space.name for space in measures.spaces]
    for name in names:
        wanted, embedder = split_name(name)
        metric(wanted)
        if embedder and embedder not in known:
            raise UsageError(f"the metric {name!r} is in the space of {embedder!r}: give --embedder {embedder}.")
    return tuple(dict.fromkeys(names))


def check_measurable(name: str, others: Sequence[str], measures: Measures) -> None:
    """Raise `UsageError`, before anything is sampled, for a deciding metric that has no reference or no weights where
    it needs them, and for others in the space of an embedder that was not named."""
    wanted, embedder = split_name(name)
    row = metric(wanted)
    choose([name, *others], measures)
    space = next((one for one in measures.spaces if one.name == embedder), measures.first)
    if row.needs & {"reference", "known"} and "embedding" in row.needs and space.reference is None:
        raise UsageError(f"the primary metric {name!r} needs a reference for {space.name!r}: {space.lacking}")
    try:
        spaces_of(row, measures)
    except HarnessError as error:
        raise UsageError(f"the primary metric {name!r} cannot be measured: {error}") from error


def check_prompts(name: str, prompts: Collection[Prompt], model: str) -> None:
    """Raise `UsageError`, before anything is sampled, for a deciding metric that these prompts or this model give no
    value: one of audio prompts or of words where there are none, one of likelihood under a model that has none."""
    needs = metric(split_name(name)[0]).needs
    lacking = None
    if "prompt audio" in needs and not any(prompt.audio for prompt in prompts):
        lacking = "prompts with a sound file to continue: give --audio, or a prompt set such as continuation"
    elif "text" in needs and not any(prompt.text for prompt in prompts):
        lacking = "prompts in words: give --prompt, or a prompt set such as ideation"
    elif "likelihood" in needs and "likelihood" not in doors(model):
        lacking = f"a model with a likelihood, and {model} has none"
    if lacking:
        raise UsageError(f"the primary metric {name!r} needs {lacking}; or choose another primary metric.")


def score(
    clips: ClipSet,
    metrics: Sequence[str],
    measures: Measures,
    cache: ContentCache | None = None,
    progress: Progress | None = None,
) -> ConditionScores:
    """Measure these metrics of one condition, each in every space it can be measured in.

    Args:
        clips: the condition's clips, from the store or from files.
        metrics: names of the catalogue; `kad@clap` is measured in that space only.
        measures: the embedders and their references.
        cache: of measurements of single files; the user's cache by default.
        progress: receives the progress of each stage; silent by default.

    Returns:
        The scores by name, the reason for each metric without a score, and the values of single clips.

    Raises:
        UsageError: for an unknown metric, or sets that were generated or embedded differently.
    """
    material = Material(clips, measures, cache or user_cache(), progress or Quiet())
    return score_material(material, choose(metrics, measures))


def score_material(material: Material, metrics: Sequence[str], named: str = "") -> ConditionScores:
    """`score` of existing material; `named` renames the set."""
    clips = replace(material.clips, name=named or material.clips.name)
    scores: dict[str, Score] = {}
    unmeasured: dict[str, str] = {}
    values: dict[str, dict[str, Any]] = {clip.unit: {} for clip in clips.clips}
    order: dict[str, None] = {}
    for chosen in metrics:
        for name, row, space in _targets(chosen, material.measures, unmeasured) or [(chosen, None, None)]:
            if name in order:
                continue
            order[name] = None
            if row is None or space is None:
                continue
            try:
                scores[name] = _attributed(measure(row, material, space), name, space)
            except HarnessError as error:
                unmeasured[name] = str(error)
            with suppress(HarnessError):
                for unit, value in per_clip(row, material, space).items():
                    values[unit][name] = value
    return ConditionScores(clips, scores, unmeasured, values, material, tuple(order))


def measured_again(one: ConditionScores, name: str, units: Collection[str]) -> Score:
    """One of a condition's scores, computed from some of its clips. Raises `HarnessError` where it is undefined."""
    row = metric(split_name(name)[0])
    space = next(space for known, space in spaces_of(row, one.material.measures) if known == name)
    return _attributed(measure(row, one.material.only(units), space), name, space)


def score_rows(one: ConditionScores, by: str) -> list[ConditionScores]:
    """The same scores of the clips of each style, or of each prompt, as far as so few clips allow.

    Raises `UsageError` where the clips have no styles or prompts.
    """
    groups: dict[str, list[str]] = {}
    for clip in one.clips.clips:
        groups.setdefault(clip.style if by == "style" else clip.prompt, []).append(clip.unit)
    if set(groups) <= {""}:
        raise UsageError(
            f"the clips of {one.name} have no {by}: give a column {by} in --manifest, or leave out --rows."
        )
    return [
        score_material(one.material.only(units), [*one.scores, *one.unmeasured], named=label or f"no {by}")
        for label, units in groups.items()
    ]


def _targets(
    chosen: str, measures: Measures, unmeasured: dict[str, str]
) -> list[tuple[str, Metric | None, Space | None]]:
    """A metric's scores by name, with their spaces; without any where no space can be had, and the reason is noted."""
    wanted, embedder = split_name(chosen)
    row = metric(wanted)
    try:
        found = spaces_of(row, measures)
    except HarnessError as error:
        unmeasured[chosen] = str(error)
        return []
    return [(name, row, space) for name, space in found if not embedder or space.name == embedder]


def _attributed(found: Score, name: str, space: Space) -> Score:
    about: dict[str, Any] = {"score": name}
    if space.reference is not None:
        about |= {"reference_name": space.reference_name, "reference_hash": space.reference_hash}
    return replace(found, provenance=found.provenance | about)


def per_clip(row: Metric, material: Material, space: Space) -> dict[str, Any]:
    """What a metric says of single clips, by unit; empty for one that says nothing of them."""
    clip_value = value_of(row)
    if clip_value is not None:
        measured = zip(material.clips.clips, material.signals(row.group), strict=True)
        return {clip.unit: clip_value.of(found) for clip, found in measured if found is not None}
    if row.name == "style_similarity":
        return centroid_similarities(material.styled(space), material.reference(space))
    if row.name == "prompt_similarity":
        return prompt_similarities(*material.continued(space), space.reference)
    if row.name == "neighbour_percentile":
        return neighbour_percentiles(material.evaluated(space), material.reference(space))
    if row.name == "fad_per_song":
        return fad_per_song(material.evaluated(space), material.reference(space))
    if row.name == "label_accuracy":
        heard, _, units = material.predictions(space)
        return dict(zip(units, heard, strict=True))
    if row.name in ("text_audio_similarity", "tag_text_similarity"):
        pairs = material.tag_pairs() if row.name == "tag_text_similarity" else material.text_pairs(space)
        cosines, own = pairs.table()
        clips = material.spoken(material.tagger() if row.name == "tag_text_similarity" else space)
        return {clip.unit: float(cosines[n, own[n]]) for n, clip in enumerate(clips)}
    return {}


def nearest_music(material: Material, space: Space) -> dict[str, dict[str, Any]]:
    """By unit: the clip's own Fréchet distance (`fad`), its nearest song of the reference and how near it is.

    Empty where there is no reference, or none of its values is defined."""
    found: dict[str, dict[str, Any]] = {clip.unit: {} for clip in material.clips.clips}
    with suppress(HarnessError):
        evaluated, music = material.evaluated(space), material.reference(space)
        with suppress(HarnessError):
            for unit, distance in fad_per_song(evaluated, music).items():
                found[unit]["fad"] = distance
        for unit, percentile in neighbour_percentiles(evaluated, music).items():
            found[unit]["neighbour_percentile"] = percentile
        for unit, (name, cosine) in nearest_songs(evaluated, music).items():
            found[unit] |= {"nearest": str(name), "nearest_cosine": cosine}
    return found
