"""What an experiment declares of its listeners, and the run that its stimuli are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import UsageError
from harness.core.progress import Progress
from harness.listening.kinds.catalogue import LANGUAGES, find_kind, kinds
from harness.listening.make.build import Built
from harness.listening.package.sequence import study_id
from harness.planning.experiment import Declaration
from harness.planning.listening import Listening
from harness.planning.python_file import is_file_name, load_experiment
from harness.planning.registry import EXPERIMENTS
from harness.reporting.run_folder import find_runs
from metrics.io.files import write_all

LOGGED = ("protocol.json", "public/manifest.csv", "preview.html")
"""What of a study's folder MLflow is shown: nothing that says which stimulus is which."""


@dataclass(frozen=True)
class Asked:
    """A study that was asked for: of which source, of which kind, and what was declared of it.

    `experiment` is the source's, if it declares how listeners are asked, `listening` that declaration if it is of this
    kind.
    """

    source: str
    kind: str
    experiment: Declaration | None = None
    listening: Listening | None = None


def asked_for(source: str, kind: str | None) -> Asked:
    """A source is an experiment by its name or file, a run of one, or anything else, of which nothing is declared.

    Raises `UsageError` when neither `kind` nor the experiment says how listeners are asked, or when the experiment
    declares what its kind does not have.
    """
    if is_file_name(source):
        experiment = load_experiment(source)
        source = experiment.name
    else:
        name = Path(source).name
        experiment = EXPERIMENTS.find(name) or EXPERIMENTS.find(name.rpartition("-")[0])
    listening = experiment.listening if experiment else None
    if experiment is None or listening is None:
        if kind is None:
            raise UsageError(f"--kind was not given, and {source} declares none: {', '.join(kinds())} were expected.")
        return Asked(source, kind)
    check_declared(listening)
    kind = kind or listening.kind
    return Asked(source, kind, experiment, listening if listening.kind == kind else None)


def check_declared(listening: Listening) -> None:
    """Raise `UsageError` for an unknown kind, for tasks that the kind does not take, and for tasks that lack a
    language."""
    kind = find_kind(listening.kind)
    if listening.tasks and not kind.open_answer:
        raise UsageError(f"tasks were declared for kind {listening.kind!r}, which has none: leave them out.")
    for task in listening.tasks:
        if set(task) != set(LANGUAGES):
            raise UsageError(f"the task {dict(task)!r:.60} has not the languages {', '.join(LANGUAGES)}.")


def run_first(asked: Asked, results: Path, progress: Progress) -> None:
    """Run an experiment that declares how listeners are asked, as it is declared, unless there is a run of it.

    Raises as the run does.
    """
    from harness.running.experiment import evaluate
    from harness.running.settings import RunSettings

    experiment = asked.experiment
    if experiment is None or asked.source != experiment.name:
        return
    if any(run.name.rpartition("-")[0] == experiment.name for run in find_runs(results)):
        return
    progress.note(f"{results} holds no run of {experiment.name}: it is run first, as it is declared")
    settings = {**experiment.settings, "prompts": experiment.prompts(), "results": results}
    evaluate(experiment(), RunSettings(**settings), progress)


def keep_in_run(built: Built, results: Path) -> Path | None:
    """Leave what MLflow is to be shown of a study in the folder of its clips' run, where a sync finds it.

    None for a study that is not of a run among `results`.
    """
    run = results / "runs" / str(built.protocol["source"].get("run", ""))
    if not (run / "result.json").is_file():
        return None
    folder = run / "stimuli" / study_id(built.stimuli)
    write_all({folder / Path(file).name: (built.folder / file).read_bytes() for file in LOGGED})
    return run
