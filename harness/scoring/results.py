"""What a run found: scores per condition, differences between conditions, and the clips behind them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.planning.experiment import Condition, Experiment
from harness.planning.plan import ClipRequest
from harness.sampling.failures import Failure
from harness.store.clips import StoredClip
from metrics.api.score import Score
from metrics.compare.difference import Difference as MetricDifference

RESULT_SCHEMA = 2


@dataclass(frozen=True)
class ClipResult:
    """A clip with why it was made. `values` are the metrics that a single clip has, by name."""

    request: ClipRequest
    stored: StoredClip
    silent: bool
    values: dict[str, float]

    @property
    def title(self) -> str:
        """A file name that says prompt and index."""
        return f"{file_name(self.request.prompt.label())}-{self.request.unit}"


@dataclass(frozen=True)
class ConditionResult:
    """The scores of one condition. `unmeasured` says for every metric without a value why it has none."""

    condition: Condition
    scores: dict[str, Score]
    unmeasured: dict[str, str]
    clips: tuple[ClipResult, ...]


@dataclass(frozen=True)
class Difference:
    """`second` − `first` in one metric, from clips that share their seeds.

    `p` is of the null hypothesis that there is no difference; `significant` is at 5 % over all tested pairs (Holm).
    """

    metric: str
    first: str
    second: str
    score: Score | MetricDifference
    p: float
    significant: bool


@dataclass(frozen=True)
class Outcome:
    """Everything that a run found. `id` is the digest of what was asked and is there; `sampled` counts the clips this
    run made, `changed` those of them that came out otherwise than the stored ones, which they replaced. `failures` are
    the clips that could not be made."""

    id: str
    experiment: Experiment
    settings: dict[str, Any]
    fingerprint: dict[str, Any]
    conditions: tuple[ConditionResult, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    folder: Path
    sampled: int
    failures: tuple[Failure, ...] = ()
    changed: int = 0

    @property
    def clips(self) -> int:
        return sum(len(result.clips) for result in self.conditions)

    @property
    def labels(self) -> dict[str, str]:
        """What may be claimed from each metric: "declared" of the primary one, "confirmatory" when it is tested again
        on fresh seeds, "exploratory" of all others."""
        measured = {metric for result in self.conditions for metric in (*result.scores, *result.unmeasured)}
        stage, primary = self.experiment.stage, self.experiment.primary
        return {metric: stage if metric == primary else "exploratory" for metric in sorted(measured)}

    def clips_folder(self, condition: Condition) -> Path:
        return self.folder / "clips" / file_name(condition.name)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, without anything that differs when the same run is made again."""
        return {
            "schema": RESULT_SCHEMA,
            "id": self.id,
            "experiment": asdict(self.experiment),
            "settings": self.settings,
            "model": self.fingerprint,
            "conditions": [
                {
                    "name": result.condition.name,
                    "scores": {metric: score.as_dict() for metric, score in result.scores.items()},
                    "unmeasured": result.unmeasured,
                    "clips": [clip.stored.id for clip in result.clips],
                }
                for result in self.conditions
            ],
            "differences": [
                {**asdict(difference), "score": difference.score.as_dict()} for difference in self.differences
            ],
            "labels": self.labels,
            "notes": list(self.notes),
        }

    def clip_rows(self, result: ConditionResult) -> list[dict[str, Any]]:
        """The per-clip table of one condition."""
        return [
            {
                "condition": result.condition.name,
                "prompt": clip.request.prompt.label(),
                "index": clip.request.index,
                "seed": str(clip.request.seed),  # 63 bits do not survive a JavaScript number
                "seconds": clip.stored.record["audio"]["seconds"],
                "silent": clip.silent,
                **clip.values,
                "clip": clip.stored.id,
                "audio_sha256": clip.stored.record["files"]["audio.flac"]["sha256"],
                "path": f"clips/{file_name(result.condition.name)}/{clip.title}.flac",
            }
            for clip in result.clips
        ]


def file_name(name: str) -> str:
    """A name as part of a path: letters and digits of any script stay, the rest becomes dashes; at most 60 characters.

    >>> file_name("temperature=0.7"), file_name("a/b: c"), file_name("..")
    ('temperature=0.7', 'a-b-c', 'clip')
    """
    return re.sub(r"[^\w.=+]+", "-", name).strip("-.")[:60] or "clip"
