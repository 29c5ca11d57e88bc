"""One run's folder written to MLflow: a parent run for the request, a child for each condition.

Everything comes from the folder and from the records of its clips, so that it does not matter when it is written: at
the end of the run, or a month later by `harness sync` from another commit.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.core.errors import DamagedClip
from harness.core.identity import canonical_json, digest
from harness.reporting.run_folder import RunFolder
from harness.store.clips import Store, read_record

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXAMPLES = 4
"""Clips per condition that are copied into MLflow to be listened to; all of them are in the run's folder."""

TAG, STIMULI = "harness.identity", "harness.stimuli"
TABLES = "mlflow.loggedArtifacts"
"""The tag by which MLflow's pages know a table. Its own `log_table` reads the run back before and after: measured with
100 conditions of 50 metrics, 35 s in all against 24."""

METRICS_AT_ONCE = 1000
"""MLflow takes no more in a batch."""

PARAM_LIMIT, TAG_LIMIT = 6000, 8000
"""Longer values are cut by MLflow, silently; here they are cut visibly."""


@dataclass(frozen=True)
class RunWriter:
    """A run's folder on its way into one experiment of MLflow."""

    client: MlflowClient
    experiment_id: str
    run: RunFolder
    store: Store

    def write(self, run_id: str | None = None) -> tuple[str, bool]:
        """The id of the parent run, and whether it was written now: one that is there, finished, is left as it is.

        `run_id` is a run to use as the parent where none is there yet.
        """
        found, finished = self._find(self.run.id)
        if found is not None and finished:
            self._stimuli(found)
            return found, False
        # Opened first, for children need a parent to hang on; marked finished last, so that a killed run is redone.
        parent = self._open(
            self.run.id, self.run.experiment["name"], found or run_id, model_tags(self.run.result["model"])
        )
        for condition in self.run.result["conditions"]:
            self._condition(parent, condition)
        self._parent(parent)
        return parent, True

    def _find(self, identity: str) -> tuple[str | None, bool]:
        """The id of the run that shows `identity`, None if there is none, and whether it is finished."""
        runs = self.client.search_runs([self.experiment_id], f"tags.`{TAG}` = '{identity}'", max_results=1)
        return (runs[0].info.run_id, runs[0].info.status == "FINISHED") if runs else (None, False)

    def _open(self, identity: str, name: str, run_id: str | None, tags: Mapping[str, str]) -> str:
        """The run to write to: the given one, which an earlier process may have left unfinished, or a new one."""
        tags = {
            TAG: identity,
            "harness.schema": "1",
            **self._made,
            **tags,
        }
        tags = {key: value[:TAG_LIMIT] for key, value in tags.items()}
        if run_id is None:
            return self.client.create_run(self.experiment_id, tags=tags, run_name=name).info.run_id
        self._batch(run_id, {}, {}, tags)
        return run_id

    def _condition(self, parent: str, condition: Mapping[str, Any]) -> None:
        """One child run with its parameters, scores, clips."""
        name = condition["name"]
        identity = digest({"outcome": self.run.id, "condition": name})
        run_id, finished = self._find(identity)
        if run_id is not None and finished:
            self.client.set_tag(run_id, "mlflow.parentRunId", parent)  # its parent may have been deleted in MLflow
            return
        failures = [failure for failure in self.run.failures if failure["condition"] == name]
        tables = {"clips.json": self.run.table(name), "failures.json": _columns(failures)}
        tables = {file: table for file, table in tables.items() if table}
        tags = {"mlflow.parentRunId": parent, **model_tags(self.run.model(name)), **failure_tags(failures)}
        tags |= unreliable_tags(condition["scores"])
        if tables:
            tags[TABLES] = json.dumps([{"path": file, "type": "table"} for file in tables])
        run_id = self._open(identity, name, run_id, tags)
        metrics = {
            key: value
            for metric, score in condition["scores"].items()
            for key, value in score_values(metric, score).items()
        }
        metrics["failures"] = len(failures)
        self._batch(run_id, metrics, {**self._params(), **self.run.changes(name), "condition": name}, {})
        for file, table in tables.items():
            rows = [list(row) for row in zip(*table.values(), strict=True)]
            self.client.log_dict(run_id, {"columns": list(table), "data": rows}, file)
        scores = {key: condition.get(key, {}) for key in ("scores", "unmeasured")}
        self.client.log_dict(run_id, scores, "scores.json")
        for path in tables.get("clips.json", {}).get("path", [])[:EXAMPLES]:
            if (self.run.folder / path).is_file():  # the scores of a removed clip remain
                self.client.log_artifact(run_id, str(self.run.folder / path), "clips")
        self._inputs(run_id)
        self.client.set_terminated(run_id)

    def _parent(self, run_id: str) -> None:
        """What concerns all conditions: the configuration, the differences, the files of the folder."""
        metrics: dict[str, float] = {"failures": len(self.run.failures)}
        for difference in self.run.result["differences"]:
            metrics |= difference_values(difference)
        params = {**self._params(), "conditions": len(self.run.result["conditions"])}
        self._batch(run_id, metrics, params, failure_tags(self.run.failures))
        self._system(run_id)
        for path in sorted(self.run.folder.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                self.client.log_artifact(run_id, str(path))
        self._stimuli(run_id)
        self._inputs(run_id)
        self.client.set_terminated(run_id)

    def _stimuli(self, run_id: str) -> None:
        """The listening studies that were made of the run's clips, also after it was finished. A tag says what is
        there."""
        folders = sorted(path for path in self.run.folder.glob("stimuli/*") if path.is_dir())
        content = {f"{path.parent.name}/{path.name}": path.read_bytes() for one in folders for path in one.iterdir()}
        mark = digest({name: hashlib.sha256(data).hexdigest() for name, data in sorted(content.items())})
        if not content or self.client.get_run(run_id).data.tags.get(STIMULI) == mark:
            return
        for folder in folders:
            self.client.log_artifacts(run_id, str(folder), f"stimuli/{folder.name}")
        self.client.set_tag(run_id, STIMULI, mark)

    def _system(self, run_id: str) -> None:
        """What the machine did, under the names by which MLflow's pages show it apart."""
        from mlflow.entities import Metric

        metrics = [
            Metric(f"system/{name}", value, when, step)
            for step, (when, seen) in enumerate(self.run.looks)
            for name, value in seen.items()
        ]
        for start in range(0, len(metrics), METRICS_AT_ONCE):
            self.client.log_batch(run_id, metrics[start : start + METRICS_AT_ONCE], synchronous=True)

    def _params(self) -> dict[str, Any]:
        experiment = self.run.experiment
        declared = {name: experiment.get(name) for name in ("varies", "unit", "primary", "contrast", "family", "stage")}
        return {"experiment": experiment["name"], **declared, **self.run.result["settings"]}

    def _inputs(self, run_id: str) -> None:
        """The reference set and the prompts, as MLflow's inputs."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        def dataset(name: str, content: Any, context: str) -> DatasetInput:
            source = digest(content)
            entity = Dataset(name=name, digest=source[:36], source_type="harness", source=f'{{"sha256": "{source}"}}')
            return DatasetInput(entity, [InputTag("mlflow.data.context", context)])

        settings = self.run.result["settings"]
        inputs = [dataset("prompts", settings.get("prompts"), "prompts")]
        if settings.get("reference"):
            inputs.append(dataset(str(settings["reference"]), settings.get("reference_hash"), "reference"))
        self.client.log_inputs(run_id, inputs)

    def _batch(
        self, run_id: str, metrics: Mapping[str, float], params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        self.client.log_batch(
            run_id,
            [Metric(key, float(value), now, 0) for key, value in metrics.items()],
            [Param(key, _cut(value)) for key, value in params.items()],
            [RunTag(key, value) for key, value in tags.items()],
            synchronous=True,
        )

    @cached_property
    def _made(self) -> dict[str, str]:
        """By whom, where and by which code the clips were made, as their records say: several values are listed."""
        found: dict[str, set[str]] = {}
        for clip_id in dict.fromkeys(row["clip"] for row in self.run.rows):
            with suppress(DamagedClip):  # it may have been removed since
                for key, value in made_tags(read_record(self.store.folder(clip_id))["host"]).items():
                    found.setdefault(key, set()).add(value)
        tags = {key: ", ".join(sorted(values)) for key, values in found.items()}
        if len(found.get("git.commit", ())) == 1:
            tags["mlflow.source.git.commit"] = tags["git.commit"]
        tags |= {"mlflow.source.name": "harness", "mlflow.source.type": "LOCAL"}
        with suppress(OSError, KeyError):  # a bare container may have no name for its user
            tags["mlflow.user"] = getpass.getuser()
        return tags


def made_tags(host: Mapping[str, Any]) -> dict[str, str]:
    """The facts of a clip's record as tags.

    >>> made_tags({"device": "cpu", "git_commit": "ab", "git_dirty": False, "packages": {"numpy": "2.1"}})
    {'device': 'cpu', 'git.commit': 'ab', 'git.dirty': 'false', 'package.numpy': '2.1'}
    """
    tags = {}
    for key, value in host.items():
        if key == "packages" and isinstance(value, Mapping):
            tags |= {f"package.{name}": str(found) for name, found in value.items()}
        elif isinstance(value, bool | int | float | str):
            tags[key.replace("git_", "git.")] = str(value).lower() if isinstance(value, bool) else str(value)
    return tags


def model_tags(fingerprint: Mapping[str, Any]) -> dict[str, str]:
    return {"harness.model": str(fingerprint.get("name")), "harness.model_hash": digest(fingerprint)}


def failure_tags(failures: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """
    >>> failure_tags([{"error": "ValueError"}, {"error": "ValueError"}]), failure_tags([])
    ({'harness.failures': '2 × ValueError'}, {})
    """
    kinds = Counter(failure["error"] for failure in failures).most_common()
    return {"harness.failures": ", ".join(f"{times} × {error}" for error, times in kinds)} if kinds else {}


def score_values(name: str, score: Mapping[str, Any]) -> dict[str, float]:
    """A score as MLflow metrics: `name`, `name.se`, `name.n`, `name.low` and `name.high` where it has an interval, and
    `name.reliable`, 0 for one that is not. The @ of `kad@clap`, which MLflow's names cannot have, becomes a slash."""
    name = metric_name(name)
    values = {name: score["value"], f"{name}.n": float(score["n"]), f"{name}.se": score["stderr"]}
    values[f"{name}.reliable"] = float(score["reliable"])
    if score["interval"] is not None:
        values[f"{name}.low"], values[f"{name}.high"] = score["interval"]
    return values


def difference_values(difference: Mapping[str, Any]) -> dict[str, float]:
    """A difference as MLflow metrics: as a score, with `.p` of one test and, over a family, `.p_adjusted`,
    `.family_low` and `.family_high`."""
    name = difference_name(difference)
    values = score_values(name, difference)
    values |= {f"{name}.{key}": difference[key] for key in ("p", "p_adjusted") if difference[key] is not None}
    if difference["family_interval"] is not None:
        values[f"{name}.family_low"], values[f"{name}.family_high"] = difference["family_interval"]
    return values


def unreliable_tags(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """
    >>> unreliable_tags({"fad": {"reliable": False}, "kad": {"reliable": True}})
    {'harness.unreliable': 'fad'}
    """
    names = [name for name, score in scores.items() if not score["reliable"]]
    return {"harness.unreliable": ", ".join(names)} if names else {}


def difference_name(difference: Mapping[str, Any]) -> str:
    """The metric's name for a difference, in the characters that MLflow takes."""
    return metric_name(f"{difference['metric']}.difference/{difference['first']} to {difference['second']}")


def metric_name(name: str) -> str:
    """A name in the characters that MLflow takes; the first @ becomes a slash, so that `kad/clap` is split there again.

    >>> metric_name("fad16 (temperature=0.7)"), metric_name("kad@clap")
    ('fad16 -temperature:0.7-', 'kad/clap')
    """
    return re.sub(r"[^\w\-. :/]", "-", name.replace("@", "/", 1).replace("=", ":"), flags=re.ASCII)[:250]


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row.get(name) for row in rows] for name in (rows[0] if rows else ())}


def _cut(value: Any) -> str:
    text = canonical_json(value) if isinstance(value, dict | list | tuple) else str(value)
    return text if len(text) <= PARAM_LIMIT else f"{text[: PARAM_LIMIT - 1]}…"
