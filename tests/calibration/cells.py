"""The cells of the calibration: which law, how many songs on either side, in which space, and what is estimated there.

A finished cell is saved before the next is begun; running again continues with those that are missing.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from metrics.io.files import write_bytes
from metrics.sets.gaussians import frechet_distance_of_moments
from metrics.stats.reliability import effective_dimension
from tests.calibration.batched import flat
from tests.calibration.estimators import ESTIMATORS, PAIRED, TESTS, Estimates, Reference, Sample, heavy_tails
from tests.calibration.laws import CONDITIONS, LAWS, Array, Law, draw

REPETITIONS = 2000
CHUNK = 50
PAIRS = (("cold", "warm"), ("same", "warm"))
"""Equal in truth, and not."""
TESTED = ("same", "warm")
ALL = tuple(CONDITIONS)


@dataclass(frozen=True)
class Cell:
    """One set-up. `components` None is full dimension; `pairs` and `tests` switch the dearer columns on."""

    law: str
    units: int
    reference_units: int
    components: int | None
    conditions: tuple[str, ...] = ("same", "other")
    estimators: tuple[str, ...] = ("fad",)
    pairs: bool = False
    tests: bool = False

    @property
    def name(self) -> str:
        space = "full" if self.components is None else f"{self.components} components"
        return f"{self.law}, {self.units} songs against {self.reference_units}, {space}"


# The song counts of a study, against a reference as small as the shipped ones and one of a good size.
COUNTS = [
    (24, 50),
    (60, 50),
    (16, 50),
    (24, 200),
    (30, 50),
    (60, 60),
    (24, 60),
    (60, 200),
    (200, 50),
    (200, 200),
    (16, 200),
    (30, 200),
]
COMPONENTS = [Cell("musicnn, 48 axes", n, m, 16, ALL, pairs=True) for n, m in COUNTS]
HARDER = [
    *(
        Cell(f"{law}, 48 axes{tails}", 60, m, 16, ALL, pairs=True)
        for m in (50, 200)
        for law, tails in (("1/k", ""), ("musicnn", ", t5"))
    ),
    *(Cell("musicnn, 48 axes", 24, 50, k, ALL, pairs=True) for k in (4, 8)),
]
TAILS = [Cell("musicnn, 48 axes, t5", n, 200, 16, ALL, pairs=True) for n in (16, 30, 200)]
# As many components as hold 80 % of the variance of embedders that spread it over more axes than musicnn does.
EMBEDDERS = [
    *(
        Cell("vggish, 64 axes", n, m, 25, ALL, pairs=True)
        for n, m in ((16, 60), (24, 60), (60, 60), (60, 200), (200, 200))
    ),
    *(
        Cell("clap, 96 axes", n, m, 40, ALL, pairs=True)
        for n, m in ((16, 60), (24, 60), (60, 60), (60, 200), (200, 200))
    ),
]
TESTS_OF_EQUALITY = [
    Cell("musicnn, 48 axes", 16, 51, 16, (), (), tests=True),
    Cell("musicnn, 48 axes, t5", 24, 51, 16, (), (), tests=True),
    Cell("musicnn, 48 axes", 60, 51, 16, ("same", "other"), ("fad_infinity",), tests=True),
]
KERNEL = [Cell("musicnn, 48 axes", n, 60, None, ALL, ("kad",), tests=True) for n in (8, 16, 30, 60, 200)]
FULL = [
    *(Cell("musicnn, 16 axes", n, n, None, ALL, pairs=True) for n in (24, 50, 100)),
    *(Cell("musicnn, 48 axes", n, n, None, ALL, pairs=True) for n in (50, 100, 200)),
    *(Cell("1/k", n, m, None) for n, m in ((60, 60), (200, 200))),
    *(Cell("musicnn", n, m, None) for n, m in ((30, 60), (60, 60), (200, 200))),
    Cell("musicnn", 16, 60, None, ALL, ("fad", "fad_infinity"), pairs=True),
    Cell("musicnn", 500, 500, None),
]
CELLS = [*COMPONENTS, *HARDER, *TAILS, *EMBEDDERS, *TESTS_OF_EQUALITY, *KERNEL, *FULL]
CONFIRMED = [
    *(cell for cell in COMPONENTS if (cell.units, cell.reference_units) in ((16, 50), (24, 50), (24, 60), (60, 60))),
    *(cell for cell in FULL if (cell.law, cell.units) in (("musicnn, 16 axes", 24), ("musicnn, 48 axes", 100))),
    TESTS_OF_EQUALITY[0],
    *KERNEL[1:3],
]
"""Those at or beside a threshold of the rules: simulated again with other random numbers, after the rules were set."""


def run(cells: Sequence[Cell], path: Path, repetitions: int = REPETITIONS, seed: int = 0) -> dict[str, Any]:
    """Run the cells that `path` does not hold yet with so many repetitions; everything it holds afterwards.

    A `seed` other than 0 draws other samples: a confirmation goes to a file of its own.
    """
    done: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for cell in cells:
        declared = json.loads(json.dumps(asdict(cell)))
        before = done.get(cell.name, {})
        if before.get("cell") == declared and before["repetitions"] >= repetitions:
            continue
        started = time.process_time()
        done[cell.name] = {"cell": declared, "repetitions": repetitions, **simulate(cell, repetitions, seed)}
        write_bytes(path, (json.dumps(done, indent=1, ensure_ascii=False) + "\n").encode())
        print(f"{cell.name}: {time.process_time() - started:.0f} s of CPU", flush=True)
    return done


def simulate(cell: Cell, repetitions: int, seed: int = 0) -> dict[str, Any]:
    """The columns of one cell, from repetitions in chunks. What seeds it is the cell's name, and `seed`."""
    law = LAWS[cell.law]
    rng = np.random.default_rng(zlib.crc32((cell.name + (f", seed {seed}" if seed else "")).encode()))
    found: dict[tuple[str, str], list[Estimates]] = {}
    p_values: dict[tuple[str, str], list[Array]] = {}
    spectra: list[Array] = []
    heavy: list[bool] = []
    for at in range(0, repetitions, CHUNK):
        made, music = draw(law, cell.units, cell.reference_units, min(CHUNK, repetitions - at), rng)
        reference = Reference(music, cell.components)
        samples = {name: Sample(units, reference) for name, units in made.items()}
        heavy += list(heavy_tails(samples["same"]))
        spectra = spectra or list(_spectra(music))
        for condition in cell.conditions:
            for estimator in cell.estimators:
                for kind, estimates in ESTIMATORS[estimator](samples[condition]).items():
                    found.setdefault((condition, kind), []).append(estimates)
        for first, second in PAIRS if cell.pairs else ():
            for paired in PAIRED.values():
                for kind, estimates in paired(samples[first], samples[second]).items():
                    found.setdefault((f"{second} − {first}", kind), []).append(estimates)
        for condition in TESTED if cell.tests else ():
            for name, test in TESTS.items():
                if ("kad" in name) != ("kad" in cell.estimators):
                    continue
                p_values.setdefault((condition, name), []).append(test(samples[condition], rng))
    rows = [
        _row(condition, kind, chunks, _truths(law, condition, cell.components, chunks))
        for (condition, kind), chunks in found.items()
    ]
    for (condition, name), chunks in p_values.items():
        rows.append(
            {"condition": condition, "estimator": name, "rejected": float((np.concatenate(chunks) <= 0.05).mean())}
        )
    kept = [spectrum[: cell.components] for spectrum in spectra]
    return {
        "effective_dimension": float(np.mean([effective_dimension(spectrum) for spectrum in kept])),
        "explained_variance": float(np.mean([part.sum() / all.sum() for part, all in zip(kept, spectra, strict=True)])),
        "heavy_tails": float(np.mean(heavy)),
        "rows": rows,
    }


def truth(law: Law, condition: str, components: int | None) -> float:
    """The distance of a condition's population to the reference's, in the first components of the latter.

    For "second − first" the difference of two.
    """
    if "−" in condition:
        second, first = condition.split(" − ")
        return truth(law, second, components) - truth(law, first, components)
    eigenvalues, change, kept = law.eigenvalues(), CONDITIONS[condition], slice(components)
    return frechet_distance_of_moments(
        change.mean(eigenvalues)[kept],
        change.covariance(eigenvalues)[kept, kept],
        np.zeros_like(eigenvalues)[kept],
        np.diag(eigenvalues[kept]),
    )


def kad_truth(law: Law, condition: str, bandwidths: Array) -> Array:
    """The kernel distance (R,) of a condition's population to the reference's, both Gaussian, at each bandwidth."""
    if law.df is not None:
        raise ValueError("the kernel distance of other laws than Gaussians is not known in closed form")
    eigenvalues, change = law.eigenvalues(), CONDITIONS[condition]
    ours, theirs, shift = change.covariance(eigenvalues), np.diag(eigenvalues), change.mean(eigenvalues)

    def mean_kernel(covariance: Array, offset: Array, square: float) -> float:
        """E exp(−|z|²/2σ²) of z ~ N(offset, covariance)."""
        whole = np.eye(len(covariance)) + covariance / square
        exponent = offset @ np.linalg.solve(whole, offset) / square
        return float(np.exp(-0.5 * (np.linalg.slogdet(whole)[1] + exponent)))

    still = np.zeros_like(shift)
    return np.array(
        [
            mean_kernel(2 * ours, still, square)
            + mean_kernel(2 * theirs, still, square)
            - 2 * mean_kernel(ours + theirs, shift, square)
            for square in bandwidths**2
        ]
    )


def _truths(law: Law, condition: str, components: int | None, chunks: list[Estimates]) -> Array:
    """(1,), or of every repetition (R,) where it depends on what that took as its bandwidth."""
    bandwidths = [part.bandwidth for part in chunks if part.bandwidth is not None]
    if not bandwidths:
        return np.array([truth(law, condition, components)])
    return kad_truth(law, condition, np.concatenate(bandwidths))


def _row(condition: str, kind: str, chunks: list[Estimates], truth: Array) -> dict[str, Any]:
    names = [field.name for field in fields(Estimates) if field.name != "bandwidth"]
    estimates = Estimates(*(np.concatenate([getattr(part, name) for part in chunks]) for name in names))
    error = estimates.value - truth
    sd = error.std(ddof=1)
    row = {
        "condition": condition,
        "estimator": kind,
        "truth": float(truth.mean()),
        "bias": float(error.mean()),
        "sd": float(sd),
        "bias_over_sd": float(error.mean() / sd),
    }
    if np.isfinite(estimates.stderr).all():
        row["coverage"] = float(((estimates.low <= truth) & (truth <= estimates.high)).mean())
        row["se_over_sd"] = float(estimates.stderr.mean() / sd)
        if "−" in condition:
            row["rejected"] = float((estimates.p <= 0.05).mean())
    return row


def _spectra(reference: Array) -> Array:
    """Each reference's eigenvalues (R, D), descending."""
    rows = flat(reference)
    rows -= rows.mean(1, keepdims=True)
    return np.maximum(np.linalg.eigvalsh(np.swapaxes(rows, 1, 2) @ rows)[:, ::-1], 0)
