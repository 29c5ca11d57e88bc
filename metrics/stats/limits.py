"""Clip confidence intervals to the metric's valid range.

Student's t is symmetric and knows no limits: a precision of .98 ± .06 would have [.86, 1.10]. Clipping leaves the
coverage as it is, for the truth is within the limits.
"""

from __future__ import annotations

import math

Interval = tuple[float, float]


def limits_of(unit: str, units: int) -> Interval:
    """The valid range of a unit of measure for a set of so many clips; infinite where there is no limit.

    >>> limits_of("share of frames", 24), limits_of("clips", 24), limits_of("dB", 24)
    ((0.0, 1.0), (1.0, 24.0), (-inf, inf))
    """
    if unit == "share" or unit.startswith("share of "):
        return 0.0, 1.0
    known: dict[str, Interval] = {
        "cosine": (-1.0, 1.0),
        "1 − cosine": (0.0, 2.0),
        "clips": (1.0, float(units)),  # an effective number of them
        "tracks about a frame, over k": (0.0, math.inf),
        "−ln MAUVE": (0.0, math.inf),
    }
    return known.get(unit, (-math.inf, math.inf))


def within_limits(interval: Interval, unit: str, units: int, *, difference: bool) -> Interval:
    """An interval of a value in this unit, or of the difference of two, clipped to the valid range.

    >>> within_limits((0.86, 1.10), "share", 24, difference=False)
    (0.86, 1.0)
    >>> within_limits((-0.2, 0.3), "share", 24, difference=True)
    (-0.2, 0.3)
    """
    least, greatest = limits_of(unit, units)
    if difference:
        least, greatest = least - greatest, greatest - least
    return max(interval[0], least), min(interval[1], greatest)
