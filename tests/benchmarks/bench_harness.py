"""What the harness itself costs: per clip, per plan, per resumed run, per logged run, before it says anything; and what
a second worker brings. All figures go to results/benchmarks/harness.json.

Each figure is printed beside what it may be; none is asserted. The sampling's own time (the toy plays its melodies) is
measured apart and taken off. In brackets are this process's own seconds of the processor: on a machine that others use
as well, the wall clock says more about them.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from harness.core.identity import readable_json
from harness.core.progress import Quiet
from harness.models.base import Model, Sampling
from harness.models.registry import load_model
from harness.models.toy import ToyModel
from harness.planning.experiment import Condition, Experiment
from harness.planning.plan import Plan, make_plan
from harness.planning.settings import ExperimentSettings
from harness.prompts.prompt import Prompt
from harness.reporting.mlflow import connection, log_run
from harness.running.experiment import evaluate
from harness.running.settings import RunSettings
from harness.sampling.executors.processes import Processes
from harness.sampling.loop import sample_missing
from harness.sampling.worker import Batch, Worker
from harness.store.clips import Store
from metrics.io.files import write_bytes
from tests.benchmarks.timing import best

CLIPS, CONDITIONS, SECONDS = 5000, 10, 0.5
LOGGED_CONDITIONS, LOGGED_METRICS = 100, 50
WORKERS_MODEL, BATCHES, ROUNDS = "jukebox:mini", 4, 7
OUT = Path(__file__).parents[2] / "results" / "benchmarks" / "harness.json"

PLANNING = """
import resource
from tests.benchmarks.bench_harness import clocks, plan
started = clocks()
made = plan(100_000, 100)
print(*(clocks() - started), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(made.requests))
"""


@dataclass(frozen=True)
class Figure:
    """`processor` is the part of `value` that this process was at work, in the same unit; `spread` the least and the
    most of the rounds."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    processor: float | None = None
    spread: tuple[float, float] | None = None

    def __str__(self) -> str:
        own = "" if self.processor is None else f" [{self.processor:.3g}]"
        rounds = "" if self.spread is None else " [{:.3g} to {:.3g}]".format(*self.spread)
        over = self.at_most is not None and self.value > self.at_most
        under = self.at_least is not None and self.value < self.at_least
        limits = [f"at {word} {limit:g}" for word, limit in (("most", self.at_most), ("least", self.at_least)) if limit]
        limit = f" ({limits[0]}{': MISSED' if over or under else ''})" if limits else ""
        return f"{self.what}: {self.value:.3g}{own}{rounds} {self.unit}{limit}"


def main() -> None:
    figures = []
    for measured in (planning(), running(), logging(), helping(), second_worker()):
        for figure in measured:
            figures.append(figure)
            print(f"  {figure}", flush=True)
    packages = {name: version(name) for name in ("numpy", "torch", "mlflow")}
    machine = {"machine": platform.machine(), "processors": os.cpu_count(), "python": platform.python_version()}
    write_bytes(OUT, readable_json({"made_with": machine | packages, "figures": [asdict(one) for one in figures]}))


def planning() -> Iterator[Figure]:
    said = subprocess.run([sys.executable, "-c", PLANNING], capture_output=True, check=True, text=True).stdout
    seconds, processor, megabytes, planned = map(float, said.split())
    yield Figure(f"plan {planned:.0f} clips", seconds, "s", at_most=5, processor=processor)
    yield Figure("peak memory of that process", megabytes, "MB", at_most=500)


def running() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        yield from overhead(results)
        settings = RunSettings(
            "toy",
            CLIPS // CONDITIONS,
            SECONDS,
            references=(str(reference(results)),),
            embedders=("toy",),
            results=results,
        )
        for what in ("embed, measure, project the first time", f"go on with a finished run of {CLIPS} clips"):
            started = clocks()
            evaluate(experiment(CONDITIONS), settings)
            wall, processor = clocks() - started
            yield Figure(what, wall, "s", at_most=3 if what.startswith("go on") else None, processor=processor)


def logging() -> Iterator[Figure]:
    """A run of many conditions, whose scores are repeated under as many names as are wanted."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        settings = RunSettings(
            "toy", 8, SECONDS, references=(str(reference(results)),), embedders=("toy",), results=results
        )
        run = evaluate(experiment(LOGGED_CONDITIONS), settings).folder
        found = json.loads((run / "result.json").read_text("utf-8"))
        for condition in found["conditions"]:
            scores = list(condition["scores"].values())
            condition["scores"] = {f"metric{n:02d}": scores[n % len(scores)] for n in range(LOGGED_METRICS)}
        (run / "result.json").write_bytes(readable_json(found))
        with connection(results, "bench"):
            pass  # a new database takes seconds, once
        started = clocks()
        log_run(run, results)
        wall, processor = clocks() - started
        what = f"log {LOGGED_CONDITIONS} conditions of {LOGGED_METRICS} metrics, each with its error, to MLflow"
        yield Figure(what, wall, "s", at_most=30, processor=processor)


def helping() -> Iterator[Figure]:
    helped = best(lambda: subprocess.run([sys.executable, "-m", "harness", "--help"], capture_output=True, check=True))
    yield Figure("harness --help", helped, "s", at_most=0.35)


def second_worker() -> Iterator[Figure]:
    """One worker and two take turns at the same batches; both have their models loaded, and one thread each."""
    os.environ["OMP_NUM_THREADS"] = "1"  # inherited by the workers
    load = partial(load_model, WORKERS_MODEL)
    model = load()
    asked = make_plan(experiment(1), model, asked_for(model, BATCHES * model.width, 1.0))
    ids = [request.id for request in asked.requests]
    batches = [Batch(n, tuple(requests)) for n, requests in enumerate(asked.batches(ids, model.width))]
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(load, Path(folder) / "store", again=True)
        with Processes(worker, 1) as one, Processes(worker, 2) as two:

            def seconds(executor: Processes, count: int = BATCHES) -> float:
                started = time.perf_counter()
                for result in executor.run(batches[:count], lambda batch, part, detail: None):
                    assert not result.failures
                return time.perf_counter() - started

            seconds(one, 1)
            seconds(two, 2)
            ratios = sorted(seconds(one) / seconds(two) for _ in range(ROUNDS))
    what = f"{WORKERS_MODEL} by two workers, in clips per second of one's"
    yield Figure(what, ratios[ROUNDS // 2], "×", at_least=1.7, spread=(ratios[0], ratios[-1]))


def experiment(conditions: int) -> Experiment:
    values = [0.5 + n / conditions for n in range(conditions)]
    return Experiment(
        "bench", tuple(Condition(f"{v:g}", Sampling(v)) for v in values), "temperature", contrast="against the first"
    )


def asked_for(model: Model, clips: int, seconds: float) -> ExperimentSettings:
    """Clips of every style of the model."""
    prompts = tuple(Prompt(style=style) for style in model.styles)
    return ExperimentSettings(clips=clips, seconds=seconds, prompts=prompts)


def plan(clips: int, conditions: int) -> Plan:
    """`clips` clips in all, over the toy's styles."""
    model = ToyModel()
    return make_plan(experiment(conditions), model, asked_for(model, clips // conditions, SECONDS))


def overhead(results: Path) -> Iterator[Figure]:
    """Milliseconds a clip beside the model's own, over the whole plan."""
    spent = np.zeros(2)

    class Timed(ToyModel):
        def sample(self, *arguments, **named):
            nonlocal spent
            started = clocks()
            clips = super().sample(*arguments, **named)
            spent += clocks() - started
            return clips

    started = clocks()
    sample_missing(plan(CLIPS, CONDITIONS), Timed(), Store(results / "store"), Quiet())
    wall, processor = 1000 * (clocks() - started - spent) / CLIPS
    yield Figure("the toy itself", 1000 * spent[0] / CLIPS, "ms a clip", processor=1000 * spent[1] / CLIPS)
    yield Figure("sample and store, without that", wall, "ms a clip", at_most=3, processor=processor)


def clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def reference(folder: Path) -> Path:
    from metrics.embeddings import load_embedder
    from metrics.reference.sets import build_reference

    model = ToyModel()
    clips = [
        (clip.audio, model.rate, f"{style}-{n}", style)
        for style in model.styles
        for n, clip in enumerate(model.sample([model.encode(Prompt(style=style), 2.0)] * 15, range(15), Sampling(0.9)))
    ]
    path = folder / "toy.safetensors"
    build_reference(clips, load_embedder("toy")).save(path)
    return path


if __name__ == "__main__":
    main()
