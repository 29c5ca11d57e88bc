"""A run of the toy, killed with SIGKILL in one of its phases after its first stored clip, and gone on with to its end.

The driver is killed; its workers, which have no one to sample for then, end by themselves. The phase is read from what
the run tells on standard error, afterwards as well: it is the one that the kill met, not the one it was meant for.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from harness.core.identity import readable_json
from harness.models.base import Clip, Conditioning
from harness.models.toy import ToyModel
from tests.benchmarks.bench_harness import reference
from tests.e2e.mlflow_server import content
from tests.harness.sampling.executors.faults import log

CLIPS = 24
EXECUTORS = ("local", "processes:2")
RUN_SECONDS = 120.0

BEGINNINGS = {
    "sampling": "sampling (",
    "embedding": "sampling (toy): done",
    "scoring": "embedding (toy): done",
    "projecting": "measuring: done",
    "logging": "logging to MLflow",
}
"""The phases of a run in their order, and what is told when each begins."""


class Counting(ToyModel):
    """The toy, which logs what it was asked for: a line a batch, of clips and whether each was whole already."""

    def sample(
        self,
        conditionings: Sequence[Conditioning],
        seeds: Sequence[int],
        *arguments: Any,
        **named: Any,
    ) -> list[Clip]:
        *_, unfinished = (*arguments, *named.values())
        store = unfinished[0].parents[1]
        asked = [f"{path.stem}:{(store / path.stem[:2] / path.stem).exists()}" for path in unfinished]
        log(store.parents[1], asked)
        return super().sample(conditionings, seeds, *arguments, **named)


def install(folder: Path) -> None:
    """A distribution in `folder` that makes the counting toy known as a plug-in, where `folder` is on the path."""
    distribution = folder / "counting_toy-1.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: counting-toy\nVersion: 1\n")
    (distribution / "entry_points.txt").write_text(
        f"[music_harness.models]\ncounting-toy = {__name__}:{Counting.__name__}\n"
    )


def _forks() -> Any:
    """Processes that are forked from one that has imported what a run imports: 100 of them in a tenth of the time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.soak.imports"])
    return context


def _harness(arguments: list[str], plugins: Path, told: Path) -> None:
    """The `harness` command in a process of its own that has its imports already; what it tells goes to a file."""
    from harness.cli import main

    with told.open("wb") as stderr, open(os.devnull, "wb") as stdout:
        os.dup2(stderr.fileno(), 2)
        os.dup2(stdout.fileno(), 1)
    sys.path.append(str(plugins))
    sys.argv = ["harness", *arguments]
    main()


@dataclass(frozen=True)
class World:
    """What trials share: a reference set, a folder with the plug-in, an MLflow database without runs."""

    reference: Path
    plugins: Path
    database: Path

    @classmethod
    def make(cls, root: Path) -> World:
        from mlflow import MlflowClient

        install(root / "plugins")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of MLflow's imports
            MlflowClient(tracking_uri=f"sqlite:///{root / 'empty.db'}").search_experiments()
        return cls(reference(root), root / "plugins", root / "empty.db")


@dataclass(frozen=True)
class Trial:
    """A run in a folder of its own. `database` is the MLflow database that it begins with; without, it makes one."""

    root: Path
    world: World
    database: Path | None = None

    @property
    def results(self) -> Path:
        return self.root / "results"

    @cached_property
    def told(self) -> Path:
        """What the run tells, made with its folder."""
        self.results.mkdir(parents=True)
        if self.database is not None:
            shutil.copyfile(self.database, self.results / "mlflow.db")
        return self.root / "told"

    def start(self, executor: str) -> BaseProcess:
        """The run, from sampling to logging."""
        self.told.write_text("")
        arguments = [
            *("run", "temperature", "--temperature", "0.6", "--temperature", "1", "--clips", str(CLIPS)),
            *("--model", "counting-toy", "--embedder", "toy", "--seconds", "1", "--executor", executor),
            *("--reference", str(self.world.reference), "--results", str(self.results)),
        ]
        process = _forks().Process(target=_harness, args=(arguments, self.world.plugins, self.told))
        process.start()
        return process

    def phase(self) -> str:
        """Where the run is, "" before it samples."""
        told = self.told.read_text()
        return next((phase for phase, line in reversed(BEGINNINGS.items()) if line in told), "")

    def lengths(self, executor: str) -> dict[str, float]:
        """Run it to its end; how long each phase took in seconds, that of sampling from the first stored clip on."""
        process, begun = self.start(executor), {}
        self._wait(process, self.stored)
        while process.exitcode is None:
            begun.setdefault(self.phase(), time.monotonic())
            process.join(0.002)
        assert process.exitcode == 0, self.told.read_text()
        ends = [*list(begun.values())[1:], time.monotonic()]
        return {phase: end - start for (phase, start), end in zip(begun.items(), ends, strict=True)}

    def kill(self, executor: str, phase: str, seconds: float) -> str:
        """Start it and kill it so long after `phase` began; the phase that was met, "" when the run had ended."""
        process, later = self.start(executor), list(BEGINNINGS)[list(BEGINNINGS).index(phase) :]
        self._wait(process, self.stored)
        self._wait(process, lambda: self.phase() in later)
        process.join(seconds)
        process.kill()
        process.join()
        return self.phase() if process.exitcode == -signal.SIGKILL else ""

    def resume(self, executor: str) -> None:
        """Give the same command again and wait for its end."""
        process = self.start(executor)
        process.join(RUN_SECONDS)
        assert process.exitcode == 0, self.told.read_text()

    def _wait(self, process: BaseProcess, condition: Callable[[], object]) -> None:
        while process.exitcode is None and not condition():
            process.join(0.002)

    def stored(self) -> set[str]:
        return {path.parent.name for path in self.results.glob("store/??/*/record.json")}

    def files(self) -> dict[str, bytes]:
        """All that a run leaves, by path: sounds, codes, records, embeddings, scores, figures. MLflow's by itself."""
        return {
            str(path.relative_to(self.results)): _content(path)
            for path in self.results.rglob("*")
            if (path.is_symlink() or path.is_file()) and path.name != "mlflow.db" and "mlartifacts" not in path.parts
        }

    def expected(self) -> tuple[dict[str, bytes], dict[str, Any]]:
        """What `faults` compares with."""
        return self.files(), self.shown()

    def shown(self) -> dict[str, Any]:
        """What MLflow shows."""
        shown = content(f"sqlite:///{self.results / 'mlflow.db'}", "temperature", self.root / "downloaded")
        for run in shown.values():
            run["tags"] = {name: value for name, value in run["tags"].items() if ".git" not in f".{name}"}
        return shown

    def samplings(self) -> list[tuple[str, bool]]:
        """Clips in the order in which they were sampled, and whether each was whole already."""
        entries = [entry.partition(":") for entry in (self.root / "log").read_text().split()]
        return [(clip, whole == "True") for clip, _, whole in entries]

    def faults(self, files: dict[str, bytes], shown: dict[str, Any]) -> list[str]:
        """What is wrong with a resumed run beside an undisturbed one: files that differ, are missing or too many,
        another content of MLflow, clips that were sampled after they were whole."""
        found = self.files()
        wrong = [f"missing: {path}" for path in files if path not in found]
        wrong += [f"left over: {path}" for path in found if path not in files]
        wrong += [f"differs: {path}" for path in files if path in found and found[path] != files[path]]
        wrong += [f"sampled when whole: {clip}" for clip, whole in self.samplings() if whole]
        logged = self.shown()
        wrong += [f"MLflow lacks {run}" for run in shown if run not in logged]
        wrong += [f"MLflow differs in {run}" for run in logged if logged[run] != shown.get(run)]
        if len(list((self.results / "mlartifacts").iterdir())) != len(shown):
            wrong.append("artifacts of no run")
        return wrong


def _content(path: Path) -> bytes:
    """The bytes of a file; of a record, without the state of the source, which may be worked on meanwhile."""
    content = path.read_bytes() if path.is_file() else b""
    if path.name != "record.json":
        return content
    record = json.loads(content)
    record["host"] = {name: fact for name, fact in record["host"].items() if not name.startswith("git_")}
    return readable_json(record)
