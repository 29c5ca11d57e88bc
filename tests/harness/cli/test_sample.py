"""`harness sample`: the clip asked for, the same bytes for the same seed, and mistakes answered in one message."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from harness.cli import app


def sample(*arguments: str | Path):
    return CliRunner().invoke(app, ["sample", "--model", "toy", *map(str, arguments)])


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 44100 * 4), 44100)
    return path


def test_text_in_any_language_gives_a_clip_of_the_asked_length(tmp_path):
    output = tmp_path / "new" / "output.wav"
    result = sample("科研创意激发", "--seconds", "3", "-o", output)
    assert result.exit_code == 0, result.output
    audio, rate = soundfile.read(output)
    assert len(audio) / rate == pytest.approx(3, abs=0.1)
    assert 0.01 < np.abs(audio).max() < 1
    assert "output.wav: 3.00 s at 16000 Hz, -" in result.stdout
    assert "LUFS, seed 0" in result.stdout
    assert "toy: style toy-" in result.stderr


def test_audio_is_continued(tmp_path, sound):
    output = tmp_path / "out.flac"
    result = sample("--audio", sound, "--prompt-seconds", "1", "--seconds", "2", "-o", output)
    assert result.exit_code == 0, result.output
    audio, rate = soundfile.read(output)
    assert len(audio) / rate == pytest.approx(2, abs=0.1)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    for name, seed in (("a.wav", 1), ("b.wav", 1), ("c.wav", 2)):
        assert sample("x", "--seconds", "1", "--seed", str(seed), "-o", tmp_path / name, "--quiet").exit_code == 0
    one, again, other = ((tmp_path / name).read_bytes() for name in ("a.wav", "b.wav", "c.wav"))
    assert one == again != other


def test_quiet_prints_the_result_only(tmp_path):
    result = sample("x", "--seconds", "1", "-o", tmp_path / "a.wav", "-q")
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 1


def test_lyrics_can_come_from_a_file(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("la la la", "utf-8")
    assert sample("--lyrics", words, "--seconds", "1", "-o", tmp_path / "a.wav").exit_code == 0


MISTAKES = {
    "no prompt": ([], "prompt is empty"),
    "empty text": (["  "], "text is empty"),
    "unknown style": (["--style", "toy-bel"], "Did you mean 'toy-bell'"),
    "no such audio": (["--audio", "missing.wav"], "no sound file at missing.wav"),
    "prompt seconds without audio": (["x", "--prompt-seconds", "3"], "without --audio"),
    "zero seconds": (["x", "--seconds", "0"], "--seconds was 0.0"),
    "negative seconds": (["x", "--seconds", "-2"], "--seconds was -2.0"),
    "seconds not a number": (["x", "--seconds", "nan"], "--seconds was nan"),
    "infinite seconds": (["x", "--seconds", "inf"], "--seconds was inf"),
    "too many seconds": (["x", "--seconds", "100000"], "at most 600 s"),
    "negative temperature": (["x", "--temperature", "-1"], "temperature is -1.0"),
    "zero temperature": (["x", "--temperature", "0"], "temperature is 0.0"),
    "temperature not a number": (["x", "--temperature", "nan"], "temperature is nan"),
    "temperature a word": (["x", "--temperature", "warm"], "--temperature"),
    "negative top-k": (["x", "--top-k", "-5"], "top_k is -5"),
    "top-p above one": (["x", "--top-p", "1.5"], "top_p is 1.5"),
    "negative seed": (["x", "--seed", "-1"], "--seed was -1"),
    "seed too large": (["x", "--seed", str(2**63)], "--seed was"),
    "output as mp3": (["x", "-o", "clip.mp3"], ".wav or .flac was expected"),
    "output a folder": (["x", "-o", "folder.wav"], "is a folder"),
    "output below a file": (["x", "-o", "file.txt/clip.wav"], "not a folder you may write to"),
    "unknown model": (["x", "--model", "toys"], "unknown model 'toys'"),
    "lyrics file missing": (["--lyrics", "nothing.txt"], "nothing.txt cannot be read"),
    "lyrics not text": (["--lyrics", "binary.txt"], "UTF-8 was expected"),
    "unknown option": (["x", "--tempature", "1"], "--tempature"),
    "prompt longer than the clip": (["--audio", "clip.wav", "--seconds", "2"], "more --seconds"),
    "prompt longer than the file": (["--audio", "clip.wav", "--prompt-seconds", "9", "--seconds", "20"], "4.00 s"),
    "audio that is text": (["--audio", "file.txt"], "cannot be decoded"),
    "silent audio": (["--audio", "silence.wav"], "silent"),
    "empty audio": (["--audio", "empty.wav"], "no samples"),
    "audio with NaN": (["--audio", "nan.wav"], "NaN"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_answered_in_one_message(mistake, tmp_path, sound, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder.wav").mkdir()
    Path("file.txt").write_text("not music at all")
    Path("binary.txt").write_bytes(b"\xff\xfe\x00\xd8")
    soundfile.write("silence.wav", np.zeros(16000 * 4), 16000)
    soundfile.write("empty.wav", np.zeros(0), 16000)
    soundfile.write("nan.wav", np.full(16000 * 4, np.nan), 16000, subtype="FLOAT")
    before = sorted(tmp_path.rglob("*"))
    arguments, message = MISTAKES[mistake]
    result = sample(*arguments)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert message in " ".join(result.output.replace("│", " ").split())
    assert sorted(tmp_path.rglob("*")) == before


def test_usage_mistakes_exit_with_two_and_unreadable_sound_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("silence.wav", np.zeros(16000 * 4), 16000)
    assert sample("x", "--temperature", "-1").exit_code == 2
    assert sample("x", "--temperature", "warm").exit_code == 2
    assert sample("--audio", "silence.wav").exit_code == 2
