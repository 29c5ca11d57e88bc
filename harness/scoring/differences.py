"""Differences between conditions in any metric: paired where their clips share units, independent otherwise.

A difference follows from the replicates of two scores (`metrics.difference_of`), so that a run, a folder and a later
comparison of their results give the same one. What was declared together is one family, adjusted together; everything
else is exploratory, with the p-value and the interval of one test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from harness.core.errors import DegenerateInput, HarnessError, UsageError
from harness.core.progress import Progress, Quiet
from harness.scoring.measures import split_name
from harness.scoring.results import Comparison, Label
from harness.scoring.score import ConditionScores, measured_again
from metrics.api.catalogue import metric
from metrics.api.score import Score
from metrics.compare.difference import Difference, difference_of
from metrics.compare.family import family

if TYPE_CHECKING:
    from harness.planning.experiment import Experiment

MOST_EXPLORATORY = 400
"""Of more differences than these in the metrics that decide nothing, none is listed: nobody would read them."""

WATCHED = 50
"""Contrasts from which on their progress is shown."""


@dataclass(frozen=True)
class Family:
    """What is tested together.

    Attributes:
        contrasts: the pairs of conditions that are compared, by name, the second less the first.
        primary: the one metric that decides; empty where all metrics were declared together.
        adjusted: whether p-values and intervals are adjusted for the number of differences.
        stage: what may be claimed of the declared differences.
    """

    contrasts: tuple[tuple[str, str], ...]
    primary: str = ""
    adjusted: bool = True
    stage: Label = "declared"

    @classmethod
    def of_experiment(cls, experiment: Experiment) -> Family:
        """The contrasts that an experiment declares in its primary metric."""
        pairs = tuple((first.name, second.name) for first, second in experiment.contrasts())
        return cls(pairs, experiment.primary, experiment.family == "all contrasts", experiment.stage)

    @classmethod
    def of_every_pair(cls, names: Sequence[str]) -> Family:
        """Every pair of conditions in every metric chosen."""
        return cls(tuple(combinations(names, 2)))


@dataclass(frozen=True)
class Compared:
    """The differences that have a value, the declared ones first, and for the others the reason by metric."""

    differences: tuple[Comparison, ...] = ()
    undefined: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def compare(conditions: Sequence[ConditionScores], declared: Family, progress: Progress | None = None) -> Compared:
    """All differences of some conditions in the metrics that were measured of them.

    Args:
        conditions: by whose names the contrasts are; contrasts of others are left out.
        declared: what is tested together. Without a primary metric, all metrics over all contrasts.
        progress: where the work is shown.
    """
    by_name = {one.name: one for one in conditions}
    contrasts = [pair for pair in declared.contrasts if pair[0] in by_name and pair[1] in by_name]
    metrics = list(dict.fromkeys(name for one in conditions for name in one.order))
    deciding = [name for name in metrics if not declared.primary or name == declared.primary]
    others = [name for name in metrics if name not in deciding]
    notes: tuple[str, ...] = ()
    if len(contrasts) * len(others) > MOST_EXPLORATORY:
        notes = (f"differences in {', '.join(others)} are not listed: there are {len(contrasts) * len(others)}",)
        others = []
    notes += tuple(
        f"the clips of {second} are those of {first} byte for byte: what differs between the two had no effect"
        for first, second in contrasts
        if _sounds(by_name[first]) == _sounds(by_name[second])
    )
    found: list[Comparison] = []
    undefined: dict[tuple[str, str], None] = {}
    shown = progress if progress is not None and len(contrasts) >= WATCHED else Quiet()
    with shown.stage("comparing", len(contrasts)) as stage:
        for done, (first, second) in enumerate(contrasts, start=1):
            for name in (*deciding, *others):
                label: Label = declared.stage if name in deciding else "exploratory"
                try:
                    one = difference(by_name[first], by_name[second], name)
                except HarnessError as error:
                    undefined[name, str(error)] = None
                else:
                    found.append(Comparison(name, first, second, one, label))
            stage.advance(done)
    order = {name: n for n, name in enumerate((*deciding, *others))}
    found.sort(key=lambda one: order[one.metric])
    tested = [one for one in found if one.label != "exploratory"]
    groups = [tested] if declared.adjusted else [[one] for one in tested]
    adjusted = [
        replace(one, difference=difference)
        for group in groups
        for one, difference in zip(group, family([one.difference for one in group]), strict=True)
    ]
    rest = [one for one in found if one.label == "exploratory"]
    return Compared((*adjusted, *rest), tuple(undefined), notes)


def difference(first: ConditionScores, second: ConditionScores, name: str) -> Difference:
    """`second` − `first` in one metric.

    Paired where both sets' units mean the same: of clips that only one of them has (the other could not be made, or
    read) neither counts. Independent otherwise.

    Args:
        first: the condition that the other is compared with.
        second: the other.
        name: of the score, such as `kad@clap`.

    Raises:
        DegenerateInput: where the metric has no value for one of them, with the reason.
        UsageError: where the two were measured differently: the message names the parts.
    """
    if instead := metric(split_name(name)[0]).compare_by:
        raise UsageError(f"conditions are not compared by {name}, but by {instead}.")
    before, after = _score(first, name), _score(second, name)
    if not (first.clips.paired and second.clips.paired):
        return replace(difference_of(before, after, paired=False), metric=name)
    if _units(before) != _units(after):
        both = _shared(first, second, before, after)
        if both and len(both) < max(len(first.clips.clips), len(second.clips.clips)):
            before, after = (measured_again(one, name, both) for one in (first, second))
    return replace(difference_of(before, after), metric=name)


def _score(one: ConditionScores, name: str) -> Score:
    if name in one.scores:
        return one.scores[name]
    raise DegenerateInput(one.unmeasured.get(name, f"{name} was not measured of {one.name}."))


def _sounds(one: ConditionScores) -> dict[str, str]:
    """The content of each clip, by unit where units mean the same in other sets, else by path."""
    return {clip.unit if one.clips.paired else str(clip.path): clip.sha256 for clip in one.clips.clips}


def _units(score: Score) -> frozenset[str]:
    part = None if score.replicates is None else score.replicates.part("evaluated")
    return frozenset() if part is None else frozenset(map(str, (*part.units, *part.without_value)))


def _shared(first: ConditionScores, second: ConditionScores, before: Score, after: Score) -> frozenset[str]:
    """The units of the clips that both have, and that the metric saw where it is one of clips."""
    both = frozenset(clip.unit for clip in first.clips.clips) & {clip.unit for clip in second.clips.clips}
    seen = _units(before) & _units(after)
    return both & seen if seen <= both else both
