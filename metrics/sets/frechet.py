"""Fréchet audio distance (FAD) with its error: how far generated music is from real music.

Kilgour et al., "Fréchet Audio Distance", Interspeech 2019; the maths on arrays is in `metrics.sets.gaussians`.

The plug-in value is biased upwards by the sampling noise of both covariances, more for small or diverse sets, so that
a sweep over temperature shows a U-shape where there is none. `fad` corrects it by leaving out folds of units. That
works once there are enough units for the dimensions in use: a rank-deficient covariance has a bias that is not of
order 1/n. For few units the distance in the reference's first principal components is the one to read; the distance
in full dimension is the value that papers report. `metrics.stats.reliability` holds how many units each takes, as found
by simulation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.score import EmbeddingSet, Estimand, Score, check_comparable
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.fadtk import fadtk_fad
from metrics.sets.gaussians import (
    Gaussian,
    Matrix,
    checked_rows,
    frechet_distance,
    frechet_distance_of_moments,
    principal_axes,
    subset_distances,
)
from metrics.stats.folds import Folds, assign_folds, without_each_fold
from metrics.stats.reliability import (
    component_warnings,
    effective_dimension,
    full_dimension_warnings,
    tail_weight,
    tail_weight_warnings,
)
from metrics.stats.resampling import estimate_of
from metrics.stats.scoring import LeftOut

__all__ = ["fad", "frechet_distance", "frechet_distance_of_moments", "headline_components"]

HEADLINE_COMPONENTS = 16
UNIT = "squared embedding distance"
SAME_POINT = 1e-24
"""Of the squared mean: less variance than this is rounding. Float32 frames that differ in their last bit have more."""


def headline_components(reference: EmbeddingSet) -> int:
    """How many principal components the headline distance to a reference uses: what it stores, else 16."""
    return int(reference.provenance.get("components", HEADLINE_COMPONENTS))


def fad(
    evaluated: EmbeddingSet,
    reference: EmbeddingSet,
    components: int | None = None,
    *,
    estimand: Estimand = "population",
    compat: Literal["fadtk"] | None = None,
) -> Score:
    """Fréchet audio distance of a set of clips to a reference, corrected for its bias, with its error.

    Kilgour et al., "Fréchet Audio Distance", Interspeech 2019; how the bias is corrected: `metrics.stats.resampling`.

    Args:
        evaluated: The clips, (N, D) frames of n units. Units are left out within strata where a set has them.
        reference: Real music, embedded alike.
        components: Project both sides on so many of the reference's first principal components; None uses every
            dimension.
        estimand: "population" takes the reference as a sample of its kind of music: its share of bias and error counts
            too. "fixed reference" asks for the distance to this very reference.
        compat: "fadtk" gives the value that fadtk computes from these embeddings (`metrics.sets.fadtk`), for comparison
            with papers: in full dimension, uncorrected, so that it is never reliable and has no interval.

    Returns:
        The score, in squared embedding distance. Its value may be negative where the truth is near zero. Near zero the
        distance is degenerate and its error overstated: an interval that contains 0 does not show that two sets are
        alike, `metrics.equality_test` tests it. With fewer units than the dimensions in use take, or tails too heavy,
        it is not reliable, and in full dimension it has no interval: what is left of the bias may be larger than the
        error.

    Raises:
        UsageError: The two sets were embedded differently, or `compat` in components.
        DegenerateInput: Fewer than 3 units on either side, or components of a reference without variance.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
    >>> score = fad(made, real, 2)
    >>> score.name, score.n_units, score.unit, score.reliable
    ('fad2', 40, 'squared embedding distance', False)
    """
    if compat is not None:
        return _as_another(compat, evaluated, reference, components, estimand)
    space = FrechetSpace(reference, components, evaluated)
    plain = frechet_distance(space.project(evaluated), space.project(reference))
    without = space.without_units(evaluated, assign_folds(evaluated))
    without_reference: list[Matrix] = []
    if estimand == "population":
        without_reference = space.without_references(evaluated, assign_folds(reference))
    replicates = LeftOut(plain, without, without_reference, corrected=True).of(evaluated, reference)
    result = estimate_of(replicates)
    why = space.warnings(evaluated)
    half = (result.interval[1] - result.interval[0]) / 2
    low, high = growing_error_interval(plain, result.value, half)
    # In components an interval still covers nine times in ten or more, with up to a third of a standard deviation of
    # bias; in full dimension with too few units it may miss the truth every time.
    has_interval = components is not None or not why
    return Score(
        name=space.name,
        value=result.value,
        stderr=result.stderr,
        interval=(float(low), float(high)) if has_interval else None,
        n_units=evaluated.n_units,
        n_frames=len(evaluated.frames),
        unit=UNIT,
        direction="lower",
        estimand=estimand,
        reliable=not why,
        note=space.note(evaluated),
        plain=plain,
        provenance=space.provenance(evaluated) | {"df": result.df, "growing_error": True},
        replicates=replicates,
        why="; ".join(why),
    )


def _as_another(
    package: str, evaluated: EmbeddingSet, reference: EmbeddingSet, components: int | None, estimand: Estimand
) -> Score:
    """The distance as another package computes it, with the standard error of `fad`."""
    if package != "fadtk" or components is not None:
        raise UsageError(
            f"the distance was requested as {package!r} computes it, in {components or 'all'} components: 'fadtk', in "
            "all of them, was expected."
        )
    value = fadtk_fad(evaluated, reference)
    return replace(
        fad(evaluated, reference, estimand=estimand),
        name="fad_fadtk",
        value=value,
        plain=value,
        interval=None,
        reliable=False,
        note="as fadtk 1.1 computes it, not corrected for bias: for comparison with papers that used it; read fad",
        replicates=None,
        why="not corrected for its bias, which grows as clips get fewer",
    )


def growing_error_interval(plain: ArrayLike, value: ArrayLike, half: ArrayLike) -> tuple[Matrix, Matrix]:
    """Bounds of an interval of half-width `half` at `value`, if the error grows like the root of the plug-in value.

    A low estimate comes with a low error: symmetric intervals miss a distance above them in 6 % of samples and one
    below in 1 %. These are the distances θ with |value − θ| ≤ half·√((θ + bias)/plain), where plain = value + bias.
    """
    plain, value, half = (np.asarray(part, dtype=np.float64) for part in (plain, value, half))
    share = np.divide(half, plain, out=np.zeros_like(half), where=plain > 0)
    middle, reach = value + half * share / 2, half * np.sqrt(1 + share**2 / 4)
    return middle - reach, middle + reach


class FrechetSpace:
    """Where distances to one reference are measured, its spectrum there, and how many units there are for it."""

    def __init__(self, reference: EmbeddingSet, components: int | None, *evaluated: EmbeddingSet) -> None:
        for data in evaluated:
            check_comparable(data.provenance, reference.provenance)
            if data.frames.shape[1] != reference.frames.shape[1]:
                raise UsageError(
                    f"the clips are embedded in {data.frames.shape[1]} dimensions and the reference in "
                    f"{reference.frames.shape[1]}: use the embedder that the reference was made with."
                )
        self.reference, self.components, self.basis = reference, components, None
        rows = checked_rows(reference.frames, "the reference's")
        most = min(rows.shape[1], len(rows) - 1)
        whole = Gaussian.of_rows(rows)
        constant = whole.trace <= SAME_POINT * float(np.sum(rows.mean(0) ** 2))
        if components is not None and constant:
            raise DegenerateInput(
                "all frames of the reference are one point: it has no principal components. Take a more varied one."
            )
        if components is None:
            self.spectrum = whole.spectrum()
        elif 1 <= components <= most:
            self.basis = principal_axes(rows, components)
            self.spectrum = np.sum((whole.factor @ self.basis) ** 2, axis=0)
        else:
            raise UsageError(f"{components} components were requested: this reference allows 1 to {most}.")
        self.explained = 1.0 if components is None else float(self.spectrum.sum()) / whole.trace
        self.name = "fad" if components is None else f"fad{components}"

    def project(self, data: EmbeddingSet) -> Matrix:
        return self.project_rows(checked_rows(data.frames, "some"))

    def project_rows(self, rows: Matrix) -> Matrix:
        return rows if self.basis is None else rows @ self.basis

    def without_units(self, evaluated: EmbeddingSet, all_folds: Sequence[Folds]) -> list[Matrix]:
        """Distances to the reference without each fold of the evaluated units, for each round of fold assignment."""
        x, side = self.project(evaluated), Gaussian.of_rows(self.project(self.reference))
        return [subset_distances(x, masks, side) for masks in without_each_fold(evaluated, all_folds)]

    def without_references(self, evaluated: EmbeddingSet, all_folds: Sequence[Folds]) -> list[Matrix]:
        """Distances without each fold of the reference's units, for each round of fold assignment."""
        masks = without_each_fold(self.reference, all_folds)
        return [self.distances_to_subsets(evaluated, some) for some in masks]

    def distances_to_subsets(self, evaluated: EmbeddingSet, subsets: Iterable[NDArray[np.bool_]]) -> Matrix:
        """Distances to some of the reference's frames, for each mask (N,): in that subset's own first components.

        The components are an estimate too. A sample varies more along its own first axes than its population does,
        which makes a warm set seem nearer than an equally distant cold one; kept fixed, that bias would remain.
        """
        x, y = (checked_rows(data.frames, "some") for data in (evaluated, self.reference))
        if self.components is None:
            return subset_distances(y, subsets, Gaussian.of_rows(x))
        return np.array([self._distance_in_own_components(x, y[keep]) for keep in subsets])

    def _distance_in_own_components(self, x: Matrix, y: Matrix) -> float:
        assert self.components is not None
        axes = principal_axes(y, min(self.components, len(y) - 1))
        return frechet_distance(x @ axes, y @ axes)

    def warnings(self, evaluated: EmbeddingSet) -> list[str]:
        """Why a set is not enough for a distance in this space; empty when it is."""
        units, tracks = evaluated.n_units, self.reference.n_units
        if self.components is None:
            found = full_dimension_warnings("fad", effective_dimension(self.spectrum), units, tracks)
        else:
            found = component_warnings("fad", self.components, self.explained, units, tracks)
        return found + tail_weight_warnings(self.tails(evaluated).values())

    def tails(self, evaluated: EmbeddingSet) -> dict[str, tuple[float, float]]:
        """How heavy either side's tails are in this space, with the limit (`metrics.stats.reliability.tail_weight`)."""
        sides = {"evaluated": evaluated, "reference": self.reference}
        return {role: tail_weight(self.project_rows(data.means()[1])) for role, data in sides.items()}

    def note(self, evaluated: EmbeddingSet) -> str:
        notes = ["corrected for bias by leaving out folds of clips"]
        if self.components:
            notes.append(f"in {self.components} components with {self.explained:.0%} of the reference's variance")
        padded = len(evaluated.provenance.get("padded", []))
        if padded:
            notes.append(f"{padded} clips are shorter than one window and were padded with zeros")
        return "; ".join(notes)

    def provenance(self, evaluated: EmbeddingSet) -> dict[str, Any]:
        return {
            **evaluated.provenance,
            "reference": self.reference.provenance,
            "reference_units": self.reference.n_units,
            "reference_frames": len(self.reference.frames),
            "components": self.components,
            "explained_variance": self.explained,
            "effective_dimension": effective_dimension(self.spectrum),
            "tails": {role: list(found) for role, found in self.tails(evaluated).items()},
        }
