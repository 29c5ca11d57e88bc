"""`python -m harness.models.jukebox.train.trials`: judge a decoder or a way of sampling, and add it to the table.

The table of what was tried is `results/reference/jukebox-mini/trials.json`; a row is what was tried, its cost in core
minutes of training, and the figures of `judge`. Without options the model is judged as it is.

    python -m harness.models.jukebox.train.trials --name "temperature .7" --temperature 0.7
    python -m harness.models.jukebox.train.trials --name "drawn codes" --decoder results/training/mini/decoder-0.pt
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path
from typing import Any

import torch

from harness.models.base import Sampling
from harness.models.jukebox.model import MINI, JukeboxModel
from harness.models.jukebox.train.judge import Bench, decoded, judge_round_trip, judge_samples
from harness.models.jukebox.train.loop import keep_freed_memory
from harness.models.jukebox.weights.checkpoint import ModelFolder
from metrics.embeddings import load_embedder
from metrics.io.files import write_bytes

TABLE = Path("results/reference/jukebox-mini/trials.json")


def judged(model: JukeboxModel, bench: Bench, sampling: Sampling, checkpoint: Path | None) -> dict[str, Any]:
    """The row of one trial: `checkpoint` is of `refine`, None for the model's own decoder."""
    decoder, row = model.vqvae.decoders[0], {}
    if checkpoint is not None:
        saved = torch.load(checkpoint, weights_only=True)
        decoder = copy.deepcopy(decoder)
        weights = {key.removeprefix("average."): value for key, value in saved["module"].items()}
        decoder.load_state_dict({key: weights[key] for key in decoder.state_dict()})
        row = {"steps": saved["step"], "training_minutes": round(saved["seconds"] / 60, 1)}
    embedder = load_embedder("musicnn")
    samples = round(bench.seconds * model.rate)
    trips = decoded(model, decoder, bench.codes(model), samples)
    clips = decoded(model, decoder, bench.sampled(model, sampling), samples)
    values = {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p}
    return {
        **row,
        "sampling": values,
        "round trip": judge_round_trip(bench, trips, embedder),
        "samples": judge_samples(bench, clips, bench.asked(model), model.rate, embedder),
    }


def main() -> None:
    """Judge what the command line names and write its row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="as shipped", help="of the row; one of the same name is replaced")
    parser.add_argument("--decoder", type=Path, help="a checkpoint of the refined decoder")
    parser.add_argument(
        "--temperature", type=float, nargs="+", default=[0.99], help="one, or one a level, finest first"
    )
    parser.add_argument("--top-p", type=float, default=0.0)
    parser.add_argument("--top-k", type=int, default=0)
    parser.add_argument("--corpus", default="mini")
    parser.add_argument("--clips-per-style", type=int, default=13)
    parser.add_argument("--table", type=Path, default=TABLE)
    given = parser.parse_args()
    temperature = given.temperature[0] if len(given.temperature) == 1 else tuple(given.temperature)
    torch.set_num_threads(1)
    keep_freed_memory()
    began = time.process_time()
    model = JukeboxModel("jukebox:mini", ModelFolder(MINI))
    bench = Bench.of(given.corpus, load_embedder("musicnn"), given.clips_per_style)
    row = judged(model, bench, Sampling(temperature, given.top_k, given.top_p), given.decoder)
    row["judging_core_minutes"] = round((time.process_time() - began) / 60, 1)
    rows = json.loads(given.table.read_text()) if given.table.is_file() else {}
    rows[given.name] = row
    write_bytes(given.table, (json.dumps(rows, indent=1) + "\n").encode())
    print(json.dumps({given.name: row}, indent=1))


if __name__ == "__main__":
    main()
