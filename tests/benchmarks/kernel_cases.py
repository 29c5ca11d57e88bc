"""Kernel distance, manifold metrics and Vendi by this package, kadtk, prdc and vendi-score, at 512 dimensions."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from metrics.api.score import EmbeddingSet
from metrics.sets.diversity import vendi_of_rows
from metrics.sets.kernel import kad as kad_score
from metrics.sets.kernel import kad_of_rows
from metrics.sets.manifold import prdc as prdc_scores
from metrics.sets.manifold import prdc_of_rows
from tests.benchmarks.peers import importable

DIMENSIONS, FRAMES_A_SONG, BANDWIDTH = 512, 10, 30.0
WITHOUT_TORCH = "this, without torch"

Prepared = tuple[Callable[[], float], None]
Rows = np.ndarray[Any, Any]


def kad(size: int, way: str) -> Prepared:
    """Times 100, as kadtk has it."""
    x, y = _two_sets(size)
    if way == "this":
        return lambda: 100 * kad_of_rows(x, y, BANDWIDTH), None
    if way == "kadtk":
        return _kadtk(x, y), None
    first, second = _by_song(x, y)
    return lambda: 100 * kad_score(first, second, bandwidth=BANDWIDTH).value, None


def prdc(size: int, way: str, decay: float = 1.0) -> Prepared:
    """The precision; all four come at once. torch is there, as where the embeddings were just made."""
    x, y = _two_sets(size, decay)
    if way == WITHOUT_TORCH:
        sys.modules["torch"] = cast(types.ModuleType, None)  # what cannot be imported
    elif way != "prdc":
        importlib.import_module("torch")
    if way in ("this", WITHOUT_TORCH):
        return lambda: prdc_of_rows(y, x)["precision"], None
    if way == "prdc":
        importable("prdc", "0.2")
        theirs: Any = importlib.import_module("prdc.prdc")
        return lambda: theirs.compute_prdc(y, x, 5)["precision"], None
    first, second = _by_song(x, y)
    return lambda: prdc_scores(first, second)["precision"].value, None


def prdc_decaying(size: int, way: str) -> Prepared:
    return prdc(size, way, decay=0.96)


def vendi(size: int, way: str) -> Prepared:
    x, _ = _two_sets(size)
    if way == "this":
        return lambda: vendi_of_rows(x), None
    import scipy.sparse

    scipy.sparse.csr = scipy.sparse  # a name that SciPy has removed
    importable("vendi-score", "0.0.3", source=True)
    theirs: Any = importlib.import_module("vendi_score.vendi")
    return lambda: theirs.score_X(x), None


def _two_sets(size: int, decay: float = 1.0) -> tuple[Rows, Rows]:
    rng = np.random.default_rng(0)
    gains = np.float32(decay) ** np.arange(DIMENSIONS, dtype=np.float32)
    x, y = (rng.standard_normal((size, DIMENSIONS), dtype=np.float32) * gains for _ in range(2))
    return x, y + np.float32(0.05)


def _by_song(*sets: Rows) -> tuple[EmbeddingSet, ...]:
    return tuple(EmbeddingSet(rows, np.arange(len(rows)) // FRAMES_A_SONG) for rows in sets)


def _kadtk(x: Rows, y: Rows) -> Callable[[], float]:
    import torch

    wheel = importable("kadtk", "1.1.0")
    # Its arithmetic needs none of the loaders that its package brings in.
    loaders: dict[str, tuple[str, ...]] = {"hypy_utils": ("write",), "hypy_utils.tqdm_utils": ("tmap", "tq")}
    loaders |= {"kadtk.emb_loader": ("EmbeddingLoader",), "kadtk.model_loader": ("ModelLoader",), "kadtk": ()}
    for name, names in loaders.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(dict.fromkeys(names), __path__=[str(wheel / name)])
    theirs: Any = importlib.import_module("kadtk.kad")
    left, right = torch.from_numpy(x), torch.from_numpy(y)
    return lambda: float(theirs.calc_kernel_audio_distance(left, right, (None, None), "cpu", bandwidth=BANDWIDTH))
