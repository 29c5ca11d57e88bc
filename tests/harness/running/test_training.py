from __future__ import annotations

import pytest

from harness.reporting.mlflow import tracking_uri
from harness.running.training import EXPERIMENT, training_log

pytestmark = pytest.mark.whole


def test_a_resumed_training_goes_on_in_the_same_run(tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def killed() -> None:
        with training_log(tmp_path, "codec-0", {"steps": 4}) as log:
            log({"loss": 2.0}, 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    client = MlflowClient(tracking_uri(tmp_path))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    assert experiment.artifact_location.endswith("/mlartifacts")
    [run] = client.search_runs([experiment.experiment_id])
    assert run.info.status == "KILLED"
    with training_log(tmp_path, "codec-0", {"steps": 4}) as log:
        log({"loss": 1.0}, 2)
    [run] = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params == {"steps": "4"}
    assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "loss")] == [(1, 2.0), (2, 1.0)]
