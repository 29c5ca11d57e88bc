"""The model behind the protocol, with a small folder of random weights: shapes, seeds and bytes, not quality."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from harness.core.errors import ModelError, UsageError
from harness.models.base import Sampling
from harness.models.jukebox.model import JukeboxModel
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.weights.checkpoint import ModelFolder, save_weights
from harness.prompts.prompt import Prompt


def clips(model, seeds, style="calm", seconds=1.0, **sampling):
    encoded = model.encode(Prompt(style=style), seconds)
    return model.sample([encoded] * len(seeds), seeds, Sampling(**sampling))


@pytest.mark.parametrize("seconds", [0.016, 0.1, 0.777, 2.0])
def test_a_clip_is_as_long_as_asked_finite_and_within_range(model, seconds):
    [clip] = clips(model, [1], seconds=seconds)
    assert len(clip.audio) == round(seconds * model.rate)
    assert np.isfinite(clip.audio).all()
    assert np.abs(clip.audio).max() <= 0.98 + 1e-6
    assert len(clip.codes[0]) == 4 * len(clip.codes[1])


def test_the_seed_decides(model):
    first, again, other = clips(model, [3, 3, 4])
    assert first.audio.tobytes() == again.audio.tobytes()
    assert first.audio.tobytes() != other.audio.tobytes()


def test_a_clip_has_the_same_bytes_alone_and_with_eight_neighbours(model):
    [alone] = clips(model, [5])
    for place in range(9):  # nine clips fill one batch of eight and begin another
        seeds = [10 + n for n in range(9)]
        seeds[place] = 5
        together = clips(model, seeds)[place]
        assert together.audio.tobytes() == alone.audio.tobytes(), place


def test_neighbours_with_other_styles_and_lengths_change_nothing(model):
    [alone] = clips(model, [5])
    asked = [("loud", 1.0), ("calm", 1.0), ("loud", 0.5), ("calm", 2.0)]
    encoded = [model.encode(Prompt(style=style), seconds) for style, seconds in asked]
    mixed = model.sample(encoded, [1, 5, 2, 3], Sampling())
    assert mixed[1].audio.tobytes() == alone.audio.tobytes()
    assert [round(clip.seconds, 3) for clip in mixed] == [1.0, 1.0, 0.5, 2.0]


def test_the_number_of_threads_changes_nothing(model):
    before = torch.get_num_threads()
    try:
        made = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            made.append(clips(model, [5])[0].audio.tobytes())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert made[0] == made[1]


def test_temperature_and_truncation_change_the_codes(model):
    [warm], [cold], [greedy] = (clips(model, [5], temperature=t, top_k=k) for t, k in ((1.0, 0), (0.5, 0), (1.0, 1)))
    assert len({clip.codes[1].tobytes() for clip in (warm, cold, greedy)}) == 3


def test_a_continuation_begins_with_the_codes_of_its_prompt(model, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "clip.wav"
    soundfile.write(path, 0.2 * rng.standard_normal(1500), model.rate)
    encoded = model.encode(Prompt(audio=path, prompt_seconds=0.5), 1.0)
    first, second = model.sample([encoded] * 2, [0, 1], Sampling())
    prompted = len(encoded.data.codes[0])
    assert encoded.record["prompt_seconds"] == pytest.approx(0.496)  # whole top-level codes
    for level in range(2):
        there = len(encoded.data.codes[level])
        assert np.array_equal(first.codes[level][:there], encoded.data.codes[level])
    assert not np.array_equal(first.codes[0][prompted:], second.codes[0][prompted:])


def test_the_place_in_the_piece_is_the_clips_own_and_recorded(model):
    first, second = clips(model, [1, 2])
    assert first.record["piece_seconds"] == 20.0
    assert 0 <= first.record["offset_seconds"] < 19.0
    assert first.record["offset_seconds"] != second.record["offset_seconds"]


def test_progress_counts_every_code_once_and_says_where(model):
    seen: list[tuple[int, int, str]] = []
    encoded = model.encode(Prompt(style="calm"), 0.5)
    model.sample([encoded] * 9, list(range(9)), Sampling(), lambda *told: seen.append(told))
    total = 9 * sum(model._totals(500))
    assert [done for done, _, _ in seen] == sorted({done for done, _, _ in seen})
    assert seen[-1][:2] == (total, total)
    assert {detail.split(",")[0] for _, _, detail in seen} == {"level 1", "level 0"}
    assert seen[0][2].startswith("level 1, window 1/")


@pytest.mark.parametrize(
    ("prompt", "seconds", "said"),
    [
        ({"style": "clam"}, 1.0, "calm"),
        ({"style": "calm", "artist": "ad"}, 1.0, "ada"),
        ({"style": "calm"}, 0.001, "0.016"),
        ({"style": "calm"}, 600.0, "600"),
    ],
)
def test_what_the_model_cannot_do_is_said_with_what_it_can(model, prompt, seconds, said):
    with pytest.raises(UsageError, match=said):
        model.encode(Prompt(**prompt), seconds)


def test_a_prompt_as_long_as_the_clip_is_refused(model, tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, 0.2 * np.random.default_rng(0).standard_normal(1500), model.rate)
    with pytest.raises(UsageError, match="--prompt-seconds"):
        model.encode(Prompt(audio=path, prompt_seconds=1.0), 1.0)


def test_lyrics_that_the_model_does_not_sing_are_recorded_as_unused(model):
    record = model.encode(Prompt(style="calm", lyrics="科研创意激发"), 1.0).record
    assert record["lyrics"]["used"] is False
    assert record["lyrics"]["read_as"]


def test_the_fingerprint_follows_the_weights(model, folder, tmp_path):
    import shutil

    copy = shutil.copytree(folder.path, tmp_path / "copy")
    assert JukeboxModel("tiny", ModelFolder(copy), "cpu").fingerprint() == model.fingerprint()
    prior = Prior(folder.priors[0])
    save_weights(prior, copy / "prior_level_0.safetensors")
    assert JukeboxModel("tiny", ModelFolder(copy), "cpu").fingerprint() != model.fingerprint()


def test_missing_and_wrong_weights_are_named(folder, tmp_path):
    import shutil

    copy = shutil.copytree(folder.path, tmp_path / "copy")
    (copy / "vqvae.safetensors").unlink()
    with pytest.raises(ModelError, match=r"vqvae\.safetensors"):
        JukeboxModel("tiny", ModelFolder(copy), "cpu")
    shutil.copy(folder.weights("prior_level_0"), copy / "vqvae.safetensors")
    with pytest.raises(ModelError, match="missing"):
        JukeboxModel("tiny", ModelFolder(copy), "cpu")
