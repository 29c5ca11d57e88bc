"""Training figures in MLflow: one run per trained part, taken up again when the training resumes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EXPERIMENT = "train jukebox:mini"


@contextmanager
def training_log(name: str, params: dict[str, Any], results: Path) -> Iterator[Callable[[dict[str, float], int], None]]:
    """Gives `log(figures, step)`; a run of the same name is continued. Obeys MLFLOW_TRACKING_URI."""
    import mlflow

    from harness.tracking import tracking_uri

    os.environ.setdefault("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "false")
    mlflow.set_tracking_uri(tracking_uri(results))
    mlflow.set_experiment(EXPERIMENT)
    earlier: Any = mlflow.search_runs(filter_string=f"attributes.run_name = '{name}'", output_format="list")
    started = mlflow.start_run(run_id=earlier[0].info.run_id) if earlier else mlflow.start_run(run_name=name)
    with started:
        if not earlier:
            mlflow.log_params(params)

        def log(figures: dict[str, float], step: int) -> None:
            mlflow.log_metrics(figures, step=step)

        yield log
