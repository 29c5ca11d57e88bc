"""Against fadtk 1.1.0: the values here were printed by its own functions (SciPy 1.17), once, for these inputs."""

import numpy as np
import pytest
import soundfile

from metrics.api.score import EmbeddingSet
from metrics.embeddings.base import embedding_provenance
from metrics.embeddings.toy import ToyEmbedder
from metrics.errors import AudioError, DegenerateInput, HarnessError, UsageError
from metrics.io.audio import Preprocessing
from metrics.io.weights import fetch
from metrics.sets.fadtk import fadtk_audio, fadtk_fad, fadtk_files, fadtk_per_song, fadtk_statistics, load_statistics
from metrics.sets.frechet import fad
from metrics.sets.gaussians import frechet_distance, frechet_distance_of_moments

FOLDER = 21.67869426634975
FILES = [83.9207910150029, 75.13102961822419, 76.99325104620326]


def files(n, seed, dimensions=24, offset=0.0):
    """Songs of three to five frames about an offset that makes float32 means round."""
    rng = np.random.default_rng(seed)
    clips = [rng.standard_normal((3 + i % 3, dimensions)) + rng.standard_normal(dimensions) + offset for i in range(n)]
    return EmbeddingSet.from_clips([clip.astype(np.float32) for clip in clips], list(range(n)), {})


def test_a_folder_of_embeddings_has_the_value_that_fadtk_prints():
    x, y = files(12, 0, offset=100.0), files(40, 1, offset=100.5)
    assert fadtk_fad(x, y) == pytest.approx(FOLDER, rel=1e-9)
    assert fadtk_fad(x, y) == pytest.approx(frechet_distance(x.frames, y.frames), rel=1e-5)


def test_the_score_is_that_value_and_says_whose_it_is():
    x, y = files(12, 0, offset=100.0), files(40, 1, offset=100.5)
    score, ours = fad(x, y, compat="fadtk"), fad(x, y)
    assert score.value == score.plain == pytest.approx(FOLDER, rel=1e-9)
    assert score.value > ours.value
    assert (score.name, score.interval, score.reliable, score.stderr) == ("fad_fadtk", None, False, ours.stderr)
    assert "fadtk 1.1" in score.note
    assert "for comparison with papers" in score.note
    with pytest.raises(UsageError, match="'fadtk', in all of them, was expected"):
        fad(x, y, 4, compat="fadtk")
    with pytest.raises(UsageError, match="as 'kadtk'"):
        fad(x, y, compat="kadtk")  # pyright: ignore[reportArgumentType]


def test_single_files_have_the_values_that_fadtk_prints():
    x, y = files(3, 2), files(40, 3)
    assert list(fadtk_per_song(x, y).values()) == pytest.approx(FILES, rel=1e-6)
    assert fadtk_per_song(x, fadtk_statistics(y)) == fadtk_per_song(x, y)


def test_merging_files_gives_the_moments_of_all_frames():
    x = files(12, 4)
    mean, cov = fadtk_statistics(x)
    assert np.allclose(mean, x.frames.mean(0, dtype=np.float64), atol=1e-6)
    assert np.allclose(cov, np.cov(x.frames.T.astype(np.float64)), atol=1e-6)


def test_what_fadtk_makes_nan_of_is_refused():
    x = EmbeddingSet.from_clips([np.zeros((1, 24)), np.ones((2, 24))], ["a", "b"], {})
    with pytest.raises(DegenerateInput, match="clip a is a single frame"):
        fadtk_fad(x, files(9, 5))
    there = EmbeddingSet(x.frames, x.units, {"embedder": {"name": "musicnn"}})
    with pytest.raises(UsageError, match="embedder is"):
        fadtk_fad(there, files(9, 5))


def test_statistics_are_read_by_the_name_of_the_model(tmp_path):
    np.savez(tmp_path / "s.npz", **{"vggish.mu": np.zeros(2), "vggish.cov": np.eye(2)})
    mean, cov = load_statistics(tmp_path / "s.npz", "vggish")
    assert (mean.tolist(), cov.tolist()) == ([0, 0], [[1, 0], [0, 1]])
    with pytest.raises(UsageError, match="no statistics of 'clap': it has vggish"):
        load_statistics(tmp_path / "s.npz", "clap")
    (tmp_path / "bad.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(HarnessError, match="not a file of statistics"):
        load_statistics(tmp_path / "bad.npz", "vggish")


def test_audio_is_resampled_and_rounded_as_torchaudio_does_for_fadtk():
    """Samples that torchaudio 2.8's resampler gives for this noise with fadtk's settings, before the 16 bits."""
    x = np.random.default_rng(1).uniform(-0.5, 0.5, 441).astype(np.float32)
    there = [0.09796614199876785, 0.052990932017564774, 0.1887528896331787, 0.06439165771007538, -0.32142192125320435]
    made = fadtk_audio(x, 44100, 16000)
    assert made.shape == (160,)
    assert made[[0, 1, 50, 100, 159]] == pytest.approx(there, abs=1.01 / 32768)
    stereo = np.stack([x + 0.1, x - 0.1], axis=1)
    assert np.abs(fadtk_audio(stereo, 44100, 16000) - made).max() <= 1.01 / 32768


def test_sound_files_are_embedded_from_the_audio_that_fadtk_makes_of_them(tmp_path):
    rng, toy = np.random.default_rng(2), ToyEmbedder()
    for name in ("a.wav", "b.flac", "c.wav"):
        soundfile.write(tmp_path / name, rng.uniform(-0.5, 0.5, (88200, 2)), 44100)
    paths = sorted(tmp_path.iterdir())
    made = fadtk_files(paths, toy)
    assert made.n_units == 3
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        assert (made.frames[made.units == str(path)] == toy.embed(fadtk_audio(samples, rate, 16000))).all()
    assert fad(made, made, compat="fadtk").value == pytest.approx(0, abs=1e-9)
    ours = embedding_provenance(toy, Preprocessing(rate=toy.rate))
    with pytest.raises(UsageError, match=r"preprocessing\.resampler is 'fadtk 1\.1' against 'soxr HQ'"):
        fad(made, EmbeddingSet(made.frames, made.units, ours))
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    with pytest.raises(AudioError, match=r"empty\.wav holds no samples"):
        fadtk_files([tmp_path / "empty.wav"], toy)


def test_audio_at_the_rate_is_only_rounded_to_16_bits():
    steps = np.array([0.0, 0.7, -0.3, 1000.7, 40000.0, -40000.0]) / 32768
    assert (fadtk_audio(steps, 16000, 16000) * 32768).tolist() == [0, 0, -1, 1000, 32767, -32768]
    with pytest.raises(UsageError, match=r"\(2, 3, 4\)"):
        fadtk_audio(np.zeros((2, 3, 4)), 44100, 16000)


SHIPPED = {
    ("encodec-emb", "encodec-emb-48k"): 4545.609143400643,
    ("encodec-emb-48k", "vggish"): 372.6807332247764,
    ("cdpam-acoustic", "cdpam-content"): 0.9266583901379775,
    ("clap-laion-audio", "clap-laion-music"): 1.4756007781543063,
    ("MERT-v1-95M-10", "MERT-v1-95M-11"): 12.083253292475035,
    ("MERT-v1-95M", "MERT-v1-95M-1"): 126.38720513992936,
    ("clap-2023", "dac-44kHz"): 6794.016318250735,
}
"""Between Gaussians of the same dimension (128 to 1024), in which the same music was embedded by two models."""


@pytest.mark.slow
def test_the_gaussians_that_fadtk_ships_are_as_far_apart_as_it_says():
    path = fetch(
        "fadtk", "1.1.0", "*/stats/fma_pop.npz", "74746819873d7082498b0caec0c7846b2e7967050353761a3fdcfcabf3f11dcb"
    )
    for (first, second), expected in SHIPPED.items():
        left, right = load_statistics(path, first), load_statistics(path, second)
        assert frechet_distance_of_moments(*left, *right) == pytest.approx(expected, rel=1e-6)
        assert frechet_distance_of_moments(*right, *left) == pytest.approx(expected, rel=1e-6)
        assert frechet_distance_of_moments(*left, *left) <= 1e-10 * np.trace(left[1])
