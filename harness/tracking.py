"""Projecting an outcome into MLflow: a parent run per request, a child per condition.

The store is the truth and MLflow a view of it that can be made again: every run carries the identity of what it shows
as a tag, and a request that is already there, finished, is left as it is. Everything is written in batches by one
process, which holds a lock on a local database (several processes that open a new one at once break its migration).

Without further word the database is `<results>/mlflow.db`, the artifacts `<results>/mlartifacts`.
`MLFLOW_TRACKING_URI`, `MLFLOW_EXPERIMENT_NAME` and `MLFLOW_RUN_ID` (for the parent) are obeyed. Whoever else
logs, such as a training, does so through `connection`.
"""

from __future__ import annotations

import getpass
import logging
import os
import re
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import TrackingError
from harness.identity import canonical_json, digest
from harness.results import ConditionResult, Difference, Outcome
from metrics.score import Score

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXAMPLES = 4
"""Clips per condition that are copied into MLflow to be listened to; all of them are in the run's folder."""

TAG = "harness.identity"
PARAM_LIMIT, TAG_LIMIT = 6000, 8000
"""Longer values are cut by MLflow, silently; here they are cut visibly."""


@dataclass(frozen=True)
class Logged:
    """Where an outcome went. `new` is False when it was already there."""

    uri: str
    experiment: str
    run_id: str
    new: bool


def tracking_uri(results: Path) -> str:
    """`$MLFLOW_TRACKING_URI`, or the sqlite database among the results."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(results / 'mlflow.db').resolve()}"


@contextmanager
def connection(results: Path, experiment: str) -> Iterator[tuple[MlflowClient, str]]:
    """A client and the id of the experiment of that name, made when it is new.

    A server decides where artifacts go; beside a database they lie among the results, and a lock is held, because
    several processes that open a new database at once break its migration.
    """
    uri = tracking_uri(results)
    is_server = uri.startswith(("http://", "https://"))
    if not is_server:
        results.mkdir(parents=True, exist_ok=True)
    with nullcontext() if is_server else _locked(results / ".mlflow.lock"), _quiet_mlflow():
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
        artifacts = None if is_server else (results / "mlartifacts").resolve().as_uri()
        yield (
            client,
            found.experiment_id if found else client.create_experiment(experiment, artifact_location=artifacts),
        )


def log_outcome(outcome: Outcome, results: Path) -> Logged:
    """Show `outcome` in MLflow, once: a second call with the same outcome writes nothing.

    Raises `TrackingError` when MLflow refuses; the outcome's own folder is not affected by that.
    """
    with _quiet_mlflow():  # its settings are read at the import
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

    uri, experiment = tracking_uri(results), os.environ.get("MLFLOW_EXPERIMENT_NAME") or outcome.experiment.name
    try:
        with connection(results, experiment) as (client, experiment_id):
            run_id, new = _log(outcome, client, experiment_id)
            return Logged(uri, experiment, run_id, new)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise TrackingError(
            f"MLflow at {uri} could not be written ({reason}). Nothing is lost: the results are in "
            f"{outcome.folder}. Check MLFLOW_TRACKING_URI, or unset it to log to the folder of results, then run "
            "the same command again."
        ) from error


def _log(outcome: Outcome, client: MlflowClient, experiment_id: str) -> tuple[str, bool]:
    """The id of the run that shows `outcome`, and whether it was written now."""
    run_id, finished = _find_run(client, experiment_id, outcome.id)
    if finished:
        return run_id, False
    view = _View(client, experiment_id, outcome, _source())
    # Opened first, for children need a parent to hang on; marked finished last, so that a killed run is redone.
    run_id = view.open(outcome.id, outcome.experiment.name, run_id or os.environ.get("MLFLOW_RUN_ID"), {})
    for result in outcome.conditions:
        view.condition(run_id, result)
    view.parent(run_id)
    return run_id, True


@dataclass(frozen=True)
class _View:
    """One outcome being written."""

    client: MlflowClient
    experiment_id: str
    outcome: Outcome
    source: dict[str, str]

    def open(self, identity: str, name: str, run_id: str | None, tags: Mapping[str, str]) -> str:
        """The run to write to: the given one, which an earlier process may have left unfinished, or a new one."""
        outcome = self.outcome
        tags = {
            TAG: identity,
            "harness.schema": "1",
            "harness.model": str(outcome.fingerprint.get("name")),
            "harness.model_hash": digest(outcome.fingerprint),
            **self.source,
            **tags,
        }
        tags = {key: value[:TAG_LIMIT] for key, value in tags.items()}
        if run_id is None:
            return self.client.create_run(self.experiment_id, tags=tags, run_name=name).info.run_id
        self._batch(run_id, {}, {}, tags)
        return run_id

    def condition(self, parent: str, result: ConditionResult) -> None:
        """One child run with its parameters, scores, clips."""
        condition = result.condition
        identity = digest({"outcome": self.outcome.id, "condition": condition.name})
        run_id, finished = _find_run(self.client, self.experiment_id, identity)
        if finished:
            return
        run_id = self.open(identity, condition.name, run_id, {"mlflow.parentRunId": parent})
        metrics = {
            key: value for name, score in result.scores.items() for key, value in score_values(name, score).items()
        }
        self._batch(
            run_id, metrics, {**self._params(), "condition": condition.name, **condition.sampling.content()}, {}
        )
        rows = self.outcome.clip_rows(result)
        self.client.log_table(run_id, {key: [row[key] for row in rows] for key in rows[0]}, "clips.json")
        scores = {name: score.as_dict() for name, score in result.scores.items()}
        self.client.log_dict(run_id, {"scores": scores, "unmeasured": result.unmeasured}, "scores.json")
        for row in rows[:EXAMPLES]:
            self.client.log_artifact(run_id, str(self.outcome.folder / row["path"]), "clips")
        self._inputs(run_id)
        self.client.set_terminated(run_id)

    def parent(self, run_id: str) -> None:
        """What concerns all conditions: the configuration, the differences, the figure."""
        outcome = self.outcome
        metrics = {
            key: value
            for difference in outcome.differences
            for key, value in score_values(difference_name(difference), difference.score).items()
        }
        metrics |= {f"{difference_name(difference)}.p": difference.p for difference in outcome.differences}
        self._batch(run_id, metrics, {**self._params(), "conditions": len(outcome.conditions)}, {})
        for name in ("result.json", "clips.csv", "scores.png"):
            if (outcome.folder / name).is_file():
                self.client.log_artifact(run_id, str(outcome.folder / name))
        self._inputs(run_id)
        self.client.set_terminated(run_id)

    def _params(self) -> dict[str, Any]:
        experiment = self.outcome.experiment
        declared = {name: getattr(experiment, name) for name in ("varies", "unit", "primary", "contrast")}
        return {"experiment": experiment.name, **declared, **self.outcome.settings}

    def _inputs(self, run_id: str) -> None:
        """The reference set and the prompts, as MLflow's inputs."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        def dataset(name: str, content: Any, context: str) -> DatasetInput:
            source = digest(content)
            entity = Dataset(name=name, digest=source[:36], source_type="harness", source=f'{{"sha256": "{source}"}}')
            return DatasetInput(entity, [InputTag("mlflow.data.context", context)])

        settings = self.outcome.settings
        inputs = [dataset("prompts", settings["prompts"], "prompts")]
        if settings.get("reference"):
            inputs.append(dataset(str(settings["reference"]), settings["reference_hash"], "reference"))
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


def score_values(name: str, score: Score) -> dict[str, float]:
    """A score as MLflow metrics: `name`, `name.se`, `name.n`, and `name.low`, `name.high` where it has an interval."""
    values = {name: score.value, f"{name}.n": float(score.n_songs)}
    values[f"{name}.se"] = score.stderr
    if score.interval is not None:
        values[f"{name}.low"], values[f"{name}.high"] = score.interval
    return values


def difference_name(difference: Difference) -> str:
    """The metric's name for a difference, in the characters that MLflow takes."""
    return metric_name(f"{difference.metric}.difference/{difference.first} to {difference.second}")


def metric_name(name: str) -> str:
    """
    >>> metric_name("fad16 (temperature=0.7)")
    'fad16 -temperature:0.7-'
    """
    return re.sub(r"[^\w\-. :/]", "-", name.replace("=", ":"), flags=re.ASCII)[:250]


def _find_run(client: MlflowClient, experiment_id: str, identity: str) -> tuple[Any, bool]:
    """The id of the run that shows `identity`, None if there is none, and whether it is finished."""
    runs = client.search_runs([experiment_id], f"tags.`{TAG}` = '{identity}'", max_results=1)
    return (runs[0].info.run_id, runs[0].info.status == "FINISHED") if runs else (None, False)


def _source() -> dict[str, str]:
    """Who ran which code: MLflow's own tags, which its client does not set."""
    tags = {"mlflow.source.name": "harness", "mlflow.source.type": "LOCAL"}
    with suppress(OSError, KeyError):  # a bare container may have no name for its user
        tags["mlflow.user"] = getpass.getuser()
    commit = _git("rev-parse", "HEAD")
    if commit:
        dirty = bool(_git("status", "--porcelain", "--untracked-files=no"))
        tags |= {"mlflow.source.git.commit": commit, "git.commit": commit, "git.dirty": str(dirty).lower()}
    return tags


def _git(*arguments: str) -> str:
    """What git says about the harness's own source; nothing when it is installed without one."""
    folder = Path(__file__).parent
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def _cut(value: Any) -> str:
    text = canonical_json(value) if isinstance(value, dict | list | tuple) else str(value)
    return text if len(text) <= PARAM_LIMIT else f"{text[: PARAM_LIMIT - 1]}…"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    from filelock import FileLock

    with FileLock(path):
        yield


@contextmanager
def _quiet_mlflow() -> Iterator[None]:
    """No telemetry, and none of the chatter of imports and migrations; warnings and errors still show."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # Of a server that is not there one wants to hear in seconds: MLflow's own default takes four minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    for name in ("alembic", "mlflow", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlflow's and its dependencies' deprecations are not the user's business
        yield
