"""One run of the toy, killed with SIGKILL at a moment after its first stored clip, and gone on with until it is whole.

The driver is killed; its workers, which have no one to sample for then, end by themselves. A run that ends before its
moment is simply whole.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

CLIPS, TEMPERATURES = 24, ("0.6", "1")
RUN_SECONDS = 120.0


def command(results: Path, reference: Path, executor: str) -> list[str]:
    """The run, from sampling to projection."""
    varied = [word for value in TEMPERATURES for word in ("--temperature", value)]
    return [
        *(sys.executable, "-m", "harness", "run", "temperature", *varied, "--model", "toy", "--embedder", "toy"),
        *("--seconds", "1", "--clips", str(CLIPS), "--reference", str(reference), "--results", str(results)),
        *("--executor", executor, "--no-mlflow", "--quiet"),
    ]


def kill_after(results: Path, reference: Path, executor: str, seconds: float) -> bool:
    """Start the run and kill it so long after its first stored clip; whether it was still running."""
    with subprocess.Popen(command(results, reference, executor), stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: process.poll() is not None or bool(stored(results)))
        with_time_left = process.poll() is None
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return with_time_left
    return False


def resume(results: Path, reference: Path, executor: str) -> None:
    """Give the same command again. Raises `CalledProcessError` when it fails."""
    subprocess.run(command(results, reference, executor), stdout=subprocess.DEVNULL, check=True, timeout=RUN_SECONDS)


def stored(results: Path) -> set[str]:
    return {path.parent.name for path in results.glob("store/??/*/record.json")}


def made(results: Path) -> dict[str, int]:
    """When each clip was made: a clip that is sampled twice has another moment (its record is written anew)."""
    return {path.parent.name: path.stat().st_mtime_ns for path in results.glob("store/??/*/record.json")}


def contents(results: Path) -> dict[str, bytes]:
    """All that a run leaves, by path: sounds, codes, records, embeddings, scores, figures."""
    return {
        str(path.relative_to(results)): path.read_bytes() if path.is_file() else b""
        for path in results.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def faults(results: Path, expected: dict[str, bytes], before: dict[str, int]) -> list[str]:
    """What is wrong with a resumed run: files that differ, are missing or too many, and clips that were made twice."""
    found = contents(results)
    wrong = [f"missing: {path}" for path in expected if path not in found]
    wrong += [f"left over: {path}" for path in found if path not in expected]
    wrong += [f"differs: {path}" for path in expected if path in found and found[path] != expected[path]]
    now = made(results)
    return wrong + [f"sampled twice: {clip}" for clip, moment in before.items() if now.get(clip) != moment]


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.002)
