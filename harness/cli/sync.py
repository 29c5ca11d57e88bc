"""`harness sync`: log to MLflow the runs that it lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Quiet, Results


def sync(
    runs: Annotated[
        list[str] | None, typer.Argument(help="Runs, by name or id.", show_default="all", metavar="[RUN]…")
    ] = None,
    results: Results = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Log runs that are missing or incomplete in MLflow: to a server or another database, too.

    MLflow is where MLFLOW_TRACKING_URI says, or else in the folder of results. A complete run is left as it is.

    [bold]Examples[/bold]: harness sync · MLFLOW_TRACKING_URI=http://tracking:5000 harness sync temperature-0f3a91
    """
    from harness.core.progress import progress_for
    from harness.core.redaction import redacted
    from harness.reporting.mlflow import sync as sync_runs
    from harness.reporting.mlflow import tracking_uri
    from harness.reporting.run_folder import find_runs

    uri = tracking_uri(results)
    uri = redacted(uri, uri)
    done = sync_runs(results, find_runs(results, tuple(runs or ())), progress_for(quiet or as_json))
    if as_json:
        logged = {name: {"run_id": one.run_id, "new": one.new} for name, one in done.logged.items()}
        typer.echo(json.dumps({"uri": uri, "logged": logged, "failed": done.failed}, indent=2))
    else:
        for problem in dict.fromkeys(done.failed.values()):
            typer.echo(problem, err=True)
        failed = f", {len(done.failed)} not synced: {', '.join(done.failed)}" if done.failed else ""
        there = len(done.logged) - done.new
        typer.echo(f"{uri}: {done.new} runs logged, {there} already logged{failed}")
    raise typer.Exit(1 if done.failed else 0)
