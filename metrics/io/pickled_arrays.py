"""Arrays out of an object `.npy`, without the door that pickle opens.

Old releases of weights are dictionaries of arrays that `numpy.save` pickled. `numpy.load(allow_pickle=True)` would run
whatever the file says. Here the same bytes go through an unpickler that knows three names, those of which an array is
made, and refuses every other: nothing of the file's choice is imported or called.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from metrics.errors import WeightsError

KINDS = "biufc?"
"""Kinds of numbers an array may hold, besides the outer one that holds the dictionary."""


def load_dictionary(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """{layer: {variable: array}} out of a `.npy` file that holds one pickled dictionary of two levels.

    Raises `WeightsError` for any other file.
    """
    try:
        with path.open("rb") as file:
            major, minor = np.lib.format.read_magic(file)
            if (major, minor) != (1, 0):
                raise ValueError(f"version {major}.{minor} of the format: 1.0 was expected")
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            if shape != () or dtype != np.dtype(object):
                raise ValueError(f"an array of {dtype} of shape {shape}: one object was expected")
            content = _Arrays(io.BytesIO(file.read()), encoding="latin1").load()
    except (OSError, ValueError, EOFError, pickle.UnpicklingError, TypeError, IndexError, KeyError) as error:
        raise WeightsError(f"{path} is not a dictionary of arrays saved by NumPy ({error}). Fetch it again.") from error
    layers = content.item() if isinstance(content, np.ndarray) and content.shape == () else content
    if not isinstance(layers, dict) or not all(_is_layer(layer) for layer in layers.values()):
        raise WeightsError(f"{path} holds something else than a dictionary of arrays: fetch it again.")
    return layers


def _is_layer(layer: Any) -> bool:
    return isinstance(layer, dict) and all(
        isinstance(array, np.ndarray) and array.dtype.kind in KINDS for array in layer.values()
    )


def _empty(kind: Any, shape: Any, typecode: Any) -> np.ndarray:
    """What NumPy's pickles begin an array with; its content follows as a state."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError(f"{kind!r} in place of an array")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy.core.multiarray", "_reconstruct"): _empty,
            ("numpy._core.multiarray", "_reconstruct"): _empty,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of an array")
        return known[module, name]
