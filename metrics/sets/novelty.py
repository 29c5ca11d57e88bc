"""Whether clips are new, or near to music that was trained on or given as a prompt.

A clip's likeness to a set is that of its frames to the nearest frame of each of the set's tracks, in the mean over its
frames: the cosine from the centre of the set (`diversity.centre_of`). By itself that value means nothing: it depends
on the embedder and on how many tracks there are to be near to. It is therefore given as the percentile it would have
among the real tracks' own likenesses to each other: 50 is as near as one real track is to the others, 100 nearer than
any two, 0 farther than all. The tracks of a set are compared with the *other* tracks, and a clip whose id is in the set
likewise: frames of one track are alike, and would make all else look new.

Of 59 tracks of real music in musicnn's space, random halves scored 52 against each other (the mean of ten), other
excerpts of the known tracks themselves 64 ± 8, and noise 0.

High values are where to listen, with `metrics.waves.copies` for passages taken over as they are. Low ones are no merit:
noise is new.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.api.score import EmbeddingSet, Estimand, Score, check_comparable
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.diversity import centre_of, unit_rows
from metrics.stats.folds import assign_folds
from metrics.stats.resampling import estimate_of
from metrics.stats.scoring import LeftOut

Matrix = NDArray[np.floating[Any]]

FEWEST_KNOWN = 20
"""Tracks in the set: with fewer, a percentile is in steps of more than 5."""


def neighbour_percentiles(evaluated: EmbeddingSet, known: EmbeddingSet) -> dict[Any, float]:
    """For each clip, by id: the percentile, 0 to 100, of its likeness among those of the known tracks to each other.

    Raises as `neighbour_percentile`, but takes any number of clips.
    """
    clips, units = _likenesses(evaluated, known), _likenesses(known, known)
    values = _percentiles(clips.nearest(), units.nearest())
    return dict(zip(np.unique(evaluated.units).tolist(), values.tolist(), strict=True))


def nearest_songs(evaluated: EmbeddingSet, known: EmbeddingSet) -> dict[Any, tuple[Any, float]]:
    """For each clip, by id: the known track that is nearest to it, frame by frame, and the cosine."""
    table = _likenesses(evaluated, known).by_clip()
    best = np.nanargmax(table, axis=1)
    ids, names = np.unique(evaluated.units).tolist(), np.unique(known.units).tolist()
    return {clip: (names[n], float(table[i, n])) for i, (clip, n) in enumerate(zip(ids, best, strict=True))}


def neighbour_percentile(evaluated: EmbeddingSet, known: EmbeddingSet, *, estimand: Estimand = "population") -> Score:
    """The mean percentile over clips: 50 for music as near to the known tracks as they are to each other.

    Args:
        evaluated: The clips, (N, D) frames of n units.
        known: The training set, or the audio prompts, embedded alike.
        estimand: "population" takes the known tracks as a sample of their kind, and their share of the error counts
            too; "fixed reference" asks about these very tracks.

    Returns:
        The score, a percentile from 0 to 100; unreliable with fewer than 20 known tracks.

    Raises:
        UsageError: The sets were embedded differently.
        DegenerateInput: Fewer than 3 clips or tracks.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
    >>> 0 <= neighbour_percentile(made, real).value <= 100
    True
    """
    clips, units = _likenesses(evaluated, known), _likenesses(known, known)
    percentiles = _percentiles(clips.nearest(), units.nearest())
    all_folds = assign_folds(evaluated)
    without = [np.array([percentiles[folds != fold].mean() for fold in range(folds.max() + 1)]) for folds in all_folds]
    without_known: list[Matrix] = []
    if estimand == "population":
        without_known = [
            np.array([_without(clips, units, folds == fold) for fold in range(folds.max() + 1)])
            for folds in assign_folds(known)
        ]
    replicates = LeftOut(float(percentiles.mean()), without, without_known).of(evaluated, known)
    result = estimate_of(replicates)
    few = known.n_units < FEWEST_KNOWN
    above = float(np.mean(percentiles > 95))
    return Score(
        name="neighbour_percentile",
        value=result.value,
        stderr=result.stderr,
        interval=result.interval,
        n_units=evaluated.n_units,
        n_frames=len(evaluated.frames),
        unit="percentile",
        direction="none",
        estimand=estimand,
        reliable=not few,
        note=f"among the likenesses of {known.n_units} known tracks to each other; "
        f"{above:.0%} of clips are above 95, where 5% are expected",
        plain=replicates.plain,
        provenance={
            **evaluated.provenance, "known": known.provenance, "known_units": known.n_units, "df": result.df,
            "above_95": above,
        },
        replicates=replicates,
        why=f"{known.n_units} known tracks are too few for a percentile: take {FEWEST_KNOWN}" if few else "",
    )  # fmt: skip


class _Likenesses:
    """The cosine of each frame of a set with the nearest frame of each known track; −inf for the clip's own unit."""

    def __init__(self, table: Matrix, clip: NDArray[np.intp]) -> None:
        self.table, self.clip = table, clip  # (frames, units), (frames,)

    def nearest(self, keep: NDArray[np.bool_] | None = None) -> Matrix:
        """For each clip: the mean over its frames of the best cosine, among the units to keep."""
        best = (self.table if keep is None else self.table[:, keep]).max(axis=1)
        return np.bincount(self.clip, weights=best) / np.bincount(self.clip)

    def by_clip(self) -> Matrix:
        """(clips, units): the mean over frames, −inf for the clip's own unit."""
        sums = np.zeros((int(self.clip.max()) + 1, self.table.shape[1]))
        np.add.at(sums, self.clip, self.table)
        return sums / np.bincount(self.clip)[:, None]


def _likenesses(data: EmbeddingSet, known: EmbeddingSet) -> _Likenesses:
    check_comparable(data.provenance, known.provenance)
    if data.frames.shape[1] != known.frames.shape[1]:
        raise UsageError(
            f"the clips have {data.frames.shape[1]} dimensions and the known tracks {known.frames.shape[1]}: "
            "embed both alike."
        )
    if known.n_units < 3:
        raise DegenerateInput(f"{known.n_units} known tracks were given: at least 3 were expected.")
    centre = centre_of(known)
    rows = unit_rows(data.frames - centre).astype(np.float32)
    others = unit_rows(known.frames - centre).astype(np.float32)
    names, track = np.unique(known.units, return_inverse=True)
    ids, clip = np.unique(data.units, return_inverse=True)
    # One known track at a time: never all frames against all frames.
    table = np.stack([(rows @ others[track == n].T).max(axis=1) for n in range(len(names))], axis=1)
    if ids.dtype.kind == names.dtype.kind:
        table[ids[clip][:, None] == names] = -np.inf
    return _Likenesses(table, clip)


def _without(clips: _Likenesses, units: _Likenesses, left_out: NDArray[np.bool_]) -> float:
    """The mean percentile when these known tracks are not known."""
    real = units.nearest(~left_out)[~left_out]
    return float(_percentiles(clips.nearest(~left_out), real).mean())


def _percentiles(values: Matrix, among: Matrix) -> Matrix:
    """Where values lie among others, 0 to 100; a tie counts half."""
    ordered = np.sort(among)
    below, upto = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return 50 * (below + upto) / ordered.size
