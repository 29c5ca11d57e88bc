"""How likely clips are under a model: what a code of theirs, or a second, costs, as the mean over clips.

The values come from a model that codes audio and says how probable each code is (`harness score --likelihood`). A low
cost is no praise: what is simple is likely, and a sine is likelier than music. Compare clips of one kind under one
model, or the models by the same clips.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.registry import unknown_name
from metrics.api.score import Score
from metrics.errors import UsageError
from metrics.stats.scoring import Kind, mean_score

UNITS = {"nats_per_token": "nats a code", "bits_per_token": "bits a code", "bits_per_second": "bits a second"}


@dataclass(frozen=True, eq=False)
class Likelihoods:
    """Clips under one model: `nats` (n,), −ln p of all codes of each; `codes` (n,), how many it has; `seconds` (n,),
    how long it is. `units` and `strata` (n,) as in `EmbeddingSet`; `provenance` names the model.

    Raises `UsageError` for lengths that do not fit, numbers that are not finite, and clips without codes or length.
    """

    nats: ArrayLike
    codes: ArrayLike
    seconds: ArrayLike
    units: ArrayLike
    strata: ArrayLike | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = [np.asarray(column, dtype=np.float64) for column in (self.nats, self.codes, self.seconds)]
        shapes = {column.shape for column in (*columns, np.asarray(self.units))}
        if len(shapes) > 1 or columns[0].ndim != 1:
            raise UsageError(f"likelihoods have shapes {sorted(shapes)}: one of each for a clip, (n,), was expected.")
        if not np.isfinite(columns).all() or min(column.min(initial=1.0) for column in columns[1:]) <= 0:
            raise UsageError("likelihoods are not finite, or a clip has no codes or no length. Leave it out.")
        for name, column in zip(("nats", "codes", "seconds"), columns, strict=True):
            object.__setattr__(self, name, column)

    def of_clips(self, name: str) -> NDArray[np.float64]:
        """One of `UNITS` for each clip, (n,). Raises `UsageError` for another name."""
        if name not in UNITS:
            raise UsageError(unknown_name("value", name, list(UNITS)))
        nats = np.asarray(self.nats) / (1.0 if name == "nats_per_token" else np.log(2))
        return nats / np.asarray(self.seconds if name == "bits_per_second" else self.codes)


def likelihood_score(name: str, clips: Likelihoods) -> Score:
    """The mean over clips of one of `UNITS`. Raises `DegenerateInput` for fewer than 3 units."""
    values, units = clips.of_clips(name), np.asarray(clips.units)
    kind = Kind(name, UNITS[name], "none", needs_calibration=False)
    return mean_score(kind, values, units, strata=clips.strata, provenance=clips.provenance)
