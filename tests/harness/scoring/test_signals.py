"""What was measured in a file is read again by its content, and made again where that is not whole."""

from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from harness.core.errors import AudioError
from harness.scoring import signals as file_figures
from harness.scoring.cache import ContentCache
from harness.scoring.clips import ClipFile
from harness.scoring.folders import folder_sets
from harness.scoring.signals import odd_files, signal_of, structure_of
from metrics.io.audio import load
from metrics.io.weights import file_sha256
from metrics.waves.signal import measure_signal
from metrics.waves.structure import measure_structure
from tests.harness.sounds import make_folder


def clip_of(path: Path) -> ClipFile:
    return ClipFile(path.name, path, file_sha256(path))


@pytest.fixture
def path(tmp_path):
    return next(make_folder(tmp_path / "clips", 1).iterdir())


def test_figures_are_those_of_the_clip_and_are_measured_once(path, tmp_path, monkeypatch):
    cache, clip = ContentCache(tmp_path / "cache"), clip_of(path)
    signal, structure = signal_of(clip, cache), structure_of(clip, cache)
    assert (signal, structure) == (measure_signal(*load(path)), measure_structure(*load(path)))
    moved = path.rename(tmp_path / "moved.wav")
    monkeypatch.setattr(file_figures, "measure_signal_file", None)
    monkeypatch.setattr(file_figures, "measure_structure", None)
    moved_clip = replace(clip, path=moved)
    assert (signal_of(moved_clip, cache), structure_of(moved_clip, cache)) == (signal, structure)


def test_an_audio_prompt_is_not_measured(path, tmp_path):
    cache, clip = ContentCache(tmp_path / "cache"), clip_of(path)
    audio, rate = load(path)
    continued = replace(clip, prompt_seconds=0.5)
    assert signal_of(continued, cache) == measure_signal(audio[rate // 2 :], rate)
    assert structure_of(continued, cache) == measure_structure(audio[rate // 2 :], rate)
    assert signal_of(clip, cache).seconds == signal_of(continued, cache).seconds + 0.5


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"seconds": 1.0}'])
def test_what_is_not_whole_is_measured_again(path, tmp_path, content):
    clip = clip_of(path)
    found = signal_of(clip, ContentCache(tmp_path / "cache"))
    [kept] = (tmp_path / "cache").rglob("*.entry")
    kept.write_bytes(content)
    assert signal_of(clip, ContentCache(tmp_path / "cache")) == found
    assert kept.read_bytes() != content


def test_another_version_is_measured_again(path, tmp_path, monkeypatch):
    clip = clip_of(path)
    signal_of(clip, ContentCache(tmp_path / "cache"))
    monkeypatch.setattr("metrics.waves.signal.VERSION", 0)
    signal_of(clip, ContentCache(tmp_path / "cache"))
    assert len(list((tmp_path / "cache").rglob("*.entry"))) == 2


def test_a_broken_file_leaves_nothing_behind(tmp_path):
    (tmp_path / "broken.wav").write_text("not a sound")
    with pytest.raises(AudioError, match=r"broken\.wav cannot be decoded"):
        signal_of(clip_of(tmp_path / "broken.wav"), ContentCache(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()


def test_odd_files_are_named_once_for_each_kind(tmp_path):
    folder = make_folder(tmp_path / "odd", 4)
    for n in range(3):
        audio, rate = load(folder / f"{n:02d}.wav")
        audio[: round((0.75 + 0.05 * n) * len(audio))] = 0
        soundfile.write(folder / f"{n:02d}.wav", audio, rate)
    [one] = folder_sets([folder])
    signals = [*(signal_of(clip, ContentCache(tmp_path / "cache")) for clip in one.clips[:3]), None]
    [line] = odd_files(one.clips, signals)
    assert line.startswith(f"{folder / '00.wav'}: 75% of it is silent (and alike 2 more of 4 files: ")


def test_the_audio_prompt_is_no_part_of_the_signal(tmp_path):
    folder = make_folder(tmp_path / "clips", 1)
    [clip] = folder_sets([folder])[0].clips
    audio, rate = load(clip.path)
    found = signal_of(replace(clip, prompt_seconds=0.5), ContentCache(tmp_path / "cache"))
    assert found == measure_signal(audio[round(0.5 * rate) :], rate)
