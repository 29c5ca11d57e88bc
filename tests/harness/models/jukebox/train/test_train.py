"""The recipe on a minute of synthetic music and tiny shapes: it learns, resumes to the same weights, and exports."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from harness.corpora import Track
from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.train.codec import LevelCodec
from harness.models.jukebox.train.codes import CodedTrack, coded_tracks, encode_track
from harness.models.jukebox.train.data import Recordings
from harness.models.jukebox.train.loop import Job, Schedule, Trainer
from harness.models.jukebox.train.losses import spectral_distance
from harness.models.jukebox.train.prior import Windows, mean_bits, train_prior
from harness.models.jukebox.weights.checkpoint import ModelFolder
from tests.harness.models.jukebox.conftest import CONFIG, STYLES

pytestmark = pytest.mark.whole


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "styles.toml").write_text(STYLES)
    return ModelFolder(tmp_path)


class Log(list):
    """What a training logs, in order."""

    @contextmanager
    def __call__(self, name, settings):
        yield lambda values, step: self.append(values)


def track(style, artist="ada"):
    return Track("a", "1", style, style, "CC0-1.0", "A", artist, style, "", style, "train", 30.0, f"{style}.flac")


@pytest.fixture
def recordings():
    time = np.arange(30_000) / 1000
    tones = {"calm": 37.0, "loud": 211.0}
    audio = [(8000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16) for hertz in tones.values()]
    return Recordings(audio, [track(style) for style in tones], 1000)


def coded(pattern, style="calm"):
    top = np.array(pattern * 100, np.uint16)
    return CodedTrack(track(style), len(top) * 16, {1: top, 0: np.repeat(top, 4)})


def test_excerpts_are_seeded_and_balanced(recordings):
    first, again, other = (recordings.excerpts(np.random.default_rng(seed), 200, 500) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    crossings = (np.diff(np.sign(first), axis=1) != 0).sum(1)
    assert 60 < (crossings < 100).sum() < 140  # about half of them are the low tone
    assert np.abs(first).max() <= 1


def test_the_codec_keeps_its_codebook_in_use(folder, recordings):
    torch.manual_seed(0)
    codec = LevelCodec(folder.vqvae, 0).train()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        noise = torch.from_numpy(rng.standard_normal((4, 512)).astype(np.float32))
        codec(noise)
    _, _, codes = codec.eval()(noise)
    assert len(codes.unique()) > folder.vqvae.bins // 2


def test_spectral_distance_is_zero_for_itself_and_grows_with_noise():
    audio = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 8192)).astype(np.float32)) * 0.1
    same, little, much = (
        sum(spectral_distance(audio + level * torch.randn_like(audio), audio, 16_000)) for level in (0.0, 0.01, 0.1)
    )
    assert same == 0
    assert 0 < little < much


def test_windows_carry_the_labels_of_their_place(folder):
    windows = Windows(folder, 0, [coded([1, 2, 3])])
    window = windows.at(windows.tracks[0], 40, "calm", "bob")
    total, offset, length, artist, genre = window.labels
    assert (total, offset, length) == (300 * 16, 40 * 4, 32 * 4)
    assert (artist, genre) == (2, 1)
    assert window.above is not None
    assert np.array_equal(window.above, windows.tracks[0].codes[1][10:18])


def test_labels_are_left_out_now_and_then(folder):
    windows, rng = Windows(folder, 1, [coded([1, 2, 3])]), np.random.default_rng(0)
    picked = [tuple(windows.pick(rng).labels[3:5]) for _ in range(400)]
    assert {(0, 0), (0, 1), (1, 1)} == set(picked)
    assert 20 < picked.count((0, 0)) < 70
    assert 120 < picked.count((0, 1)) < 200


@pytest.mark.parametrize("level", [0, 1])
def test_a_prior_learns_a_repeating_pattern(folder, tmp_path, level):
    tracks = [coded([3, 1, 4, 1, 5, 9, 2, 6])]
    schedule = Schedule(steps=200, batch=4, rate=2e-2, warmup=5, every=50)
    log = Log()
    prior = train_prior(folder, level, Job(schedule, tmp_path, log), tracks, tracks)
    assert mean_bits(prior.eval(), Windows(folder, level, tracks).grid(8)) < 1.0  # of 5 without learning
    assert log[-1]["valid/bits"] < log[0]["train/loss"]


def test_a_resumed_training_ends_with_the_same_weights(folder, tmp_path):
    tracks = [coded([3, 1, 4, 1, 5, 9, 2, 6]), coded([2, 7], "loud")]
    schedule = Schedule(steps=6, batch=2, rate=1e-2, warmup=2, every=3)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = train_prior(folder, 1, Job(schedule, tmp_path / "a", Log()), tracks, tracks)

    windows_at = Windows.pick

    class Killed(BaseException):
        pass

    def killed(self, rng, _calls=[0]):  # noqa: B006
        _calls[0] += 1
        if _calls[0] > 2 * 4:  # in the middle of the fifth step, after the checkpoint of the third
            raise Killed
        return windows_at(self, rng)

    Windows.pick = killed
    try:
        with pytest.raises(Killed):
            train_prior(folder, 1, Job(schedule, tmp_path / "b", Log()), tracks, tracks)
    finally:
        Windows.pick = windows_at
    resumed = train_prior(folder, 1, Job(schedule, tmp_path / "b", Log()), tracks, tracks)
    for (name, one), two in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, two), name


def test_the_best_weights_are_kept_not_the_last(tmp_path):
    module, losses = torch.nn.Linear(1, 1), iter([3.0, 1.0, 2.0])
    trainer = Trainer("part", module, Job(Schedule(steps=3, batch=1, rate=0.1, every=1), tmp_path, Log()))
    trainer.run(lambda _: (module(torch.ones(1, 1)).sum(), {}), lambda: {"loss": next(losses)})
    assert torch.load(trainer.best_path, weights_only=True)["step"] == 2
    assert torch.load(trainer.path, weights_only=True)["step"] == 3


@pytest.fixture
def vqvae(folder):
    torch.manual_seed(0)
    model = VQVAE(folder.vqvae).eval()
    for level in range(2):
        torch.nn.init.normal_(model.codebook(level).k)
    return model


@pytest.mark.parametrize("level", [0, 1])
def test_encoding_in_chunks_equals_encoding_the_whole(vqvae, monkeypatch, level):
    audio = np.random.default_rng(0).integers(-9000, 9000, 5000).astype(np.int16)
    whole = encode_track(vqvae, level, audio)
    monkeypatch.setattr("harness.models.jukebox.train.codes.CHUNK", 512)
    monkeypatch.setattr("harness.models.jukebox.train.codes.CONTEXT", 128)
    assert np.array_equal(encode_track(vqvae, level, audio), whole)


def test_encoding_a_track_gives_whole_top_codes(vqvae):
    codes = encode_track(vqvae, 0, np.zeros(1003, np.int16), shift=0.5)
    assert len(codes) == (1003 - 8) // 16 * 4
    assert codes.dtype == np.uint16


def test_a_corpus_is_encoded_once_for_each_codec(vqvae, recordings, tmp_path):
    def codes():
        return coded_tracks(vqvae, (0, 1), recordings, tmp_path, ((0.0, 0.0), (0.5, -3.0)))

    first = codes()
    assert [len(track.codes[1]) for track in first] == [1875, 1875, 1874, 1874]
    assert np.array_equal(first[2].codes[0], encode_track(vqvae, 0, recordings.audio[0], 0.5, -3.0))
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    codes()
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept
    with torch.no_grad():
        vqvae.codebook(1).k += 1.0
    codes()
    assert len(list(tmp_path.glob("codes-1-*"))) == 4
    assert len(list(tmp_path.glob("codes-0-*"))) == 2


@pytest.mark.parametrize(("step", "factor"), [(0, 0.1), (9, 1.0), (10, 1.0), (110, 0.05)])
def test_the_schedule_warms_up_and_ends_at_its_floor(step, factor):
    assert Schedule(steps=110, batch=1, rate=1.0, warmup=10).factor(step) == pytest.approx(factor)
