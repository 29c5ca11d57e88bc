"""Clips as audio, and the mean of a value over them as a `Score`.

What is measured on the audio itself is one value per clip. The sampling unit is a clip of generated music or a track of
real music: excerpts of one track count once, and units are left out in folds within their strata
(`metrics.stats.resampling`). A clip may have no value (silence has no loudness): it is left out of that
mean, the note counts it, and the score is unreliable once more than a tenth of the clips lack one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.registry import unknown_name
from metrics.api.score import Direction, EmbeddingSet, Score
from metrics.errors import UsageError
from metrics.stats.scoring import Kind, mean_score

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class AudioSet:
    """Clips as audio: `clips` of (samples,), all at `rate` Hz; `units`, the id of each one's unit; `strata`, the style
    of each, or None. Samples are kept as they are: a clip that is not finite is something to measure.

    Raises `UsageError` when lengths or types do not fit, or a unit is in two strata.
    """

    clips: Sequence[NDArray[np.floating[Any]]]
    rate: int
    units: Sequence[int] | Sequence[str]
    strata: Sequence[str] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clips = [np.asarray(clip, dtype=np.float32) for clip in self.clips]
        odd = [clip.shape for clip in clips if clip.ndim != 1]
        if odd:
            raise UsageError(f"a clip has shape {odd[0]}: mono audio of shape (samples,) was expected.")
        if self.rate <= 0:
            raise UsageError(f"the rate was {self.rate} Hz: a positive number was expected.")
        EmbeddingSet.from_clips([np.zeros((1, 1))] * len(clips), self.units, {}, self.strata)  # checks the ids
        object.__setattr__(self, "clips", clips)

    def measure(self, measurement: Callable[[ArrayLike, int], T]) -> list[T]:
        """`measurement(audio, rate)` of each clip, in order."""
        return [measurement(clip, self.rate) for clip in self.clips]


@dataclass(frozen=True)
class ClipValue(Generic[T]):
    """One value of a clip's measurement: its unit, which direction is better, how to read it (None if undefined)."""

    unit: str
    direction: Direction
    of: Callable[[T], float | None]


def clip_value_score(name: str, known: Mapping[str, ClipValue[T]], clips: AudioSet, measured: Sequence[T]) -> Score:
    """The mean of one value over clips that were measured, in their order.

    Raises `UsageError` for a name that is none of `known`, or another number of clips; else as `mean_score`.
    """
    if name not in known:
        raise UsageError(unknown_name("value", name, list(known)))
    if len(measured) != len(clips.clips):
        raise UsageError(f"{len(measured)} measurements came with {len(clips.clips)} clips: one each was expected.")
    clip_value = known[name]
    kind = Kind(name, clip_value.unit, clip_value.direction, needs_calibration=False)
    values = [clip_value.of(found) for found in measured]
    return mean_score(kind, values, clips.units, strata=clips.strata, provenance=clips.provenance)
