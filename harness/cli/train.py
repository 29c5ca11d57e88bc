"""`harness train`: the recipe of the embedded model, part by part."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import DEFAULT_MODEL, Quiet, Results, taken, with_options
from harness.models.training import EvaluationSettings

if TYPE_CHECKING:
    from harness.models.training import TrainingRecipe

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Train the embedded Jukebox part by part; every part resumes."
)

Folder = Annotated[Path | None, typer.Option(help="The model's folder.", show_default="the embedded model's")]
CorpusName = Annotated[str, typer.Option(help="A built corpus: harness corpus list.")]


@app.command()
def part(
    name: Annotated[str, typer.Argument(help="codec-0, codec-1, prior-0 or prior-1.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, if not those of config.toml.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Processor threads; two parts at one each beat one at two.")] = 1,
    folder: Folder = None,
    results: Results = Path("results"),
    corpus: CorpusName = "mini",
) -> None:
    """Train one part from its last checkpoint on, with its losses in MLflow.

    [bold]Example[/bold]: harness corpus build mini && harness train part codec-0
    """
    from harness.running.training import training_log

    _recipe(folder, results, corpus).train(name, partial(training_log, results), steps, threads)


@app.command()
def export(folder: Folder = None, results: Results = Path("results"), corpus: CorpusName = "mini") -> None:
    """Write the best checkpoints of all parts into the model's folder as safetensors."""
    typer.echo(f"weights written to {_recipe(folder, results, corpus).export()}")


def evaluate(
    folder: Folder = None,
    results: Results = Path("results"),
    corpus: CorpusName = "mini",
    quiet: Quiet = False,
    **values: Any,
) -> None:
    """Measure a trained model against held-out music, noise, random codes and a trigram model of its codes."""
    from harness.core.progress import progress_for

    settings = taken(EvaluationSettings, values)
    with progress_for(quiet).stage("sampling and measuring", 1) as stage:
        text = _recipe(folder, results, corpus).evaluate(
            settings.clips_per_style,
            settings.seconds,
            lambda done, total, detail="": stage.advance(done / total / 2, detail),
            encode=settings.likelihood,
        )
    typer.echo(text)


app.command()(with_options(evaluate, (EvaluationSettings,)))


def _recipe(folder: Path | None, results: Path, corpus: str) -> TrainingRecipe:
    from harness.models.registry import family_door

    return family_door(DEFAULT_MODEL, "train")(folder, corpus, results)
