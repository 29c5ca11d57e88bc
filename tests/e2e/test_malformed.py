"""Bad input at the command line: every mistake is one message that says what was wrong, with exit code 2, and no
traceback. (What is wrong inside prompt files, studies and experiment files: tests/harness/test_prompt_files.py,
test_study.py, test_experiment_file.py.)"""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from harness.cli import app

WORDS = {
    "--seconds": ("duration",),
    "--prompts": ("prompt set", "the file ends in"),
    "--output": ("sound file",),
    "--reference": ("sound files",),
    "--csv": ("the table",),
}
"""What a message may call an option's value."""

NO_NUMBER = ("", "x", "1e", "--", "0x1f", "½", "1,,2")
NO_POSITIVE = ("0", "-1", "nan", "inf", "-inf", "1e400")
NO_INTEGER = ("1.5", "1e3", "nan", "")
NO_NAME = ("", " ", "nosuch", "../..", "\x00", "名", "toy:9")

TOY = "--reference {reference} --embedder toy"
RUN = f"run temperature --model toy {TOY} --seconds 1 --clips 3 --no-mlflow --results {{tmp}}"
OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "sample calm --model toy -o {tmp}/out.wav": {
        "--seconds": (*NO_NUMBER, *NO_POSITIVE, "1e12"),
        "--temperature": (*NO_NUMBER, "-1", "nan", "inf", "1,2,3,4"),
        "--top-k": ("-1", *NO_INTEGER, "1,2,3,4"),
        "--top-p": ("-0.1", "1.1", "nan", *NO_NUMBER),
        "--seed": ("-1", str(2**64), *NO_INTEGER),
        "--stop-level": ("-1", "3", *NO_INTEGER),
        "--hop-fraction": ("0", "1.5", "-1", "nan", *NO_NUMBER),
        "--window": ("0", "-5", *NO_INTEGER),
        "--chunk": ("0", "-5", *NO_INTEGER),
        "--upsampling": ("", "fast", "parallel", "parallel:", "parallel:0", "parallel:x", "parallel:2:-1", "exact:3"),
        "--width": ("0", "-1", *NO_INTEGER),
        "--dtype": ("", "int8", "float64", "Float32"),
        "--model": NO_NAME,
        "--style": NO_NAME,
        "--total-seconds": (*NO_NUMBER, "-1", "nan", "inf"),
        "--offset-seconds": (*NO_NUMBER, "-1", "nan", "inf"),
        "--prompt-seconds": (*NO_NUMBER, *NO_POSITIVE, "1e9"),
        "--output": ("", "{tmp}", "{tmp}/out.mp3", "{tmp}/out", "{tmp}/no/such/\x00.wav"),
        "--nosuch": ("1",),
    },
    RUN: {
        "--clips": ("0", "-1", str(10**12), *NO_INTEGER),
        "--seconds": (*NO_NUMBER, *NO_POSITIVE, "1e12"),
        "--temperature": (*NO_NUMBER, "-1", "nan", "inf"),
        "--seed": ("-1", str(2**64), *NO_INTEGER),
        "--model": NO_NAME,
        "--reference": (*NO_NAME, "{tmp}"),
        "--embedder": NO_NAME,
        "--prompt": ("", " "),
        "--style": NO_NAME,
        "--prompts": (*NO_NAME, "{tmp}"),
        "--executor": (
            "",
            "nosuch",
            "processes",
            "processes:",
            "processes:0",
            "processes:-1",
            "processes:x",
            "local:2",
        ),
        "--address": ("localhost:1",),
        "--width": ("0", "-1", *NO_INTEGER),
        "--reuse": ("", "nosuch", "Missing"),
        "--on-error": ("", "nosuch", "skip"),
        "--max-failures": ("-1", *NO_INTEGER),
        "--retries": ("-1", *NO_INTEGER),
        "--timeout": ("0", "-1", "nan", *NO_NUMBER),
        "--confirm": ("", "nosuch", "temperature=0.7"),
    },
    f"score {{music}} {TOY}": {
        "--metric": ("", "nosuch", "FAD", "fad,kad"),
        "--embedder": NO_NAME[1:],
        "--reference": ("nosuch", "../nosuch", "{empty}"),
        "--excerpt-seconds": ("0", "-1", "nan", "0.1", "1e9", *NO_NUMBER),
        "--permutations": ("0", "98", "-1", *NO_INTEGER),
        "--seed": ("-1", *NO_INTEGER),
        "--on-error": ("", "nosuch"),
        "--pair-by": ("name", "nosuch", "{tmp}", "{empty}/x.csv"),
        "--csv": ("", "{tmp}"),
    },
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, toy_reference: Path) -> dict[str, Path]:
    """What a command line may name: folders with and without music, and a reference that is right."""
    tmp, music, empty = (tmp_path_factory.mktemp(name) for name in ("tmp", "music", "empty"))
    for n in range(3):
        soundfile.write(music / f"{n}.wav", 0.1 * np.random.default_rng(n).standard_normal(32000), 16000)
    return {"tmp": tmp, "music": music, "empty": empty, "reference": toy_reference}


def fails(arguments: list[str]) -> str:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, SystemExit), (arguments, result.output, result.exception)
    assert result.exit_code == 2, (arguments, result.output)
    assert "Error" in result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        pytest.param(command, option, value, id=f"{command.split()[0]}{option}={value!r}")
        for command, options in OPTIONS.items()
        for option, values in options.items()
        for value in values
    ],
)
def test_an_option_with_a_wrong_value(command: str, option: str, value: str, places: dict[str, Path]):
    words = [part.format(**places) for part in (*command.split(), option, value)]
    said = fails(words)
    named = (option.strip("-"), option.strip("-").replace("-", "_"), *WORDS.get(option, ()))
    assert any(name in said for name in named) or (value and words[-1] in said)


def _wav(samples: object, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples, np.float32), 16000, subtype, format="WAV")
    return file.getvalue()


NOISE = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
GOOD = _wav(NOISE)
FLAC = io.BytesIO()
soundfile.write(FLAC, NOISE, 16000, format="FLAC")
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


def _header(**changed: int) -> bytes:
    """A WAV file that is right but for some fields of its header."""
    fields = {"channels": 1, "rate": 16000, "bits": 16, "kind": 1, "align": 2, "data": 32000} | changed
    head = (b"RIFF", 36 + fields["data"], b"WAVE", b"fmt ", 16, fields["kind"], fields["channels"], fields["rate"])
    tail = (fields["rate"] * fields["align"] % 2**32, fields["align"], fields["bits"], b"data", fields["data"])
    return HEADER.pack(*head, *tail) + GOOD[44:]


SOUNDS: dict[str, bytes] = {
    "empty.wav": b"",
    "empty.flac": b"",
    "empty.mp3": b"",
    "empty.ogg": b"",
    "one byte.wav": b"R",
    "text.wav": b"This is not sound.\n" * 100,
    "text.flac": b"This is not sound.\n" * 100,
    "text.mp3": b"This is not sound.\n" * 100,
    "text.ogg": b"This is not sound.\n" * 100,
    "zeros.wav": bytes(4096),
    "zeros.mp3": bytes(4096),
    "noise.wav": np.random.default_rng(1).bytes(4096),
    "noise.flac": np.random.default_rng(1).bytes(4096),
    "noise.ogg": np.random.default_rng(1).bytes(4096),
    "page.wav": b"<!doctype html><title>404</title>",
    "archive.wav": b"PK\x03\x04" + bytes(100),
    "riff alone.wav": GOOD[:4],
    "head cut.wav": GOOD[:20],
    "head without data.wav": GOOD[:36],
    "no samples.wav": _wav([]),
    "few samples.wav": _wav(NOISE[:10]),
    "short.wav": _wav(NOISE[:1000]),
    "silent.wav": _wav(np.zeros(16000)),
    "nearly silent.wav": _wav(NOISE * 1e-6, subtype="FLOAT"),
    "nan.wav": _wav(np.where(np.arange(16000) == 99, np.nan, NOISE), subtype="FLOAT"),
    "infinite.wav": _wav(np.where(np.arange(16000) == 99, np.inf, NOISE), subtype="FLOAT"),
    "all nan.wav": _wav(np.full(16000, np.nan), subtype="FLOAT"),
    "huge.wav": _wav(np.full(16000, 3e38), subtype="FLOAT"),
    "no channels.wav": _header(channels=0),
    "many channels.wav": _header(channels=65535, align=65535),
    "no rate.wav": _header(rate=0),
    "unknown coding.wav": _header(kind=0x7777),
    "no bits.wav": _header(bits=0),
    "odd bits.wav": _header(bits=13, kind=0x7777),
    "flac cut.flac": FLAC.getvalue()[:200],
    "flac head.flac": FLAC.getvalue()[:42],
    "flac marker.flac": b"fLaC",
    "ogg marker.ogg": b"OggS" + bytes(50),
    "mp3 marker.mp3": b"ID3\x04\x00\x00\x00\x00\x00\x00",
    "aiff marker.aiff": b"FORM\x00\x00\x00\x04AIFF",
}


@pytest.mark.parametrize("command", ["sample --model toy --seconds 2 -o {tmp}/out.wav --audio", RUN + " --audio"])
@pytest.mark.parametrize("name", SOUNDS)
def test_a_prompt_that_is_no_sound(command: str, name: str, places: dict[str, Path], tmp_path: Path):
    path = tmp_path / name
    path.write_bytes(SOUNDS[name])
    said = fails([*(part.format(**places) for part in command.split()), str(path)])
    assert name in said.replace("\n", " ")


MEASURED = {"few samples.wav", "short.wav", "silent.wav", "nearly silent.wav"}
"""These are no prompts, but have figures, with a word of warning."""


@pytest.mark.parametrize("name", sorted(SOUNDS.keys() - MEASURED))
def test_a_folder_without_one_file_that_can_be_measured(name: str, places: dict[str, Path], tmp_path: Path):
    (tmp_path / name).write_bytes(SOUNDS[name])
    result = CliRunner().invoke(app, [part.format(**places) for part in f"score {tmp_path} {TOY}".split()])
    assert result.exit_code == 1, result.output
    assert name in result.stderr
    assert "Traceback" not in result.output


def test_the_corpus_is_large_enough():
    options = sum(len(values) for options in OPTIONS.values() for values in options.values())
    assert options + 3 * len(SOUNDS) - len(MEASURED) >= 400
