"""`harness stimuli check`: is a folder of stimuli what it should be?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Quiet

MARKS = {True: "✓", False: "✗", None: "–"}


def check(
    folder: Annotated[Path, typer.Argument(help="A folder that harness stimuli made, or any folder of sounds.")],
    lufs: Annotated[
        float | None,
        typer.Option(help="Loudness that a foreign folder is held against.", show_default="the files' median"),
    ] = None,
    true_peak: Annotated[float, typer.Option(help="Highest true peak of a foreign folder, in dBTP.")] = -1.0,
    tolerance: Annotated[float, typer.Option(min=0.0, help="In LU.")] = 0.1,
    name: Annotated[
        list[str] | None, typer.Option(help="A name that must be in no public byte; repeatable.", show_default=False)
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="one for each core")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Verify hashes, formats, loudness, true peaks, lists, and that no public byte names a condition or source.

    A folder that harness stimuli made brings its own target and key; of any other what can be checked is. The exit code
    is 1 if anything fails.

    [bold]Examples[/bold]: harness stimuli check study · harness stimuli check ~/clips --lufs -23 --name my-model
    """
    from harness.core.progress import progress_for
    from harness.listening.check.checks import Wanted, as_dicts, check_folder

    wanted = Wanted(lufs, true_peak, tolerance, tuple(name or ()))
    findings = check_folder(folder, wanted, workers, progress_for(quiet or as_json))
    if as_json:
        typer.echo(json.dumps(as_dicts(findings), indent=2, ensure_ascii=False))
    else:
        for one in findings:
            typer.echo(f"{MARKS[one.ok]} {one.what:<10} {one.said}")
    raise typer.Exit(1 if any(one.ok is False for one in findings) else 0)
