"""The one training loop: steps with a warm-up and a cosine, resumable checkpoints, values to a log."""

from __future__ import annotations

import ctypes
import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import cos, pi
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.models.training import TrainingLog
from metrics.io.files import write_bytes


@dataclass(frozen=True)
class Schedule:
    """Length, batch and learning rate of a training."""

    steps: int
    batch: int
    rate: float  # peak learning rate
    warmup: int = 100
    floor: float = 0.05  # last learning rate / peak
    decay: float = 0.01  # weight decay
    clip: float = 1.0  # gradient norm
    every: int = 200  # steps between validations, checkpoints and log lines
    seed: int = 0

    def factor(self, step: int) -> float:
        """Learning rate at `step` relative to the peak."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.floor + (1 - self.floor) * 0.5 * (1 + cos(pi * min(1.0, done)))


@dataclass(frozen=True)
class Job:
    """One part's training: its schedule, the folder of its checkpoints, and the log that its values go to."""

    schedule: Schedule
    folder: Path
    log: TrainingLog


def keep_freed_memory() -> None:
    """Tell glibc to reuse large freed blocks: on a virtual machine their page faults cost more than the arithmetic.

    A no-op where there is no glibc.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-4, 0)  # M_MMAP_MAX
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
        libc.mallopt(-2, 256 * 2**20)  # M_TOP_PAD
    except (OSError, AttributeError):
        return


def _packed(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


class Trainer:
    """Runs `step(step_index) -> loss, values` over the parameters of a module, and resumes where it stopped."""

    def __init__(self, name: str, module: nn.Module, job: Job) -> None:
        self.name, self.module, self.log = name, module, job.log
        self.schedule = schedule = job.schedule
        self.folder = job.folder
        decayed = [p for p in module.parameters() if p.requires_grad and p.ndim >= 2]
        plain = [p for p in module.parameters() if p.requires_grad and p.ndim < 2]
        groups = [{"params": decayed, "weight_decay": schedule.decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=schedule.rate, betas=(0.9, 0.98), fused=True)
        self.first = 0
        self.seconds = 0.0
        self.best = float("inf")

    @property
    def path(self) -> Path:
        """The last checkpoint."""
        return self.folder / f"{self.name}.pt"

    @property
    def best_path(self) -> Path:
        """The checkpoint of the least validation loss."""
        return self.folder / f"{self.name}.best.pt"

    def resume(self) -> None:
        """Load the last checkpoint, where one exists."""
        if not self.path.exists():
            return
        saved = torch.load(self.path, weights_only=True)
        self.module.load_state_dict(saved["module"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.first, self.seconds, self.best = saved["step"], saved["seconds"], saved["best"]
        print(f"{self.name}: resuming from step {self.first}", flush=True)

    def save(self, step: int, validation: float) -> None:
        """Write a checkpoint, and the best weights where `validation` is the least so far."""
        state: dict[str, Any] = {"module": self.module.state_dict(), "step": step, "seconds": self.seconds}
        if validation <= self.best:
            self.best = validation
            write_bytes(self.best_path, _packed(state | {"validation": validation}))
        state |= {"optimizer": self.optimizer.state_dict(), "best": self.best}
        write_bytes(self.path, _packed(state))

    def run(
        self, step: Callable[[int], tuple[Tensor, dict[str, float]]], validate: Callable[[], dict[str, float]]
    ) -> None:
        """Train to the schedule's end. `validate` returns values of which the first is the one to minimise."""
        schedule = self.schedule
        self.resume()
        self.module.train()
        sums: dict[str, float] = {}
        with self.log(self.name, asdict(schedule)) as log:
            began = time.monotonic()
            for index in range(self.first, schedule.steps):
                for group in self.optimizer.param_groups:
                    group["lr"] = schedule.rate * schedule.factor(index)
                torch.manual_seed(schedule.seed * 1_000_003 + index)  # so that a resumed run draws the same
                loss, values = step(index)
                loss.backward()
                nn.utils.clip_grad_norm_(self.module.parameters(), schedule.clip)
                self.optimizer.step()
                self.optimizer.zero_grad(set_to_none=True)
                for key, value in ({"loss": loss.item()} | values).items():
                    sums[key] = sums.get(key, 0.0) + value
                if (index + 1) % schedule.every == 0 or index + 1 == schedule.steps:
                    count = (index - self.first) % schedule.every + 1
                    self.module.eval()
                    with torch.inference_mode():
                        checked = validate()
                    self.module.train()
                    now = time.monotonic()
                    self.seconds += now - began
                    began = now
                    self.save(index + 1, next(iter(checked.values())))
                    line = {f"train/{key}": value / count for key, value in sums.items()}
                    line |= {f"valid/{key}": value for key, value in checked.items()}
                    log(line | {"seconds": self.seconds}, index + 1)
                    text = " ".join(f"{key} {value:.4g}" for key, value in line.items())
                    progress = f"step {index + 1}/{schedule.steps} {self.seconds / 60:.1f} min"
                    print(f"{self.name} {progress} {text}", flush=True)
                    sums = {}
