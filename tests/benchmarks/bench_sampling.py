"""Sampling codes: our engine beside Hugging Face's Jukebox and beside reading the weights once.

Ours, HF's and the floor take turns in rounds, under each number of threads, so that what slows the machine slows all;
ratios are of paired rounds, each engine at its better number of threads. Before any ratio both engines must give the
same greedy codes. `make bench-sampling` runs all of it (HF's port lives in an environment of its own); for our engine
alone, while changing it: `python -m tests.benchmarks sampling --skip-hf --widths 512 --batches 1`.
"""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from harness.core.errors import HarnessError, UsageError
from harness.models.base import Sampling
from harness.models.jukebox.decoding.sampling import ENGINE_VERSION, WindowBatch, sample_window
from harness.models.jukebox.decoding.threads import threads as use_threads
from harness.models.jukebox.network.config import PriorConfig
from harness.models.jukebox.network.prior import Prior
from tests.benchmarks.hf_client import ROOT, HuggingFace
from tests.benchmarks.jukebox_shapes import RELEASED, Window, random_prior, random_window, small
from tests.benchmarks.sampling_figures import FLOORS, Series, cpu_name, describe, flatness, ratios, write
from tests.benchmarks.sampling_floor import Floor
from tests.benchmarks.timing import StepClock

QUICK = ("--skip-hf", "--widths", "256", "--batches", "1", "--rounds", "2", "--threads", "1", "--no-positions")
"""What `make bench` runs among the others: seconds, nothing written, no second environment."""

PROMPT = 128  # codes there before the first draw: two rows of 64, so that every pattern has something to read
WARM_UP, PROBE = 8, 32  # tokens
TOO_SLOW = 2  # times the other number of threads
POSITIONS_FROM, POSITION_WINDOWS = 100, 8
GREEDY = Sampling(temperature=1.0, top_k=1)

app = typer.Typer(add_completion=False)


class Shape(StrEnum):
    SMALL = "small"
    UPSAMPLER = "upsampler"
    LYRICS_1B = "1b_lyrics"
    LYRICS_5B = "5b_lyrics"


class Dtype(StrEnum):
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class CodesDiffer(HarnessError):
    """The engines do not compute the same: a ratio of their speeds would say nothing."""


@dataclass(frozen=True)
class Setting:
    """What all rows of a run share."""

    device: torch.device
    dtype: torch.dtype
    threads: tuple[int, ...]
    rounds: int
    tokens: int  # a row draws a round at batch 1; half of it at larger ones
    checked: int  # greedy codes a row that must be equal
    graph: bool | None
    hf: Path | None  # the Python that has the port
    clock: str = "wall"  # a key of timing.CLOCKS

    def synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


class Ours:
    """Our engine behind the methods of `HuggingFace`."""

    def __init__(self, prior: Prior, setting: Setting) -> None:
        self.prior, self.setting = prior, setting
        prior.graph = setting.graph

    @torch.inference_mode()
    def codes(self, window: Window, sampling: Sampling, stepped: Callable[[], None] = lambda: None) -> Tensor:
        """Codes (B, P + N) of a window."""
        batch = WindowBatch(window.labels, window.above, window.prompt, window.uniforms)
        return sample_window(self.prior, batch, sampling, stepped)

    def seconds_per_step(self, window: Window, marks: Sequence[int], threads: int) -> list[float]:
        """Between each mark and the next, counted in drawn tokens: what comes before the first draw is not in it."""
        clock = StepClock(marks, self.setting.synchronise, self.setting.clock)
        with use_threads(threads):
            self.codes(window, Sampling(), clock)
        return clock.seconds_per_step()


Engines = dict[str, Ours | HuggingFace]


def make_engines(prior: Prior, setting: Setting, stack: ExitStack) -> Engines:
    engines: Engines = {"ours": Ours(prior, setting)}
    if setting.hf is not None:
        engines["hf"] = stack.enter_context(HuggingFace(setting.hf, prior, setting.clock))
    return engines


def check_codes(engines: Engines, window: Window) -> dict[str, Any]:
    """Raise `CodesDiffer` unless both engines go on from the window's prompt with the same greedy codes, all rows."""
    if "hf" not in engines:
        return {}
    ours, theirs = (engines[name].codes(window, GREEDY).cpu() for name in ("ours", "hf"))
    drawn = ours[:, window.prompt.shape[1] :]
    if not ours.equal(theirs):
        row, code = (ours != theirs).nonzero()[0].tolist()
        raise CodesDiffer(
            f"the engines' greedy codes differ, first at code {code} of row {row}: ours {ours[row, code]}, Hugging "
            f"Face's {theirs[row, code]}. No ratio is printed; find the defect first (a near tie would differ in one "
            "row only; --checked takes fewer codes)."
        )
    return {"codes_a_row": drawn.shape[1], "rows": len(drawn), "distinct": len(drawn.unique()), "equal": True}


def time_rounds(engines: Engines, floor: Floor, probe: Window, window: Window, setting: Setting) -> list[Series]:
    """Every engine and pass under every number of threads, `rounds` times in turn. What is far too slow in the probe,
    as a second thread is on a busy machine, is left at that one figure."""
    probed: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for name, engine in engines.items():
        for threads in setting.threads:
            marks = (WARM_UP, probe.uniforms.shape[1] - 1)
            probed[name][threads] = engine.seconds_per_step(probe, marks, threads)[0]
    timings: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(setting.rounds):
        for threads in setting.threads:
            for name, engine in engines.items():
                if probed[name][threads] <= TOO_SLOW * min(probed[name].values()):
                    marks = (0, window.uniforms.shape[1] - 1)
                    timings[name, threads] += engine.seconds_per_step(window, marks, threads)
            torch.set_num_threads(threads)
            for name in (*FLOORS, "products"):
                timings[name, threads].append(floor.seconds(name))
    series = [Series(name, threads, tuple(seconds)) for (name, threads), seconds in timings.items()]
    spared = [(name, threads) for name in probed for threads in probed[name] if not timings.get((name, threads))]
    return series + [Series(name, threads, (probed[name][threads],)) for name, threads in spared]


def measure_row(config: PriorConfig, batch: int, setting: Setting) -> dict[str, Any]:
    """One width and batch: checked in float32, warmed up, timed in rounds, printed."""
    prior = random_prior(config, setting.device)
    tokens = setting.tokens if batch == 1 else setting.tokens // 2
    window = random_window(config, batch, PROMPT, tokens, setting.device)
    with ExitStack() as stack:
        engines = make_engines(prior, setting, stack)
        torch.set_num_threads(1)
        check = check_codes(engines, random_window(config, batch, PROMPT, setting.checked, setting.device))
        prior = random_prior(config, setting.device, setting.dtype)  # sampling has packed the other's weights
        engines["ours"] = Ours(prior, setting)
        for engine in engines.values():
            if isinstance(engine, HuggingFace):
                engine.cast(setting.dtype)
        floor = Floor(prior, batch, setting.synchronise, setting.clock)
        probe = random_window(config, batch, PROMPT, PROBE, setting.device)
        series = time_rounds(engines, floor, probe, window, setting)
    print(
        f"\n  width {config.width}, batch {batch}: {floor.bytes / 1e6:.1f} MB of weights a step, {tokens} tokens a row"
    )
    print("\n".join(describe(series, batch)), flush=True)
    return {
        "width": config.width,
        "heads": config.heads,
        "batch": batch,
        "tokens": tokens,
        "prompt": PROMPT,
        "step_weight_bytes": floor.bytes,
        "greedy_check": check,
        "hf_versions": next((engine.versions for engine in engines.values() if isinstance(engine, HuggingFace)), None),
        "figures": [one.record(batch) for one in series],
        "gb_per_s": {
            f"{one.engine}, {one.threads} thr.": floor.bytes / min(one.seconds) / 1e9
            for one in series
            if one.engine in FLOORS
        },
        "ratios": ratios(series),
    }


def measure_positions(config: PriorConfig, setting: Setting) -> dict[str, Any]:
    """Milliseconds of a step along one window from position 100 to n_ctx, batch 1: the least of up to three passes."""
    tokens = config.n_ctx - POSITIONS_FROM
    marks = [(tokens - 1) * i // POSITION_WINDOWS for i in range(POSITION_WINDOWS + 1)]
    prior = random_prior(config, setting.device).to(setting.dtype)
    window = random_window(config, 1, POSITIONS_FROM, tokens, setting.device)
    passes: defaultdict[str, list[list[float]]] = defaultdict(list)
    with ExitStack() as stack:
        engines = make_engines(prior, setting, stack)
        for _ in range(min(3, setting.rounds)):
            for name, engine in engines.items():
                passes[name].append(engine.seconds_per_step(window, marks, setting.threads[0]))
    result: dict[str, Any] = {"width": config.width, "batch": 1, "threads": setting.threads[0], "ms_per_step": {}}
    print(f"\n  cost by position, width {config.width}, batch 1, {setting.threads[0]} thr.")
    for name, seconds in passes.items():
        least = [min(window) * 1e3 for window in zip(*seconds, strict=True)]
        result["ms_per_step"][name] = [
            {"from": POSITIONS_FROM + first, "to": POSITIONS_FROM + last, "ms": ms}
            for first, last, ms in zip(marks, marks[1:], least, strict=False)
        ]
        result.setdefault("furthest_from_mean", {})[name] = flatness(least)
        shown = " ".join(f"{ms:.2f}" for ms in least)
        print(f"{name:>18}: {shown} ms a step; within ±{flatness(least):.0%} of their mean", flush=True)
    return result


@app.command()
def measure(
    widths: Annotated[list[int], typer.Option(help="of the small shape; repeat it")] = [256, 512],  # noqa: B006
    batches: Annotated[list[int], typer.Option(help="clips sampled at a time; repeat it")] = [1, 8, 32],  # noqa: B006
    threads: Annotated[list[int], typer.Option(help="torch's, on both sides; repeat it")] = [1, 2],  # noqa: B006
    rounds: Annotated[int, typer.Option(min=1, help="in which the engines and the floor take turns")] = 5,
    tokens: Annotated[int, typer.Option(min=16, help="a row draws a round; half of it from batch 2 on")] = 320,
    checked: Annotated[int, typer.Option(min=1, help="greedy codes a row that must be equal")] = 64,
    positions: Annotated[bool, typer.Option(help="measure the cost of a step along a window too")] = True,
    hf: Annotated[Path, typer.Option(help="the Python that has transformers 4.57.6")] = Path(".venv-bench/bin/python"),
    skip_hf: Annotated[bool, typer.Option("--skip-hf", help="our engine and the floor alone")] = False,
    shape: Annotated[Shape, typer.Option(help="a released prior's shape; for a GPU")] = Shape.SMALL,
    dtype: Annotated[
        Dtype, typer.Option(help="of the weights while timed; codes are checked in float32")
    ] = Dtype.FLOAT32,
    graph: Annotated[
        bool | None, typer.Option(help="a step as a CUDA graph or not; else the engine's own choice")
    ] = None,
    processor_time: Annotated[
        bool, typer.Option("--processor-time", help="clock one thread's own time: for a CPU that others use")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="where to write [results/benchmarks; nothing under --skip-hf]")
    ] = None,
) -> None:
    """Print tokens/s of both engines and of the floor with their ratios, and write them as a table and a plot."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    counts = tuple(threads if device.type == "cpu" else threads[:1])
    if processor_time and (device.type != "cpu" or counts != (1,)):
        raise UsageError("--processor-time counts what one thread of a CPU does: add --threads 1, without a GPU.")
    setting = Setting(
        device,
        getattr(torch, dtype),
        counts,
        rounds,
        tokens,
        checked,
        graph,
        None if skip_hf else hf.absolute(),
        "processor" if processor_time else "wall",
    )
    configs = [small(width) for width in widths] if shape is Shape.SMALL else [RELEASED[shape]]
    print(f"  {device_name(device)}, {dtype}, {shape}; {rounds} rounds, threads {', '.join(map(str, counts))}")
    rows = [measure_row(config, batch, setting) for config in configs for batch in batches]
    along = measure_positions(configs[0], setting) if positions else {}
    folder = out or (None if skip_hf else ROOT / "results" / "benchmarks")
    if folder is not None:
        result = describe_run(setting, shape, configs) | {"rows": rows, "positions": along}
        print("\n  written: " + ", ".join(str(path) for path in write(result, folder)))


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else cpu_name()


def describe_run(setting: Setting, shape: Shape, configs: Sequence[PriorConfig]) -> dict[str, Any]:
    """Where and of what the figures are."""
    command = shlex.join(["python", "-m", "tests.benchmarks", "sampling", *sys.argv[2:]])
    return {
        "device": device_name(setting.device),
        "device_type": setting.device.type,
        "dtype": str(setting.dtype).removeprefix("torch."),
        "shape": str(shape),
        "configs": [asdict(config) for config in configs],
        "threads": list(setting.threads),
        "rounds": setting.rounds,
        "clock": setting.clock,
        "cpus": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "engine_version": ENGINE_VERSION,
    }


def main(options: Sequence[str] = QUICK) -> None:
    try:
        app(args=list(options), standalone_mode=False)
    except HarnessError as error:
        sys.exit(f"bench-sampling: {error}")
