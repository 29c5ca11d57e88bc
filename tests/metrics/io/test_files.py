import os
import subprocess
import sys
import time

import pytest

from metrics.io.files import abandoned, sync_all, temporary_mark, unsynced, write_all, write_bytes


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
