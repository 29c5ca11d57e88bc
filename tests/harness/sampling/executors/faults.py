"""Toy models that break in one way each, and a small plan to break over. Importable by workers in other processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from harness.models.base import Clip, Conditioning, Sampling, SamplingProgress
from harness.models.toy import ToyModel
from harness.planning.experiment import Condition, Experiment
from harness.planning.plan import Plan, make_plan
from harness.planning.settings import ExperimentSettings
from harness.prompts.prompt import Prompt
from harness.store.clips import Store

EXPERIMENT = Experiment("t", (Condition("cold", Sampling(0.5)), Condition("warm", Sampling(1.0))), "temperature")


def toy_plan(clips: int = 8, seconds: float = 0.25) -> Plan:
    """`clips` of each of two conditions, over the four styles of the toy."""
    model = ToyModel()
    prompts = tuple(Prompt(style=style) for style in model.styles)
    return make_plan(EXPERIMENT, model, ExperimentSettings(clips=clips, seconds=seconds, prompts=prompts))


def sounds(store: Store) -> dict[str, tuple[bytes, ...]]:
    """Sound and codes of every stored clip, by id."""
    return {
        path.parent.name: (path.read_bytes(), (path.parent / "codes.safetensors").read_bytes())
        for path in store.root.glob("??/*/audio.flac")
    }


class Faulty(ToyModel):
    """A toy that meets `fault` at the `batch`-th batch that any worker begins, once; `folder` is what workers share.

    Two faults are in every batch: "slow", and "together", which begins when two workers do.
    """

    def __init__(self, fault: str, folder: Path, batch: int = 2) -> None:
        self.fault, self.folder, self.batch = fault, folder, batch

    def sample(
        self,
        conditionings: Sequence[Conditioning],
        seeds: Sequence[int],
        sampling: Sampling | None = None,
        progress: SamplingProgress | None = None,
        unfinished: Sequence[Path] | None = None,
    ) -> list[Clip]:
        log(self.folder, seeds)
        if self.fault == "together":
            while len(workers(self.folder)) < 2:
                time.sleep(0.01)
        if (self.folder / "log").read_text().count("\n") == self.batch:
            self.meet()
        clips = super().sample(conditionings, seeds, sampling, progress)
        return self.spoil(clips)

    def meet(self) -> None:
        match self.fault:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exception":
                raise ZeroDivisionError("the model divides by nothing")
            case "connection":
                raise ConnectionResetError("the file server went away")
            case "hang":
                while True:
                    time.sleep(0.01)

    def spoil(self, clips: list[Clip]) -> list[Clip]:
        if self.fault == "nan":
            clips[-1] = Clip(np.full_like(clips[-1].audio, np.nan), clips[-1].rate)
        if self.fault == "slow":
            time.sleep(0.02)
        return clips


class Large(ToyModel):
    """A toy for which more than `most` clips at a time are too many."""

    def __init__(self, most: int) -> None:
        self.most = most

    def sample(self, *arguments: Any, **named: Any) -> list[Clip]:
        if self.width > self.most:
            raise MemoryError
        return super().sample(*arguments, **named)


def log(folder: Path, seeds: Sequence[object]) -> None:
    """One line for a batch, appended in one write: several processes may do so at once."""
    (folder / f"worker-{os.getpid()}").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    descriptor = os.open(folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, (" ".join(map(str, seeds)) + "\n").encode())
    finally:
        os.close(descriptor)


def workers(folder: Path) -> dict[str, str]:
    """The processes that have begun a batch, each with the GPUs that it sees."""
    return {path.name: path.read_text() for path in folder.glob("worker-*")}


def loads(fault: str, folder: Path) -> partial[Faulty]:
    return partial(Faulty, fault, folder)
