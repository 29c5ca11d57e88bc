"""`harness experiments`: the installed experiments and their questions."""

from __future__ import annotations

import typer


def experiments() -> None:
    """List the experiments with the questions they answer.

    Run one with 'harness run NAME', or your own with 'harness run ./my_experiment.py' or 'harness run study.yaml'.
    """
    from harness.planning.registry import declarations

    installed = declarations()
    width = max(map(len, installed), default=0)
    for name, declaration in installed.items():
        typer.echo(f"{name:<{width}}  {declaration.headline}")
        claims = declaration.claims
        declared = f"{claims.primary}, {claims.contrast}, {claims.family}"
        typer.echo(f"{'':<{width}}  declares: {declared}; unit: {claims.unit}")
