"""The metrics beside their peers, on the same arrays: seconds of CPU, memory, and the error where the value is known.

Each computation runs in a process of its own, on one thread: the seconds of the fastest of up to three calls, and what
the first took of memory at its peak. `make bench` times the smallest of ours; `make bench-metrics` all of it, and
writes results/benchmarks/metrics.json and .png. A peer is left out where it would take minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from metrics.io.files import write_bytes
from tests.benchmarks.metric_cases import KINDS, LARGE, OURS, WITH_ERRORS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "results" / "benchmarks"
LONGEST = 6.0
"""Seconds: a way that took longer is left out at larger sizes where twice as large takes eight times as long."""
CALLS, SECONDS = 3, 20.0
"""At most so many calls, and no further one after so long."""

Row = dict[str, Any]


def main(options: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks metrics", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="fetch the peers, time everything, write the results")
    parser.add_argument("--only", default="", help="kinds with this in their name; the others' figures are kept")
    parser.add_argument("--large", action="store_true", help="ours alone at 100,000 frames, some seven minutes")
    parser.add_argument("--one", nargs=3, metavar=("KIND", "SIZE", "WAY"), help=argparse.SUPPRESS)
    asked = parser.parse_args(list(options))
    if asked.one:
        kind, size, way = asked.one
        print(json.dumps(timed(kind, int(size), way)))
        return
    rows: list[Row] = []
    for kind in (kind for kind in KINDS if asked.only in kind):
        sizes = KINDS[kind].sizes if asked.peers else KINDS[kind].sizes[:1]
        if asked.large:
            sizes = (LARGE[kind],) if kind in LARGE else ()
        for size in sizes:
            rows += _measured(kind, size, rows, asked)
            _print(rows, kind, size)
    if asked.peers and not asked.large:
        _write(rows)


def timed(kind: str, size: int, way: str) -> Row:
    """What one computation takes in this process."""
    compute, truth = KINDS[kind].prepare(size, way)
    before, seconds, value, megabytes = _peak(), [], np.nan, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while len(seconds) < CALLS and sum(seconds) < SECONDS:
            started = time.process_time()
            value = float(np.real(compute()))
            seconds.append(time.process_time() - started)
            megabytes = megabytes or max(1.0, (_peak() - before) / 1000)
    row = {"seconds": min(seconds), "megabytes": megabytes, "value": value}
    return row if truth is None else row | {"relative_error": abs(value - truth) / abs(truth)}


def _measured(kind: str, size: int, before: list[Row], asked: argparse.Namespace) -> list[Row]:
    """The rows of all ways at one size, each from a process of its own."""
    ways = [WITH_ERRORS] if asked.large else KINDS[kind].ways if asked.peers else [OURS]
    slow = {
        row["by"] for row in before if row["kind"] == kind and row["seconds"] > LONGEST and row["by"] not in ways[:1]
    }
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    rows = []
    for way in ways:
        if way in slow:
            continue
        command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks", "metrics", "--one", kind, str(size), way]
        run = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **threads}, capture_output=True, text=True, check=False
        )
        if run.returncode:
            raise RuntimeError(f"{kind} by {way} failed:\n{run.stderr}")
        rows.append({"kind": kind, "size": size, "by": way, **json.loads(run.stdout.splitlines()[-1])})
    return rows


def _peak() -> int:
    """Kilobytes (on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _print(rows: list[Row], kind: str, size: int) -> None:
    here = [row for row in rows if (row["kind"], row["size"]) == (kind, size)]
    print(f"  {kind}, {size} {KINDS[kind].counted}")
    for row in here:
        ratio, memory = row["seconds"] / here[0]["seconds"], f"{row['megabytes']:6.0f} MB" if "megabytes" in row else ""
        worth = (
            f"relative error {row['relative_error']:.0e}" if "relative_error" in row else f"value {row['value']:.6g}"
        )
        print(f"    {row['by']:28} {row['seconds'] * 1000:10.1f} ms   {ratio:7.1f} ×   {memory}   {worth}", flush=True)


def _write(rows: list[Row]) -> None:
    """Merge rows into the committed ones, in the order of KINDS, and draw them."""
    path = FOLDER / "metrics.json"
    kept = json.loads(path.read_text())["rows"] if path.exists() else []
    measured = {row["kind"] for row in rows}
    rows = rows + [row for row in kept if row["kind"] not in measured]
    rows.sort(key=lambda row: (list(KINDS).index(row["kind"]), row["size"], KINDS[row["kind"]].ways.index(row["by"])))
    packages = {name: version(name) for name in ("numpy", "scipy", "torch")}
    machine = {"machine": platform.machine(), "python": platform.python_version(), **packages}
    write_bytes(path, (json.dumps({"made_with": machine, "rows": rows}, indent=1) + "\n").encode())
    _plot(rows, FOLDER / "metrics.png")


def _plot(rows: list[Row], path: Path) -> None:
    from matplotlib.figure import Figure

    from harness.core.png import write_png

    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    figure = Figure(figsize=(15, 7.6), dpi=110, layout="constrained")
    panels = figure.subplots(2, -(-len(kinds) // 2), squeeze=False).ravel()
    for axes in panels[len(kinds) :]:
        axes.set_axis_off()
    for axes, kind in zip(panels, kinds, strict=False):
        here = [row for row in rows if row["kind"] == kind]
        for name in dict.fromkeys(row["by"] for row in here):
            line = [row for row in here if row["by"] == name]
            axes.loglog([row["size"] for row in line], [row["seconds"] for row in line], "o-", label=name)
        sizes = sorted({row["size"] for row in here})
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_title(kind, loc="left", fontsize=10)
        axes.set_xlabel(KINDS[kind].counted)
        axes.set_ylabel("seconds of CPU")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, frameon=False)
    write_png(figure, path)


if __name__ == "__main__":
    main(sys.argv[1:])
