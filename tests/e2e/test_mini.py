"""The embedded model as a user meets it: the commands of the README, and what its card claims."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from harness.cli import app
from harness.models.base import Sampling
from harness.models.jukebox.model import load_mini
from harness.models.jukebox.weights.checkpoint import MINI
from harness.prompts.prompt import Prompt

QUALITY = Path(__file__).parents[2] / "results" / "reference" / "jukebox-mini" / "quality.json"


@pytest.fixture(scope="module")
def mini():
    return load_mini()


@pytest.fixture(scope="module")
def real_clip(tmp_path_factory, mini) -> Path:
    """Six seconds to continue, at another rate than the model's."""
    [clip] = mini.sample([mini.encode(Prompt(style="metal"), 6.0)], [99])
    path = tmp_path_factory.mktemp("audio") / "clip.wav"
    soundfile.write(path, np.repeat(clip.audio, 2), 2 * clip.rate)
    return path


def sampled(path: Path, *arguments: str) -> tuple[np.ndarray, int]:
    result = CliRunner().invoke(app, ["sample", *arguments, "-o", str(path), "--quiet"])
    assert result.exit_code == 0, result.output
    return soundfile.read(path, dtype="float32")


def check_sound(audio: np.ndarray, rate: int, seconds: float) -> None:
    assert abs(len(audio) / rate - seconds) <= 0.1
    assert np.isfinite(audio).all()
    assert np.sqrt(np.mean(audio**2)) > 1e-3
    assert np.abs(audio).max() < 1.0


@pytest.mark.slow
def test_thirty_seconds_from_a_chinese_prompt(tmp_path):
    audio, rate = sampled(tmp_path / "output.wav", "科研创意激发", "--seconds", "30")
    check_sound(audio, rate, 30.0)


@pytest.mark.slow
def test_a_sound_file_is_continued(tmp_path, real_clip):
    arguments = ("--audio", str(real_clip), "--prompt-seconds", "3", "--seconds", "10")
    audio, rate = sampled(tmp_path / "out.flac", *arguments)
    check_sound(audio, rate, 10.0)
    other, _ = sampled(tmp_path / "other.flac", *arguments, "--seed", "1")
    assert np.array_equal(audio[: 2 * rate], other[: 2 * rate])  # the prompt is the same, what follows is not
    assert not np.array_equal(audio, other)


def test_the_seed_decides_the_bytes(tmp_path):
    first, again, other = (tmp_path / f"{name}.wav" for name in ("first", "again", "other"))
    for path, seed in ((first, "7"), (again, "7"), (other, "8")):
        sampled(path, "calm drones", "--seconds", "1", "--seed", seed)
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes()


def test_a_clip_is_the_same_alone_in_padded_rows_and_with_eight_neighbours(mini):
    encoded = mini.encode(Prompt(style="ambient"), 1.0)
    [alone] = mini.sample([encoded], [5], Sampling())
    together = mini.sample([encoded] * 9, [1, 2, 3, 4, 5, 6, 7, 8, 9], Sampling())
    assert together[4].audio.tobytes() == alone.audio.tobytes()


def test_the_five_steps_of_the_readme(tmp_path):
    import harness

    prompt = harness.Prompt(text="科研创意激发")
    model = harness.load_model("jukebox:mini")
    encoded = model.encode(prompt, seconds=1)
    [clip] = model.sample([encoded], seeds=[0])
    check_sound(*soundfile.read(clip.save(tmp_path / "output.wav")), 1.0)


@pytest.fixture(scope="module")
def quality():
    return json.loads(QUALITY.read_text())


def test_the_cards_figures_are_of_these_weights(quality, mini):
    assert quality["model"]["weights_sha256"] == mini.fingerprint()["weights_sha256"]


def test_samples_are_nearer_to_music_than_noise_and_random_codes(quality):
    assert quality["settings"]["clips"] >= 60
    assert quality["ratios"]["samples / white noise"] < 0.65
    assert quality["ratios"]["samples / random codes"] < 0.8
    value = {name: found["fad16"]["value"] for name, found in quality["distances"].items()}
    assert value["real"] < value["round trip"] < value["samples"]


def test_the_top_prior_beats_a_trigram(quality):
    top = quality["likelihood"]["level 1"]
    assert top["prior"] < top["trigram"]


def test_the_style_asked_for_is_heard(quality):
    samples = quality["conditioning"]["samples"]
    assert samples["clips"] >= 64
    assert samples["p"] < 0.01


def test_the_weights_are_small_and_licensed():
    assert sum(path.stat().st_size for path in MINI.glob("*.safetensors")) < 40e6
    card = (MINI / "MODEL_CARD.md").read_text()
    assert "CC-BY-SA-4.0" in card
    assert "singularity-music" in card
