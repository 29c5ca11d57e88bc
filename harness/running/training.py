"""A training's log in MLflow: one run per trained part, continued when the training resumes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.models.training import LogStep
from harness.reporting.mlflow import connection

EXPERIMENT = "train jukebox:mini"


@contextmanager
def training_log(results: Path, name: str, settings: Mapping[str, Any]) -> Iterator[LogStep]:
    """Log a part's training in MLflow; with `results` bound it is a `TrainingLog`. Obeys MLFLOW_TRACKING_URI.

    Args:
        results: the folder that the database lies in, unless MLFLOW_TRACKING_URI names another.
        name: of the part; a run of that name is continued.
        settings: logged as the parameters of a new run.

    Yields:
        log(values, step).

    Raises:
        TrackingError: a server that cannot be reached.
    """
    from mlflow.entities import Metric

    with connection(results, EXPERIMENT) as (client, experiment):
        earlier = client.search_runs([experiment], f"attributes.run_name = '{name}'", max_results=1)
        run = earlier[0] if earlier else client.create_run(experiment, run_name=name)
        for key, value in ({} if earlier else settings).items():
            client.log_param(run.info.run_id, key, value)

    def log(values: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, step) for key, value in values.items()]
        client.log_batch(run.info.run_id, metrics)

    client.update_run(run.info.run_id, status="RUNNING")
    try:
        yield log
    except BaseException:
        client.set_terminated(run.info.run_id, "KILLED")
        raise
    client.set_terminated(run.info.run_id, "FINISHED")
