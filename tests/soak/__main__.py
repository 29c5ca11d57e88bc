"""`make soak`: kills runs at random moments of every phase, resumes each, and writes results/soak.json."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from metrics.io.files import write_bytes
from tests.soak.killing import BEGINNINGS, CLIPS, EXECUTORS, Trial, World

MOST = 3
"""Runs for a kill: a phase may have ended before the kill comes, or the machine may be busy."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/soak.json"))
    arguments = parser.parse_args()
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        trials = soak(Path(folder), arguments.kills, random.Random(arguments.seed))
    killed = [trial for trial in trials if trial["met"]]
    met = Counter(f"{trial['executor']}, {trial['met']}" for trial in killed)
    wrong = sum(bool(trial["wrong"]) for trial in trials)
    summary = {"kills": len(killed), "by executor and phase": dict(sorted(met.items())), "wrong": wrong}
    rows = ",\n  ".join(json.dumps(trial) for trial in trials)
    head = json.dumps({"clips": 2 * CLIPS, "seed": arguments.seed, **summary}, indent=1).removesuffix("\n}")
    write_bytes(arguments.out, f'{head},\n "trials": [\n  {rows}\n ]\n}}\n'.encode())
    print(json.dumps(summary, indent=1))
    sys.exit(bool(wrong) or len(met) < len(EXECUTORS) * len(BEGINNINGS))


def soak(root: Path, kills: int, chosen: random.Random) -> list[dict[str, Any]]:
    """As many kills, each where there were fewest so far: at a random moment of that phase with that executor."""
    world = World.make(root)
    whole = [Trial(root / executor, world) for executor in EXECUTORS]
    lengths = {trial.root.name: trial.lengths(trial.root.name) for trial in whole}
    expected = whole[0].expected()
    assert whole[1].faults(*expected) == []
    met: Counter[tuple[str, str]] = Counter({(e, phase): 0 for e in EXECUTORS for phase in BEGINNINGS})
    trials: list[dict[str, Any]] = []
    while met.total() < kills and len(trials) < MOST * kills:
        executor, phase = min(met, key=lambda place: met[place])
        seconds = chosen.uniform(0, lengths[executor][phase])
        # A kill while MLflow is written may meet a database that is being made; elsewhere it is not waited for.
        trial = Trial(root / str(len(trials)), world, None if phase == "logging" else world.database)
        found = trial.kill(executor, phase, seconds)
        kept = len(trial.stored())
        trial.resume(chosen.choice(EXECUTORS))
        wrong = trial.faults(*expected)[:5]  # the others will be of the same kind
        if found:
            met[executor, found] += 1
        if found != phase:  # it had ended before: nearer to its beginning the next time
            lengths[executor][phase] /= 2
        trials.append(
            {"executor": executor, "phase": phase, "seconds": round(seconds, 4), "met": found, "kept": kept}
            | {"sampled": len(trial.samplings()), "wrong": wrong}
        )
        print(len(trials), *trials[-1].values(), flush=True)
        if not wrong:
            shutil.rmtree(trial.root)
    return trials


if __name__ == "__main__":
    main()
