"""What every metric of two sets has in common: that they may be compared, and how a score is put together.

A metric that can be had without a group of songs at little cost (from sums, not by computing it again) gives its
`Replicates`; from these come standard error, interval, and the difference between two conditions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.errors import DegenerateInput, UsageError
from metrics.api.score import Direction, EmbeddingSet, Estimand, Score, check_comparable
from metrics.stats.limits import within_limits
from metrics.stats.reliability import doubts_of_interval, doubts_of_tails, minds_tails
from metrics.stats.resampling import Estimate, assign_folds, delete_groups, estimate

Matrix = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Replicates:
    """A metric of all songs, and without each group of them.

    `evaluated[r][g]` is the value without group g of the evaluated set's dealing r (`metrics.stats.resampling.deal`);
    `reference` the same of the reference set, empty when that counts as fixed.
    """

    plain: float
    evaluated: Sequence[Matrix]
    reference: Sequence[Matrix] = ()

    def __sub__(self, other: Replicates) -> Replicates:
        """The difference of two conditions that were dealt alike: what they share cancels."""
        return Replicates(
            self.plain - other.plain,
            [mine - theirs for mine, theirs in zip(self.evaluated, other.evaluated, strict=True)],
            [mine - theirs for mine, theirs in zip(self.reference, other.reference, strict=True)],
        )

    def estimate(self, evaluated: EmbeddingSet, reference: EmbeddingSet | None = None) -> Estimate:
        """The plain value with its jackknife error. It stays uncorrected: these metrics are unbiased, or their
        dependence on n is their meaning.
        """
        parts = [delete_groups(self.plain, self.evaluated, assign_folds(evaluated))]
        if self.reference and reference is not None:
            parts.append(delete_groups(self.plain, self.reference, assign_folds(reference)))
        return estimate(self.plain, parts, correct=False)


@dataclass(frozen=True)
class Kind:
    """What the scores of one metric say of themselves, whatever was measured."""

    name: str
    unit: str
    direction: Direction
    estimand: Estimand = "population"

    def score(
        self,
        result: Estimate,
        evaluated: EmbeddingSet | tuple[EmbeddingSet, EmbeddingSet],
        reference: EmbeddingSet | None = None,
        note: str = "",
        **about: Any,
    ) -> Score:
        """The score of one condition, or of a pair's difference; `about` is added to the provenance.

        Where `metrics.stats.reliability` doubts the interval the score is not reliable, and the note says what it
        takes.
        """
        sets = evaluated if isinstance(evaluated, tuple) else (evaluated,)
        units = min(sets[0].n_units, about.get("drawn_units") or sets[0].n_units)
        doubts = self._doubts(sets, reference, units)
        provenance: dict[str, Any] = {**sets[0].provenance, "df": result.df, "paired": len(sets) == 2, **about}
        if reference is not None:
            provenance |= {
                "reference": reference.provenance,
                "reference_units": reference.n_units,
                "reference_frames": len(reference.frames),
            }
        return Score(
            name=self.name if len(sets) == 1 else f"{self.name} difference",
            value=result.value,
            stderr=result.stderr,
            interval=within_limits(result.interval, self.unit, units, difference=len(sets) == 2),
            n_units=sets[0].n_units,
            n_frames=sum(len(data.frames) for data in sets),
            unit=self.unit,
            direction=self.direction,
            estimand=self.estimand,
            reliable=not doubts,
            note="; ".join(part for part in (note, ", ".join(doubts)) if part),
            plain=result.value,
            provenance=provenance,
        )

    def _doubts(self, sets: tuple[EmbeddingSet, ...], reference: EmbeddingSet | None, units: int) -> list[str]:
        tracks = None if reference is None else reference.n_units
        doubts = doubts_of_interval(self.name, units, tracks, difference=len(sets) == 2)
        if minds_tails(self.name):
            both = sets if reference is None else (*sets, reference)
            doubts += doubts_of_tails(*(data.means()[1] for data in both))
        return doubts


def mean_over_units(values: ArrayLike, data: EmbeddingSet) -> Estimate:
    """The mean of one value for each song (n_units,), in the order of the sorted ids, with its jackknife error."""
    array = np.asarray(values, dtype=np.float64)
    replicates = []
    for folds in assign_folds(data):
        sums, sizes = np.bincount(folds, array), np.bincount(folds)
        replicates.append((array.sum() - sums) / (len(array) - sizes))
    return Replicates(float(array.mean()), replicates).estimate(data)


def check_sides(reference: EmbeddingSet, *evaluated: EmbeddingSet) -> None:
    """Raise `UsageError` unless every set was embedded like the reference, in as many dimensions."""
    for data in evaluated:
        check_comparable(data.provenance, reference.provenance)
        if data.frames.shape[1] != reference.frames.shape[1]:
            raise UsageError(
                f"the clips are embedded in {data.frames.shape[1]} dimensions and the reference in "
                f"{reference.frames.shape[1]}: use the embedder that the reference was made with."
            )


def checked_rows(rows: ArrayLike, which: str, at_least: int = 2) -> Matrix:
    """Rows (N, D) of floats, float32 as they are and anything else as float64.

    Raises `UsageError` for another shape and `DegenerateInput` for too few rows, no dimensions, or NaN and infinity.
    """
    array = np.asarray(rows)
    if array.ndim != 2:
        raise UsageError(f"{which} embeddings have shape {array.shape}: (frames, dimensions) was expected.")
    if array.dtype != np.float32:
        array = array.astype(np.float64)
    if len(array) < at_least or array.shape[1] == 0:
        raise DegenerateInput(
            f"{which} embeddings have shape {array.shape}: at least {at_least} frames were expected. Add clips."
        )
    if not np.isfinite(array).all():
        raise DegenerateInput(f"{which} embeddings are not all finite. Leave out the clips that gave NaN or infinity.")
    return array


def unit_codes(units: ArrayLike | None, rows: int) -> NDArray[np.intp]:
    """Songs as numbers 0, 1, … (N,) in the order of their sorted ids; without songs each row is one by itself."""
    if units is None:
        return np.arange(rows)
    ids = np.asarray(units)
    if ids.shape != (rows,):
        raise UsageError(f"{rows} frames came with songs of shape {ids.shape}: one id for a frame was expected.")
    return np.unique(ids, return_inverse=True)[1]
