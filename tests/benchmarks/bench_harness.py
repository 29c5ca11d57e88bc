"""What the harness itself costs: per clip, per plan, per resumed run, and before it says anything.

Each figure is printed beside what it may be; none is asserted. The sampling's own time (the toy plays its melodies) is
measured apart and taken off. `resource` gives the peak memory of a process of its own for the plan.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.experiment import Condition, Experiment
from harness.models.base import Sampling
from harness.models.toy import ToyModel
from harness.plan import Plan, make_plan
from harness.progress import Quiet
from harness.prompts import Prompt
from harness.runner import RunSettings, evaluate
from harness.sampling import sample_missing
from harness.store import Store
from tests.benchmarks.timing import best

CLIPS, CONDITIONS, SECONDS = 5000, 10, 0.5

PLANNING = """
import resource, time
from tests.benchmarks.bench_harness import plan
started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
made = plan(100_000, 100)
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(made.requests))
"""


def main() -> None:
    seconds, megabytes, planned = map(
        float,
        subprocess.run([sys.executable, "-c", PLANNING], capture_output=True, check=True, text=True).stdout.split(),
    )
    tell(f"plan {planned:.0f} clips", seconds, "s", 5)
    tell("  peak memory of that process", megabytes, "MB", 500)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        tell("sample and store, without the model's own time", overhead(results) * 1000, "ms a clip", 3)
        settings = RunSettings(
            "toy", CLIPS // CONDITIONS, SECONDS, reference=str(reference(results)), embedder="toy", results=results
        )
        started = time.perf_counter()
        evaluate(experiment(CONDITIONS), settings)
        print(f"  first: embed, measure, project: {time.perf_counter() - started:.1f} s")
        started = time.perf_counter()
        evaluate(experiment(CONDITIONS), settings)
        tell(f"go on with a finished run of {CLIPS} clips", time.perf_counter() - started, "s", 3)
    helped = best(lambda: subprocess.run([sys.executable, "-m", "harness", "--help"], capture_output=True, check=True))
    tell("harness --help", helped, "s", 0.35)


def experiment(conditions: int) -> Experiment:
    values = [0.5 + n / conditions for n in range(conditions)]
    return Experiment(
        "bench", tuple(Condition(f"{v:g}", Sampling(v)) for v in values), "temperature", contrast="against the first"
    )


def plan(clips: int, conditions: int) -> Plan:
    """`clips` clips in all, over the toy's styles."""
    model = ToyModel()
    prompts = [Prompt(style=style) for style in model.styles]
    return make_plan(experiment(conditions), model, prompts, clips // conditions, SECONDS, 0)


def overhead(results: Path) -> float:
    """Seconds a clip beside the model's own, over the whole plan."""
    spent = []

    class Timed(ToyModel):
        def sample(self, *arguments, **named):
            started = time.perf_counter()
            clips = super().sample(*arguments, **named)
            spent.append(time.perf_counter() - started)
            return clips

    started = time.perf_counter()
    asked = plan(CLIPS, CONDITIONS)
    sample_missing(asked, Timed(), Store(results / "store"), Quiet())
    took = time.perf_counter() - started
    print(f"  the toy itself: {sum(spent) / CLIPS * 1000:.2f} ms a clip")
    return (took - sum(spent)) / CLIPS


def reference(folder: Path) -> Path:
    from metrics.embeddings import load_embedder
    from metrics.reference import build_reference

    model = ToyModel()
    clips = [
        (clip.audio, model.rate, f"{style}-{n}", style)
        for style in model.styles
        for n, clip in enumerate(model.sample([model.encode(Prompt(style=style), 2.0)] * 15, range(15), Sampling(0.9)))
    ]
    path = folder / "toy.safetensors"
    build_reference(clips, load_embedder("toy")).save(path)
    return path


def tell(what: str, value: float, unit: str, allowed: float) -> None:
    print(f"  {what}: {value:.3g} {unit} (at most {allowed:g}{'' if value <= allowed else ': OVER'})", flush=True)


if __name__ == "__main__":
    main()
