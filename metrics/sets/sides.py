"""What metrics of two sets have in common: that the sets may be compared, and rows and units that can be used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.score import EmbeddingSet, check_comparable
from metrics.errors import DegenerateInput, UsageError

Matrix = NDArray[np.floating[Any]]


def check_sides(reference: EmbeddingSet, *evaluated: EmbeddingSet) -> None:
    """Raise `UsageError` unless every set was embedded like the reference, in as many dimensions."""
    for data in evaluated:
        check_comparable(data.provenance, reference.provenance)
        if data.frames.shape[1] != reference.frames.shape[1]:
            raise UsageError(
                f"the clips are embedded in {data.frames.shape[1]} dimensions and the reference in "
                f"{reference.frames.shape[1]}: use the embedder that the reference was made with."
            )


def checked_rows(rows: ArrayLike, which: str, at_least: int = 2) -> Matrix:
    """Rows (N, D) of floats, float32 as they are and anything else as float64.

    Raises `UsageError` for another shape and `DegenerateInput` for too few rows, no dimensions, or NaN and infinity.
    """
    array = np.asarray(rows)
    if array.ndim != 2:
        raise UsageError(f"{which} embeddings have shape {array.shape}: (frames, dimensions) was expected.")
    if array.dtype != np.float32:
        array = array.astype(np.float64)
    if len(array) < at_least or array.shape[1] == 0:
        raise DegenerateInput(
            f"{which} embeddings have shape {array.shape}: at least {at_least} frames were expected. Add clips."
        )
    if not np.isfinite(array).all():
        raise DegenerateInput(f"{which} embeddings are not all finite. Leave out the clips that gave NaN or infinity.")
    return array


def unit_codes(units: ArrayLike | None, rows: int) -> NDArray[np.intp]:
    """Units as numbers 0, 1, … (N,) in the order of their sorted ids; without units each row is one by itself."""
    if units is None:
        return np.arange(rows)
    ids = np.asarray(units)
    if ids.shape != (rows,):
        raise UsageError(f"{rows} frames came with units of shape {ids.shape}: one id for a frame was expected.")
    return np.unique(ids, return_inverse=True)[1]
