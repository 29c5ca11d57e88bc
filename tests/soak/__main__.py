"""`make soak`: kills runs at random moments, resumes each, and writes what was found to results/soak.json."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from metrics.files import write_bytes
from tests.benchmarks.bench_harness import reference
from tests.soak.killing import contents, faults, kill_after, made, resume, stored

EXECUTORS = ("local", "processes:2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/soak.json"))
    arguments = parser.parse_args()
    chosen, trials = random.Random(arguments.seed), []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        music = reference(root)
        resume(root / "whole", music, "local")
        expected = contents(root / "whole")
        trial = 0
        while sum(each["killed"] for each in trials) < arguments.kills:
            trial += 1
            results, executor = root / str(trial), EXECUTORS[trial % len(EXECUTORS)]
            seconds = chosen.uniform(0, 1.6) ** 2  # half of the moments while clips are made
            killed = kill_after(results, music, executor, seconds)
            before = made(results)
            kept = len(stored(results))
            resume(results, music, EXECUTORS[chosen.randrange(len(EXECUTORS))])
            wrong = faults(results, expected, before)
            trials.append({"executor": executor, "seconds": seconds, "killed": killed, "kept": kept, "wrong": wrong})
            print(f"{trial}: {executor}, killed after {seconds:.2f} s with {kept} clips: {wrong or 'well'}", flush=True)
    write_bytes(arguments.out, json.dumps({"clips": 48, "trials": trials}, indent=1).encode() + b"\n")
    failed = sum(bool(each["wrong"]) for each in trials)
    print(f"{len(trials)} runs, {sum(each['killed'] for each in trials)} killed, {failed} not as they should be")
    sys.exit(bool(failed))


main()
