"""Fréchet audio distance (FAD) with its error: how far generated music is from real music.

Kilgour et al., "Fréchet Audio Distance", Interspeech 2019; the maths on arrays is in `metrics.sets.gaussians`.

The plug-in value is biased upwards by the sampling noise of both covariances, more for small or diverse sets, so that
a sweep over temperature shows a U-shape where there is none. `fad` corrects it by leaving out groups of songs. That
works once there are enough songs for the dimensions in use: a rank-deficient covariance has a bias that is not of
order 1/n. For few songs the distance in the reference's first principal components is the one to read; the distance
in full dimension is the field's figure. `metrics.stats.reliability` holds how many songs each takes, as found by
simulation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.errors import DegenerateInput, UsageError
from metrics.api.score import EmbeddingSet, Estimand, Score, check_comparable
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
from metrics.stats.reliability import (
    ScoreKind,
    doubts_in_components,
    doubts_in_full,
    doubts_of_tails,
    effective_dimension,
)
from metrics.stats.resampling import Folds, assign_folds, check_paired, delete_groups, estimate

__all__ = ["fad", "frechet_distance", "frechet_distance_of_moments", "headline_components", "paired_fad"]

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
    """Fréchet distance of a set of clips to a reference, corrected for its bias, with standard error and interval.

    `components` projects both sides on the reference's first principal components; None uses every dimension.
    `estimand` "population" takes the reference as a sample of its kind of music: its share of bias and error counts
    too. "fixed reference" asks for the distance to this very reference. Songs are left out within strata where a set
    has them.

    The value may be negative where the truth is near zero. Near zero the distance is degenerate and its error is
    overstated: an interval that contains 0 does not show that two sets are alike, `equality_test` tests it. With fewer
    songs than the dimensions in use take, or tails too heavy (`metrics.stats.reliability`), `reliable` is False, and in
    full dimension there is no interval: what is left of the bias may be larger than the error.

    `compat` "fadtk" gives the value that fadtk computes from these embeddings (`metrics.sets.fadtk`), for comparison
    with papers: in full dimension, uncorrected, so that it is never reliable and has no interval; `stderr` is that of
    `fad`.

    Raises `UsageError` when the two sets were embedded differently, or for `compat` in components, and
    `DegenerateInput` for fewer than 3 songs on either side, or components of a reference without variance.
    """
    if compat is not None:
        return _as_another(compat, evaluated, reference, components, estimand)
    space = Space(reference, components, evaluated)
    plain = frechet_distance(space.project(evaluated), space.project(reference))
    all_folds = assign_folds(evaluated)
    parts = [delete_groups(plain, space.without_units(evaluated, all_folds), all_folds)]
    if estimand == "population":
        all_folds = assign_folds(reference)
        parts.append(delete_groups(plain, space.without_references(evaluated, all_folds), all_folds))
    result = estimate(plain, parts)
    doubts = space.doubts("fad", evaluated)
    half = (result.interval[1] - result.interval[0]) / 2
    low, high = growing_error_interval(plain, result.value, half)
    return Score(
        name=space.name,
        value=result.value,
        stderr=result.stderr,
        interval=(float(low), float(high)) if space.has_interval(doubts) else None,
        n_units=evaluated.n_units,
        n_frames=len(evaluated.frames),
        unit=UNIT,
        direction="lower",
        estimand=estimand,
        reliable=not doubts,
        note=space.note(doubts, evaluated),
        plain=plain,
        provenance=space.provenance(evaluated) | {"df": result.df},
    )


def _as_another(
    package: str, evaluated: EmbeddingSet, reference: EmbeddingSet, components: int | None, estimand: Estimand
) -> Score:
    """The distance as another package computes it, with the standard error of `fad`."""
    if package != "fadtk" or components is not None:
        raise UsageError(
            f"the distance was asked for as {package!r} computes it, in {components or 'all'} components: 'fadtk', in "
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


def paired_fad(
    first: EmbeddingSet,
    second: EmbeddingSet,
    reference: EmbeddingSet,
    components: int | None = None,
    *,
    estimand: Estimand = "population",
) -> Score:
    """`fad(second) − fad(first)` for two conditions whose songs share their ids; negative when the second is nearer.

    A song is left out of both conditions at once, a group of the reference of both distances at once: what they share
    cancels, in the bias as in the error. `metrics.stats.resampling.p_value` tests it against zero. Raises as `fad`, and
    `UsageError` when the songs are not the same.
    """
    check_paired(first, second)
    space = Space(reference, components, first, second)
    y = space.project(reference)
    plain = frechet_distance(space.project(second), y) - frechet_distance(space.project(first), y)
    all_folds = assign_folds(first)
    near, far = space.without_units(first, all_folds), space.without_units(second, all_folds)
    parts = [delete_groups(plain, _differences(near, far), all_folds)]
    if estimand == "population":
        all_folds = assign_folds(reference)
        near, far = space.without_references(first, all_folds), space.without_references(second, all_folds)
        parts.append(delete_groups(plain, _differences(near, far), all_folds))
    result = estimate(plain, parts)
    doubts = space.doubts("paired fad", first, second)
    return Score(
        name=f"{space.name} difference",
        value=result.value,
        stderr=result.stderr,
        interval=result.interval if space.has_interval(doubts) else None,
        n_units=first.n_units,
        n_frames=len(first.frames) + len(second.frames),
        unit=UNIT,
        direction="lower",
        estimand=estimand,
        reliable=not doubts,
        note=space.note(doubts, first, second),
        plain=plain,
        provenance=space.provenance(first) | {"df": result.df, "paired": True},
    )


class Space:
    """Where distances to one reference are measured, its spectrum there, and how many songs there are for it."""

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
            raise UsageError(f"{components} components were asked for: 1 to {most} can be had from this reference.")
        self.explained = 1.0 if components is None else float(self.spectrum.sum()) / whole.trace
        self.name = "fad" if components is None else f"fad{components}"

    def project(self, data: EmbeddingSet) -> Matrix:
        return self.project_rows(checked_rows(data.frames, "some"))

    def project_rows(self, rows: Matrix) -> Matrix:
        return rows if self.basis is None else rows @ self.basis

    def without_units(self, evaluated: EmbeddingSet, all_folds: Sequence[Folds]) -> list[Matrix]:
        """Distances to the reference without each group of the evaluated songs, for each dealing."""
        x, side = self.project(evaluated), Gaussian.of_rows(self.project(self.reference))
        return [subset_distances(x, masks, side) for masks in _without_each_group(evaluated, all_folds)]

    def without_references(self, evaluated: EmbeddingSet, all_folds: Sequence[Folds]) -> list[Matrix]:
        """Distances without each group of the reference's songs, for each dealing."""
        masks = _without_each_group(self.reference, all_folds)
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

    def doubts(self, score: ScoreKind, *evaluated: EmbeddingSet) -> list[str]:
        """Why these sets are not enough for the score in this space; empty when they are."""
        units = min(data.n_units for data in evaluated)
        if self.components is None:
            doubts = doubts_in_full(score, self.spectrum, units, self.reference.n_units)
        else:
            doubts = doubts_in_components(score, self.components, self.explained, units, self.reference.n_units)
        sides = (self.reference, *evaluated)
        return doubts + doubts_of_tails(*(self.project_rows(data.means()[1]) for data in sides))

    def has_interval(self, doubts: list[str]) -> bool:
        """Not in full dimension with too few songs, where an interval may miss the truth every time.

        In components it still covers nine times in ten or more, with up to a third of a standard deviation of bias.
        """
        return self.components is not None or not doubts

    def note(self, doubts: list[str], *evaluated: EmbeddingSet) -> str:
        notes = ["corrected for bias by leaving out groups of songs"]
        if self.components:
            notes.append(f"in {self.components} components with {self.explained:.0%} of the reference's variance")
        if doubts:
            verdict = "biased" if self.has_interval(doubts) else "biased, ranking only"
            notes.append(f"{verdict}: {', '.join(doubts)}")
        padded = sum(len(data.provenance.get("padded", [])) for data in evaluated)
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
        }


def _without_each_group(data: EmbeddingSet, all_folds: Sequence[Folds]) -> list[list[NDArray[np.bool_]]]:
    """For each dealing a mask of frames (N,) for each group."""
    song = np.unique(data.units, return_inverse=True)[1]
    return [[folds[song] != group for group in range(int(folds.max()) + 1)] for folds in all_folds]


def _differences(near: Sequence[Matrix], far: Sequence[Matrix]) -> list[Matrix]:
    return [b - a for a, b in zip(near, far, strict=True)]
