"""Kernel distance, manifold metrics and Vendi beside kadtk, prdc and vendi-score, on the same arrays.

Each computation runs by itself in a process of one thread: CPU seconds of the fastest of two calls, and the memory that
the first one took at its peak. Written to results/benchmarks/kernels.json. The peers are installed without what they
depend on into build/peers/kernels (ignored by git). `python -m tests.benchmarks.bench_kernels large` measures ours
alone at 100,000 frames a side, which takes a quarter of an hour.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from metrics.files import write_bytes

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "build" / "peers" / "kernels"
PACKAGES = ("kadtk==1.1.0", "prdc==0.2", "vendi-score==0.0.3")
RESULT = ROOT / "results" / "benchmarks" / "kernels.json"

DIMENSIONS, FRAMES_A_SONG, BANDWIDTH = 512, 10, 30.0

CASES = [
    ("kad", 2_000, ("kadtk", "rows", "songs")),
    ("kad", 10_000, ("kadtk", "rows", "songs")),
    ("prdc", 2_000, ("prdc", "rows", "songs")),
    ("prdc", 10_000, ("prdc", "rows", "songs")),
    ("prdc-decaying", 10_000, ("prdc", "rows", "songs")),
    ("vendi", 5_000, ("vendi-score", "rows")),
]
LARGE = [("kad", 100_000, ("songs",)), ("prdc", 100_000, ("songs",))]
SAYS = {"rows": "this, value alone", "songs": "this, with songs and their error bars"}


def main(cases: list[tuple[str, int, tuple[str, ...]]] | None = None) -> None:
    if not PEERS.exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(PEERS), *PACKAGES]
        subprocess.run(command, check=True)
    results = []
    for metric, frames, ways in cases or CASES:
        print(f"  {metric}, {frames} × {DIMENSIONS} a side")
        told = [{"metric": metric, "frames": frames, "by": way, **_apart(metric, frames, way)} for way in ways]
        for one in told:
            faster, smaller = (told[0][what] / one[what] for what in ("seconds", "megabytes"))
            print(
                f"    {SAYS.get(one['by'], one['by']):38} {one['seconds']:8.2f} s {one['megabytes']:8.0f} MB   "
                f"{faster:6.1f} × as fast, {smaller:6.1f} × smaller   value {one['value']:.6g}",
                flush=True,
            )
        results += told
    if cases is None:
        made_with = {"numpy": np.__version__, "python": sys.version.split()[0], "peers": PACKAGES}
        write_bytes(RESULT, (json.dumps({"made_with": made_with, "rows": results}, indent=1) + "\n").encode())


def _apart(metric: str, frames: int, way: str) -> dict[str, float]:
    """Measure one way in a process of its own."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.bench_kernels", "one", metric, str(frames), way]
    run = subprocess.run(command, cwd=ROOT, env={**os.environ, **threads}, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{metric} by {way} failed:\n{run.stderr}")
    return json.loads(run.stdout.splitlines()[-1])


def one(metric: str, frames: int, way: str) -> None:
    """Print the seconds, megabytes and value of one way as JSON."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((frames, DIMENSIONS), dtype=np.float32) for _ in range(2))
    metric, _, decaying = metric.partition("-")
    if decaying:  # as in embeddings of music: an eighth of the directions holds nine tenths of the variance and more
        x, y = (rows * np.float32(0.96) ** np.arange(DIMENSIONS, dtype=np.float32) for rows in (x, y))
    compute = (_ours if way in SAYS else _theirs)(metric, way, x, y + np.float32(0.05))
    before, seconds, value = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, [], np.nan
    while len(seconds) < 2 and sum(seconds) < 60:
        started = time.process_time()
        value = compute()
        seconds.append(time.process_time() - started)
        if len(seconds) == 1:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            megabytes = max(1.0, (peak - before) / 1000)
    print(json.dumps({"seconds": min(seconds), "megabytes": megabytes, "value": float(value)}))


def _ours(metric: str, way: str, x: np.ndarray, y: np.ndarray) -> Callable[[], float]:
    from metrics.diversity import vendi_of_rows
    from metrics.kernel import kad, kad_of_rows
    from metrics.manifold import prdc, prdc_of_rows
    from metrics.score import EmbeddingSet

    songs = np.arange(len(x)) // FRAMES_A_SONG
    sets = [EmbeddingSet(rows, songs) for rows in (x, y)]
    return {
        ("kad", "rows"): lambda: 100 * kad_of_rows(x, y, BANDWIDTH),
        ("kad", "songs"): lambda: 100 * kad(sets[0], sets[1], bandwidth=BANDWIDTH).value,
        ("prdc", "rows"): lambda: prdc_of_rows(y, x)["precision"],
        ("prdc", "songs"): lambda: prdc(sets[0], sets[1])["precision"].value,
        ("vendi", "rows"): lambda: vendi_of_rows(x),
    }[metric, way]


def _theirs(metric: str, way: str, x: np.ndarray, y: np.ndarray) -> Callable[[], float]:
    sys.path.append(str(PEERS))
    if way == "kadtk":
        import torch

        torch.set_num_threads(1)
        # Its arithmetic needs none of the loaders that its package brings in.
        loaders: dict[str, tuple[str, ...]] = {"hypy_utils": ("write",), "hypy_utils.tqdm_utils": ("tmap", "tq")}
        loaders |= {"kadtk.emb_loader": ("EmbeddingLoader",), "kadtk.model_loader": ("ModelLoader",), "kadtk": ()}
        for name, names in loaders.items():
            sys.modules[name] = types.ModuleType(name)
            vars(sys.modules[name]).update(dict.fromkeys(names), __path__=[str(PEERS / name)])
        kadtk: Any = importlib.import_module("kadtk.kad")
        left, right = torch.from_numpy(x), torch.from_numpy(y)
        return lambda: float(kadtk.calc_kernel_audio_distance(left, right, (None, None), "cpu", bandwidth=BANDWIDTH))
    if way == "prdc":
        prdc: Any = importlib.import_module("prdc.prdc")
        return lambda: prdc.compute_prdc(y, x, 5)["precision"]
    import scipy.sparse

    scipy.sparse.csr = scipy.sparse  # a name that SciPy has removed
    vendi: Any = importlib.import_module("vendi_score.vendi")
    return lambda: vendi.score_X(x)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        main(LARGE if sys.argv[1:] == ["large"] else None)
