"""A family of differences that was declared together: p-values and intervals that hold for all of them at once.

Over the differences' joint replicates the single-step max-t method asks how often the largest of their t statistics
would exceed each one if nothing differed (Westfall & Young, "Resampling-Based Multiple Testing", 1993; Hothorn, Bretz &
Westfall, "Simultaneous inference in general parametric models", Biometrical Journal 50, 2008). Differences that share
clips or a condition are correlated, and less is paid for their number than by Bonferroni's or Holm's method. Where
degrees of freedom differ the statistics are compared by their p-values, which is the same where they do not.

The interval of each difference is widened by the same rule, so that 0 lies outside its family interval exactly when its
adjusted p is below .05.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.compare.difference import Difference
from metrics.stats.limits import within_limits
from metrics.stats.resampling import SIGNIFICANCE, agreeing, deviations

DRAWS = 20_000
"""Of the joint law: an adjusted p of .05 is then known to ± .0015 (one standard deviation)."""

MAX_T = "single-step max-t"
HOLM = "Holm"
UNADJUSTED = "p adjusted by Holm's method, the interval is of one test"


def family(differences: Sequence[Difference], *, seed: int = 0, draws: int = DRAWS) -> tuple[Difference, ...]:
    """The same differences with `p_adjusted` and `family_interval`, adjusted for being tested together.

    Args:
        differences: All of a declared family, and no others. Those without p (no interval covers) are returned as they
            are and do not count.
        seed: Of the draws from the joint law.
        draws: How many.

    Returns:
        The differences in their order. Their provenance has, under "family", the method, the number tested, seed and
        draws. Where one of them has no replicates all are adjusted by Holm's method, have no family interval, and their
        notes say so.

    >>> import numpy as np
    >>> from metrics import EmbeddingSet, paired_difference
    >>> rng = np.random.default_rng(0)
    >>> sets = [EmbeddingSet(rng.normal(size=(20, 4)), np.arange(20)) for _ in range(3)]
    >>> pairs = [paired_difference("vendi", sets[0], other) for other in sets[1:]]
    >>> [one.p <= one.p_adjusted <= 2 * one.p for one in family(pairs)]
    [True, True]
    """
    tested = [one for one in differences if one.p is not None and one.interval is not None]
    if not tested:
        return tuple(differences)
    about: dict[str, Any] = {"tested": len(tested)}
    if any(one.replicates is None for one in tested) and len(tested) > 1:
        adjusted = holm([_p(one) for one in tested])
        about["method"] = HOLM
        found = [
            replace(one, p_adjusted=p, note="; ".join(part for part in (one.note, UNADJUSTED) if part))
            for one, p in zip(tested, adjusted, strict=True)
        ]
    else:
        about |= {"method": MAX_T, "seed": seed, "draws": draws}
        law = _joint_law(tested, seed, draws)
        found = [_adjusted(one, law) for one in tested]
    done = iter(replace(one, provenance=one.provenance | {"family": about}) for one in found)
    return tuple(next(done) if one.p is not None and one.interval is not None else one for one in differences)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number by Holm's step-down method (Scand. J. Statist. 6, 1979), in the order given.

    Args:
        p_values: Raw ones, of differences without joint replicates; `family` is sharper where there are some.

    Returns:
        The adjusted ones.

    >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    if not len(p_values):
        return []
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in np.asarray(multipletests(p_values, method="holm")[1])]


def family_p_values(differences: Sequence[Difference]) -> list[float]:
    """The adjusted p-value of each difference of a declared family (`family`)."""
    return [math.nan if one.p_adjusted is None else one.p_adjusted for one in family(differences)]


@dataclass(frozen=True)
class _JointLaw:
    """The least of the family's p-values in each draw if nothing differed, sorted, and how many are tested."""

    least: NDArray[np.float64]
    tested: int

    def adjusted(self, p: float) -> float:
        """The share of draws with so small a p among them; at least p itself, and at most Bonferroni's."""
        reached = (1 + int(np.searchsorted(self.least, p, side="right"))) / (1 + len(self.least))
        return min(1.0, max(p, reached), self.tested * p)

    def critical(self) -> float:
        """The p below which an adjusted one is below .05."""
        if not len(self.least):
            return SIGNIFICANCE
        # The k-th least is the first with (1 + k) / (1 + draws) ≥ .05.
        k = math.ceil(SIGNIFICANCE * (1 + len(self.least))) - 1
        simulated = min(SIGNIFICANCE, float(self.least[max(0, k - 1)]))
        return max(simulated, SIGNIFICANCE / self.tested)


def _joint_law(differences: Sequence[Difference], seed: int, draws: int) -> _JointLaw:
    """By simulation: t statistics whose numerators are correlated as the estimates are, and whose variances are
    estimated with each one's degrees of freedom and correlated like the squares of those numerators.
    """
    from scipy.special import chdtri, ndtr, stdtr

    spread = [one for one in differences if one.stderr > 0]
    if len(spread) < 2:
        return _JointLaw(np.zeros(0), 1)
    loadings = _loadings(spread)
    correlation = loadings @ loadings.T
    rng = np.random.default_rng(seed)
    numerators = rng.standard_normal((draws, len(spread))) @ _root(correlation).T
    scales = rng.standard_normal((draws, len(spread))) @ _root(correlation**2).T
    dfs = np.array([one.provenance["df"] for one in spread])
    least, grid = np.ones(draws), np.linspace(-8, 8, 4001)
    for df in np.unique(dfs):
        squares = np.square(numerators[:, dfs == df])
        if np.isfinite(df):
            squares /= np.interp(scales[:, dfs == df], grid, chdtri(df, ndtr(-grid)) / df)
        least = np.minimum(least, 2 * stdtr(df, -np.sqrt(squares.max(axis=1))))
    return _JointLaw(np.sort(least), len(spread))


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """F with FFᵀ the matrix, of any rank."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0))


def _loadings(differences: Sequence[Difference]) -> NDArray[np.float64]:
    """What each fold contributes to each difference, in its standard errors: rows of length 1, products correlations.

    Seeds of an algorithm, and samples that only one of them has, are columns of its own.
    """
    tables = []
    for number, one in enumerate(differences):
        assert one.replicates is not None
        found = dict(deviations(one.replicates))
        rest = one.stderr**2 - sum(float(np.sum(table**2)) for table in found.values())
        found[("alone", number)] = np.array([[math.sqrt(max(0.0, rest))]])
        tables.append({key: table.ravel() / one.stderr for key, table in found.items()})
    keys = list(dict.fromkeys(key for table in tables for key in table))
    widths = {key: next(table[key].size for table in tables if key in table) for key in keys}
    return np.stack([np.concatenate([table.get(key, np.zeros(widths[key])) for key in keys]) for table in tables])


def _adjusted(one: Difference, law: _JointLaw) -> Difference:
    from scipy.special import stdtrit

    assert one.interval is not None
    if law.tested == 1 or one.stderr == 0:
        return replace(one, p_adjusted=one.p, family_interval=one.interval)
    half = float(stdtrit(one.provenance["df"], 1 - law.critical() / 2)) * one.stderr
    uncut = (one.value - half, one.value + half)
    interval = within_limits(uncut, one.unit, one.n_units, difference=True)
    return replace(one, p_adjusted=agreeing(law.adjusted(_p(one)), interval), family_interval=interval)


def _p(one: Difference) -> float:
    assert one.p is not None
    return one.p
