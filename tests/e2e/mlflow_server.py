"""A real MLflow server on loopback, and everything that a projection put into MLflow, to compare."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BY_WHEN_AND_WHERE = ("mlflow.user", "mlflow.parentRunId", "mlflow.log")
"""Beginnings of tags that differ between two projections of one run."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(database: str, artifacts: Path, port: int) -> Iterator[str]:
    """A server on `database`; its address. It ends with the block."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--workers", "1"]
    command += ["--artifacts-destination", str(artifacts), "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = (artifacts.parent / "server.log").open("ab")
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        command, env={**os.environ, **quiet}, stdout=log, stderr=log, start_new_session=True
    ) as process:
        try:
            while True:
                assert process.poll() is None, (artifacts.parent / "server.log").read_text()
                try:
                    with urllib.request.urlopen(f"{url}/health", timeout=10):
                        break
                except OSError:
                    time.sleep(0.2)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=120)
            log.close()


def content(uri: str, experiment: str, scratch: Path) -> dict[str, dict[str, Any]]:
    """What MLflow shows of an experiment, by the identity of each run, without when, by whom and under which id."""
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id]) if found else []
    names = {run.info.run_id: run.data.tags["harness.identity"] for run in runs}
    assert len(set(names.values())) == len(runs), "a run is there twice"
    shown = {}
    for run in runs:
        assert run.info.status == "FINISHED"
        folder = scratch / run.info.run_id
        folder.mkdir(parents=True)
        download_artifacts(run_id=run.info.run_id, dst_path=str(folder), tracking_uri=uri)
        inputs = run.inputs.dataset_inputs if run.inputs else []
        shown[names[run.info.run_id]] = {
            "name": run.info.run_name,
            "parent": names.get(run.data.tags.get("mlflow.parentRunId", "")),
            "tags": {k: v for k, v in run.data.tags.items() if not k.startswith(BY_WHEN_AND_WHERE)},
            "params": run.data.params,
            "metrics": run.data.metrics,
            "inputs": sorted((one.dataset.name, one.dataset.digest) for one in inputs),
            "artifacts": {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()},
        }
    return shown
