"""placeholder"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike


def effective_dimension(spectrum: ArrayLike) -> float:
    roots = np.sqrt(np.asarray(spectrum, dtype=np.float64))
    return float(roots.sum() ** 2 / np.sum(roots**2))


def songs_needed(score: Literal["fad", "paired fad"], spectrum: ArrayLike) -> int:
    return len(np.asarray(spectrum))
