"""When an interval may be trusted, as found by simulation: `frechet_reliability.json` and `interval_reliability.json`.

`make calibration` draws thousands of samples whose truth is known and checks bias, coverage, error and false positives
(results/calibration). For most metrics what passed there is one number, the least number of clips
(`interval_warnings`). For a Fréchet distance it is three rules:

- In the reference's first components: enough units on either side, a reference as large as the evaluated set (half as
  large for a paired difference), and at most 16 components that hold most of the variance: others are not well
  determined.
- In full dimension: enough units for the spectrum, by its effective dimension; none beyond the largest that passed.
- Tails near a Gaussian's. With Student's t of 5 degrees the estimates are biased and their errors too small.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

ScoreKind = Literal["fad", "paired fad"]


@cache
def rules() -> dict[str, Any]:
    """The rules as they are stored."""
    return json.loads((Path(__file__).parent / "frechet_reliability.json").read_text())


@cache
def interval_rules() -> dict[str, Any]:
    """The rules for all other intervals: how many tracks a reference takes, and units by metric, of "one" condition and
    of a "difference", null where no number was enough, and "why". "tails" marks what fails under heavy ones.
    """
    return json.loads((Path(__file__).parent / "interval_reliability.json").read_text())


def interval_warnings(name: str, units: int, reference_units: int | None, *, difference: bool = False) -> list[str]:
    """Why so many units are not enough for an interval of this metric, or of a difference in it.

    Empty when they are. Without `reference_units` there is no reference, or it counts as fixed.
    """
    rule = interval_rules()["metrics"].get(ALIKE.get(name, name))
    if rule is None:
        return ["its interval was not tried by simulation"]
    needed = rule["difference" if difference else "one"]
    if needed is None:
        return [f"no number of clips is known to be enough: {rule['why']}"]
    tracks = interval_rules()["reference_units"]
    return _too_few(units, needed, tracks if reference_units is None else reference_units, tracks)


ALIKE = {"prompt_similarity": "style_similarity"}
"""Metrics whose intervals are as trustworthy as those of one that was simulated: both are means of a cosine a clip."""


def is_calibrated(name: str) -> bool:
    """Whether the interval of this metric was tried by simulation."""
    return ALIKE.get(name, name) in interval_rules()["metrics"]


def is_sensitive_to_tails(name: str) -> bool:
    """Whether heavy tails (`tail_warnings`) spoil the interval of this metric."""
    return bool(interval_rules()["metrics"].get(name, {}).get("tails", False))


def effective_dimension(spectrum: ArrayLike) -> float:
    """(Σ√λ)² / Σλ of a covariance's eigenvalues (k,): how many equal ones would have this sum and this sum of roots.

    Rényi's effective rank of order ½, the one that small eigenvalues count in: a Fréchet distance adds roots. 0 where
    there is no variance.

    >>> effective_dimension([1, 1, 1, 0]), round(effective_dimension([1, 0.01]), 3)
    (3.0, 1.198)
    """
    roots = np.sqrt(np.asarray(spectrum, dtype=np.float64))
    return float(roots.sum() ** 2 / np.sum(roots**2)) if roots.any() else 0.0


def tail_weight(units: ArrayLike) -> tuple[float, float]:
    """The fourth moment of units (n, k) about their mean relative to a Gaussian's of that covariance, and its limit.

    1 for a Gaussian, 3 for Student's t of 5 degrees, of which samples of 60 show 1.6; 1.01 for musicnn's embeddings of
    the tracks in either shipped reference. The limit is the stored one, or five standard deviations of a Gaussian
    sample's (Mardia, Biometrika 57, 1970) where that is more: for few units in few dimensions.
    """
    centred = np.asarray(units, dtype=np.float64)
    centred = centred - centred.mean(0)
    squares = np.sum(centred**2, axis=1)
    limit = float(rules()["tail_weight"])
    if not squares.any():
        return 1.0, limit
    small = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    d = np.trace(small) ** 2 / np.sum(small**2)
    weight = np.mean(squares**2) / np.mean(squares) ** 2 / (1 + 2 / d)
    return float(weight), max(limit, float(1 + 5 * np.sqrt(8 / (len(centred) * d * (d + 2)))))


def units_in_full(score: ScoreKind, dimension: float) -> int | None:
    """How many units on either side a distance in full dimension takes, by the spectrum's effective dimension.

    None beyond the largest dimension in which a number of units was found to be enough.
    """
    return next((int(units) for largest, units in rules()["full"][score] if dimension <= largest), None)


def full_dimension_warnings(score: ScoreKind, dimension: float, units: int, reference_units: int) -> list[str]:
    """Why these numbers of units are not enough in full dimension, by the spectrum's effective dimension; empty when
    they are.
    """
    needed = units_in_full(score, dimension)
    if needed is None:
        largest = rules()["full"][score][-1][0]
        known = f"beyond {largest} no number of clips is known to be enough"
        return [f"an effective dimension of {dimension:.0f}, and {known}: read it in components"]
    return _too_few(units, needed, reference_units, needed)


def component_warnings(
    score: ScoreKind, components: int, explained: float, units: int, reference_units: int
) -> list[str]:
    """Why these are not enough in so many components with this share of the reference's variance; empty when they are.

    More components than were tried hold more of the variance and take more units: 25 of VGGish's and 40 of CLAP's, with
    four fifths of it, fail at numbers that are enough for 16 of musicnn's.
    """
    rule = rules()["components"]
    needed = rule[score]
    needed_reference = max(needed["reference_units"], math.ceil(needed["references_per_song"] * units))
    warnings = _too_few(units, needed["songs"], reference_units, needed_reference)
    if components > rule["most"]:
        warnings.append(f"{components} components, and {rule['most']} is the most that is known to work")
    if explained < rule["explained_variance"]:
        more = ": use more" if components < rule["most"] else ""
        warnings.append(
            f"components with {explained:.0%} of the variance, and it takes {rule['explained_variance']:.0%}{more}"
        )
    return warnings


def tail_warnings(*sides: ArrayLike) -> list[str]:
    """Why the tails of some sides' units, each (n, k), are too heavy; empty when they are not."""
    return tail_weight_warnings(map(tail_weight, sides))


def tail_weight_warnings(weights: Iterable[Sequence[float]]) -> list[str]:
    """The same from each side's weight and limit (`tail_weight`)."""
    heavy = [weight for weight, limit in weights if weight > limit]
    return [f"heavy tails, {max(heavy):.1f} times a Gaussian's fourth moment"] if heavy else []


def _too_few(units: int, needed: int, reference_units: int, needed_reference: int) -> list[str]:
    warnings = []
    if units < needed:
        warnings.append(f"{units} clips, and it takes {needed}")
    if reference_units < needed_reference:
        warnings.append(f"{reference_units} reference tracks, and it takes {needed_reference}")
    return warnings
