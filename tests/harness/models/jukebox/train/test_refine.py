"""The decoder is refined on real and on drawn codes, by tiny shapes; what judges it is checked against sums by hand."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from harness.corpora import Track
from harness.models.jukebox.train import losses, refine
from harness.models.jukebox.train.data import Recordings
from harness.models.jukebox.train.judge import log_spectral_distance, spectral_convergence
from harness.models.jukebox.train.loop import Job, Schedule
from harness.models.jukebox.train.refine import draw, half_drawn, pick, refine_decoder


@pytest.fixture
def recordings():
    time = np.arange(30_000) / 1000
    tones = {"calm": 37.0, "loud": 211.0}
    tracks = [
        Track("a", "1", style, style, "CC0-1.0", "A", "ada", style, "", style, "train", 30.0, f"{style}.flac")
        for style in tones
    ]
    audio = [(8000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16) for hertz in tones.values()]
    return Recordings(audio, tracks, 1000)


@contextmanager
def silent(name, params):
    """A log that keeps nothing."""
    yield lambda values, step: None


@contextmanager
def interrupted(name, params):
    """A log whose reader presses Ctrl-C at step 3."""

    def stop(values, step):
        if step == 3:
            raise KeyboardInterrupt

    yield stop


@pytest.fixture
def small(monkeypatch):
    """Windows that fit tiny excerpts."""
    monkeypatch.setattr(losses, "RESOLUTIONS", ((32, 8, 8),))
    monkeypatch.setattr(refine, "TONES", (32, 8))


def test_excerpts_are_seeded_and_carry_their_labels(model, recordings):
    first, again = (pick(model, recordings, np.random.default_rng(3), 20) for _ in range(2))
    assert torch.equal(first.audio, again.audio)
    assert first.audio.shape == (20, 32 // 2 * 4)  # half a window of the upsampler
    low = (first.audio.diff(dim=1).sign().diff(dim=1) != 0).sum(1) < 10
    assert 4 < int(low.sum()) < 16  # about half of them are the low tone
    assert torch.equal(first.y[:, 4] == 1, low)  # calm is the first style
    assert (first.y[:, 1] % 16 == 0).all()


def test_what_is_drawn_follows_the_priors_chances(model):
    """Where the prior is certain there is one outcome, whatever the generator."""

    class Certain(torch.nn.Module):
        def forward(self, codes, y, above):
            logits = torch.full((*codes.shape, 32), -1e9)
            before = torch.nn.functional.pad(codes, (1, 0))[:, :-1]
            return logits.scatter(2, ((before + 1) % 32).unsqueeze(2), 0.0)

    codes = torch.zeros(2, 5, dtype=torch.long)
    drawn = draw(Certain(), codes, codes, codes, torch.Generator())  # pyright: ignore[reportArgumentType]
    assert drawn.tolist() == [[1, 2, 2, 2, 2]] * 2  # two passes: the second follows what the first drew


def test_half_of_a_batch_is_real(model, recordings):
    excerpts = pick(model, recordings, np.random.default_rng(0), 6)
    real = model.vqvae.encode(excerpts.audio, 0)
    mixed, again = (half_drawn(model, excerpts, 7) for _ in range(2))
    assert torch.equal(mixed, again)
    assert torch.equal(mixed[:3], real[:3])
    assert (mixed[3:] != real[3:]).any()


def test_only_a_copy_of_the_decoder_learns_and_a_resumed_training_is_the_same(model, recordings, tmp_path, small):
    before = {key: value.clone() for key, value in model.vqvae.state_dict().items()}
    schedule = Schedule(steps=6, batch=4, rate=1e-2, warmup=2, every=3)
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    whole = refine_decoder(model, Job(schedule, tmp_path / "whole", silent), recordings, recordings)
    assert all(torch.equal(value, before[key]) for key, value in model.vqvae.state_dict().items())
    with pytest.raises(KeyboardInterrupt):
        refine_decoder(model, Job(schedule, tmp_path / "stopped", interrupted), recordings, recordings)
    resumed = refine_decoder(model, Job(schedule, tmp_path / "stopped", silent), recordings, recordings)
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, resumed.average.state_dict()[name])
        assert not torch.equal(value, model.vqvae.decoders[0].state_dict()[name])


def test_spectral_convergence_is_the_share_that_is_lost():
    audio = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    assert spectral_convergence(audio, audio) == 0
    assert spectral_convergence(0 * audio, audio) == pytest.approx(1)
    assert spectral_convergence(0.75 * audio, audio) == pytest.approx(0.25, abs=1e-5)


def test_log_spectral_distance_of_a_gain_is_that_gain():
    audio = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    assert log_spectral_distance(audio, audio) == 0
    assert log_spectral_distance(0.5 * audio, audio) == pytest.approx(6.02, abs=0.01)
