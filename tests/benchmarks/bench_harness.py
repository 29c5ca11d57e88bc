"""What the harness itself costs: per clip, per plan, per resumed run, and before it says anything.

Each figure is printed beside what it may be; none is asserted. The sampling's own time (the toy plays its melodies) is
measured apart and taken off. In brackets are this process's own seconds of the processor: on a machine that others use
as well, the wall clock says more about them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

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
import resource
from tests.benchmarks.bench_harness import clocks, plan
started = clocks()
made = plan(100_000, 100)
print(*(clocks() - started), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(made.requests))
"""


def main() -> None:
    command = [sys.executable, "-c", PLANNING]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    seconds, processor, megabytes, planned = map(float, said.split())
    tell(f"plan {planned:.0f} clips", seconds, "s", 5, processor)
    tell("peak memory of that process", megabytes, "MB", 500)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        wall, processor = overhead(results)
        tell("sample and store, without the model's own time", 1000 * wall, "ms a clip", 3, 1000 * processor)
        settings = RunSettings(
            "toy", CLIPS // CONDITIONS, SECONDS, reference=str(reference(results)), embedder="toy", results=results
        )
        for title in ("embed, measure, project the first time", f"go on with a finished run of {CLIPS} clips"):
            started, worked = time.perf_counter(), time.process_time()
            evaluate(experiment(CONDITIONS), settings)
            allowed = 3 if title.startswith("go on") else None
            tell(title, time.perf_counter() - started, "s", allowed, time.process_time() - worked)
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


def overhead(results: Path) -> tuple[float, float]:
    """Seconds a clip beside the model's own, over the whole plan: of the wall's clock, of the processor's."""
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
    wall, processor = (clocks() - started - spent) / CLIPS
    print(f"  the toy itself: {spent[0] / CLIPS * 1000:.2f} ms a clip")
    return wall, processor


def clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


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


def tell(what: str, value: float, unit: str, allowed: float | None, processor: float | None = None) -> None:
    own = "" if processor is None else f" [{processor:.3g}]"
    limit = "" if allowed is None else f" (at most {allowed:g}{'' if value <= allowed else ': OVER'})"
    print(f"  {what}: {value:.3g}{own} {unit}{limit}", flush=True)


if __name__ == "__main__":
    main()
