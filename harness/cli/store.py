"""`harness store`: list the sampled clips, check them, remove unused ones, export and import them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import Quiet, Results

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="List the sampled clips, check them, export and import them."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("ls")
def list_clips(results: Results = Path("results"), as_json: AsJson = False) -> None:
    """Every clip: identity, condition, prompt, index; with --json also its path and the SHA-256 of its audio."""
    from harness.store.listing import NO_RUN, listing

    rows = listing(results)
    if as_json:
        return _print_json(rows)
    for row in rows:
        told = row.get("problem") or f"{row['seconds']:6.2f} s  {row['condition'] or NO_RUN}"
        where = "" if row["index"] is None else f"  {row['prompt']}  #{row['index']}"
        typer.echo(f"{row['identity'][:12]}  {told}{where}")


@app.command()
def verify(
    results: Results = Path("results"),
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Set damaged clips aside; the next run samples them again.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check every clip: its record, the hashes of its files, and that its audio decodes. Exit code 1 for damage."""
    from harness.core.progress import progress_for
    from harness.store.clips import Store
    from harness.store.upkeep import quarantine as set_aside
    from harness.store.upkeep import verify as verify_store

    store = Store(results / "store")
    clips = len(store.ids())
    with progress_for(quiet or as_json).stage("verifying", clips) as stage:
        damaged = verify_store(store, stage)
    aside = set_aside(store, list(damaged)) if damaged and quarantine else None
    if as_json:
        _print_json({"clips": clips, "damaged": damaged, "quarantine": str(aside) if aside else None})
    else:
        for clip_id, problem in damaged.items():
            typer.echo(f"{clip_id[:12]}  {problem}")
        typer.echo(f"{clips} clips, {len(damaged)} damaged")
        if aside:
            typer.echo(f"Set aside in {aside}: run the experiment again to sample them again.")
        elif damaged:
            typer.echo("Set them aside with --quarantine, then run the experiment again: only they are sampled again.")
    raise typer.Exit(1 if damaged else 0)


@app.command()
def gc(
    results: Results = Path("results"),
    older_than: Annotated[
        float, typer.Option(min=0, help="Hours: newer clips stay, since a run may be in progress.")
    ] = 24.0,
    yes: Annotated[bool, typer.Option("--yes", help="Remove the files; otherwise they are only listed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove clips that no run refers to, temporary files, and codes of abandoned clips."""
    from harness.store.clips import Store
    from harness.store.upkeep import collect, remove

    garbage = collect(results, older_than * 3600)
    if yes:
        remove(Store(results / "store"), garbage)
    if as_json:
        rows = [{"path": str(one.path), "why": one.why, "bytes": one.bytes} for one in garbage.leftovers]
        return _print_json(
            {"removed" if yes else "would_remove": rows, "kept_as_young": garbage.young, "begun": garbage.begun}
        )
    for one in garbage.leftovers:
        typer.echo(f"{_size(one.bytes):>10}  {one.why}: {one.path}")
    total = f"{len(garbage.leftovers)} things, {_size(sum(one.bytes for one in garbage.leftovers))}"
    typer.echo(f"Removed {total}." if yes else f"{total} can be removed: run again with --yes.")
    if garbage.begun:
        typer.echo(
            f"The clips of {len(garbage.begun)} runs that are in progress or were interrupted stay: "
            f"{', '.join(garbage.begun)}. Run them again to finish them, or remove their files from "
            f"{results / 'planned'} to abandon them."
        )
    if garbage.young:
        typer.echo(
            f"{garbage.young} clips that no run refers to are younger than {older_than:g} h and stay: give "
            "--older-than 0 to remove them too."
        )


@app.command()
def du(results: Results = Path("results"), as_json: AsJson = False) -> None:
    """Clips, seconds and bytes by model and condition."""
    from harness.store.listing import folder_bytes, listing, usage

    rows = usage(listing(results))
    beside = {name: folder_bytes(results / name) for name in ("embeddings", "runs", "mlartifacts")}
    if as_json:
        return _print_json({"store": rows, "beside": beside})
    for row in rows:
        said = f"{_size(row['bytes']):>10}  {row['clips']:6d} clips  {row['seconds']:9.1f} s"
        typer.echo(f"{said}  {row['model']}  {row['condition']}")
    typer.echo(f"{_size(sum(row['bytes'] for row in rows)):>10}  the store")
    for name, size in beside.items():
        typer.echo(f"{_size(size):>10}  {name}, which can be rebuilt from the store")


@app.command()
def export(
    names: Annotated[
        list[str] | None, typer.Argument(help="Runs or ids of clips.", show_default="all runs", metavar="[NAME]…")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, .tar.")] = Path("clips.tar"),
    results: Results = Path("results"),
) -> None:
    """Write runs with their clips, or single clips, into one tar file with hashes.

    [bold]Example[/bold]: harness store export temperature-0f3a… -o temperature.tar
    """
    from harness.running.archive import choose
    from harness.running.archive import export as export_clips

    clips, runs = export_clips(results, *choose(results, names or []), output)
    typer.echo(f"{output}: {clips} clips, {runs} runs, {_size(output.stat().st_size)}")


@app.command("import")
def import_archive(
    archive: Annotated[Path, typer.Argument(help="A file of 'harness store export'.")],
    results: Results = Path("results"),
) -> None:
    """Add the clips and runs of an archive, each checked by its hashes; existing clips and runs are not changed."""
    from harness.running.archive import import_

    done = import_(archive, results)
    typer.echo(f"{results}: {len(done.clips)} clips and {len(done.runs)} runs added, {done.kept} existing")


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _size(count: int) -> str:
    """
    >>> _size(999), _size(12_300_000)
    ('999 B', '12.3 MB')
    """
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
