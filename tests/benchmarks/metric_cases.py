"""What `bench_metrics` measures: one kind of computation at some sizes, done by this package and by its peers.

A kind is added by a `Kind` in KINDS. Its `prepare` makes the arrays of one size, the same whoever computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks import frechet_cases, kernel_cases

Compute = Callable[[], float]
Prepare = Callable[[int, str], tuple[Compute, float | None]]


@dataclass(frozen=True)
class Kind:
    """`prepare(size, way)` gives the computation and its exact value, where that is known. `ways` are names, ours
    first. `sizes`, the quick one first, are numbers of what `counted` says.
    """

    prepare: Prepare
    sizes: tuple[int, ...]
    ways: tuple[str, ...]
    counted: str


OURS, WITH_ERRORS = "this", "this, with songs and errors"
PRDC = (OURS, kernel_cases.WITHOUT_TORCH, WITH_ERRORS, "prdc")
FRECHET = (OURS, "fadtk", "frechet-audio-distance", "torchmetrics")

KINDS = {
    "FAD from means and covariances": Kind(frechet_cases.moments, (128, 512, 1024, 2048), FRECHET, "dimensions"),
    "FAD from 500 embeddings a side": Kind(frechet_cases.rows, (128, 512, 1024, 2048), FRECHET, "dimensions"),
    "KAD": Kind(kernel_cases.kad, (2_000, 10_000), (OURS, WITH_ERRORS, "kadtk"), "frames a side"),
    "PRDC": Kind(kernel_cases.prdc, (2_000, 10_000), PRDC, "frames a side"),
    # As in embeddings of music: an eighth of the directions holds nine tenths of the variance and more.
    "PRDC, decaying spectrum": Kind(kernel_cases.prdc_decaying, (10_000,), PRDC, "frames a side"),
    "Vendi": Kind(kernel_cases.vendi, (5_000,), (OURS, "vendi-score"), "frames"),
}
LARGE = {"KAD": 100_000, "PRDC": 100_000}
"""Of ours alone, with errors: some seven minutes."""
