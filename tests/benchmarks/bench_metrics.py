"""The metrics beside their peers, on the same arrays, of which the exact values are known.

Written to results/benchmarks/metrics.json and .png. Seconds are of CPU time on one thread, the best of up to three
calls; a peer is left out where it would take minutes. Another metric is added by a function that gives its cases.
"""

from __future__ import annotations

import json
import logging
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import scipy.linalg
import torch
from numpy.lib.scimath import sqrt as scisqrt

from metrics.files import write_bytes
from metrics.gaussians import frechet_distance, frechet_distance_of_moments
from tests.benchmarks.peers import function

FOLDER = Path(__file__).parents[2] / "results" / "benchmarks"
LONGEST = 60.0
"""Seconds: a first call that took longer is not repeated, and larger cases are left out for that peer."""

Compute = Callable[[], float]


@dataclass(frozen=True)
class Case:
    """One computation by us and by peers (by name), with its exact value. `size` orders the cases of one `kind`."""

    kind: str
    size: int
    truth: float
    ours: Compute
    peers: dict[str, Compute]


def frechet_cases() -> Iterator[Case]:
    """FAD from statistics of 128 to 2048 dimensions, and from 500 rows each of 128 to 2048 dimensions."""
    peers = _frechet_peers()
    for size in (128, 512, 1024, 2048):
        rng = np.random.default_rng(size)
        mean1, mean2 = rng.standard_normal((2, size)) / np.sqrt(size)
        cov1, cov2, covariance_part = _commuting(size, size, rng)
        moments = mean1, _dense(*cov1), mean2, _dense(*cov2)
        yield Case(
            "FAD from means and covariances",
            size,
            float(np.sum((mean1 - mean2) ** 2)) + covariance_part,
            lambda moments=moments: frechet_distance_of_moments(*moments),
            {name: lambda peer=peer, moments=moments: peer(*moments) for name, (_, peer) in peers.items()},
        )
    for size in (128, 512, 1024, 2048):
        rng = np.random.default_rng(size)
        cov1, cov2, covariance_part = _commuting(size, min(size, 400), rng)
        x, y = _rows(*cov1, 500, rng), _rows(*cov2, 500, rng) + 1 / np.sqrt(size)
        yield Case(
            "FAD from 500 embeddings a side",
            size,
            1 + covariance_part,
            lambda x=x, y=y: frechet_distance(x, y),
            {name: lambda peer=peer, fit=fit, x=x, y=y: peer(*fit(x), *fit(y)) for name, (fit, peer) in peers.items()},
        )


CASES: list[Callable[[], Iterator[Case]]] = [frechet_cases]


def main() -> None:
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    rows: list[dict[str, Any]] = []
    for cases in CASES:
        slow: set[tuple[str, str]] = set()
        for case in cases():
            for name, compute in {"this": case.ours, **case.peers}.items():
                if (case.kind, name) in slow:
                    continue
                seconds, value = _timed(compute)
                if seconds > LONGEST / 10:  # twice the dimensions take eight times as long, or more
                    slow.add((case.kind, name))
                error = abs(value - case.truth) / abs(case.truth)
                rows.append(
                    {"kind": case.kind, "size": case.size, "by": name, "seconds": seconds, "relative_error": error}
                )
            _print(rows, case)
    machine = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "torch": torch.__version__,
    }
    content = json.dumps({"made_with": machine, "rows": rows}, indent=1) + "\n"
    write_bytes(FOLDER / "metrics.json", content.encode())
    _plot(rows, FOLDER / "metrics.png")


def _frechet_peers() -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
    """By name: the function from rows to (mean, covariance), and that from two of those to a distance."""
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


def _timed(compute: Compute) -> tuple[float, float]:
    """Seconds of CPU of the fastest call, and the value."""
    best, value = np.inf, np.nan
    for _ in range(3):
        started = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = float(np.real(compute()))
        seconds = time.process_time() - started
        best = min(best, seconds)
        if seconds > LONGEST / 20:
            break
    return best, value


def _print(rows: list[dict[str, Any]], case: Case) -> None:
    here = [row for row in rows if (row["kind"], row["size"]) == (case.kind, case.size)]
    print(f"  {case.kind}, {case.size} dimensions")
    for row in here:
        ratio = row["seconds"] / here[0]["seconds"]
        print(
            f"    {row['by']:24} {row['seconds'] * 1000:10.1f} ms   {ratio:7.1f} ×   "
            f"relative error {row['relative_error']:.0e}",
            flush=True,
        )


def _plot(rows: list[dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    from harness.figures import write_png

    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    figure = Figure(figsize=(5 * len(kinds), 3.8), dpi=130, layout="constrained")
    for axes, kind in zip(np.atleast_1d(figure.subplots(1, len(kinds))), kinds, strict=True):
        for name in dict.fromkeys(row["by"] for row in rows if row["kind"] == kind):
            line = [row for row in rows if row["kind"] == kind and row["by"] == name]
            axes.loglog([row["size"] for row in line], [row["seconds"] for row in line], "o-", label=name)
        sizes = sorted({row["size"] for row in rows if row["kind"] == kind})
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set_title(kind, loc="left", fontsize=10)
        axes.set_xlabel("dimensions")
        axes.set_ylabel("seconds of CPU")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, frameon=False)
    write_png(figure, path)


if __name__ == "__main__":
    main()
