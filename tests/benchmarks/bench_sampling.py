"""Sampling codes: our engine beside Hugging Face's Jukebox and beside reading the weights once.

Ours, HF's and the floor take turns in rounds, under each number of threads, so that what slows the machine slows all;
ratios are of paired rounds, each engine at its better number of threads. Before any ratio both engines must give the
same greedy codes. `make bench-sampling` runs all of it (HF's port lives in an environment of its own); for our engine
alone, while changing it: `python -m tests.benchmarks sampling --skip-hf --widths 512 --batches 1`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from harness.models.base import Sampling
from harness.models.jukebox.config import PriorConfig
from harness.models.jukebox.prior import Prior
from harness.models.jukebox.sampling import sample_window
from tests.benchmarks.jukebox_shapes import Window, random_prior, random_window, small
from tests.benchmarks.sampling_figures import FLOORS, Series, better, describe, ratios
from tests.benchmarks.sampling_floor import Floor
from tests.benchmarks.timing import StepClock

QUICK = ("--skip-hf", "--widths", "256", "--batches", "1", "--rounds", "2")
"""What `make bench` runs among the others: seconds, nothing written, no second environment."""

PROMPT = 128  # codes there before the first draw: two rows of 64, so that every pattern has something to read
WARM_UP = 8  # tokens
POSITION_WINDOWS = 8
POSITION_START = 100
ORDINARY, GREEDY = Sampling(), Sampling(temperature=1.0, top_k=1)

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Setting:
    """What all rows of a run share."""

    device: torch.device
    dtype: torch.dtype
    threads: tuple[int, ...]
    rounds: int
    tokens: int
    checked: int

    def synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


class Ours:
    """Our engine, with the interface that `hf_client.HuggingFace` has."""

    def __init__(self, prior: Prior, setting: Setting) -> None:
        self.prior, self.setting = prior, setting

    @torch.inference_mode()
    def codes(self, window: Window, sampling: Sampling, stepped: Callable[[], None] = lambda: None) -> Tensor:
        """Codes (B, P + N) of a window."""
        return sample_window(self.prior, window.labels, window.above, window.prompt, window.uniforms, sampling, stepped)

    def seconds_per_step(self, window: Window, marks: Sequence[int], threads: int) -> list[float]:
        """Between each mark and the next, counted in drawn tokens: what comes before the first draw is not in it."""
        torch.set_num_threads(threads)
        clock = StepClock(marks, self.setting.synchronise)
        self.codes(window, ORDINARY, clock)
        return clock.seconds_per_step()


def measure_row(config: PriorConfig, batch: int, setting: Setting, hf_python: Path | None) -> dict[str, Any]:
    """One width and batch: checked, timed in rounds, printed."""
    prior = random_prior(config, setting.device, setting.dtype)
    tokens = setting.tokens if batch == 1 else max(WARM_UP, setting.tokens // 2)
    window = random_window(config, batch, PROMPT, tokens, setting.device)
    floor, engines = Floor(prior, batch, setting.synchronise), {"ours": Ours(prior, setting)}
    check: dict[str, Any] = {}
    if hf_python is not None:
        raise NotImplementedError
    timings: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    warm = random_window(config, batch, PROMPT, WARM_UP, setting.device)
    for number in range(-1, setting.rounds):  # the first one warms up
        for threads in setting.threads:
            for name, engine in engines.items():
                shown = warm if number < 0 else window
                seconds = engine.seconds_per_step(shown, (0, shown.uniforms.shape[1] - 1), threads)[0]
                timings[name, threads].append(seconds)
            torch.set_num_threads(threads)
            for name in (*FLOORS, "products"):
                timings[name, threads].append(floor.seconds(name))
    series = [Series(name, threads, tuple(seconds[1:])) for (name, threads), seconds in timings.items()]
    print(
        f"\n  width {config.width}, batch {batch}: {floor.bytes / 1e6:.1f} MB of weights a step, {tokens} tokens a row"
    )
    print("\n".join(f"  {line}" for line in describe(series, batch)), flush=True)
    least = better(series, *FLOORS)
    assert least is not None
    return {
        "width": config.width,
        "heads": config.heads,
        "batch": batch,
        "tokens": tokens,
        "prompt": PROMPT,
        "step_weight_bytes": floor.bytes,
        "same_greedy_codes": check,
        "figures": [one.record(batch) for one in series],
        "floor_is": {
            "pass": least.engine,
            "threads": least.threads,
            "gb_per_s": floor.bytes / min(least.seconds) / 1e9,
        },
        "ratios": ratios(series),
    }


@app.command()
def measure(
    widths: Annotated[list[int], typer.Option(help="widths of the small shape; repeat it")] = [256, 512],  # noqa: B006
    batches: Annotated[list[int], typer.Option(help="clips sampled at a time; repeat it")] = [1, 8, 32],  # noqa: B006
    threads: Annotated[list[int], typer.Option(help="of torch, on both sides; repeat it")] = [1, 2],  # noqa: B006
    rounds: Annotated[int, typer.Option(min=1)] = 5,
    tokens: Annotated[
        int, typer.Option(min=16, help="a row draws a round at batch 1, half of it at larger ones")
    ] = 320,
    skip_hf: Annotated[bool, typer.Option("--skip-hf", help="our engine and the floor only")] = False,
) -> None:
    """Print and write tokens/s of both engines and of the floor, and their ratios."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    setting = Setting(device, torch.float32, tuple(threads), rounds, tokens, 64)
    rows = [measure_row(small(width), batch, setting, None) for width in widths for batch in batches]


def main(options: Sequence[str] = QUICK) -> None:
    app(args=list(options), standalone_mode=False)


if __name__ == "__main__":
    app()
