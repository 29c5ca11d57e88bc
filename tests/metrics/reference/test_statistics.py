import numpy as np
import pytest
from sklearn.decomposition import PCA

from metrics.api.score import EmbeddingSet
from metrics.errors import DegenerateInput, UsageError
from metrics.reference import statistics as module
from metrics.reference.statistics import content_sha256, reference_statistics


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))


def a_set(seed=0, n=60, dim=8, **changes):
    frames = np.random.default_rng(seed).normal(size=(n, dim)) * np.arange(1, dim + 1)
    return EmbeddingSet(**{"frames": frames, "units": np.arange(n) // 3, "provenance": {"embedder": "x"}} | changes)


def test_the_moments_are_numpys_and_the_components_scikit_learns():
    reference = a_set()
    found, pca = reference_statistics(reference, 3), PCA(3, svd_solver="full").fit(reference.frames.astype(float))
    assert np.allclose(found.mean, reference.frames.mean(axis=0, dtype=float))
    assert np.allclose(found.covariance, np.cov(reference.frames.astype(float), rowvar=False))
    assert np.allclose(found.variances, pca.explained_variance_)
    assert np.allclose(np.abs((found.components * np.asarray(pca.components_)).sum(axis=1)), 1)
    assert found.explained == pytest.approx(pca.explained_variance_ratio_.sum())
    assert (found.components[np.arange(3), np.abs(found.components).argmax(axis=1)] > 0).all()


def test_they_are_computed_once_for_each_content(monkeypatch):
    first = reference_statistics(a_set(), 4)
    computed = []
    monkeypatch.setattr(module, "compute", lambda *args: computed.append(args) or first)
    assert np.array_equal(reference_statistics(a_set(), 4).covariance, first.covariance)
    assert not computed
    reference_statistics(a_set(), 5)
    reference_statistics(a_set(seed=1), 4)
    reference_statistics(a_set(provenance={"embedder": "y"}), 4)
    assert len(computed) == 3


def test_a_damaged_file_is_made_again(tmp_path):
    first = reference_statistics(a_set(), 4)
    [path] = tmp_path.rglob("*.safetensors")
    path.write_bytes(b"damaged")
    assert np.array_equal(reference_statistics(a_set(), 4).mean, first.mean)


def test_every_part_of_a_set_counts_for_its_hash():
    base = a_set()
    changes = [
        {"frames": base.frames + 1}, {"units": np.arange(60)}, {"strata": np.array(["a"] * 60)}, {"provenance": {}},
    ]  # fmt: skip
    hashes = {content_sha256(a_set(**change)) for change in changes}
    assert len(hashes) == 4
    assert content_sha256(base) not in hashes
    assert content_sha256(a_set()) == content_sha256(base)


def test_a_set_without_spread_has_no_statistics():
    with pytest.raises(DegenerateInput, match="one frame"):
        reference_statistics(a_set(n=1))
    with pytest.raises(DegenerateInput, match="alike"):
        reference_statistics(a_set(frames=np.ones((60, 8))), 2)
    with pytest.raises(UsageError, match="1 to 8"):
        reference_statistics(a_set(), 9)
