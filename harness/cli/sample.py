"""`harness sample`: one clip, from a prompt to a sound file."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import DEFAULT_MODEL, Model, Quiet, per_level, taken, with_options

PER_LEVEL: dict[str, Callable[[str], Any]] = {
    "temperature": float, "top_k": int, "top_p": float, "hop_fraction": float, "window": int, "chunk": int,
}  # fmt: skip
"""The settings that take a value for each level, and what reads one."""


def sample(
    text: Annotated[str | None, typer.Argument(help="What to play, in any language.", show_default=False)] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Sound file to write, .wav or .flac.")] = Path(
        "sample.wav"
    ),
    save_codes: Annotated[bool, typer.Option(help="Keep the codes beside the sound file.")] = False,
    model: Model = DEFAULT_MODEL,
    quiet: Quiet = False,
    **values: Any,
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
    from harness.sampling.one_clip import SampleSettings, make, read_request

    check_output(output)
    settings = taken(SampleSettings, values)
    if settings.prompt_seconds is not None and settings.audio is None:
        raise UsageError("--prompt-seconds was given without --audio: name the sound file to continue.")
    words = {"text": text, **settings.prompt(), "lyrics": read_lyrics(settings.lyrics)}
    asked = read_request(words, settings.sampling(), settings.seconds, settings.seed)
    width = settings.width
    if width is None and model.startswith("jukebox:"):
        width = (asked.sampling.slices() or (1, 0))[0]
    options = {name: value for name, value in (("width", width), ("dtype", settings.dtype)) if value is not None}
    progress = progress_for(quiet)
    clip, request, unfinished = make(
        model, options, asked, progress, lambda name, record: progress.note(describe(name, record))
    )
    clip.save(output)
    where = [str(output)]
    if save_codes or settings.stop_level:
        from harness.models.codes import write_codes

        kept = output.with_suffix(".codes.safetensors")
        write_codes(kept, clip.codes, request)
        where.append(f"codes in {kept}")
    unfinished.unlink(missing_ok=True)
    facts = f"{clip.seconds:.2f} s at {clip.rate} Hz, {said_loudness(clip.audio, clip.rate)}, seed {asked.seed}"
    typer.echo(f"{', '.join(where)}: {facts}")


def sample_command() -> Callable[..., None]:
    """`sample` with the options of its settings."""
    from harness.core.settings import options_of
    from harness.sampling.one_clip import SampleSettings

    fields = options_of(SampleSettings)
    changed = {
        name: {"annotation": Annotated[Any, per_level(number, fields[name].option)]}
        for name, number in PER_LEVEL.items()
    }
    return with_options(sample, (SampleSettings,), changed)


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
