"""The Fréchet distance by this package, fadtk, frechet-audio-distance and torchmetrics, where its value is known."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from metrics.sets.gaussians import frechet_distance, frechet_distance_of_moments
from tests.benchmarks.peers import function


def moments(size: int, way: str) -> tuple[Callable[[], float], float]:
    """From two means and covariances of this many dimensions."""
    rng = np.random.default_rng(size)
    mean1, mean2 = rng.standard_normal((2, size)) / np.sqrt(size)
    cov1, cov2, covariance_part = _commuting(size, size, rng)
    given = mean1, _dense(*cov1), mean2, _dense(*cov2)
    distance = frechet_distance_of_moments if way == "this" else _peers()[way][1]
    return lambda: distance(*given), float(np.sum((mean1 - mean2) ** 2)) + covariance_part


def rows(size: int, way: str) -> tuple[Callable[[], float], float]:
    """From 500 rows a side of this many dimensions."""
    rng = np.random.default_rng(size)
    cov1, cov2, covariance_part = _commuting(size, min(size, 400), rng)
    x, y = _rows(*cov1, 500, rng), _rows(*cov2, 500, rng) + 1 / np.sqrt(size)
    if way == "this":
        return lambda: frechet_distance(x, y), 1 + covariance_part
    fit, distance = _peers()[way]
    return lambda: distance(*fit(x), *fit(y)), 1 + covariance_part


def _peers() -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
    """By name: the function from rows to (mean, covariance), and that from two of those to a distance."""
    import scipy.linalg
    import torch
    from numpy.lib.scimath import sqrt as scisqrt

    logging.disable(logging.WARNING)
    log, numpy_names = logging.getLogger("fadtk"), {"np": np, "linalg": scipy.linalg}
    fadtk = {"log": log, "scisqrt": scisqrt, **numpy_names}
    fad = "frechet_audio_distance/fad.py"
    theirs = {
        "fadtk": (
            function("fadtk", "1.1.0", "fadtk/fad.py", "calc_embd_statistics", **fadtk),
            function("fadtk", "1.1.0", "fadtk/fad.py", "calc_frechet_distance", **fadtk),
        ),
        "frechet-audio-distance": (
            function("frechet-audio-distance", "0.3.4", fad, "calculate_embd_statistics", **numpy_names),
            function("frechet-audio-distance", "0.3.4", fad, "calculate_frechet_distance", **numpy_names),
        ),
    }
    compute = function("torchmetrics", "1.9.0", "torchmetrics/image/fid.py", "_compute_fid", torch=torch)
    fit, distance = theirs["frechet-audio-distance"]
    theirs["frechet-audio-distance"] = (lambda rows: fit(None, rows), lambda *moments: distance(None, *moments))
    theirs["torchmetrics"] = (
        lambda rows: (rows.mean(0), np.cov(rows, rowvar=False)),
        lambda *moments: compute(*(torch.from_numpy(array) for array in moments)),
    )
    return theirs


Spectral = tuple[np.ndarray, np.ndarray]
"""Axes (D, r), orthonormal, and variances (r,) along them."""


def _commuting(size: int, rank: int, rng: np.random.Generator) -> tuple[Spectral, Spectral, float]:
    """Two covariances with common axes and decaying variances, and their share of the distance: Σ(√a−√b)²."""
    axes = np.linalg.qr(rng.standard_normal((size, rank)))[0]
    decay = 1 / np.arange(1, rank + 1)
    first, second = decay * rng.uniform(0.5, 1.5, rank), decay * rng.uniform(0.5, 1.5, rank)
    return (axes, first), (axes, second), float(np.sum((np.sqrt(first) - np.sqrt(second)) ** 2))


def _dense(axes: np.ndarray, variances: np.ndarray) -> np.ndarray:
    return (axes * variances) @ axes.T


def _rows(axes: np.ndarray, variances: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows (count, D) with mean zero and exactly this covariance, with count−1."""
    noise = rng.standard_normal((count, len(variances)))
    white = np.linalg.qr(noise - noise.mean(0))[0] * np.sqrt(count - 1)
    return (white * np.sqrt(variances)) @ axes.T
