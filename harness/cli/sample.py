"""`harness sample`: one clip, from a prompt to a sound file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import DEFAULT_MODEL, Model, Quiet, per_level

CONDITIONING, DRAWING, WINDOWS = "What it should sound like", "How it is drawn", "How it is computed"


def sample(
    text: Annotated[str | None, typer.Argument(help="What to play, in any language.", show_default=False)] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Sound file to write, .wav or .flac.")] = Path(
        "sample.wav"
    ),
    seconds: Annotated[
        float | None, typer.Option(help="Length of the clip, an audio prompt included.", show_default="10")
    ] = None,
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
    codes: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=CONDITIONING,
            help="Codes to go on from: a clip to continue, or levels to upsample. What else is not given is taken "
            "from the file.",
        ),
    ] = None,
    total_seconds: Annotated[
        float | None,
        typer.Option(rich_help_panel=CONDITIONING, help="Length of the piece that the clip is an excerpt of."),
    ] = None,
    offset_seconds: Annotated[
        float | None, typer.Option(rich_help_panel=CONDITIONING, help="Where in that piece the clip begins.")
    ] = None,
    temperature: Annotated[
        Any, per_level(float, DRAWING, "Lower is safer, higher is wilder.", show_default="0.99")
    ] = None,
    top_k: Annotated[Any, per_level(int, DRAWING, "Draw from the k likeliest codes; 0 for all.")] = None,
    top_p: Annotated[Any, per_level(float, DRAWING, "Draw from the likeliest codes of this mass; 0 for all.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(rich_help_panel=DRAWING, help="The same seed gives the same bytes.", show_default="0"),
    ] = None,
    stop_level: Annotated[
        int, typer.Option(rich_help_panel=DRAWING, help="Finest level to sample; the codes are kept for --codes.")
    ] = 0,
    save_codes: Annotated[bool, typer.Option(help="Keep the codes beside the sound file.")] = False,
    hop_fraction: Annotated[Any, per_level(float, WINDOWS, "Part of a window that each window adds.")] = None,
    window: Annotated[Any, per_level(int, WINDOWS, "Codes of a window, up to the model's own.")] = None,
    chunk: Annotated[Any, per_level(int, WINDOWS, "Codes that a window takes in at once.")] = None,
    upsampling: Annotated[
        str,
        typer.Option(
            rich_help_panel=WINDOWS, help="exact, or parallel:SLICES[:OVERLAP], quicker but with seams between slices."
        ),
    ] = "exact",
    width: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=WINDOWS,
            help="Clips sampled at a time, of which this is one; it counts in the clip's identity.",
            show_default="1 for Jukebox",
        ),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(rich_help_panel=WINDOWS, help="float32, bfloat16, or float16 on a GPU.")
    ] = None,
    model: Model = DEFAULT_MODEL,
    quiet: Quiet = False,
) -> None:
    """Sample one clip from text, style, lyrics, audio or codes.

    An interrupted clip resumes from its last window when the same command is run again. Options that take several
    values take one for all levels, or one for each level, the finest first: --temperature 0.98,0.99.

    [bold]Examples[/bold]

    harness sample "科研创意激发" --seconds 30 -o output.wav

    harness sample --audio clip.wav --prompt-seconds 3 --seconds 10 -o continued.flac

    harness sample --style NAME --stop-level 1 -o sketch.wav

    harness sample --codes sketch.codes.safetensors -o whole.wav
    """
    from harness.core.errors import UsageError
    from harness.core.progress import progress_for
    from harness.sampling.one_clip import make, read_request

    check_output(output)
    if prompt_seconds is not None and audio is None:
        raise UsageError("--prompt-seconds was given without --audio: name the sound file to continue.")
    words = {"text": text, "style": style, "artist": artist, "lyrics": read_lyrics(lyrics)}
    sound = {"audio": audio, "prompt_seconds": prompt_seconds, "codes": codes}
    place = {"total_seconds": total_seconds, "offset_seconds": offset_seconds}
    drawing = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "stop_level": stop_level}
    windows = {"hop_fraction": hop_fraction, "window": window, "chunk": chunk, "upsampling": upsampling}
    asked = read_request(words | sound | place, drawing | windows, seconds, seed)
    if width is None and model.startswith("jukebox:"):
        width = (asked.sampling.slices() or (1, 0))[0]
    options = {name: value for name, value in (("width", width), ("dtype", dtype)) if value is not None}
    progress = progress_for(quiet)
    clip, request, unfinished = make(
        model, options, asked, progress, lambda name, record: progress.note(describe(name, record))
    )
    clip.save(output)
    where = [str(output)]
    if save_codes or stop_level:
        from harness.models.codes import write_codes

        kept = output.with_suffix(".codes.safetensors")
        write_codes(kept, clip.codes, request)
        where.append(f"codes in {kept}")
    unfinished.unlink(missing_ok=True)
    facts = f"{clip.seconds:.2f} s at {clip.rate} Hz, {said_loudness(clip.audio, clip.rate)}, seed {asked.seed}"
    typer.echo(f"{', '.join(where)}: {facts}")


def check_output(path: Path) -> None:
    """Find out before sampling whether the clip can be saved after it. Raises `UsageError`."""
    from harness.core.errors import UsageError
    from metrics.io.files import writable

    if path.suffix.lower() not in (".wav", ".flac"):
        raise UsageError(
            f"the output {path} ends in {path.suffix!r}: .wav or .flac was expected, "
            f"for example -o {path.stem or 'clip'}.wav"
        )
    if path.is_dir():
        raise UsageError(
            f"the output {path} is a folder: the name of a sound file was expected, for example -o {path / 'clip.wav'}"
        )
    if not writable(path):
        raise UsageError(
            f"the output {path} cannot be written: {path.absolute().parent} is not a folder you may write to. "
            "Choose another with -o."
        )


def read_lyrics(lyrics: str | None) -> str | None:
    """The words themselves, read from the file when there is one of that name."""
    from harness.core.errors import UsageError

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
    """The loudness as text; a clip too short or silent is reported as such."""
    from metrics.io.audio import LOUDNESS_BLOCK_SECONDS, loudness

    if len(audio) < LOUDNESS_BLOCK_SECONDS * rate:
        return "too short for a loudness"
    value = loudness(audio, rate)
    return f"{value:.1f} LUFS" if math.isfinite(value) else "silent"
