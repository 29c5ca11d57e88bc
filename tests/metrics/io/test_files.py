import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from metrics.io.files import (
    abandoned,
    strict_umask,
    sync_all,
    temporary_mark,
    unsynced,
    writable,
    write_all,
    write_bytes,
)


def test_the_folder_is_made_and_the_file_replaced_without_leftovers(tmp_path):
    path = tmp_path / "a" / "b.bin"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert [found.name for found in path.parent.iterdir()] == ["b.bin"]


def test_a_write_that_fails_leaves_neither_file_nor_fragment(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "inside").write_text("")
    with pytest.raises(OSError, match="taken"):
        write_bytes(tmp_path / "taken", b"content")
    assert [found.name for found in tmp_path.iterdir()] == ["taken"]


def test_many_files_are_written_together_or_their_fragments_go(tmp_path):
    files = {tmp_path / "a" / "1": b"one", tmp_path / "b" / "2": b"two"}
    write_all(files)
    assert {path: path.read_bytes() for path in files} == files
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_all({tmp_path / "b" / "3": b"three", tmp_path / "taken": b"four"})
    assert not list(tmp_path.glob("**/*.part"))


def test_flushing_left_out_is_made_up_for(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    with unsynced():
        write_bytes(tmp_path / "a", b"one")
    assert flushed == []
    sync_all([tmp_path / "a", tmp_path])
    assert len(flushed) == 2
    write_bytes(tmp_path / "b", b"two")
    assert len(flushed) == 4


def test_what_an_ended_process_left_is_abandoned_and_what_a_running_one_has_is_not(tmp_path):
    code = "from metrics.io.files import temporary_mark; print(temporary_mark())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip()
    for name in (ended, f".a.b.{ended}.part", temporary_mark(), f".a.{temporary_mark()}.part", "old", "elsewhere-1-a"):
        (tmp_path / name).write_text("")
    two_days_ago = time.time() - 48 * 3600
    os.utime(tmp_path / "old", (two_days_ago, two_days_ago))
    assert {path.name for path in abandoned(tmp_path.iterdir())} == {ended, f".a.b.{ended}.part", "old"}


def test_a_process_whose_exit_nobody_has_asked_for_has_ended(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()  # until it has ended
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        machine = temporary_mark().partition("-")[0]
        (tmp_path / f"{machine}-{process.pid}-0").write_text("")
        assert len(list(abandoned(tmp_path.iterdir()))) == 1


@pytest.fixture
def lax():
    before = os.umask(0)
    yield
    os.umask(before)


def test_nobody_else_may_change_what_is_written(tmp_path, lax):
    write_bytes(tmp_path / "one", b"")
    write_all({tmp_path / "two": b""})
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {"one": 0o644, "two": 0o644}


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o755), (0o020, 0o755), (0o002, 0o775), (0o077, 0o700)])
def test_a_lax_umask_is_made_strict_and_a_chosen_one_kept(tmp_path, lax, umask, mode):
    os.umask(umask)
    with strict_umask():
        (tmp_path / "folder").mkdir()
    assert (tmp_path / "folder").stat().st_mode & 0o777 == mode
    assert os.umask(0) == umask


def read_from(pipe, found):
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()), daemon=True)
    reader.start()
    return reader


@pytest.mark.parametrize("write", [write_bytes, lambda path, content: write_all({path: content})])
def test_a_pipe_and_a_link_to_it_are_written_through(tmp_path, write):
    pipe, link, found = tmp_path / "pipe", tmp_path / "link", []
    os.mkfifo(pipe)
    link.symlink_to("pipe")
    for path in (pipe, link):
        reader = read_from(pipe, found)
        write(path, b"content")
        reader.join(10)
    assert found == [b"content", b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert link.is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "link"}


def test_a_device_stays_a_device(tmp_path):
    node = tmp_path / "node"
    try:
        os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(1, 3))  # what /dev/null is
        node.write_bytes(b"")
    except OSError:
        pytest.skip("making a device takes rights that this user or file system lacks")
    write_bytes(node, b"content")
    assert stat.S_ISCHR(node.lstat().st_mode)


@pytest.mark.parametrize("write", [write_bytes, lambda path, content: write_all({path: content})])
def test_a_link_stays_and_its_target_is_written(tmp_path, write):
    (tmp_path / "kept").mkdir()
    (tmp_path / "first").symlink_to("second")
    (tmp_path / "second").symlink_to(tmp_path / "kept" / "file")  # which is not there yet
    for content in (b"one", b"two"):
        write(tmp_path / "first", content)
        assert (tmp_path / "kept" / "file").read_bytes() == content
    assert (tmp_path / "first").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["file"]


def test_links_in_a_circle_are_an_error(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert not writable(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic links"):
        write_bytes(tmp_path / "a", b"")


def test_standard_output_gets_the_content_between_what_is_printed(tmp_path):
    code = (
        "from pathlib import Path; from metrics.io.files import writable, write_bytes; print('before', flush=True); "
        "assert writable(Path('/dev/stdout')); write_bytes(Path('/dev/stdout'), b'table\\n'); print('after')"
    )
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "before\ntable\nafter\n"
    piped = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert piped.stdout == b"before\ntable\nafter\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_can_be_written_is_known_beforehand(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    assert writable(tmp_path / "pipe")
    assert writable(tmp_path / "new" / "file")
    assert not writable(tmp_path)
    assert not writable(tmp_path / "file" / "below")
