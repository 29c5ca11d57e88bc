"""Upsampling in slices beside exact upsampling: how much faster, and what the seams cost.

Clips of jukebox:mini share their top codes and random numbers. A code's cost is −log2 p under the exact model, given
the codes before it in its window: of the codes just after a seam, whose past is another slice's, beside codes away from
any seam, and the same places of the exactly sampled clip.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from harness.core.identity import readable_json
from harness.models.base import Clip, Sampling
from harness.models.jukebox.decoding.levels import slices
from harness.models.jukebox.likelihood import window_nats
from harness.models.jukebox.model import JukeboxModel, load_mini
from harness.prompts.prompt import Prompt
from metrics.io.files import write_bytes

NEAR = 32  # codes after a seam
QUICK = ("--seconds", "6", "--clips", "1", "--slices", "4", "--no-write")
OUT = Path(__file__).parents[2] / "results" / "benchmarks" / "upsampling.json"

app = typer.Typer(add_completion=False)


def timed(model: JukeboxModel, style: str, seconds: float, seed: int, sampling: Sampling) -> tuple[Clip, float]:
    """A clip, and the seconds that its lower level took."""
    encoded, began = model.encode(Prompt(style=style, offset_seconds=60.0), seconds), [0.0]

    def watch(done: int, total: int, detail: str = "") -> None:
        if not began[0] and detail.startswith("level 0"):
            began[0] = time.perf_counter()

    [clip] = model.sample([encoded], [seed], sampling, watch)
    return clip, time.perf_counter() - began[0]


def costs(model: JukeboxModel, style: str, seconds: float, codes: dict[int, np.ndarray]) -> np.ndarray:
    """Bits of each code of level 0 under the exact model."""
    request = model.encode(Prompt(style=style, offset_seconds=60.0), seconds).data
    labels = partial(model.labellers[0].window, model._labels(0, request, request.offset))
    hop = int(model.folder.hop_fractions[0] * model.folder.priors[0].n_ctx)
    return np.concatenate(list(window_nats(model.prior(0), codes[0], labels, codes[1], hop))) / np.log(2)


@app.command()
def run(
    seconds: Annotated[float, typer.Option(help="Length of each clip.")] = 20.0,
    clips: Annotated[int, typer.Option(help="Clips, each of another style.")] = 5,
    number: Annotated[int, typer.Option("--slices")] = 8,
    overlaps: Annotated[list[float], typer.Option("--overlap", help="In windows; repeat for more.")] = [0.0, 0.25, 0.5],  # noqa: B006
    write: Annotated[bool, typer.Option(help="Write results/benchmarks/upsampling.json.")] = True,
) -> None:
    """Sample each clip exactly and in slices, in turn."""
    one, many = load_mini(width=1), load_mini(width=number)
    window = one.folder.priors[0].n_ctx
    styles = (list(one.styles) * clips)[:clips]
    exact = [timed(one, style, seconds, seed, Sampling()) for seed, style in enumerate(styles)]
    exact_bits = [costs(one, style, seconds, clip.codes) for style, (clip, _) in zip(styles, exact, strict=True)]
    rows: list[dict[str, Any]] = []
    for overlap in overlaps:
        spec = Sampling(upsampling=f"parallel:{number}:{overlap}")
        sliced = [timed(many, style, seconds, seed, spec) for seed, style in enumerate(styles)]
        after, away, there = [], [], []
        for style, (clip, _), unsliced in zip(styles, sliced, exact_bits, strict=True):
            bits = costs(one, style, seconds, clip.codes)
            cuts = slices(0, len(bits), number, int(overlap * window), one.folder.priors[0].ratio)
            near = np.zeros(len(bits), bool)
            for cut in cuts[1:]:
                near[cut.begin : cut.begin + NEAR] = True
            after.append(bits[near].mean())
            away.append(bits[~near].mean())
            there.append(unsliced[near].mean())
        rows.append({
            "overlap": overlap,
            "speedup": float(np.median([e / s for (_, e), (_, s) in zip(exact, sliced, strict=True)])),
            "seconds": float(np.median([s for _, s in sliced])),
            "bits_after_seam": float(np.mean(after)),
            "bits_after_seam_se": float(np.std(after, ddof=1) / np.sqrt(clips)) if clips > 1 else None,
            "bits_away": float(np.mean(away)),
            "bits_exact_same_places": float(np.mean(there)),
        })  # fmt: skip
    result = {
        "model": one.name, "clips": clips, "seconds": seconds, "slices": number, "near_codes": NEAR,
        "exact_seconds": float(np.median([s for _, s in exact])), "torch": torch.__version__, "rows": rows,
    }  # fmt: skip
    print(f"  exact: {result['exact_seconds']:.1f} s for the lower level of {seconds:g} s")
    for row in rows:
        print(
            f"  parallel:{number}:{row['overlap']:g}: {row['speedup']:.2f} times as fast; bits a code in the {NEAR} "
            f"after a seam {row['bits_after_seam']:.2f}, away {row['bits_away']:.2f}, exact at the same places "
            f"{row['bits_exact_same_places']:.2f}"
        )
    if write:
        write_bytes(OUT, readable_json(result))


def main(arguments: list[str] | None = None) -> None:
    app(list(QUICK) if arguments is None else arguments, standalone_mode=False)
