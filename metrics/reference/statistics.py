"""Mean, covariance and principal components of a reference set, computed once for each content.

    <cache>/reference/statistics/<hash of the set>-<components>.safetensors

The file is named by the frames, units, styles and provenance that it was computed from: another set, or the same name
built anew from other music, has another file, and nothing has to be invalidated. The folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.api.score import EmbeddingSet
from metrics.errors import DegenerateInput, UsageError
from metrics.io.files import write_bytes
from metrics.reference.sets import user_folder
from metrics.sets.frechet import HEADLINE_COMPONENTS

VERSION = 1


@dataclass(frozen=True, eq=False)
class ReferenceStatistics:
    """float64 `mean` (D,), `covariance` (D, D) with n−1, and the first k principal components of the frames.

    `components` (k, D) are orthonormal, the largest variance first, each with its largest entry positive; `variances`
    (k,) are theirs and `explained` is their share of the whole.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    components: NDArray[np.float64]
    variances: NDArray[np.float64]

    @property
    def explained(self) -> float:
        return float(self.variances.sum() / np.trace(self.covariance))


def reference_statistics(
    reference: EmbeddingSet, components: int = HEADLINE_COMPONENTS, folder: Path | None = None
) -> ReferenceStatistics:
    """The statistics of a set, from the cache where they are in it.

    `folder` is the cache's (beside the user's sets unless given). Raises `DegenerateInput` for fewer than two frames or
    frames that are all alike, `UsageError` for more components than the frames have.
    """
    most = min(reference.frames.shape[1], len(reference.frames) - 1)
    if most < 1:
        raise DegenerateInput("a reference of one frame has no covariance: at least two were expected.")
    if not 1 <= components <= most:
        raise UsageError(f"{components} components were requested: this reference allows 1 to {most}.")
    path = (folder or user_folder() / "statistics") / f"{content_sha256(reference)}-{components}.safetensors"
    found = _read(path)
    if found is None:
        found = compute(reference, components)
        write_bytes(path, _bytes(found))
    return found


def compute(reference: EmbeddingSet, components: int) -> ReferenceStatistics:
    """The same, computed now."""
    frames = reference.frames.astype(np.float64)
    mean = frames.mean(axis=0)
    centred = frames - mean
    covariance = centred.T @ centred / (len(frames) - 1)
    values, vectors = np.linalg.eigh(covariance)
    if values[-1] <= 0:
        raise DegenerateInput("all frames of the reference are alike: there is no spread to measure against.")
    axes = vectors[:, : -components - 1 : -1].T
    # An eigenvector's sign is the library's whim.
    axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1))
    return ReferenceStatistics(mean, covariance, axes, np.maximum(values[: -components - 1 : -1], 0.0))


def content_sha256(reference: EmbeddingSet) -> str:
    """SHA-256 of everything that a set holds, in hex."""
    strata = None if reference.strata is None else reference.strata.tolist()
    described = {
        "version": VERSION, "shape": reference.frames.shape, "songs": reference.units.tolist(), "strata": strata,
        "provenance": reference.provenance,
    }  # fmt: skip
    content = hashlib.sha256(json.dumps(described, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    content.update(np.ascontiguousarray(reference.frames, dtype="<f4").tobytes())
    return content.hexdigest()


def _bytes(statistics: ReferenceStatistics) -> bytes:
    from safetensors.numpy import save

    names = ("mean", "covariance", "components", "variances")
    return save({name: np.ascontiguousarray(getattr(statistics, name)) for name in names})


def _read(path: Path) -> ReferenceStatistics | None:
    """What is cached, or None when it is not there or cannot be read: a cache is made again, not repaired."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors: dict[str, Any] = load_file(path)
        return ReferenceStatistics(**tensors)
    except (OSError, SafetensorError, TypeError):
        return None
