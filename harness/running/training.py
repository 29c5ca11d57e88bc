"""Training figures in MLflow: one run per trained part, taken up again when the training resumes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.reporting.mlflow import connection

EXPERIMENT = "train jukebox:mini"


@contextmanager
def training_log(name: str, params: dict[str, Any], results: Path) -> Iterator[Callable[[dict[str, float], int], None]]:
    """Gives `log(figures, step)`; a run of the same name is continued. Obeys MLFLOW_TRACKING_URI."""
    from mlflow.entities import Metric

    with connection(results, EXPERIMENT) as (client, experiment):
        earlier = client.search_runs([experiment], f"attributes.run_name = '{name}'", max_results=1)
        run = earlier[0] if earlier else client.create_run(experiment, run_name=name)
        for key, value in ({} if earlier else params).items():
            client.log_param(run.info.run_id, key, value)

    def log(figures: dict[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, step) for key, value in figures.items()]
        client.log_batch(run.info.run_id, metrics)

    client.update_run(run.info.run_id, status="RUNNING")
    try:
        yield log
    except BaseException:
        client.set_terminated(run.info.run_id, "KILLED")
        raise
    client.set_terminated(run.info.run_id, "FINISHED")
