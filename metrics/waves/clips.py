"""Clips as audio, and the mean of a figure over them as a `Score`.

What is measured on the audio itself is one figure per clip. The sampling unit is the song (a clip of generated music, a
track of real music): excerpts of one song count once, and songs are left out in groups within their strata
(`metrics.stats.resampling`). A clip may have no value for a figure (silence has no loudness): it is left out of that
mean, the note counts it, and the score is unreliable once more than a tenth of the clips lack one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.errors import DegenerateInput, UsageError
from metrics.api.registry import unknown_name
from metrics.api.score import Direction, EmbeddingSet, Estimand, Score
from metrics.stats.limits import within_limits
from metrics.stats.resampling import estimate, jackknife

T = TypeVar("T")

MOST_WITHOUT_VALUE = 0.1


@dataclass(frozen=True, eq=False)
class AudioSet:
    """Clips as audio: `clips` of (samples,), all at `rate` Hz; `songs`, the id of each one's song; `strata`, the style
    of each, or None. Samples are kept as they are: a clip that is not finite is something to measure.

    Raises `UsageError` when lengths or types do not fit, or a song is in two strata.
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

    def measure(self, figures: Callable[[ArrayLike, int], T]) -> list[T]:
        """`figures(audio, rate)` of each clip, in order."""
        return [figures(clip, self.rate) for clip in self.clips]


@dataclass(frozen=True)
class Figure(Generic[T]):
    """One figure of what was measured in a clip: its unit, which way is better, and how to get it (None for none)."""

    unit: str
    direction: Direction
    of: Callable[[T], float | None]


def figure_score(name: str, figures: Mapping[str, Figure[T]], clips: AudioSet, measured: Sequence[T]) -> Score:
    """The mean of one figure over clips that were measured, in their order.

    Raises `UsageError` for a name that is none of `figures`, or another number of clips; else as `mean_score`.
    """
    if name not in figures:
        raise UsageError(unknown_name("figure", name, list(figures)))
    if len(measured) != len(clips.clips):
        raise UsageError(f"{len(measured)} measurements came with {len(clips.clips)} clips: one each was expected.")
    figure = figures[name]
    return mean_score(
        name,
        [figure.of(found) for found in measured],
        clips.units,
        unit=figure.unit,
        direction=figure.direction,
        strata=clips.strata,
        provenance=clips.provenance,
    )


def mean_score(
    name: str,
    values: Sequence[float | None] | ArrayLike,
    units: Sequence[Any] | ArrayLike,
    *,
    unit: str,
    direction: Direction,
    strata: Sequence[str] | ArrayLike | None = None,
    estimand: Estimand = "population",
    note: str = "mean over clips",
    n_frames: int | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Score:
    """The mean of one figure per clip over songs, each song counting once, with its jackknife error.

    `values` (n,) with None where a clip has none, `songs` and `strata` (n,) as in `EmbeddingSet`. `n_frames` defaults
    to the clips that have a value. Raises `DegenerateInput` where fewer than 3 songs have a value, `UsageError` for NaN
    or infinity: what has no value is None.
    """
    column = np.array([np.nan if value is None else value for value in np.asarray(values, dtype=object)], dtype=float)
    has = np.array([value is not None for value in np.asarray(values, dtype=object)], dtype=bool)
    if not np.isfinite(column[has]).all():
        raise UsageError(f"{name}: a value is NaN or infinite. Give None for a clip that has no value.")
    if not has.any():
        raise DegenerateInput(f"{name} has no value for any of {has.size} clips.")
    data = EmbeddingSet(
        column[has][:, None],
        np.asarray(units)[has],
        strata=None if strata is None else np.asarray(strata, dtype=np.str_)[has],
    )
    ids, means = _song_means(column[has], data.units)
    table = EmbeddingSet(means[:, None], ids, strata=data.unit_strata())
    plain = float(means.mean())
    result = estimate(plain, [jackknife(lambda part: float(part.frames.mean(dtype=float)), table)], correct=False)
    without = int((~has).sum())
    if without:
        note = f"{note}; {without} of {has.size} clips have no value and are left out"
    return Score(
        name=name,
        value=plain,
        stderr=result.stderr,
        interval=within_limits(result.interval, unit, len(ids), difference=name.endswith(" difference")),
        n_units=len(ids),
        n_frames=int(has.sum()) if n_frames is None else n_frames,
        unit=unit,
        direction=direction,
        estimand=estimand,
        reliable=without <= MOST_WITHOUT_VALUE * has.size,
        note=note,
        plain=plain,
        provenance={**(provenance or {}), "df": result.df},
    )


def _song_means(values: NDArray[Any], units: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    # In float64: an EmbeddingSet would round to float32.
    ids, inverse = np.unique(units, return_inverse=True)
    return ids, np.bincount(inverse, weights=values) / np.bincount(inverse)
