"""A folder of results as a run leaves it, without running anything."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np

from harness.core.identity import digest
from harness.models.base import Clip
from harness.store.clips import Store, StoredClip
from harness.store.listing import TABLE, plan_file

RATE = 16_000


def clip(seed: int = 0, seconds: float = 0.1) -> Clip:
    rng = np.random.default_rng(seed)
    audio = rng.uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)
    return Clip(audio, RATE, {0: rng.integers(0, 9, 7)}, {"style": "a"})


def put(results: Path, seed: int, prompt: str = "calm") -> StoredClip:
    identity = {"model": {"name": "toy"}, "prompt": {"text": prompt}, "seed": seed, "index": seed}
    return Store(results / "store").put(identity, clip(seed), {"device": "cpu"})


def leave_plan(results: Path, name: str, conditions: dict[str, list[StoredClip]]) -> Path:
    """What a run that needs these clips leaves when it is interrupted."""
    folder = leave_run(results, name, conditions)
    plan = plan_file(folder)
    plan.parent.mkdir(exist_ok=True)
    (folder / TABLE).replace(plan)
    shutil.rmtree(folder)
    return plan


def leave_run(results: Path, name: str, conditions: dict[str, list[StoredClip]]) -> Path:
    """A run's folder that refers to these clips."""
    folder = results / "runs" / name
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps({"id": digest(name)}))
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["condition", "prompt", "index", "clip", "path"])
        for condition, clips in conditions.items():
            for index, stored in enumerate(clips):
                path = f"clips/{condition}/calm-{index}.flac"
                writer.writerow([condition, "“calm”", index, stored.id, path])
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).symlink_to(Path("../../../../store") / stored.id[:2] / stored.id / "audio.flac")
    return folder
