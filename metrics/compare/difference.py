"""The difference of two conditions in a metric, with its error and its one test.

A difference follows from the replicates of two scores: each is known without every fold of its units, and folds derive
from unit ids. Where the conditions hold the same units a fold is left out of both at once, and what they share cancels;
otherwise their samples are independent, but for a reference that both were measured against. `paired_difference`
measures both sets and `difference_of` takes stored scores: they give the same numbers to the last digit.

The p-value is Student's t of the estimate whose interval stands beside it: 0 lies outside the interval exactly when it
is below .05. Two scores that were made differently are not compared: the message names the part that differs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from metrics.api.replicates import Replicates
from metrics.api.score import Direction, EmbeddingSet, Estimand, Score, generalises_to
from metrics.compare.checks import check_conditions, check_scores, drawn_units
from metrics.compare.measured import Statistic, score_with_replicates
from metrics.errors import UsageError
from metrics.stats.limits import within_limits
from metrics.stats.reliability import (
    component_warnings,
    full_dimension_warnings,
    interval_warnings,
    is_calibrated,
    tail_weight_warnings,
)
from metrics.stats.resampling import (
    SIGNIFICANCE,
    Estimate,
    Jackknife,
    agreeing,
    combine,
    estimate,
    estimate_of,
    p_of,
)

IDENTICAL = "identical"


@dataclass(frozen=True)
class Difference:
    """The second condition − the first in one metric, or another contrast of conditions.

    Attributes:
        metric: The metric's name.
        value: The estimate, corrected for bias where the metric is.
        stderr: Its standard error.
        interval: The 95 % confidence interval of one test, that of `p`; None where none would cover what it claims to.
        p: Two-sided, of the hypothesis that the truth is zero, not adjusted; None without an interval.
        reliable: False where the sample is too small for the estimator, or fails another of its conditions.
        note: How the value was computed; "identical" where nothing differs.
        unit: The unit of measure of `value`.
        direction: Which way the metric is better, if either is.
        n_units: The number of units: pairs, or those of the smaller set.
        provenance: The first condition's, with "paired" and the degrees of freedom "df".
        replicates: The difference without each fold of units; None where scores came without.
        family_interval: The interval that holds for all differences of a declared family at once, or None.
        p_adjusted: p adjusted for the family, or None.
        why: Why the difference is not reliable and what it would take; empty when it is.
        plain: The plug-in difference, not corrected for bias.
        estimand: What is estimated.
        n_frames: The number of embedded frames of both conditions.
        kind: What it is, after the metric's name: a difference, or a contrast.
    """

    metric: str
    value: float
    stderr: float
    interval: tuple[float, float] | None
    p: float | None
    reliable: bool
    note: str
    unit: str
    direction: Direction
    n_units: int
    provenance: dict[str, Any] = field(default_factory=dict)
    replicates: Replicates | None = field(default=None, repr=False)
    family_interval: tuple[float, float] | None = None
    p_adjusted: float | None = None
    why: str = ""
    plain: float = math.nan
    estimand: Estimand = "population"
    n_frames: int = 0
    kind: str = "difference"

    @property
    def name(self) -> str:
        """Such as "kad difference"."""
        return f"{self.metric} {self.kind}"

    @property
    def significant(self) -> bool:
        """Whether p, adjusted where a family was declared, is below .05; False without p."""
        p = self.p if self.p_adjusted is None else self.p_adjusted
        return p is not None and p < SIGNIFICANCE

    @property
    def paired(self) -> bool:
        """Whether the conditions' units were left out together."""
        return bool(self.provenance.get("paired"))

    @property
    def generalises_to(self) -> str:
        """What the interval speaks about; see `metrics.api.score.generalises_to`."""
        return generalises_to(self.estimand, self.provenance)

    def covers(self, truth: float) -> bool:
        """Whether the interval holds `truth`; False without an interval."""
        return self.interval is not None and self.interval[0] <= truth <= self.interval[1]

    def as_dict(self) -> dict[str, Any]:
        """Everything but the replicates, as JSON takes it; `replicates.as_dict()` gives those."""
        found = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "replicates"}
        intervals = {name: found[name] and list(found[name]) for name in ("interval", "family_interval")}
        return found | intervals | {"significant": self.significant, "generalises_to": self.generalises_to}

    def __str__(self) -> str:
        mark = "" if self.reliable else " (unreliable)"
        tested = "" if self.p is None else f", p {self.p:.3g}"
        return f"{self.name} {self.value:+.4g} ± {self.stderr:.2g}{tested}{mark}"


def paired_difference(
    metric_or_function: str | Statistic,
    first: EmbeddingSet,
    second: EmbeddingSet,
    reference: EmbeddingSet | None = None,
    **options: Any,
) -> Difference:
    """The metric of `second` − that of `first`, for conditions whose units share their ids.

    Args:
        metric_or_function: A metric of the catalogue by name, or a function of (evaluated, reference), or of
            (evaluated) without a reference, that returns a number or a `Score`, whose plain value is taken. A function
            is called again without each fold of units, and its bias of order 1/n corrected.
        first: The condition that the other is compared with.
        second: The other condition.
        reference: Real music. It counts for every metric that takes one: cosines are then seen from its centre.
        **options: The metric's own.

    Returns:
        The difference; equal to the last digit to `difference_of` the two scores.

    Raises:
        UsageError: The metric is unknown, has no such difference or takes more than these sets; or embedder,
            preprocessing, units or strata of the sets differ.
        DegenerateInput: As the metric raises it.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> first, second, real = (EmbeddingSet(rng.normal(size=(40, 4)), np.arange(40) // 2) for _ in range(3))
    >>> difference = paired_difference("kad", first, second, real)
    >>> difference.n_units, difference.paired
    (20, True)
    """
    check_conditions([first, second], reference)
    before, after = (score_with_replicates(metric_or_function, data, reference, options) for data in (first, second))
    return difference_of(before, after)


def paired_fad(
    first: EmbeddingSet,
    second: EmbeddingSet,
    reference: EmbeddingSet,
    components: int | None = None,
    *,
    estimand: Estimand = "population",
) -> Difference:
    """`metrics.fad(second) − metrics.fad(first)` for conditions whose units share their ids.

    Args:
        first: The condition that the other is compared with.
        second: The other; the value is negative when it is nearer to the reference.
        reference: Real music.
        components: In how many principal components of the reference; None for every dimension.
        estimand: As for `metrics.fad`.

    Returns:
        The difference. Raises as `metrics.fad` and `paired_difference`.
    """
    return paired_difference("fad", first, second, reference, components=components, estimand=estimand)


def difference_of(first: Score, second: Score, *, paired: bool | None = None) -> Difference:
    """`second` − `first` of two scores, from their replicates.

    Args:
        first: The score that the other is compared with.
        second: The other.
        paired: Whether units of the same id are the same unit under two conditions. By default they are, where both
            scores hold the same units and strata; with False the two samples are independent whatever their ids.

    Returns:
        The difference. It is paired where units and strata agree, and takes the error of a shared reference once.
        Scores without replicates are taken as independent, which overstates an error that they share.

    Raises:
        UsageError: Metric, embedder, preprocessing, reference, estimand or, where the value depends on it, the number
            of units differ: the message names the parts. Or `paired` is True and the units are not the same.
    """
    check_scores(first, second)
    if first.replicates is None or second.replicates is None:
        if paired:
            raise UsageError(f"a score of {first.name} came without replicates: measure both sets again to pair them.")
        return _without_replicates(first, second)
    sides = [first.replicates, second.replicates]
    if paired is False:
        sides = [side.as_unpaired() for side in sides]
    replicates = combine([-1.0, 1.0], sides)
    is_paired = sum(part.role == "evaluated" for part in replicates.parts) == 1
    if paired and not is_paired:
        raise UsageError(
            f"two scores of {first.name} do not hold the same units in the same strata: compare them as independent "
            "sets, or measure the clips that both hold."
        )
    return _difference(first, second, replicates, estimate_of(replicates), paired=is_paired)


def _difference(
    first: Score, second: Score, replicates: Replicates | None, result: Estimate, *, paired: bool
) -> Difference:
    why = _why(first, second)
    units = min(drawn_units(first), drawn_units(second))
    interval = within_limits(result.interval, first.unit, units, difference=True)
    has_interval = first.interval is not None and second.interval is not None
    if "effective_dimension" in first.provenance and replicates is not None:
        has_interval = _has_interval(first, why)
    same = replicates is not None and first.replicates == second.replicates
    notes = [IDENTICAL] if same else [part for part in first.note.split("; ") if part in second.note.split("; ")]
    if not paired and not same:
        notes.append("of independent sets")
    return Difference(
        metric=first.name,
        value=result.value,
        stderr=result.stderr,
        interval=interval if has_interval else None,
        p=agreeing(p_of(result), interval) if has_interval else None,
        reliable=not why,
        note="; ".join(part for part in notes if part),
        unit=first.unit,
        direction=first.direction,
        n_units=min(first.n_units, second.n_units),
        provenance=first.provenance | {"df": result.df, "paired": paired},
        replicates=replicates,
        why="; ".join(why),
        plain=second.plain - first.plain,
        estimand=first.estimand,
        n_frames=first.n_frames + second.n_frames,
    )


def _without_replicates(first: Score, second: Score) -> Difference:
    """Of two scores as if independent, by their standard errors."""
    parts = [Jackknife(0.0, score.stderr**2, score.provenance.get("df", math.inf)) for score in (first, second)]
    result = estimate(second.value - first.value, parts, correct=False)
    return _difference(first, second, None, result, paired=False)


def _why(first: Score, second: Score) -> list[str]:
    """Why the difference of two scores is not reliable; empty when it is."""
    made = first.provenance
    tracks = made.get("reference_units")
    units = min(drawn_units(first), drawn_units(second))
    if "effective_dimension" in made:
        tracks = made["reference_units"]
        if made["components"] is None:
            why = full_dimension_warnings("paired fad", made["effective_dimension"], units, tracks)
        else:
            why = component_warnings("paired fad", made["components"], made["explained_variance"], units, tracks)
    elif is_calibrated(first.name):
        why = interval_warnings(first.name, units, tracks, difference=True)
    else:
        reasons = [reason for score in (first, second) for reason in score.why.split("; ") if reason]
        return list(dict.fromkeys(reasons))
    weights = [*made.get("tails", {}).values(), *second.provenance.get("tails", {}).values()]
    return why + tail_weight_warnings(weights)


def _has_interval(first: Score, why: list[str]) -> bool:
    """Of a Fréchet distance: in components always, in full dimension only where nothing speaks against it."""
    return first.provenance["components"] is not None or not why
