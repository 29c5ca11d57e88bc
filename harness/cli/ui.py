"""`harness ui`: MLflow's pages on the results."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Results


def ui(
    results: Results = Path("results"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 5000,
) -> None:
    """Open MLflow on the results, on this machine only. Stop it with Ctrl-C."""
    from harness.core.errors import HarnessError, UsageError
    from harness.core.redaction import redacted
    from harness.reporting.mlflow import tracking_uri

    uri = tracking_uri(results)
    if uri.startswith("sqlite") and "MLFLOW_TRACKING_URI" not in os.environ and not (results / "mlflow.db").is_file():
        raise UsageError(
            f"there is no MLflow database in {results}: run an experiment first "
            "('harness run temperature'), or name its folder with --results."
        )
    with socket.socket() as probe:  # MLflow itself ends with exit code 0 where it cannot listen
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise HarnessError(f"port {port} cannot be had ({error.strerror}). Try another with --port.") from error
    typer.echo(f"MLflow on {redacted(uri, uri)}\nhttp://127.0.0.1:{port}   (Ctrl-C to stop)")
    # A single user: one worker, and none of the jobs that MLflow's server runs for teams.
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    # The address may hold a password, and what a process was started with is for everybody to read.
    quiet["MLFLOW_BACKEND_STORE_URI"] = uri
    server = [sys.executable, "-m", "mlflow", "ui", "--workers", "1"]
    command = [*server, "--host", "127.0.0.1", "--port", str(port)]
    for number in (signal.SIGTERM, signal.SIGHUP):  # however we are ended, the server ends with us
        signal.signal(number, signal.default_int_handler)
    # In a group of its own, so that Ctrl-C reaches us and not the server, which would answer with a traceback.
    with subprocess.Popen(
        command, env={**os.environ, **quiet}, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:  # its errors name the address
                typer.echo(redacted(line, uri), nl=False, err=True)
            code = process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGTERM)
            return  # stopping it is how it ends
    if code:
        raise HarnessError(f"MLflow stopped with exit code {code}. Is port {port} taken? Try another with --port.")
