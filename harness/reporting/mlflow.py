"""Projecting runs into MLflow: a parent run per request, a child per condition.

The store and the folders of runs are the truth and MLflow a view of them that can be made again: every run carries the
identity of what it shows as a tag, and a request that is already there, finished, is left as it is. So it does not
matter whether a run is logged at its end or later by `harness sync`, and a server that cannot be reached costs nothing.
Everything is written in batches by one process, which holds a lock on a local database (several processes that open a
new one at once break its migration).

Without further word the database is `<results>/mlflow.db`, the artifacts `<results>/mlartifacts`.
`MLFLOW_TRACKING_URI`, `MLFLOW_EXPERIMENT_NAME` and `MLFLOW_RUN_ID` (for the parent) are obeyed. Whoever else
logs, such as a training, does so through `connection`.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import HarnessError, StoreError, TrackingError
from harness.core.progress import Progress, Quiet
from harness.core.redaction import redacted
from harness.reporting.mlflow_run import RunWriter
from harness.reporting.run_folder import read_run
from harness.scoring.results import Outcome
from harness.store.clips import Store
from metrics.io.files import abandoned, temporary_mark

if TYPE_CHECKING:
    from mlflow import MlflowClient

SYNC = "run 'harness sync'"
REACHED_SECONDS, LOCK_SECONDS = 10.0, 600.0


@dataclass(frozen=True)
class Logged:
    """Where a run went, its address without a password. `new` is False when it was already there."""

    uri: str
    experiment: str
    run_id: str
    new: bool


@dataclass(frozen=True)
class Synced:
    """What became of each run, by the name of its folder: `failed` says why."""

    logged: dict[str, Logged]
    failed: dict[str, str]

    @property
    def new(self) -> int:
        return sum(logged.new for logged in self.logged.values())


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
    if is_server:
        _check_reached(uri)
    else:
        results.mkdir(parents=True, exist_ok=True)
    with nullcontext() if is_server else _locked(results / ".mlflow.lock"), quiet_mlflow():
        from mlflow import MlflowClient

        if not os.environ.get("MLFLOW_TRACKING_URI"):
            _make_database(results / "mlflow.db")
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
        artifacts = None if is_server else (results / "mlartifacts").resolve().as_uri()
        yield (
            client,
            found.experiment_id if found else client.create_experiment(experiment, artifact_location=artifacts),
        )


def log_run(folder: Path, results: Path, run_id: str | None = None, resume: str = SYNC) -> Logged:
    """Show the run in `folder` in MLflow, once. `run_id` names a run of MLflow to use as the parent.

    Raises `TrackingError` when MLflow refuses, with `resume` as the next step, and `StoreError` for a folder that
    cannot be read.
    """
    run, uri = read_run(folder), tracking_uri(results)
    lost = "" if resume != SYNC else f"Nothing is lost: the results are in {folder}. "
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or run.experiment["name"]
    with quiet_mlflow():  # its settings are read at the import
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

    try:
        with connection(results, experiment) as (client, experiment_id):
            written, new = RunWriter(client, experiment_id, run, Store(results / "store")).write(run_id)
            return Logged(redacted(uri, uri), experiment, written, new)
    # ImportError: a database whose driver is not installed; ValueError: an address that is none.
    except (MlflowException, SQLAlchemyError, OSError, ImportError, ValueError) as error:
        reason = redacted((str(error).strip() or type(error).__name__).split("\n")[0], uri)
        raise TrackingError(
            f"MLflow at {redacted(uri, uri)} could not be written ({reason}). {lost}{_remedy(results)}, then {resume}."
        ) from error


def sync(results: Path, runs: Sequence[Path], progress: Progress | None = None) -> Synced:
    """Show these runs in MLflow, those that are there left as they are.

    A folder that cannot be read is passed over; after MLflow itself has refused once, the others are not tried.
    """
    logged: dict[str, Logged] = {}
    failed: dict[str, str] = {}
    with (progress or Quiet()).stage("logging to MLflow", len(runs)) as stage:
        for done, folder in enumerate(runs, start=1):
            try:
                logged[folder.name] = log_run(folder, results)
            except StoreError as error:
                failed[folder.name] = str(error)
            except TrackingError as error:
                failed |= {left.name: str(error) for left in runs[done - 1 :]}
                break
            stage.advance(done, folder.name)
    return Synced(logged, failed)


def log_or_postpone(outcome: Outcome, results: Path) -> tuple[Logged | None, str]:
    """Show `outcome` in MLflow, or say why it could not be: what was sampled and measured does not depend on it."""
    return log_run_or_postpone(outcome.folder, results, os.environ.get("MLFLOW_RUN_ID"))


def log_run_or_postpone(folder: Path, results: Path, run_id: str | None = None) -> tuple[Logged | None, str]:
    """Show the run in `folder`, as `log_run` does, or say why it could not be."""
    try:
        return log_run(folder, results, run_id), ""
    except HarnessError as error:
        return None, str(error)


def log_files_or_postpone(files: Mapping[str, bytes], results: Path) -> tuple[Logged | None, str]:
    """Show what `harness score` found, given as the files of a run's folder, or say why it could not be shown."""
    with tempfile.TemporaryDirectory(prefix="harness-score-") as name:
        folder = Path(name)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        try:
            return log_run(folder, results, os.environ.get("MLFLOW_RUN_ID"), "run the command again"), ""
        except HarnessError as error:
            return None, str(error)


def _check_reached(uri: str) -> None:
    """Raise an `OSError` when nobody answers at `uri`: MLflow itself would try for minutes. Any answer will do."""
    import requests

    seconds = float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") or REACHED_SECONDS)
    try:
        requests.get(f"{uri.rstrip('/')}/health", timeout=min(seconds, REACHED_SECONDS))
    except requests.exceptions.SSLError:
        pass  # whose certificates are trusted is MLflow's to decide
    except requests.exceptions.RequestException as error:
        raise ConnectionError(f"it does not answer: {type(error).__name__}") from error


def _remedy(results: Path) -> str:
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return "Check MLFLOW_TRACKING_URI, or unset it to log to the folder of results"
    return f"Free some space if the disk is full; if the database is damaged, remove {results / 'mlflow.db'}"


def _make_database(path: Path) -> None:
    """Make the results' own database if there is none, whole or not at all.

    MLflow takes seconds to make one, in steps that it cannot go on with after a kill: opened again, such a database
    answers "table already exists" for good.
    """
    for left in abandoned(path.parent.glob(f".{path.name}.*")):
        left.unlink(missing_ok=True)
    if path.is_file() and path.stat().st_size:
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    temporary = path.with_name(f".{path.name}.{temporary_mark()}")
    try:
        SqlAlchemyStore(f"sqlite:///{temporary.resolve()}", str(path.parent)).engine.dispose()
        temporary.replace(path)
    finally:
        for left in path.parent.glob(f"{temporary.name}*"):  # its journal, where the disk was full
            left.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    from filelock import FileLock

    with FileLock(path, timeout=LOCK_SECONDS):
        yield


@contextmanager
def quiet_mlflow() -> Iterator[None]:
    """No telemetry, and none of the chatter of imports and migrations; warnings and errors still show."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # Of a server that is not there one wants to hear in seconds: MLflow's own default takes four minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    for name in ("alembic", "mlflow", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlflow's and its dependencies' deprecations are not the user's business
        yield
