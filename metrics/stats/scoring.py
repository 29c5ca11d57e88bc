"""How a score is put together from a metric's value and its values without each fold of units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.replicates import FoldValues, Replicates
from metrics.api.score import Direction, EmbeddingSet, Estimand, Score
from metrics.errors import DegenerateInput, UsageError
from metrics.stats.folds import FEWEST_UNITS, assign_folds, folds_of
from metrics.stats.limits import within_limits
from metrics.stats.reliability import (
    interval_warnings,
    is_calibrated,
    is_sensitive_to_tails,
    tail_weight,
    tail_weight_warnings,
)
from metrics.stats.resampling import Estimate, estimate_of, fold_values

Matrix = NDArray[np.floating[Any]]

MOST_WITHOUT_VALUE = 0.1


@dataclass(frozen=True)
class LeftOut:
    """A metric of all units, and without each fold of them, as a metric's arithmetic gives it.

    Attributes:
        plain: The value of all units.
        evaluated: The value without each fold of the evaluated set, (folds,) for each round of `assign_folds`.
        reference: The same of the reference set; empty when that counts as fixed.
        corrected: Whether a score is corrected for bias of order 1/n. Most stay plain: they are unbiased, or their
            dependence on n is their meaning.
        seeds: The value for each seed, where there are several and `plain` is their mean.
    """

    plain: float
    evaluated: Sequence[Matrix]
    reference: Sequence[Matrix] = ()
    corrected: bool = False
    seeds: Sequence[float] = ()

    def __sub__(self, other: LeftOut) -> LeftOut:
        """The difference of two conditions of the same units."""
        return LeftOut(
            self.plain - other.plain,
            [mine - theirs for mine, theirs in zip(self.evaluated, other.evaluated, strict=True)],
            [mine - theirs for mine, theirs in zip(self.reference, other.reference, strict=True)],
        )

    def of(self, evaluated: EmbeddingSet, reference: EmbeddingSet | None = None) -> Replicates:
        """With the ids of the units that were left out."""
        parts = [fold_values("evaluated", evaluated, assign_folds(evaluated), self.evaluated)]
        if self.reference and reference is not None:
            parts.append(fold_values("reference", reference, assign_folds(reference), self.reference))
        return Replicates(float(self.plain), tuple(parts), self.corrected, tuple(map(float, self.seeds)))

    def estimate(self, evaluated: EmbeddingSet, reference: EmbeddingSet | None = None) -> Estimate:
        """The value with its jackknife error."""
        return estimate_of(self.of(evaluated, reference))


@dataclass(frozen=True)
class Kind:
    """What the scores of one metric say of themselves, whatever was measured.

    Attributes:
        name: The metric's name in the catalogue.
        unit: The unit of measure.
        direction: Which way is better, if either is.
        estimand: What is estimated.
        note: How the value was computed, in one line.
        needs_calibration: Whether an interval that no simulation tried is unreliable. The mean of one value for each
            clip needs none.
    """

    name: str
    unit: str
    direction: Direction
    estimand: Estimand = "population"
    note: str = ""
    needs_calibration: bool = True

    def score(
        self,
        replicates: Replicates,
        evaluated: EmbeddingSet,
        reference: EmbeddingSet | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Score:
        """The score of one condition.

        Args:
            replicates: The metric's value, and without each fold.
            evaluated: The set that was measured.
            reference: The set that it was measured against, where there is one.
            about: What is added to the provenance.

        Returns:
            The score; not reliable where `metrics.stats.reliability` says so, and `why` what it takes.
        """
        about = dict(about or {})
        units = min(evaluated.n_units, about.get("drawn_units") or evaluated.n_units)
        result = estimate_of(replicates)
        provenance: dict[str, Any] = {**evaluated.provenance, "df": result.df, **about}
        if reference is not None:
            provenance |= {
                "reference": reference.provenance,
                "reference_units": reference.n_units,
                "reference_frames": len(reference.frames),
            }
        if is_sensitive_to_tails(self.name):
            provenance["tails"] = tails(evaluated, reference)
        tracks = None if reference is None else reference.n_units
        why = []
        if self.needs_calibration or is_calibrated(self.name):
            why = interval_warnings(self.name, units, tracks)
        why += tail_weight_warnings(provenance.get("tails", {}).values())
        return Score(
            name=self.name,
            value=result.value,
            stderr=result.stderr,
            interval=within_limits(result.interval, self.unit, units, difference=False),
            n_units=evaluated.n_units,
            n_frames=len(evaluated.frames),
            unit=self.unit,
            direction=self.direction,
            estimand=self.estimand,
            reliable=not why,
            note=self.note,
            plain=replicates.plain,
            provenance=provenance,
            replicates=replicates,
            why="; ".join(why),
        )


def tails(evaluated: EmbeddingSet, reference: EmbeddingSet | None) -> dict[str, list[float]]:
    """How heavy the tails of either side's units are, with the limit (`metrics.stats.reliability.tail_weight`)."""
    sides = {"evaluated": evaluated, "reference": reference}
    return {role: list(tail_weight(data.means()[1])) for role, data in sides.items() if data is not None}


@dataclass(frozen=True, eq=False)
class UnitValues:
    """One value for each unit, of which the mean is a score.

    Attributes:
        values: (n,), float64; NaN for a unit without a value.
        units: The ids (n,), sorted.
        strata: The stratum of each, or None.
        n_frames: What the score counts as frames.
    """

    values: NDArray[np.float64]
    units: NDArray[Any]
    strata: NDArray[np.str_] | None
    n_frames: int

    @classmethod
    def of_clips(cls, values: Sequence[float | None] | ArrayLike, units: ArrayLike, strata: Any = None) -> UnitValues:
        """From one value for each clip: clips of one unit count as their mean.

        Args:
            values: (clips,), None where a clip has no value.
            units: The id of each clip's unit, (clips,).
            strata: The style of each clip's unit, (clips,), or None.

        Returns:
            The values of the units.

        Raises:
            UsageError: A value is NaN or infinite, or lengths do not fit.
        """
        listed = np.asarray(values, dtype=object)
        has = np.array([value is not None for value in listed], dtype=bool)
        column = np.array([np.nan if value is None else value for value in listed], dtype=np.float64)
        if not np.isfinite(column[has]).all():
            raise UsageError("a value is NaN or infinite. Give None for a clip that has no value.")
        data = EmbeddingSet(np.zeros((len(column), 1)), np.asarray(units), strata=strata)  # checks lengths and strata
        ids, unit = np.unique(data.units, return_inverse=True)
        counts = np.bincount(unit[has], minlength=len(ids))
        sums = np.bincount(unit[has], column[has], minlength=len(ids))
        means = np.divide(sums, counts, out=np.full(len(ids), np.nan), where=counts > 0)
        return cls(means, ids, data.unit_strata(), int(has.sum()))

    def replicates(self) -> Replicates:
        """The mean, and without each fold. Raises `DegenerateInput` for fewer than 3 units that have a value."""
        has = np.isfinite(self.values)
        if has.sum() < FEWEST_UNITS:
            raise DegenerateInput(
                f"{int(has.sum())} clips have a value: an error bar takes at least {FEWEST_UNITS}. Sample more clips."
            )
        all_folds = folds_of(self.units, self.strata)
        if min(len(np.unique(folds[has])) for folds in all_folds) < FEWEST_UNITS:
            # Most units lack a value, and the others share a fold or two.
            strata = None if self.strata is None else self.strata[has]
            rest = UnitValues(self.values[has], self.units[has], strata, self.n_frames)
            return rest.replicates()
        known = np.where(has, self.values, 0.0)
        total, count = known.sum(), has.sum()
        values = []
        for folds in all_folds:
            left = count - np.bincount(folds, has)
            values.append((total - np.bincount(folds, known)) / left)
        part = FoldValues(
            role="evaluated",
            units=tuple(self.units.tolist()),
            folds=tuple(tuple(folds.tolist()) for folds in all_folds),
            values=tuple(tuple(row.tolist()) for row in values),
            without_value=tuple(self.units[~has].tolist()),
        )
        return Replicates(float(total / count), (part,))


def mean_score(
    kind: Kind,
    values: Sequence[float | None] | ArrayLike,
    units: Sequence[Any] | ArrayLike,
    *,
    strata: Sequence[str] | ArrayLike | None = None,
    n_frames: int | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Score:
    """The mean of one value for each clip over units, each unit counting once, with its jackknife error.

    Args:
        kind: What the score says of itself.
        values: (clips,), None where a clip has no value.
        units: The id of each clip's unit, (clips,).
        strata: The style of each clip's unit, (clips,), or None.
        n_frames: What the score counts as frames; by default the clips that have a value.
        provenance: That of the clips.

    Returns:
        The score; not reliable where more than a tenth of the clips have no value.

    Raises:
        DegenerateInput: Fewer than 3 units have a value.
        UsageError: A value is NaN or infinite.

    >>> mean_score(Kind("loudness", "LUFS", "none", needs_calibration=False), [-14, -16, -18], ["a", "b", "c"]).value
    -16.0
    """
    listed = np.asarray(values, dtype=object)
    total = len(listed)
    if all(value is None for value in listed):
        raise DegenerateInput(f"{kind.name} has no value for any of {total} clips.")
    try:
        table = UnitValues.of_clips(listed, units, strata)
    except UsageError as error:
        raise UsageError(f"{kind.name}: {error}") from error
    replicates = table.replicates()
    result = estimate_of(replicates)
    n_units, lacking = int(np.isfinite(table.values).sum()), total - table.n_frames
    why, note = [], kind.note or "mean over clips"
    if is_calibrated(kind.name):
        why = interval_warnings(kind.name, n_units, None)
    if lacking:
        said = f"{lacking} of {total} clips have no value and are left out"
        note = f"{note}; {said}"
        if lacking > MOST_WITHOUT_VALUE * total:
            why.append(said)
    return Score(
        name=kind.name,
        value=replicates.plain,
        stderr=result.stderr,
        interval=within_limits(result.interval, kind.unit, n_units, difference=False),
        n_units=n_units,
        n_frames=table.n_frames if n_frames is None else n_frames,
        unit=kind.unit,
        direction=kind.direction,
        estimand=kind.estimand,
        reliable=not why,
        note=note,
        plain=replicates.plain,
        provenance={**(provenance or {}), "df": result.df},
        replicates=replicates,
        why="; ".join(why),
    )
