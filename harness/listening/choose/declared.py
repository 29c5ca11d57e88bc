"""What an experiment declares about its listening study, and the run that provides its clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import UsageError
from harness.core.progress import Progress
from harness.listening.kinds.catalogue import LANGUAGES, find_kind, kinds
from harness.planning.experiment import Declaration
from harness.planning.listening import Listening
from harness.planning.python_file import is_file_name, load_experiment
from harness.planning.registry import EXPERIMENTS
from harness.reporting.run_folder import find_runs


@dataclass(frozen=True)
class StudyRequest:
    """The source and the kind of a requested study, and what is declared for it.

    Attributes:
        source: an experiment, a run, or a folder of clips.
        kind: name of the kind of study.
        experiment: of the source, if it declares a listening study.
        listening: its declaration, if that is of this kind.
    """

    source: str
    kind: str
    experiment: Declaration | None = None
    listening: Listening | None = None


def resolve_request(source: str, kind: str | None) -> StudyRequest:
    """Find what is declared for a source.

    Args:
        source: an experiment by its name or file, a run of one, or anything else, for which nothing is declared.
        kind: name of a kind of study; None for the declared one.

    Raises:
        UsageError: when neither `kind` nor the experiment gives a kind of study, or when the experiment declares what
            its kind does not have.
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
        return StudyRequest(source, kind)
    check_declared(listening)
    kind = kind or listening.kind
    return StudyRequest(source, kind, experiment, listening if listening.kind == kind else None)


def check_declared(listening: Listening) -> None:
    """Check a declaration against its kind of study.

    Raises:
        UsageError: for an unknown kind, tasks for a kind that has none, and tasks that lack a language.
    """
    kind = find_kind(listening.kind)
    if listening.tasks and not kind.open_answer:
        raise UsageError(f"tasks were declared for kind {listening.kind!r}, which has none: leave them out.")
    for task in listening.tasks:
        if set(task) != set(LANGUAGES):
            raise UsageError(f"the task {dict(task)!r:.60} has not the languages {', '.join(LANGUAGES)}.")


def run_if_missing(request: StudyRequest, results: Path, progress: Progress) -> None:
    """Run an experiment that declares a listening study with its declared settings, unless there is a run of it.

    Args:
        request: the requested study; nothing is done for a source that is not the name of its experiment.
        results: folder of all results.
        progress: where progress is shown.

    Raises:
        HarnessError: as the run does.
    """
    from harness.running.experiment import evaluate
    from harness.running.settings import RunSettings

    experiment = request.experiment
    if experiment is None or request.source != experiment.name:
        return
    if any(run.name.rpartition("-")[0] == experiment.name for run in find_runs(results)):
        return
    progress.note(f"{results} has no run of {experiment.name}: it is run first, with its declared settings")
    settings = {**experiment.settings, "prompts": experiment.prompts(), "results": results}
    evaluate(experiment(), RunSettings(**settings), progress)
