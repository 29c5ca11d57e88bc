"""A cache entry is believed only if it is what it says it is; a cache that cannot be written costs time and no more."""

from pathlib import Path

import pytest

from harness.scoring.cache import ContentCache, user_cache

KEY = {"audio": "ab" * 32, "version": 1, "hop": 0.5, "name": "é\udcff"}


@pytest.fixture
def cache(tmp_path) -> ContentCache:
    return ContentCache(tmp_path / "cache")


def test_what_is_written_is_read_and_nothing_else(cache):
    assert cache.read(KEY) is None
    for content in (b"", b"one\ntwo\n", bytes(range(256))):
        cache.write(KEY, content)
        assert cache.read(dict(reversed(KEY.items()))) == content
        assert cache.read({**KEY, "version": 2}) is None
    assert cache.note is None


@pytest.mark.parametrize("place", ["key", "hash", "content", "length"])
def test_no_flipped_bit_is_believed(cache, place):
    cache.write(KEY, b"frames" * 20)
    path = cache.place(KEY)
    content = bytearray(path.read_bytes())
    line = content.index(b"\n")
    at = {"key": 20, "hash": line - 9, "content": line + 30, "length": len(content) - 1}[place]
    content[at] ^= 4
    path.write_bytes(content)
    assert cache.read(KEY) is None


def test_an_entry_of_another_key_is_not_believed(cache):
    cache.write(KEY, b"one")
    other = {**KEY, "version": 2}
    cache.place(other).parent.mkdir(parents=True, exist_ok=True)
    cache.place(other).write_bytes(cache.place(KEY).read_bytes())
    assert cache.read(other) is None


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\nx", b"[]\nx", b'"a"\nx', b"\xff\nx", b"[" * 20000])
def test_what_is_no_entry_is_not_believed(cache, content):
    cache.place(KEY).parent.mkdir(parents=True)
    cache.place(KEY).write_bytes(content)
    assert cache.read(KEY) is None
    cache.write(KEY, b"anew")
    assert cache.read(KEY) == b"anew"


def test_a_cache_that_cannot_be_written_says_so_once(tmp_path):
    (tmp_path / "file").write_text("no folder")
    cache = ContentCache(tmp_path / "file" / "cache")
    assert cache.read(KEY) is None
    cache.write(KEY, b"x")
    note = cache.note
    assert note is not None
    assert "HARNESS_CACHE" in note
    cache.write({**KEY, "version": 2}, b"x")
    assert cache.note == note


def test_a_full_disk_is_no_reason_to_stop(cache, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.scoring.cache.write_bytes", full)
    cache.write(KEY, b"x")
    assert cache.note is not None
    assert "No space left" in cache.note


def test_an_entry_that_cannot_be_read_is_measured_again(cache):
    cache.place(KEY).mkdir(parents=True)
    assert cache.read(KEY) is None


def test_it_lies_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert user_cache().folder == Path(tmp_path) / "measured"


def test_what_a_killed_process_left_is_swept(cache):
    cache.write(KEY, b"x")
    left = cache.place(KEY).parent / ".x.entry.0badbad-1-0.part"
    left.touch()
    import os

    os.utime(left, (0, 0))
    cache.sweep()
    assert not left.exists()
    assert cache.read(KEY) == b"x"
