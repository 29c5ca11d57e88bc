"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_MODEL = "jukebox:mini"

Model = Annotated[str, typer.Option("--model", "-m", help="Model to sample from; 'harness models' lists them.")]
Results = Annotated[Path, typer.Option(envvar="HARNESS_RESULTS", help="Folder for everything that is left behind.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Seed = Annotated[int, typer.Option(help="Every clip's seed is derived from it.")]
