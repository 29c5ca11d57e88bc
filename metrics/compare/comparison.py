"""Several conditions at once: a contrast along an ordered factor, and a test of two conditions being exchangeable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.score import EmbeddingSet
from metrics.compare.checks import TAKEN_AS_SETS, check_conditions, check_scores, comparable_row
from metrics.compare.difference import Difference, difference_of, paired_difference
from metrics.compare.family import family_p_values, holm
from metrics.compare.measured import Statistic, name_of, plain_value, score_with_replicates
from metrics.compare.permuted import Permuted
from metrics.errors import UsageError
from metrics.stats.permutation import PERMUTATIONS, PermutationTest, swap_test
from metrics.stats.resampling import combine, estimate_of, p_of

__all__ = [
    "TAKEN_AS_SETS",
    "check_conditions",
    "check_scores",
    "contrast",
    "contrast_weights",
    "difference_of",
    "family_p_values",
    "holm",
    "paired_difference",
    "paired_permutation_test",
]


def contrast(
    metric_or_function: str | Statistic,
    conditions: Sequence[EmbeddingSet],
    levels: Sequence[float],
    reference: EmbeddingSet | None = None,
    *,
    shape: Literal["linear", "quadratic"] = "linear",
    **options: Any,
) -> Difference:
    """How a metric goes with an ordered factor, whose level is given for each condition.

    Args:
        metric_or_function: As for `metrics.paired_difference`.
        conditions: One set for each level, of the same units.
        levels: The factor's value in each, all different: at least 2 for a line, 3 for a square.
        reference: As for `metrics.paired_difference`.
        shape: "linear" for the slope of the straight line of least squares; "quadratic" for the coefficient of the
            square beside it, positive for a U.
        **options: The metric's own.

    Returns:
        The weighted sum of the conditions' values, a fold of units left out of all at once, as a `Difference`.

    Raises:
        UsageError: As `metrics.paired_difference`, and for levels that do not fit.
    """
    if len(levels) != len(conditions):
        raise UsageError(f"{len(conditions)} conditions came with {len(levels)} levels: one for each was expected.")
    weights = contrast_weights(levels, shape)
    check_conditions(conditions, reference)
    scores = [score_with_replicates(metric_or_function, data, reference, options) for data in conditions]
    pairs = [difference_of(scores[0], other) for other in scores[1:]]
    replicates = combine(weights.tolist(), [score.replicates for score in scores if score.replicates is not None])
    result, one = estimate_of(replicates), pairs[0]
    has_interval = all(pair.interval is not None for pair in pairs)
    return replace(
        one,
        value=result.value,
        stderr=result.stderr,
        interval=result.interval if has_interval else None,
        p=p_of(result) if has_interval else None,
        reliable=all(pair.reliable for pair in pairs),
        unit=f"{one.unit} per {'level' if shape == 'linear' else 'level²'}",
        n_frames=sum(len(data.frames) for data in conditions),
        provenance=one.provenance
        | {"df": result.df, "levels": [float(level) for level in levels], "weights": weights.tolist()},
        replicates=replicates,
        why="; ".join(dict.fromkeys(reason for pair in pairs for reason in pair.why.split("; ") if reason)),
        plain=replicates.plain,
        kind=f"{shape} contrast",
    )


def contrast_weights(levels: ArrayLike, shape: Literal["linear", "quadratic"] = "linear") -> NDArray[np.float64]:
    """Weights (conditions,) that sum to 0 and give, of values at these levels, the coefficient of least squares.

    >>> contrast_weights([0, 1, 2]).tolist(), (contrast_weights([0, 1, 2], "quadratic") @ [0, 1, 4]).round(9).item()
    ([-0.5, 0.0, 0.5], 1.0)
    """
    if shape not in ("linear", "quadratic"):
        raise UsageError(f"a {shape!r} contrast was asked for: linear or quadratic was expected.")
    degree = 1 if shape == "linear" else 2
    x = np.asarray(levels, dtype=np.float64)
    if x.ndim != 1 or len(x) < degree + 1 or len(np.unique(x)) < len(x) or not np.isfinite(x).all():
        raise UsageError(f"levels {x.tolist()} were given: at least {degree + 1} different numbers were expected.")
    # The part of x (or x²) that no lower power explains.
    lower = np.vander(x - x.mean(), degree, increasing=True)
    highest = (x - x.mean()) ** degree
    rest = highest - lower @ np.linalg.lstsq(lower, highest, rcond=None)[0]
    return rest / (rest @ rest)


def paired_permutation_test(
    metric_or_function: str | Statistic,
    first: EmbeddingSet,
    second: EmbeddingSet,
    reference: EmbeddingSet | None = None,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    **options: Any,
) -> PermutationTest:
    """Are two conditions exchangeable? By swapping the two for some of the units (`swap_test`).

    This is no test of whether a difference is zero: conditions at one true distance with unequal spreads are not
    exchangeable, and are told apart. `paired_difference` has the p that belongs to a difference.

    Args:
        metric_or_function: As for `metrics.paired_difference`. A metric by name is tested by its plain value, quickly
            where `metrics.compare.permuted` knows how; a function is called twice for every permutation. Where the
            metric is the mean of one value for each unit, `metrics.stats.permutation.sign_flip_test` of those is the
            same test.
        first: One condition.
        second: The other, of the same units.
        reference: As for `metrics.paired_difference`.
        **options: The metric's own, and `permutations` and `seed` of the test.

    Returns:
        The plain difference and its p-value. Raises as `metrics.paired_difference`.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> first, second = (EmbeddingSet(rng.normal(size=(6, 3)), np.arange(6)) for _ in range(2))
    >>> paired_permutation_test("diversity", first, second).permutations
    64
    """
    check_conditions([first, second], reference)
    known_as = name_of(metric_or_function)
    if isinstance(known_as, str):
        conditions = Permuted(first, second, reference)
        return conditions.test(comparable_row(known_as, reference), permutations=permutations, seed=seed, **options)
    value, rest = plain_value(known_as, options), () if reference is None else (reference,)
    return swap_test(lambda data: value(data, *rest), first, second, permutations=permutations, seed=seed)
