"""One clip outside an experiment: its request, and sampling that loses at most one window to an interruption."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from harness.core.errors import UsageError
from harness.core.foreign import foreign
from harness.core.identity import clip_identity, digest
from harness.core.option import Option
from harness.core.progress import Progress
from harness.core.settings import settings_class
from harness.models.base import Clip, Sampling
from harness.models.codes import read_codes, request_of
from harness.prompts.prompt import Prompt

DEFAULT_SECONDS = 10.0


CONDITIONING, DRAWING, WINDOWS = "What it should sound like", "How it is drawn", "How it is computed"
"""The headings of these options in --help."""


@settings_class
class SampleSettings:
    """How one clip is to be, None where nothing is said. What has a value for each level is checked by `Sampling`."""

    seconds: Annotated[float | None, Option("Length of the clip, an audio prompt included.", default="10")] = None
    style: Annotated[str | None, Option("A style the model knows.", panel=CONDITIONING)] = None
    artist: Annotated[str | None, Option("An artist the model knows.", panel=CONDITIONING)] = None
    lyrics: Annotated[str | None, Option("Words to sing, or a text file of them.", panel=CONDITIONING)] = None
    audio: Annotated[Path | None, Option("A sound file to continue.", panel=CONDITIONING)] = None
    prompt_seconds: Annotated[
        float | None, Option("How much of --audio to continue from.", panel=CONDITIONING, default="3")
    ] = None
    codes: Annotated[
        Path | None,
        Option(
            "Codes to go on from: a clip to continue, or levels to upsample. What else is not given is taken from the "
            "file.",
            panel=CONDITIONING,
        ),
    ] = None
    total_seconds: Annotated[
        float | None, Option("Length of the piece that the clip is an excerpt of.", panel=CONDITIONING)
    ] = None
    offset_seconds: Annotated[float | None, Option("Where in that piece the clip begins.", panel=CONDITIONING)] = None
    temperature: Annotated[Any, Option("Lower is safer, higher is wilder.", panel=DRAWING, default="0.99")] = None
    top_k: Annotated[Any, Option("Draw from the k likeliest codes; 0 for all.", panel=DRAWING)] = None
    top_p: Annotated[Any, Option("Draw from the likeliest codes of this mass; 0 for all.", panel=DRAWING)] = None
    seed: Annotated[int | None, Option("The same seed gives the same bytes.", panel=DRAWING, default="0")] = None
    stop_level: Annotated[int, Option("Finest level to sample; the codes are kept for --codes.", panel=DRAWING)] = 0
    hop_fraction: Annotated[Any, Option("Part of a window that each window adds.", panel=WINDOWS)] = None
    window: Annotated[Any, Option("Codes of a window, up to the model's own.", panel=WINDOWS)] = None
    chunk: Annotated[Any, Option("Codes that a window takes in at once.", panel=WINDOWS)] = None
    upsampling: Annotated[
        str,
        Option("exact, or parallel:SLICES[:OVERLAP], quicker but with seams between slices.", panel=WINDOWS),
    ] = "exact"
    width: Annotated[
        int | None,
        Option(
            "Clips sampled at a time, of which this is one; it counts in the clip's identity.",
            panel=WINDOWS,
            default="1 for Jukebox",
        ),
    ] = None
    dtype: Annotated[str | None, Option("float32, bfloat16, or float16 on a GPU.", panel=WINDOWS)] = None

    def prompt(self) -> dict[str, Any]:
        """The fields of a `Prompt`, without its text."""
        names = "style artist lyrics audio prompt_seconds codes total_seconds offset_seconds"
        return {name: getattr(self, name) for name in names.split()}

    def sampling(self) -> dict[str, Any]:
        """The fields of a `Sampling`."""
        names = "temperature top_k top_p stop_level hop_fraction window chunk upsampling"
        return {name: getattr(self, name) for name in names.split()}


class Asked(NamedTuple):
    """A request for one clip."""

    prompt: Prompt
    sampling: Sampling
    seconds: float
    seed: int


def read_request(
    prompt: Mapping[str, Any], sampling: Mapping[str, Any], seconds: float | None, seed: int | None
) -> Asked:
    """Complete a request. `prompt` and `sampling` hold fields of `Prompt` and `Sampling`, None where nothing
    was said: then the request in the file of codes counts, if there is one, else the default. Raises `UsageError`."""
    kept: dict[str, Any] = {} if prompt["codes"] is None else read_codes(prompt["codes"]).request
    words = {name: value for name, value in kept.get("prompt", {}).items() if name not in ("audio", "codes")}
    drawn: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in kept.get("sampling", {}).items()
    }
    drawn.pop("stop_level", None)
    length = float(kept.get("seconds", DEFAULT_SECONDS)) if seconds is None else seconds
    number = int(kept.get("seed", 0)) if seed is None else seed
    if not (math.isfinite(length) and length > 0):
        raise UsageError(f"--seconds was {length}: a positive number was expected.")
    if not 0 <= number < 2**63:
        raise UsageError(f"--seed was {number}: a whole number from 0 to 2^63 − 1 was expected.")
    return Asked(Prompt(**words | _said(prompt)), Sampling(**drawn | _said(sampling)), length, number)


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def make(
    model: str,
    options: Mapping[str, Any],
    asked: Asked,
    progress: Progress,
    understood: Callable[[str, dict[str, Any]], None],
) -> tuple[Clip, dict[str, Any], Path]:
    """The clip, the request to keep with its codes, and the file that holds unfinished codes: to be removed by the
    caller once the clip is safe. `understood` is called with the model's name and its labels before sampling."""
    from harness.models.registry import load_model
    from metrics.io.weights import cache_dir

    loaded = load_model(model, **options)
    with foreign(f"the model {loaded.name}"):
        conditioning = loaded.encode(asked.prompt, asked.seconds)
        fingerprint = loaded.fingerprint()
    understood(loaded.name, conditioning.record)
    identity = clip_identity(fingerprint, asked.prompt.content(), asked.sampling, asked.seed, 0, asked.seconds)
    unfinished = cache_dir() / "unfinished" / f"{digest(identity)}.safetensors"
    if unfinished.exists():
        progress.note("going on from the last window of an interrupted run")
    with progress.stage("sampling", 1) as stage, foreign(f"the model {loaded.name}"):
        [clip] = loaded.sample(
            [conditioning],
            [asked.seed],
            asked.sampling,
            lambda done, total, detail="": stage.advance(done / total, detail or f"{done}/{total} steps"),
            [unfinished],
        )
    return clip, request_of(identity), unfinished
