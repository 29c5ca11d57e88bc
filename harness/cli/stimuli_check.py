"""`harness stimuli check`: is a folder of stimuli what it should be?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import Quiet, taken, with_options

MARKS = {True: "✓", False: "✗", None: "–"}


def check(
    folder: Annotated[Path, typer.Argument(help="A folder that harness stimuli made, or any folder of sounds.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="one per core")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Quiet = False,
    **values: Any,
) -> None:
    """Verify hashes, formats, loudness, true peaks, lists, and that no public byte names a condition or source.

    A folder that harness stimuli made has its own target and key; of any other folder what is possible is checked. The
    exit code is 1 if anything fails.

    [bold]Examples[/bold]: harness stimuli check study · harness stimuli check ~/clips --lufs -23 --name my-model
    """
    from harness.core.progress import progress_for
    from harness.listening.check.checks import CheckLimits, as_dicts, check_folder

    limits = taken(CheckLimits, values)
    findings = check_folder(folder, limits, workers, progress_for(quiet or as_json))
    if as_json:
        typer.echo(json.dumps(as_dicts(findings), indent=2, ensure_ascii=False))
    else:
        for one in findings:
            typer.echo(f"{MARKS[one.ok]} {one.what:<10} {one.detail}")
    raise typer.Exit(1 if any(one.ok is False for one in findings) else 0)


def check_command() -> Callable[..., None]:
    """`check` with the options of its limits."""
    from harness.listening.check.checks import CheckLimits

    return with_options(check, (CheckLimits,))
