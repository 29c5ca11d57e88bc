"""What was found of some conditions: scores, differences, and the clips behind them, of a run and of folders alike.

`score_record` and `difference_record` are the rows of the one JSON of `harness run --json` and `harness score --json`
(`harness.reporting.document` has its schema).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.core.errors import UsageError
from harness.planning.experiment import Condition, Experiment
from harness.planning.plan import ClipRequest
from harness.sampling.failures import Failure
from harness.scoring.clips import ClipFile
from harness.scoring.measures import split_name
from harness.store.clips import StoredClip
from metrics.api.replicates import Replicates, pack_replicates, unpack_replicates
from metrics.api.score import Score
from metrics.compare.difference import Difference

if TYPE_CHECKING:
    from harness.scoring.score import ConditionScores

RESULT_SCHEMA = 2
REPLICATES = "replicates.json"
SIGNIFICANCE = 0.05

Label = Literal["declared", "confirmatory", "exploratory"]


@dataclass(frozen=True)
class Comparison:
    """`second` − `first` in one metric, and what may be claimed from it."""

    metric: str
    first: str
    second: str
    difference: Difference
    label: Label = "declared"

    @property
    def p(self) -> float | None:
        """The p-value that decides: adjusted for the declared family where there is one, that of one test elsewhere."""
        adjusted = self.difference.p_adjusted
        return self.difference.p if adjusted is None else adjusted

    @property
    def significant(self) -> bool:
        """At 5 % over the declared family. An exploratory difference is never called significant."""
        return self.label != "exploratory" and self.p is not None and self.p < SIGNIFICANCE


@dataclass(frozen=True)
class ClipResult:
    """A clip with why it was made, and as it was measured. `values` are what a single clip has, by name."""

    request: ClipRequest
    stored: StoredClip
    clip: ClipFile
    silent: bool
    values: dict[str, Any]

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
    order: tuple[str, ...] = ()
    scored: ConditionScores | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.condition.name

    @property
    def n_clips(self) -> int:
        return len(self.clips)


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
    differences: tuple[Comparison, ...]
    notes: tuple[str, ...]
    folder: Path
    sampled: int
    failures: tuple[Failure, ...] = ()
    changed: int = 0

    @property
    def clips(self) -> int:
        return sum(len(result.clips) for result in self.conditions)

    @property
    def metrics(self) -> list[str]:
        """The names of all scores that were measured, or could not be, in their order."""
        return list(dict.fromkeys(name for one in self.conditions for name in one.order))

    @property
    def labels(self) -> dict[str, str]:
        """What may be claimed from each metric: "declared" of the primary one, "confirmatory" when it is tested again
        on fresh seeds, "exploratory" of all others."""
        stage, primary = self.experiment.stage, self.experiment.primary
        return {metric: stage if metric == primary else "exploratory" for metric in sorted(self.metrics)}

    def clips_folder(self, condition: Condition) -> Path:
        return self.folder / "clips" / self._folder_names[condition.name]

    @cached_property
    def _folder_names(self) -> dict[str, str]:
        """One folder for each condition, also where two names differ only in what a file name cannot hold."""
        return unique_file_names([condition.name for condition in self.experiment.conditions])

    @cached_property
    def replicates(self) -> bytes:
        """The values of every score without each fold of its units, as replicates.json has them (`read_replicates`)."""
        found = {
            f"{n}:{name}": score.replicates
            for n, result in enumerate(self.conditions)
            for name, score in result.scores.items()
            if score.replicates is not None
        }
        table = {"schema": 1, "conditions": [result.name for result in self.conditions], **pack_replicates(found)}
        return json.dumps(table, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"

    def score_rows(self) -> list[dict[str, Any]]:
        """A row for each score: condition, metric, value and how sure it is."""
        return [
            {
                "condition": result.name,
                "metric": name,
                "value": score.value,
                "stderr": score.stderr,
                "low": "" if score.interval is None else score.interval[0],
                "high": "" if score.interval is None else score.interval[1],
                "n": score.n_units,
                "unit": score.unit,
                "reliable": score.reliable,
                "why": score.why,
            }
            for result in self.conditions
            for name, score in result.scores.items()
        ]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, without anything that differs when the same run is made again."""
        experiment = {name: value for name, value in asdict(self.experiment).items() if name != "study"}
        return {
            "schema": RESULT_SCHEMA,
            "id": self.id,
            "experiment": experiment,
            "settings": self.settings,
            "model": self.fingerprint,
            "conditions": [
                condition_record(result.name, result.n_clips, result.scores, result.unmeasured)
                | {"clips": [clip.stored.id for clip in result.clips]}
                for result in self.conditions
            ],
            "differences": [difference_record(one) for one in self.differences],
            "labels": self.labels,
            "metrics": list(dict.fromkeys(split_name(name)[0] for name in self.metrics)),
            "notes": list(self.notes),
            "replicates": {"file": REPLICATES, "sha256": hashlib.sha256(self.replicates).hexdigest()},
        }

    def clip_rows(self, result: ConditionResult) -> list[dict[str, Any]]:
        """The per-clip table of one condition: a manifest for `harness score --manifest`, and the clips' values."""
        return [
            {
                "condition": result.name,
                "prompt": clip.clip.prompt,
                "index": clip.request.index,
                "seed": str(clip.request.seed),  # 63 bits do not survive a JavaScript number
                "seconds": clip.stored.record["audio"]["seconds"],
                "silent": clip.silent,
                **clip.values,
                "text": clip.clip.text,
                "style": clip.clip.style,
                "prompt_seconds": clip.clip.prompt_seconds,
                **understood(clip.stored.record["conditioning"]),
                "clip": clip.stored.id,
                "audio_sha256": clip.stored.record["files"]["audio.flac"]["sha256"],
                "path": f"clips/{self._folder_names[result.name]}/{clip.title}.flac",
            }
            for clip in result.clips
        ]


def understood(conditioning: Mapping[str, Any]) -> dict[str, Any]:
    """What the model understood of a prompt, as columns: the label, how it was chosen, how near the text is to it."""
    told = {
        "understood_style": conditioning.get("style"),
        "understood_by": conditioning.get("chosen_by"),
        "understood_similarity": conditioning.get("similarity"),
        "understood_weakly": conditioning.get("weak"),
    }
    return {name: value for name, value in told.items() if value is not None}


def condition_record(
    name: str, n_clips: int, scores: Mapping[str, Score], unmeasured: Mapping[str, str]
) -> dict[str, Any]:
    """One condition of the JSON."""
    return {
        "name": name,
        "n_clips": n_clips,
        "scores": {metric: score_record(score) for metric, score in scores.items()},
        "unmeasured": dict(unmeasured),
    }


def score_record(score: Score) -> dict[str, Any]:
    """One score of the JSON. `why` says of an unreliable one why it is, `note` how the value is to be read."""
    return {
        "value": score.value,
        "stderr": score.stderr,
        "interval": None if score.interval is None else list(score.interval),
        "reliable": score.reliable,
        "why": score.why,
        "unit": score.unit,
        "n": score.n_units,
        "n_frames": score.n_frames,
        "direction": score.direction,
        "generalises_to": score.generalises_to,
        "estimand": score.estimand,
        "note": score.note,
        "plain": score.plain,
        "provenance": finite(score.provenance),
    }


def difference_record(one: Comparison) -> dict[str, Any]:
    """One difference of the JSON: `interval` goes with `p`, of one test; `family_interval` with `p_adjusted`, of the
    declared family. What there is not is null."""
    found = one.difference
    return {
        "metric": one.metric,
        "first": one.first,
        "second": one.second,
        "value": found.value,
        "stderr": found.stderr,
        "interval": None if found.interval is None else list(found.interval),
        "p": found.p,
        "family_interval": None if found.family_interval is None else list(found.family_interval),
        "p_adjusted": found.p_adjusted,
        "reliable": found.reliable,
        "significant": one.significant,
        "label": one.label,
        "why": found.why,
        "unit": found.unit,
        "direction": found.direction,
        "n": found.n_units,
        "paired": found.paired,
        "generalises_to": found.generalises_to,
        "note": found.note,
        "provenance": finite({name: found.provenance[name] for name in DECIDING if name in found.provenance}),
    }


DECIDING = ("df", "paired", "family")
"""What a difference's record keeps of its provenance; the rest is that of its two scores."""


def finite(value: Any) -> Any:
    """JSON has no infinity (such as the degrees of freedom of a value without spread): null stands for it.

    >>> finite({"df": float("inf"), "tails": [1.5, float("nan")]})
    {'df': None, 'tails': [1.5, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, list | tuple) else value


def read_replicates(folder: Path) -> dict[str, dict[str, Replicates]]:
    """The replicates that a run left in its folder, by condition and score: empty where it left none.

    Raises `UsageError` for a file that is damaged, or is not the one that result.json names.
    """
    try:
        content = (folder / REPLICATES).read_bytes()
        told = json.loads((folder / "result.json").read_bytes()).get("replicates", {})
        table = json.loads(content)
        if told.get("sha256") != hashlib.sha256(content).hexdigest():
            raise ValueError("its SHA-256 is not the recorded one")
        names, found = table["conditions"], unpack_replicates(table)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder / REPLICATES} cannot be read ({error}). Run its experiment again.") from error
    by_condition: dict[str, dict[str, Replicates]] = {}
    for key, one in found.items():
        number, _, name = key.partition(":")
        by_condition.setdefault(names[int(number)], {})[name] = one
    return by_condition


def understood_note(clips: Sequence[ClipFile]) -> tuple[str, ...]:
    """How many texts were understood as fewer styles: what the model cannot tell apart, no score can.

    >>> from types import SimpleNamespace as Clip
    >>> understood_note([Clip(text="a", style="x"), Clip(text="b", style="x"), Clip(text="c", style="y")])
    ('3 prompts were understood as 2 labels',)
    """
    styles = {clip.text: clip.style for clip in clips if clip.text and clip.style}
    labels = len(set(styles.values()))
    if labels == len(styles):
        return ()
    return (f"{len(styles)} prompts were understood as {labels} label{'s' if labels > 1 else ''}",)


def unique_file_names(names: Sequence[str]) -> dict[str, str]:
    """A distinct file name for each name; equal ones are numbered."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        short, n = file_name(name), 1
        while short.lower() in taken:
            n += 1
            short = f"{file_name(name)}-{n}"
        taken.add(short.lower())
        found[name] = short
    return found


def file_name(name: str) -> str:
    """A name as part of a path: letters and digits of any script stay, the rest becomes dashes; at most 60 characters.

    >>> file_name("temperature=0.7"), file_name("a/b: c"), file_name("..")
    ('temperature=0.7', 'a-b-c', 'clip')
    """
    return re.sub(r"[^\w.=+]+", "-", name).strip("-.")[:60] or "clip"
