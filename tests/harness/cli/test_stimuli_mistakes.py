"""What a user may get wrong: each is answered in words, with exit code 2, and leaves no folder behind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from harness.cli import app
from tests.harness.listening.choose.test_sources import leave_run
from tests.harness.listening.clips import RATE, make_clips, music

Spoil = Callable[[Path], object]
STEREO = np.stack([music(0), music(1)], axis=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clips(tmp_path_factory.mktemp("whole") / "clips", ("cold", "hot"), prompts=3)


def write(path: str, sound: np.ndarray, rate: int = RATE, subtype: str = "FLOAT") -> Spoil:
    """Put a sound in the place of one, or beside the others."""

    def spoil(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / path, sound, rate, subtype=subtype)

    return spoil


def text(path: str, content: str = "") -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, "utf-8")

    return spoil


def remove(path: str) -> Spoil:
    return lambda folder: (folder / path).unlink()


def whole_but(path: str, sound: np.ndarray) -> Spoil:
    """Longer clips all, and this sound in the place of one."""

    def spoil(folder: Path) -> None:
        for n, other in enumerate(sorted((folder / "clips").rglob("*.wav"))):
            soundfile.write(other, music(n, seconds=3.5), RATE)
        write(path, sound)(folder)

    return spoil


def many(folder: Path) -> None:
    for n in range(13):
        write(f"clips/system{n:02d}/melody0-0.wav", music(n))(folder)
        write(f"clips/system{n:02d}/melody1-0.wav", music(n))(folder)
    for condition in ("cold", "hot"):
        (folder / "clips" / condition / "melody2-0.wav").unlink()


def same_name(folder: Path) -> None:
    write("clips/cold/deep/melody0-0.flac", music(0), subtype="PCM_16")(folder)


BROKEN = np.where(np.arange(35200) == 99, np.nan, music(0))
ENDLESS = np.where(np.arange(35200) == 99, np.inf, music(0))
CLIPPED = np.clip(20 * music(0), -0.5, 0.5)
SHORT = music(0, seconds=1)
FAINT = 1e-5 * music(0)
BROKEN_OFF = np.where(np.arange(56000) < 24000, music(0, seconds=3.5), 0)

CLIPS: list[tuple[str, Spoil, str, str]] = [
    ("a silent clip", write("clips/hot/melody1-0.wav", 0 * music(0)), "", "melody1-0.wav: it is silent"),
    ("a clip too faint to hear", write("clips/hot/melody1-0.wav", FAINT), "", "−60 dBFS"),
    ("a clip that is silent in its excerpt", whole_but("clips/hot/melody1-0.wav", BROKEN_OFF), "--start 1.5",
     "hot/melody1-0.wav: it is silent in the 2.00 s from 1.50 s on: choose another excerpt with --start"),
    ("a clip with NaN", write("clips/hot/melody1-0.wav", BROKEN), "", "NaN or infinite"),
    ("a clip with infinity", write("clips/hot/melody1-0.wav", ENDLESS), "", "NaN or infinite"),
    ("a clipped clip", write("clips/hot/melody1-0.wav", CLIPPED), "", "--keep-clipped"),
    ("a clip too short", write("clips/hot/melody1-0.wav", SHORT), "", "1.00 s"),
    ("an empty clip", write("clips/hot/melody1-0.wav", music(0)[:0]), "", "it holds no samples"),
    ("a file that is no sound", text("clips/hot/melody1-0.wav", "hello"), "", "cannot be decoded"),
    ("many channels", write("clips/hot/melody1-0.wav", np.repeat(STEREO, 2, 1)), "--channels 1", "4 channels"),
    ("mixed channels", write("clips/hot/melody1-0.wav", STEREO), "", "--channels 1"),
    ("mixed rates", write("clips/hot/melody1-0.wav", music(0, rate=22050), 22050), "--rate keep", "--rate"),
    ("a missing clip", remove("clips/hot/melody1-0.wav"), "", "melody1 #0 has no clip under hot"),
    ("clips of no common prompt", lambda f: [p.rename(p.with_name(f"x{p.name}")) for p in f.glob("clips/hot/*")],
     "--skip-bad", "cold, hot"),
    ("sounds beside folders", write("clips/loose.wav", music(0)), "", "loose.wav"),
    ("two clips of one name", same_name, "", "are the same prompt and index under 'cold'"),
    ("only bad clips", lambda f: [write(f"clips/hot/melody{n}-0.wav", 0 * music(0))(f) for n in range(3)],
     "--skip-bad", "melody"),
    ("13 conditions on a page", many, "--kind multi --training 0", "15 conditions"),
]  # fmt: skip

OPTIONS: list[tuple[str, str, str]] = [
    ("an unknown kind", "--kind mos", "unknown kind of listening study 'mos'"),
    ("one listener", "--listeners 1", "harness stimuli plan"),
    ("no listeners", "--listeners 0", "listeners"),
    ("too many listeners", "--listeners 99999", "listeners is 99999"),
    ("an unknown condition", "--condition cool", "unknown condition 'cool'. Did you mean 'cold'?"),
    ("a condition twice", "--condition hot --condition hot", "'hot'"),
    ("one condition", "--kind ab --condition hot", "--kind acr"),
    ("one condition on a page", "--kind multi --condition hot", "--kind acr"),
    ("one condition in a square", "--condition hot --design williams", "Williams square"),
    ("no items", "--items 0", "items is 0"),
    ("too many items", "--items 4", "4 items"),
    ("more training than items", "--items 3 --training 1", "3 items and 1"),
    ("negative training", "--training -1", "training is -1"),
    ("only training", "--training 3", "--training 0"),
    ("a list that is not there", "--clips {}/none.csv", "none.csv cannot be read"),
    ("a list with no prompt", "--clips {}/wrong.csv", "column prompt"),
    ("an empty list", "--clips {}/empty.csv", "empty.csv"),
    ("a list of another item", "--clips {}/other.csv", "line 2: unknown item 'melody9 #0'"),
    ("a list with a bad index", "--clips {}/index.csv", "line 2"),
    ("a list with an item twice", "--clips {}/twice.csv", "line 3"),
    ("a list and a number", "--clips {}/good.csv --items 1", "--items"),
    ("the best of all", "--best-by loudness", "--items"),
    ("the best by an unknown score", "--best-by loudness --items 2", "'loudness'"),
    ("a rate of words", "--rate high", "--rate was 'high'"),
    ("a rate too low", "--rate 4000", "rate is 4000"),
    ("a rate too high", "--rate 1000000", "rate is 1000000"),
    ("three channels", "--channels 3", "channels is 3"),
    ("odd bits", "--bits 20", "--bits was 20"),
    ("a loudness of zero", "--lufs 0", "lufs is 0"),
    ("a loudness that is none", "--lufs nan", "lufs is nan"),
    ("a positive peak", "--true-peak 1", "peak is 1"),
    ("a negative fade", "--fade-ms -1", "fade_ms is -1"),
    ("too long for the kind", "--seconds 31", "--seconds was 31 s"),
    ("too short for the kind", "--seconds 1", "--seconds was 1 s"),
    ("longer than the clips", "--seconds 3", "2.20 s"),
    ("a late start", "--start 2", "0.20 s"),
    ("a start after the end", "--start 9", "0.00 s"),
    ("a negative start", "--start -1", "start is -1"),
    ("a negative seed", "--seed -1", "seed is -1"),
    ("too many trials", "--per-listener 99 --training 0", "99 trials"),
    ("no trials", "--per-listener 0", "per_listener is 0"),
    ("too many repeats", "--repeats 5", "5 repeats"),
    ("a block of singles", "--block 2", "--block"),
    ("a block too large", "--kind multi --block 13", "block is 13"),
    ("a block of one", "--kind multi --block 1", "block is 1"),
    ("an unknown design", "--design latin", "unknown design 'latin'"),
    ("a design that does not fit", "--design pairs", "all pairs"),
    ("traps in a task", "--kind ideation --traps 1", "--traps"),
    ("gold items of feeling", "--kind affect --golds 1", "--golds"),
    ("clips too short to feel", "--kind affect", "5 s"),
    ("no reference", "--kind mushra", "--reference"),
    ("an unknown reference", "--kind mushra --reference warm", "'warm'"),
    ("a reference of nothing", "--kind mushra --reference {}/void", "holds no sound file"),
    ("a reference of others", "--kind mushra --reference {}/clips/hot/../../others", "3 such items"),
    ("a reference alone", "--kind mushra --reference hot --condition hot", "'hot'"),
    ("a rate without anchors", "--kind mushra --reference hot --rate 16000", "7000 Hz"),
    ("a reference for ratings", "--reference hot", "--reference"),
    ("other music for ratings", "--other {}/clips", "--other"),
    ("tasks for ratings", "--tasks {}/tasks.yaml", "--tasks"),
    ("tasks that are not there", "--kind ideation --tasks {}/none.yaml", "none.yaml cannot be read"),
    ("tasks that are no YAML", "--kind ideation --tasks {}/broken.yaml", "broken.yaml cannot be read"),
    ("tasks that are no list", "--kind ideation --tasks {}/table.yaml", "table.yaml"),
    ("tasks in no language", "--kind ideation --tasks {}/klingon.yaml", "task 1 of"),
    ("an unknown language", "--language de", "'de'"),
    ("no name", "--name=", "--name"),
    ("no processes", "--workers 0", "workers is 0"),
    ("a secret that is not there", "--secret {}/none", "the secret"),
    ("a secret that is none", "--secret {}/good.csv", "64 hex digits"),
]

FILES = {
    "wrong.csv": "name\nmelody0\n",
    "empty.csv": "prompt,index\n",
    "other.csv": "prompt,index\nmelody9,0\n",
    "index.csv": "prompt,index\nmelody0,first\n",
    "twice.csv": "prompt,index\nmelody0,0\nmelody0,0\n",
    "good.csv": "prompt,index\nmelody0,0\n",
    "broken.yaml": "[",
    "table.yaml": "en: x\n",
    "klingon.yaml": "- tlh: x\n",
    "tasks.yaml": "- en: x\n",
}


def stand(folder: Path, whole: Path) -> Path:
    """A folder with three prompts under two conditions, and files to name."""
    for path in whole.rglob("*.wav"):
        (folder / "clips" / path.relative_to(whole)).parent.mkdir(parents=True, exist_ok=True)
        os.link(path, folder / "clips" / path.relative_to(whole))
    for name, content in FILES.items():
        (folder / name).write_text(content)
    (folder / "void").mkdir()
    write("others/elsewhere.wav", music(5))(folder)
    return folder


def answer(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["stimuli", *arguments])
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    return " ".join(done.output.split())


@pytest.mark.parametrize(("spoil", "options", "named"), [case[1:] for case in CLIPS], ids=[case[0] for case in CLIPS])
def test_unusable_clips_are_named(tmp_path: Path, whole: Path, spoil: Spoil, options: str, named: str) -> None:
    folder = stand(tmp_path, whole)
    for path in folder.glob("clips/*/*.wav"):  # a link would be written through
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    spoil(folder)
    message = answer(str(folder / "clips"), "--kind", "acr", "--out", str(tmp_path / "out"), "-q", *options.split())
    assert named in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("options", "named"), [case[1:] for case in OPTIONS], ids=[case[0] for case in OPTIONS])
def test_options_that_make_no_study_are_answered(tmp_path: Path, whole: Path, options: str, named: str) -> None:
    folder = stand(tmp_path, whole)
    given = [word.replace("{}", str(folder)) for word in options.split(" ")]
    given = given if "--kind" in given else ["--kind", "acr", *given]
    message = answer(str(folder / "clips"), "--out", str(tmp_path / "out"), "-q", *given)
    assert named in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("clips/none", "unknown experiment, run or folder"),
        ("temprature", "Did you mean 'temperature'?"),
        ("void", "holds no sound file"),
        ("good.csv", "is one file"),
        ("runs/damaged-aaaa", "cannot be read"),
        ("runs/empty-bbbb", "holds no clips"),
        ("temperature-0f", "clips cannot be stimuli"),
    ],
)
def test_sources_that_are_none_are_answered(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, source: str, named: str
) -> None:
    folder = stand(tmp_path, whole)
    monkeypatch.chdir(folder)
    run = leave_run(folder, "temperature-0faaaaaaaaaa")
    empty = leave_run(folder, "empty-bbbb")
    (empty / "clips.csv").write_text("condition,prompt,index,clip,path\n")
    damaged = leave_run(folder, "damaged-aaaa")
    (damaged / "result.json").write_text("{")
    if source == "temperature-0f":
        next(run.glob("clips/*/*")).unlink()
        source = "temperature-0faaaaaaaaaa"
    if source.startswith("runs/damaged"):
        done = CliRunner().invoke(app, ["stimuli", source, "--kind", "acr", "--out", "out", "-q"])
        assert (done.exit_code, "cannot be read" in done.output) == (1, True)
        return
    assert named in answer(source, "--kind", "acr", "--out", "out", "--results", str(folder), "-q")


def test_places_that_cannot_be_written_to_are_answered(tmp_path: Path, whole: Path) -> None:
    folder = stand(tmp_path, whole)
    options = [str(folder / "clips"), "--kind", "acr", "-q", "--listeners", "2", "--out"]
    assert "is not empty and holds no study" in answer(*options, str(folder / "clips"))
    assert "is a file" in answer(*options, str(folder / "good.csv"))
    (folder / "out/PRIVATE").mkdir(parents=True)
    (folder / "out/PRIVATE/request.json").write_text("{")
    assert "request.json cannot be read" in answer(*options, str(folder / "out"))
    (folder / "out/PRIVATE/request.json").write_text(json.dumps({"kind": "ab"}))
    assert "holds another study" in answer(*options, str(folder / "out"))


def test_missing_options_are_named(whole: Path) -> None:
    assert "--kind" in answer(str(whole), "--out", "x")
    assert "--out" in answer(str(whole), "--kind", "acr")


def test_ideation_of_one_prompt_needs_music_from_elsewhere(tmp_path: Path) -> None:
    source = make_clips(tmp_path / "clips", ("hot",), prompts=1, seconds=5.2)
    options = [str(source), "--kind", "ideation", "--out", str(tmp_path / "out"), "-q", "--training", "0"]
    assert "'other music' is a clip of another prompt, and there is one prompt" in answer(*options)
    (tmp_path / "void").mkdir()
    assert "holds no sound file" in answer(*options, "--other", str(tmp_path / "void"))


def test_a_condition_called_as_what_the_study_makes_is_refused(tmp_path: Path) -> None:
    source = make_clips(tmp_path / "clips", ("reference", "hot", "original"))
    options = [str(source), "--kind", "mushra", "--reference", "original", "--out", str(tmp_path / "out"), "-q"]
    assert "a condition is called 'reference'" in answer(*options)
