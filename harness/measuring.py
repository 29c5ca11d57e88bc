"""Which metrics sound files have by themselves, and their values for one set.

A metric of the catalogue takes sets of embedded clips; a figure of `metrics.signal` or `metrics.structure` is of a
single file, and its mean over files a score. What has no value for these files (one clip, a reference too small) is
listed with the reason; what takes more than sound files is refused with what it takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from harness.errors import DegenerateInput, UsageError
from harness.scoring import Measures
from harness.sound_sets import SoundFile, SoundSet
from metrics.catalogue import Metric, available, metric
from metrics.clips import Figure, mean_score
from metrics.frechet_variants import fad_per_song
from metrics.manifold import NAMES as MANIFOLD
from metrics.manifold import prdc
from metrics.novelty import nearest_songs, neighbour_percentiles
from metrics.registry import unknown_name
from metrics.score import EmbeddingSet, Score
from metrics.signal import FIGURES as SIGNAL
from metrics.structure import FIGURES as STRUCTURE

DEFAULTS = ("fad16", "fad", "kad", "precision", "recall", "density", "coverage", "vendi", "diversity")

GIVEN = {
    "prompt": "what was asked for: in pairs, with a column 'prompt' in the table of --pair-by",
    "labels": "the words or labels that were asked for",
    "text": "the words that were asked for",
    "likelihood": "a model: --likelihood",
    "probabilities": "class probabilities of each clip, which no embedder here gives",
    "audio": "audio beside the clips'",
}
"""What a metric takes that sound files alone are not."""

STYLED = frozenset({"embedding", "reference", "labels"})
"""The needs of similarity to a style, which the sub-folders of a set name."""


@dataclass(frozen=True)
class Chosen:
    """A metric to measure: a row of the catalogue, or, with None, a figure of single files."""

    name: str
    row: Metric | None

    @property
    def embeds(self) -> bool:
        return self.row is not None

    @property
    def figure(self) -> Figure[Any]:
        return {**SIGNAL, **STRUCTURE}[self.name]

    def of_file(self, file: SoundFile) -> float | None:
        """The figure of one file; None where it has none."""
        found = file.structure if self.name in STRUCTURE else file.signal
        return None if found is None else self.figure.of(found)


@dataclass(frozen=True)
class Measured:
    """A set's scores, for those without a value the reasons, and what single files have, by clip id and name.

    `settings` say against what and how; two sets are compared where they agree.
    """

    sounds: SoundSet
    settings: dict[str, Any]
    scores: dict[str, Score] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def clips(self) -> int:
        return len(self.sounds.whole)


def choose(names: Sequence[str], reference: bool, prompts: bool = False) -> list[Chosen]:
    """The metrics of these names, each once; the default ones where none is named.

    Raises `UsageError` for an unknown name, with the nearest known, and for a metric that takes what is not there.
    """
    return [_chosen(name, reference, prompts) for name in dict.fromkeys(names or DEFAULTS)]


def _chosen(name: str, reference: bool, prompts: bool) -> Chosen:
    if name in SIGNAL or name in STRUCTURE:
        return Chosen(name, None)
    if name not in available():
        raise UsageError(unknown_name("metric", name, [*available(), *SIGNAL, *STRUCTURE]))
    row = metric(name)
    lacking = row.needs - {"embedding", "reference"} - ({"prompt"} if prompts else set())
    if row.needs == STYLED:
        lacking = frozenset()
    if lacking or "embedding" not in row.needs:
        takes = "; ".join(GIVEN.get(need, need) for need in sorted(lacking or row.needs))
        raise UsageError(
            f"the metric {name!r} takes more than sound files: {takes}. 'harness metrics {name}' says how to have it "
            "in Python; leave it out here."
        )
    if "reference" in row.needs and not reference:
        raise UsageError(
            f"the metric {name!r} measures against real music: give --reference, a name of 'harness reference list' or "
            "a folder."
        )
    return Chosen(name, row)


def measure_set(
    sounds: SoundSet,
    chosen: Sequence[Chosen],
    measures: Measures | None,
    prompts: Mapping[str, str] | None = None,
) -> Measured:
    """Every chosen metric of a set, and what its single files have. Raises `UsageError` for sets made differently."""
    settings = settings_of(sounds, measures)
    if not sounds.whole:
        return Measured(sounds, settings, unmeasured={one.name: "no file could be read" for one in chosen})
    reference = None if measures is None else measures.reference
    evaluated = sounds.embedded() if sounds.recipe is not None else None
    scores, unmeasured = {}, {}
    several = manifold_at_once(chosen, evaluated, reference)
    for one in chosen:
        try:
            score = several.get(one.name) or score_of(one, sounds, evaluated, reference, prompts)
        except (DegenerateInput, UsageError) as error:
            unmeasured[one.name] = str(error)
        else:
            scores[one.name] = replace(score, provenance=score.provenance | provenance(settings))
    return Measured(sounds, settings, scores, unmeasured, _per_file(sounds, chosen, evaluated, reference))


def settings_of(sounds: SoundSet, measures: Measures | None) -> dict[str, Any]:
    """How a set was measured: embedder, preprocessing, reference with hashes; JSON-able."""
    settings: dict[str, Any] = {} if sounds.recipe is None else sounds.recipe.provenance()
    if measures is not None:
        described = measures.described()
        settings |= {key: described[key] for key in ("reference", "reference_hash")}
    return settings


def provenance(settings: Mapping[str, Any], seed: int = 0) -> dict[str, Any]:
    """What a score's provenance has from the command: the reference's hash, and the seed by which groups are dealt."""
    return {"seed": seed} | {key: settings[key] for key in ("reference_hash",) if key in settings}


def score_of(
    one: Chosen,
    sounds: SoundSet,
    evaluated: EmbeddingSet | None,
    reference: EmbeddingSet | None,
    prompts: Mapping[str, str] | None = None,
) -> Score:
    """One metric of one set."""
    if one.row is None or evaluated is None:
        files = sounds.whole
        return mean_score(
            one.name, [one.of_file(file) for file in files], [file.clip.id for file in files],
            unit=one.figure.unit, direction=one.figure.direction, strata=sounds.strata(), note="mean over files",
        )  # fmt: skip
    function, options = one.row.load(), options_of(one.row, reference, prompts)
    score = function(evaluated, **options)
    if not isinstance(score, Score):
        raise UsageError(f"{one.name} gave a {type(score).__name__}: a Score was expected of {one.row.target}.")
    return score


def options_of(row: Metric, reference: EmbeddingSet | None, prompts: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a metric's function takes besides the evaluated set. Diversity has its centre from the reference."""
    taken = inspect.signature(row.load()).parameters
    options = dict(row.options)
    if reference is not None and "reference" in taken:
        options["reference"] = reference
    elif "reference" in row.needs:  # under another name, such as `known`
        options[list(taken)[1]] = reference
    if prompts is not None and "prompt" in row.needs:
        options["prompts"] = prompts
    return options


def manifold_at_once(
    chosen: Sequence[Chosen], evaluated: EmbeddingSet | None, reference: EmbeddingSet | None
) -> dict[str, Score]:
    """Precision, recall, density and coverage cost as much as one; empty where not all four have a value."""
    wanted = [one for one in chosen if one.name in MANIFOLD]
    if len(wanted) < 2 or evaluated is None or reference is None:
        return {}
    with suppress(DegenerateInput):
        return prdc(evaluated, reference)
    return {}


def _per_file(
    sounds: SoundSet, chosen: Sequence[Chosen], evaluated: EmbeddingSet | None, reference: EmbeddingSet | None
) -> dict[str, dict[str, Any]]:
    """By clip id: structure figures that were asked for, its own Fréchet distance, its nearest song and how near."""
    values: dict[str, dict[str, Any]] = {file.clip.id: {} for file in sounds.whole}
    for one in chosen:
        if one.name in STRUCTURE:
            for file in sounds.whole:
                values[file.clip.id][one.name] = one.of_file(file)
    if evaluated is None or reference is None:
        return values
    with suppress(DegenerateInput):
        for song, distance in fad_per_song(evaluated, reference).items():
            values[song]["fad"] = distance
    with suppress(DegenerateInput):
        for song, percentile in neighbour_percentiles(evaluated, reference).items():
            values[song]["neighbour_percentile"] = percentile
        for song, (name, cosine) in nearest_songs(evaluated, reference).items():
            values[song] |= {"nearest": str(name), "nearest_cosine": cosine}
    return values
