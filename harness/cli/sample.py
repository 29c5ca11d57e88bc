"""`harness sample`: one clip, from a prompt to a sound file."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import DEFAULT_MODEL, Model, Quiet

CONDITIONING, DRAWING = "What it should sound like", "How it is drawn"


def sample(
    text: Annotated[str | None, typer.Argument(help="What to play, in any language.", show_default=False)] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Sound file to write, .wav or .flac.")] = Path(
        "sample.wav"
    ),
    seconds: Annotated[float, typer.Option(help="Length of the clip, an audio prompt included.")] = 10.0,
    style: Annotated[str | None, typer.Option(rich_help_panel=CONDITIONING, help="A style the model knows.")] = None,
    artist: Annotated[str | None, typer.Option(rich_help_panel=CONDITIONING, help="An artist the model knows.")] = None,
    lyrics: Annotated[
        str | None, typer.Option(rich_help_panel=CONDITIONING, help="Words to sing, or a text file of them.")
    ] = None,
    audio: Annotated[Path | None, typer.Option(rich_help_panel=CONDITIONING, help="A sound file to continue.")] = None,
    prompt_seconds: Annotated[
        float | None,
        typer.Option(rich_help_panel=CONDITIONING, help="How much of --audio to continue from.", show_default="3"),
    ] = None,
    temperature: Annotated[
        float, typer.Option(rich_help_panel=DRAWING, help="Lower is safer, higher is wilder.")
    ] = 0.99,
    top_k: Annotated[
        int, typer.Option(rich_help_panel=DRAWING, help="Draw from the k likeliest codes; 0 for all.")
    ] = 0,
    top_p: Annotated[
        float, typer.Option(rich_help_panel=DRAWING, help="Draw from the likeliest codes of this mass; 0 for all.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(rich_help_panel=DRAWING, help="The same seed gives the same bytes.")] = 0,
    model: Model = DEFAULT_MODEL,
    quiet: Quiet = False,
) -> None:
    """Sample one clip from text, style, lyrics or audio.

    [bold]Examples[/bold]

    harness sample "科研创意激发" --seconds 30 -o output.wav

    harness sample --audio clip.wav --prompt-seconds 3 --seconds 10 -o continued.flac

    harness sample --style NAME --temperature 0.8 --seed 7 -o calm.flac
    """
    from harness.errors import UsageError
    from harness.models.base import Sampling
    from harness.progress import progress_for
    from harness.prompts import Prompt

    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(f"--seconds was {seconds}: a positive number was expected.")
    if prompt_seconds is not None and audio is None:
        raise UsageError("--prompt-seconds was given without --audio: name the sound file to continue.")
    if not 0 <= seed < 2**63:
        raise UsageError(f"--seed was {seed}: a whole number from 0 to 2^63 − 1 was expected.")
    check_output(output)
    fields: dict[str, Any] = {
        "text": text,
        "style": style,
        "artist": artist,
        "lyrics": read_lyrics(lyrics),
        "audio": audio,
    }
    if prompt_seconds is not None:
        fields["prompt_seconds"] = prompt_seconds
    prompt = Prompt(**fields)

    from harness.models.registry import load_model

    progress = progress_for(quiet)
    loaded = load_model(model)
    conditioning = loaded.encode(prompt, seconds)
    progress.note(describe(loaded.name, conditioning.record))
    with progress.stage("sampling", 1) as stage:
        [clip] = loaded.sample(
            [conditioning], [seed], sampling, lambda done, total: stage.advance(done / total, f"{done}/{total} steps")
        )
    clip.save(output)
    typer.echo(f"{output}: {clip.seconds:.2f} s at {clip.rate} Hz, {said_loudness(clip.audio, clip.rate)}, seed {seed}")


def check_output(path: Path) -> None:
    """Find out before sampling whether the clip can be saved after it. Raises `UsageError`."""
    from harness.errors import UsageError

    if path.suffix.lower() not in (".wav", ".flac"):
        raise UsageError(
            f"the output {path} ends in {path.suffix!r}: .wav or .flac was expected, "
            f"for example -o {path.stem or 'clip'}.wav"
        )
    if path.is_dir():
        raise UsageError(
            f"the output {path} is a folder: the name of a sound file was expected, for example -o {path / 'clip.wav'}"
        )
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"the output {path} cannot be written: {folder} is not a folder you may write to. Choose another with -o."
        )


def read_lyrics(lyrics: str | None) -> str | None:
    """The words themselves, read from the file when there is one of that name."""
    from harness.errors import UsageError

    if lyrics is None or "\n" in lyrics or not lyrics.endswith((".txt", ".lrc")):
        return lyrics
    try:
        return Path(lyrics).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the lyrics file {lyrics} cannot be read ({error}): a text file in UTF-8 was expected."
        ) from error


def describe(model: str, record: dict[str, Any]) -> str:
    """What the model understood: the labels, and for free text how near they were to it and what else was near."""
    labels = ", ".join(f"{name} {record[name]}" for name in ("style", "artist") if record.get(name))
    line = f"{model}: {labels or 'no labels'}"
    if record.get("similarity") is not None:
        others = [f"{name} {similarity:.2f}" for name, similarity in record.get("candidates", [])[1:3]]
        line += f" (similarity to the text {record['similarity']:.2f}{'; next ' + ', '.join(others) if others else ''})"
    if record.get("weak"):
        line += "\nThe text says little about the styles this model knows; name one with --style to be sure."
    return line


def said_loudness(audio: Any, rate: int) -> str:
    """The loudness as a person reads it; a clip too short or silent says so."""
    from metrics.audio import LOUDNESS_BLOCK_SECONDS, loudness

    if len(audio) < LOUDNESS_BLOCK_SECONDS * rate:
        return "too short for a loudness"
    value = loudness(audio, rate)
    return f"{value:.1f} LUFS" if math.isfinite(value) else "silent"
