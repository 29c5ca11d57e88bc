"""Which metrics of the catalogue sound files have, and their values for one set.

A metric of embeddings is measured on the set of embedded files; a figure of `metrics.waves.signal` or
`metrics.waves.structure` is of a single file, and its mean over files a score. What has no value for these files (one
clip, a reference too small) is listed with the reason; what takes more than there is, is refused with what it takes and
how that is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from harness.core.errors import DegenerateInput, UsageError
from harness.scoring.clips import SoundFile, SoundSet
from harness.scoring.score import Measures
from metrics.api.catalogue import NEEDS, Metric, metric
from metrics.api.score import EmbeddingSet, Score
from metrics.sets.frechet_variants import fad_per_song
from metrics.sets.manifold import NAMES as MANIFOLD
from metrics.sets.manifold import prdc
from metrics.sets.novelty import nearest_songs, neighbour_percentiles
from metrics.stats.scoring import Kind, mean_score
from metrics.waves.clips import Figure
from metrics.waves.signal import FIGURES as SIGNAL
from metrics.waves.structure import FIGURES as STRUCTURE

DEFAULTS = ("fad16", "fad", "kad", "precision", "recall", "density", "coverage", "vendi", "diversity")

FROM_FILES = frozenset({"audio", "embedding", "labels"})
"""What sound files have by themselves; the labels, the styles asked for, are the names of their sub-folders."""

GIVEN_BY = {
    "reference": "give --reference, a name of 'harness reference list' or a folder",
    "known": "give --reference, a name of 'harness reference list' or a folder",
    "prompt": "in pairs, give a column 'prompt' in the table of --pair-by",
    "likelihood": "give --likelihood, and leave out --metric",
}
"""How `harness score` is told what a metric takes besides. What is not here it cannot be told."""


def choose(names: Sequence[str], reference: bool, prompts: bool = False) -> list[Metric]:
    """The metrics of these names, each once; the default ones where none is named.

    Raises `UsageError` for an unknown name, with the nearest known, and for a metric that takes what is not there.
    """
    given = FROM_FILES | ({"reference", "known"} if reference else set()) | ({"prompt"} if prompts else set())
    rows = [metric(name) for name in dict.fromkeys(names or DEFAULTS)]
    for row in rows:
        _check(row, row.needs - given)
    return rows


def _check(row: Metric, lacking: frozenset[str]) -> None:
    in_python = f"'harness metrics {row.name}' says how to have it in Python; leave it out here."
    if lacking:
        takes = "; ".join(
            f"{NEEDS[need]} ({GIVEN_BY[need]})" if need in GIVEN_BY else NEEDS[need] for need in sorted(lacking)
        )
        what_next = "" if lacking <= GIVEN_BY.keys() else f" {in_python[0].upper()}{in_python[1:]}"
        raise UsageError(f"the metric {row.name!r} takes more than these sound files: {takes}.{what_next}")
    if row.gives != "score":
        raise UsageError(
            f"the metric {row.name!r} gives a {row.gives}, and a score was expected. The table of --csv has the "
            f"Fréchet distance of each file; {in_python}"
        )
    if "embedding" not in row.needs and figure_of(row) is None:
        raise UsageError(f"the metric {row.name!r} is of whole sets of waveforms, which are not held here: {in_python}")


def figure_of(row: Metric) -> Figure[Any] | None:
    """The figure of single files that a metric is the mean of; None for a metric of sets."""
    return {"signal": SIGNAL, "structure": STRUCTURE}.get(row.group, {}).get(row.name)


def value_of(row: Metric, file: SoundFile) -> float | None:
    """A figure of one file; None where the file has none."""
    figure, found = figure_of(row), file.structure if row.group == "structure" else file.signal
    return None if figure is None or found is None else figure.of(found)


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


def measure_set(
    sounds: SoundSet,
    chosen: Sequence[Metric],
    measures: Measures | None,
    prompts: Mapping[str, str] | None = None,
) -> Measured:
    """Every chosen metric of a set, and what its single files have. Raises `UsageError` for sets made differently."""
    settings = settings_of(sounds, measures)
    if not sounds.whole:
        return Measured(sounds, settings, unmeasured={row.name: "no file could be read" for row in chosen})
    reference = None if measures is None else measures.reference
    evaluated = sounds.embedded() if sounds.recipe is not None else None
    scores, unmeasured = {}, {}
    several = manifold_at_once(chosen, evaluated, reference)
    for row in chosen:
        try:
            score = several.get(row.name) or score_of(row, sounds, evaluated, reference, prompts)
        except (DegenerateInput, UsageError) as error:
            unmeasured[row.name] = str(error)
        else:
            scores[row.name] = replace(score, provenance=score.provenance | provenance(settings))
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
    row: Metric,
    sounds: SoundSet,
    evaluated: EmbeddingSet | None,
    reference: EmbeddingSet | None,
    prompts: Mapping[str, str] | None = None,
) -> Score:
    """One metric of one set."""
    figure = figure_of(row)
    if figure is not None or evaluated is None:
        files = sounds.whole
        kind = Kind(row.name, row.unit, row.direction, note="mean over files", needs_calibration=False)
        values = [value_of(row, file) for file in files]
        return mean_score(kind, values, [file.clip.id for file in files], strata=sounds.strata())
    score = row.load()(evaluated, **row.arguments(reference, prompts))
    if not isinstance(score, Score):
        raise UsageError(f"{row.name} gave a {type(score).__name__}: a Score was expected of {row.target}.")
    return score


def manifold_at_once(
    chosen: Sequence[Metric], evaluated: EmbeddingSet | None, reference: EmbeddingSet | None
) -> dict[str, Score]:
    """Precision, recall, density and coverage cost as much as one; empty where not all four have a value."""
    if sum(row.name in MANIFOLD for row in chosen) < 2 or evaluated is None or reference is None:
        return {}
    with suppress(DegenerateInput):
        return prdc(evaluated, reference)
    return {}


def _per_file(
    sounds: SoundSet, chosen: Sequence[Metric], evaluated: EmbeddingSet | None, reference: EmbeddingSet | None
) -> dict[str, dict[str, Any]]:
    """By clip id: structure figures that were asked for, its own Fréchet distance, its nearest song and how near."""
    values: dict[str, dict[str, Any]] = {file.clip.id: {} for file in sounds.whole}
    for row in chosen:
        if row.group == "structure":
            for file in sounds.whole:
                values[file.clip.id][row.name] = value_of(row, file)
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
