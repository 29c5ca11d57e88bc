"""What two folders of paired files differ in: each chosen metric's difference, its error, and a test.

The chosen metrics are one family: their p-values, each of a paired permutation test, are adjusted by Holm's method, so
that the chance that any of them is called significant where nothing differs is 5 %. Choose fewer, and each is tested
more sharply; to choose after having seen the figures is to test nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.core.errors import DegenerateInput, UsageError
from harness.core.progress import Progress
from harness.scoring.clips import SoundFile
from harness.scoring.measuring import Measured, figure_of, provenance, value_of
from harness.scoring.score import SIGNIFICANCE
from metrics.api.catalogue import Metric
from metrics.api.score import EmbeddingSet, Score
from metrics.compare.comparison import holm, paired_difference
from metrics.compare.difference import Difference
from metrics.compare.permuted import Permuted
from metrics.stats.permutation import ALL_FLIPS, PERMUTATIONS, PermutationTest, sign_flip_test
from metrics.stats.scoring import Kind, mean_score


@dataclass(frozen=True)
class SetDifference:
    """The second set − the first in one metric. `p` is the permutation test's, `adjusted` by Holm over the family of
    `family` metrics, `relabellings` the number tried, itself included: p cannot be below 1 over it.
    """

    metric: str
    score: Score | Difference
    p: float
    adjusted: float
    family: int
    relabellings: int

    @property
    def significant(self) -> bool:
        return self.adjusted < SIGNIFICANCE

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "score": self.score.as_dict(), "significant": self.significant}


def differences(
    chosen: Sequence[Metric],
    first: Measured,
    second: Measured,
    reference: EmbeddingSet | None,
    progress: Progress,
    *,
    prompts: Mapping[str, str] | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> tuple[list[SetDifference], dict[str, str]]:
    """The differences that have a value, in the order chosen, and for the others the reason.

    Raises `UsageError`, naming the parts, unless number and ids of clips, embedder, preprocessing and reference agree.
    """
    check_alike(first, second)
    conditions = None
    if any("embedding" in row.needs for row in chosen):
        conditions = Permuted(first.sounds.embedded(), second.sounds.embedded(), reference, prompts)
    found: list[tuple[str, Score | Difference, PermutationTest]] = []
    unmeasured: dict[str, str] = {}
    relabellings = 2**first.clips if first.clips <= ALL_FLIPS else permutations + 1
    with progress.stage("permutation tests", len(chosen)) as stage:
        for done, row in enumerate(chosen):
            called = iter(range(1, 2 * relabellings + 1))

            def advance(done: int = done, called: Any = called, name: str = row.name) -> None:
                stage.advance(done + next(called) / (2 * relabellings), name)

            try:
                if figure_of(row) is not None or conditions is None:
                    score, test = _of_figure(row, first.sounds.whole, second.sounds.whole, permutations, seed)
                else:
                    score = _paired(row, conditions)
                    test = conditions.test(row, permutations=permutations, seed=seed, advance=advance)
            except (DegenerateInput, UsageError) as error:
                unmeasured[row.name] = str(error)
            else:
                about = provenance(first.settings, seed) | {"relabellings": test.permutations}
                found.append((row.name, replace(score, provenance=score.provenance | about), test))
            stage.advance(done + 1, row.name)
    adjusted = holm([test.p for _, _, test in found])
    return [
        SetDifference(name, score, test.p, p, len(found), test.permutations)
        for (name, score, test), p in zip(found, adjusted, strict=True)
    ], unmeasured


def check_alike(first: Measured, second: Measured) -> None:
    """Raise `UsageError` unless two sets may be compared in pairs; the message names every part that differs."""
    parts = {
        "number of clips": (first.clips, second.clips),
        **{
            part: (first.settings.get(part), second.settings.get(part))
            for part in ("embedder", "preprocessing", "excerpt_seconds", "reference", "reference_hash")
        },
    }
    wrong = [f"{part} is {_short(a)} against {_short(b)}" for part, (a, b) in parts.items() if a != b]
    ids = [{file.clip.id for file in side.sounds.whole} for side in (first, second)]
    if not wrong and ids[0] != ids[1]:
        wrong = [f"{len(ids[0] ^ ids[1])} clips are in one only, such as {min(ids[0] ^ ids[1])!r}"]
    if wrong:
        raise UsageError(
            f"{first.sounds.name} and {second.sounds.name} are not compared: {'; '.join(wrong)}. "
            "Measure both in one way, with a pair of clips for each unit."
        )


def _paired(row: Metric, conditions: Permuted) -> Difference:
    options = {"prompts": conditions.prompts} if conditions.prompts is not None and "prompt" in row.needs else {}
    return paired_difference(row.name, conditions.first, conditions.second, conditions.reference, **options)


def _of_figure(
    row: Metric, first: Sequence[SoundFile], second: Sequence[SoundFile], permutations: int, seed: int
) -> tuple[Score, PermutationTest]:
    """The mean of a figure's differences over the pairs in which both files have it."""
    before = {file.clip.id: value_of(row, file) for file in first}
    values: list[float | None] = []
    for file in second:
        then, now = before[file.clip.id], value_of(row, file)
        values.append(None if then is None or now is None else now - then)
    styles = [file.clip.style for file in second]
    kind = Kind(f"{row.name} difference", row.unit, row.direction, note="mean over pairs", needs_calibration=False)
    score = mean_score(
        kind, values, [file.clip.id for file in second], strata=styles if any(styles) else None,
        provenance={"paired": True},
    )  # fmt: skip
    test = sign_flip_test([value for value in values if value is not None], permutations=permutations, seed=seed)
    return score, test


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else said[:57] + "…"
