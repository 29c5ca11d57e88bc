"""The toy model keeps every promise that a real one makes."""

import numpy as np
import pytest
import soundfile

from harness.core.errors import UsageError
from harness.models.base import Sampling
from harness.models.registry import MODELS, load_model
from harness.models.toy import NOTE_SECONDS, RATE, ToyModel
from harness.prompts.prompt import Prompt


@pytest.fixture
def model() -> ToyModel:
    return ToyModel()


def test_it_is_known_by_its_name_and_another_name_is_not():
    assert "toy" in MODELS.names()
    assert load_model("toy").name == "toy"
    with pytest.raises(UsageError, match=r"unknown model .toi.\. Did you mean 'toy'"):
        load_model("toi")


@pytest.mark.parametrize("seconds", [0.01, 1.0, 1.03, 7.5])
def test_clips_have_the_length_asked_for_and_are_sound(model, seconds):
    encoded = model.encode(Prompt(style="toy-bell"), seconds)
    [clip] = model.sample([encoded], [3])
    assert len(clip.audio) == round(seconds * RATE)
    assert clip.audio.dtype == np.float32
    assert 0 < np.abs(clip.audio).max() < 1


def test_a_seed_gives_the_same_bytes_whatever_its_neighbours(model):
    prompts = [model.encode(Prompt(style=style), 2.0) for style in model.styles]
    alone = [model.sample([prompt], [7 + n])[0] for n, prompt in enumerate(prompts)]
    together = model.sample(prompts * 3, [7, 8, 9, 10] * 3)
    for n, clip in enumerate(together):
        assert clip.audio.tobytes() == alone[n % 4].audio.tobytes()
    other = model.sample([prompts[0]], [8])[0]
    assert other.audio.tobytes() != alone[0].audio.tobytes()


def test_an_audio_prompt_is_the_beginning(model, tmp_path):
    sound = np.random.default_rng(0).uniform(-0.4, 0.4, RATE * 2)
    soundfile.write(tmp_path / "clip.wav", sound, RATE, subtype="FLOAT")
    encoded = model.encode(Prompt(audio=tmp_path / "clip.wav", prompt_seconds=0.5), 2.0)
    [clip] = model.sample([encoded], [0])
    assert encoded.record["prompt_seconds"] == 0.5
    np.testing.assert_allclose(clip.audio[: RATE // 2], sound[: RATE // 2], atol=1e-6)
    assert len(clip.audio) == 2 * RATE
    with pytest.raises(UsageError, match="more --seconds"):
        model.encode(Prompt(audio=tmp_path / "clip.wav", prompt_seconds=1.0), 1.0)


def test_unknown_styles_and_impossible_lengths_are_refused(model):
    with pytest.raises(UsageError, match="Did you mean 'toy-bell'"):
        model.encode(Prompt(style="toy-bel"), 1.0)
    for seconds in (0.0, -1.0, float("nan"), 1e6):
        with pytest.raises(UsageError, match=r"seconds|duration"):
            model.encode(Prompt(text="x"), seconds)
    with pytest.raises(UsageError, match="one seed per clip"):
        model.sample([model.encode(Prompt(text="x"), 1.0)], [1, 2])


def spread(model: ToyModel, sampling: Sampling) -> float:
    """Standard deviation of the steps between notes over eight long melodies."""
    encoded = model.encode(Prompt(style="toy-bell"), 64 * NOTE_SECONDS)
    clips = model.sample([encoded] * 8, range(8), sampling)
    return float(np.std([np.diff(clip.codes[0]) for clip in clips]))


def test_temperature_and_truncation_narrow_the_walk(model):
    assert spread(model, Sampling(0.3)) < spread(model, Sampling(1.0)) < spread(model, Sampling(3.0))
    assert spread(model, Sampling(1.0, top_k=3)) < spread(model, Sampling(1.0))
    assert spread(model, Sampling(1.0, top_p=0.3)) < spread(model, Sampling(1.0))


def test_top_k_of_one_draws_no_lots(model):
    encoded = model.encode(Prompt(style="toy-bell"), 2.0)
    one, other = model.sample([encoded, encoded], [1, 2], Sampling(top_k=1))
    assert one.audio.tobytes() == other.audio.tobytes()


def test_progress_ends_at_its_total(model):
    seen = []
    model.sample(
        [model.encode(Prompt(text="x"), 0.2)] * 3,
        [1, 2, 3],
        progress=lambda done, total, detail: seen.append((done, total)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
