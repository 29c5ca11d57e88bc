"""How varied the frames of a set are, and how much of the variety between clips is owed to their prompts.

Frames of one clip are alike. The mean over pairs leaves pairs of one clip out, so that it says of clips what it says,
whatever their length; Vendi of frames counts sounds, those within a clip too, and is to be compared at equal length as
well as at equal number. Cosines are taken from a reference's centre, as in `metrics.sets.diversity`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.replicates import Replicates
from metrics.api.score import Direction, EmbeddingSet, Score
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.diversity import centre_of, centred_means, effective_number, seen_from, unit_rows
from metrics.sets.sides import check_sides, unit_codes
from metrics.stats.folds import assign_folds
from metrics.stats.resampling import leave_out
from metrics.stats.scoring import Kind, LeftOut

Matrix = NDArray[np.floating[Any]]

FEWEST_PROMPTS = 3


def diversity_across_units(rows: ArrayLike, units: ArrayLike) -> float:
    """1 − the mean cosine over pairs of rows (N, D) of different units.

    Raises `DegenerateInput` when there is no such pair or a row points nowhere.

    >>> diversity_across_units([[1, 0], [1, 0], [0, 1]], ["a", "a", "b"])
    1.0
    """
    unit = unit_rows(rows)
    codes = unit_codes(units, len(unit))
    sums = _sums(unit, codes)
    return _across(sums.sum(0), float(np.sum(sums**2)), np.bincount(codes))


def frame_diversity(evaluated: EmbeddingSet, reference: EmbeddingSet | None = None) -> Score:
    """1 − the mean cosine between frames of different clips, with its jackknife error over clips.

    Raises `DegenerateInput` for fewer than 3 clips and `UsageError` for a reference that was embedded differently.
    """
    return _score("frame_diversity", evaluated, reference)


def vendi_frames(evaluated: EmbeddingSet, reference: EmbeddingSet | None = None) -> Score:
    """The effective number of different frames, by the (D, D) dual, with its jackknife error over clips. Errors as for
    `frame_diversity`.
    """
    return _score("vendi_frames", evaluated, reference)


UNITS = {"frame_diversity": "1 − cosine", "vendi_frames": "frames"}


def _score(name: str, evaluated: EmbeddingSet, reference: EmbeddingSet | None) -> Score:
    centre = np.zeros(evaluated.frames.shape[1])
    if reference is not None:
        check_sides(reference, evaluated)
        centre = centre_of(reference)
    if name == "frame_diversity":
        kind = Kind(name, UNITS[name], "higher", note="over pairs of frames of two clips")
        found = _across_units(evaluated, centre)
    else:
        note = f"of {len(evaluated.frames)} frames: compare at equal numbers and lengths"
        kind = Kind(name, UNITS[name], "higher", "population at this n", note)
        found = _vendi(evaluated, centre)
    return kind.score(found.of(evaluated), evaluated, about=seen_from(reference))


def _across_units(data: EmbeddingSet, centre: Matrix) -> LeftOut:
    codes = unit_codes(data.units, len(data.units))
    sizes, sums = np.bincount(codes), np.zeros((codes.max(initial=0) + 1, len(centre)))
    for code in range(len(sizes)):
        sums[code] = unit_rows(data.frames[codes == code] - centre).sum(0)
    total, squares = sums.sum(0), np.sum(sums**2, axis=1)
    rounds = []
    for folds in assign_folds(data):
        without = []
        for group in range(folds.max() + 1):
            gone = folds == group
            left = total - sums[gone].sum(0)
            without.append(_across(left, squares[~gone].sum(), sizes[~gone]))
        rounds.append(np.array(without))
    return LeftOut(_across(total, float(squares.sum()), sizes), rounds)


def _across(total: Matrix, squares: float, sizes: NDArray[np.intp]) -> float:
    """1 − mean cosine, from the sum of all unit rows, the squared lengths of the units' sums, and rows for a unit."""
    pairs = float(sizes.sum() ** 2 - np.sum(sizes**2))
    if pairs == 0:
        raise DegenerateInput("all frames are of one clip: diversity takes at least 2. Sample more clips.")
    return float(1 - (total @ total - squares) / pairs)


def _vendi(data: EmbeddingSet, centre: Matrix) -> LeftOut:
    all_folds = assign_folds(data)
    codes = unit_codes(data.units, len(data.units))
    plain, rounds = 0.0, []
    for folds in all_folds:
        groups = [unit_rows(data.frames[folds[codes] == g] - centre) for g in range(folds.max() + 1)]
        grams, sizes = [unit.T @ unit for unit in groups], [len(unit) for unit in groups]
        gram, n = np.sum(grams, axis=0), sum(sizes)
        plain = effective_number(np.linalg.eigvalsh(gram / n))
        without = [np.linalg.eigvalsh((gram - one) / (n - size)) for one, size in zip(grams, sizes, strict=True)]
        rounds.append(np.array([effective_number(shares) for shares in without]))
    return LeftOut(plain, rounds)


def _sums(unit: Matrix, codes: NDArray[np.intp]) -> Matrix:
    sums = np.zeros((codes.max(initial=0) + 1, unit.shape[1]))
    np.add.at(sums, codes, unit)
    return sums


# ── Prompts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def diversity_by_prompt(rows: ArrayLike, prompts: ArrayLike) -> dict[str, float]:
    """1 − mean cosine within and across prompts of clips (n, D) with their prompts (n,), and across − within, by name.

    Means over prompts of means over pairs, so that each prompt counts the same. Raises `DegenerateInput` for fewer than
    two prompts, a prompt with one clip, or a row that points nowhere.

    >>> diversity_by_prompt([[1, 0], [1, 0], [0, 1], [0, -1]], ["a", "a", "b", "b"])
    {'within_prompt_diversity': 1.0, 'across_prompt_diversity': 1.0, 'prompt_effect': 0.0}
    """
    unit = unit_rows(rows)
    codes = unit_codes(prompts, len(unit))
    sizes, sums = np.bincount(codes), _sums(unit, codes)
    if sizes.min() < 2:
        alone = np.unique(np.asarray(prompts))[sizes.argmin()]
        raise DegenerateInput(f"prompt {str(alone)!r} has one clip: at least 2 were expected. Sample more.")
    squares = np.sum(sums**2, axis=1)
    within = float(1 - np.mean((squares - sizes) / (sizes * (sizes - 1))))
    means = sums / sizes[:, None]
    across = _across(means.sum(0), float(np.sum(means**2)), np.ones(len(sizes), dtype=np.intp))
    values = within, across, across - within
    return dict(zip(PROMPT_DIRECTIONS, values, strict=True))


def within_prompt_diversity(
    evaluated: EmbeddingSet, reference: EmbeddingSet | None = None, prompts: Mapping[Any, Any] | None = None
) -> Score:
    """1 − the mean cosine between clips of one prompt: how varied the answers to one question are.

    `prompts` maps a clip's id to its prompt; without it a clip's stratum is its prompt. Every prompt counts the same
    and is the sampling unit of the error. Raises `DegenerateInput` for fewer than 3 prompts or a prompt with one clip,
    `UsageError` when clips have no prompt.
    """
    return _of_prompts("within_prompt_diversity", evaluated, reference, prompts)


def across_prompt_diversity(
    evaluated: EmbeddingSet, reference: EmbeddingSet | None = None, prompts: Mapping[Any, Any] | None = None
) -> Score:
    """1 − the mean cosine between clips of different prompts. Arguments and errors as for `within_prompt_diversity`."""
    return _of_prompts("across_prompt_diversity", evaluated, reference, prompts)


def prompt_effect(
    evaluated: EmbeddingSet, reference: EmbeddingSet | None = None, prompts: Mapping[Any, Any] | None = None
) -> Score:
    """Across-prompt − within-prompt diversity: how far prompts move the clips; 0 when they make no difference.

    Arguments and errors as for `within_prompt_diversity`.
    """
    return _of_prompts("prompt_effect", evaluated, reference, prompts)


PROMPT_DIRECTIONS: dict[str, Direction] = {
    "within_prompt_diversity": "higher",
    "across_prompt_diversity": "higher",
    "prompt_effect": "none",
}


def _of_prompts(
    name: str, evaluated: EmbeddingSet, reference: EmbeddingSet | None, prompts: Mapping[Any, Any] | None
) -> Score:
    table = _by_prompt(evaluated, reference, prompts)

    def statistic(clips: EmbeddingSet) -> float:
        return diversity_by_prompt(clips.frames, clips.units)[name]

    replicates = Replicates(statistic(table), (leave_out(statistic, table),))
    note = f"over {table.n_units} prompts, the unit of the error"
    about = {"prompts": table.n_units, "sampling_unit": "prompt"} | seen_from(reference)
    return Kind(name, "1 − cosine", PROMPT_DIRECTIONS[name], note=note).score(replicates, evaluated, about=about)


def _by_prompt(
    evaluated: EmbeddingSet, reference: EmbeddingSet | None, prompts: Mapping[Any, Any] | None
) -> EmbeddingSet:
    """One row for each clip, of length one, whose "unit" is its prompt."""
    means = centred_means(evaluated, reference)
    prompt_of = _prompts(means, prompts)
    found = len(np.unique(prompt_of))
    if found < FEWEST_PROMPTS:
        raise DegenerateInput(f"{found} prompts were given: at least {FEWEST_PROMPTS} were expected. Add prompts.")
    return EmbeddingSet(unit_rows(means.frames), prompt_of, evaluated.provenance)


def _prompts(means: EmbeddingSet, prompts: Mapping[Any, Any] | None) -> NDArray[Any]:
    if prompts is None:
        if means.strata is None:
            raise UsageError("the clips come without prompts: give `prompts`, clip id → prompt, or a set with strata.")
        return means.strata
    missing = [clip for clip in means.units.tolist() if clip not in prompts]
    if missing:
        raise UsageError(f"{len(missing)} clips have no prompt, such as {missing[0]!r}: one for each was expected.")
    return np.array([str(prompts[clip]) for clip in means.units.tolist()])
