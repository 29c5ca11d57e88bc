"""One listing: every file once, links followed once, and whatever is left out named with its reason."""

import os
import socket
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.sound_files import Listing, sound_files


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three sound files, one of them further down, beside a text."""
    made = tmp_path / "clips"
    put(made, "b.wav", "c.mp3", "more/a.FLAC", "notes.txt")
    return made


def put(folder: Path, *names: str, content: bytes = b"sound") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content + os.fsencode(name))


def names(listing: Listing, folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in listing.files]


def left(what: dict[Path, str], folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in what}


ALL = ["b.wav", "c.mp3", "more/a.FLAC"]


def test_folders_are_searched_and_files_are_taken_as_they_are(folder):
    assert sound_files([folder]) == Listing(tuple(folder / name for name in ALL))
    found = sound_files([folder / "notes.txt", folder, folder / "b.wav"])
    assert names(found, folder) == ["notes.txt", *ALL]


def test_what_is_not_there_and_a_folder_without_sound_are_refused(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UsageError):
            sound_files([path])


def test_links_to_folders_are_followed_once(folder, tmp_path):
    put(tmp_path / "elsewhere", "d.wav", "deep/e.ogg")
    (folder / "a link").symlink_to(tmp_path / "elsewhere")
    (folder / "z link").symlink_to(tmp_path / "elsewhere")
    (folder / "0 link").symlink_to("more")  # sorted before what it leads to
    found = sound_files([folder])
    assert names(found, folder) == ["a link/d.wav", "a link/deep/e.ogg", *ALL]
    assert left(found.skipped, folder) == {"0 link", "z link"}
    assert not found.passed_over


@pytest.mark.parametrize("target", [".", "..", "../..", "more"])
def test_loops_end(folder, target):
    put(folder.parent, "not asked for.wav")
    (folder / "more" / "loop").symlink_to(folder / "more" / target)
    found = sound_files([folder])
    assert names(found, folder) == ALL
    assert left(found.skipped | found.passed_over, folder) == {"more/loop"}


def test_a_link_to_itself_is_passed_over(folder):
    (folder / "self.wav").symlink_to("self.wav")
    found = sound_files([folder])
    assert names(found, folder) == ALL
    assert left(found.passed_over, folder) == {"self.wav"}


def test_a_file_under_several_paths_is_one(folder):
    (folder / "a link.wav").symlink_to("b.wav")
    os.link(folder / "c.mp3", folder / "more" / "hard.mp3")
    found = sound_files([folder, folder, folder / "b.wav", folder / "more" / ".." / "c.mp3"])
    assert names(found, folder) == ALL
    assert left(found.skipped, folder) >= {"a link.wav", "more/hard.mp3"}
    assert not found.passed_over


def test_what_could_be_a_clip_and_cannot_be_taken_is_passed_over(folder, tmp_path, monkeypatch):
    (folder / "gone.wav").symlink_to("nowhere")
    (folder / "gone folder").symlink_to(tmp_path / "nowhere")
    (folder / "gone.txt").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.wav")
    monkeypatch.chdir(folder)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.flac")
        put(folder, "lfs.wav", content=b"version https://git-lfs.github.com/spec/v1\noid sha256:")
        put(folder, "annex.wav", content=b"/annex/objects/SHA256E-s1--x.wav")
        (folder / "locked.wav").symlink_to(".git/annex/objects/X/x.wav")
        found = sound_files([folder])
    assert names(found, folder) == ALL
    expected = {"gone.wav", "gone folder", "pipe.wav", "socket.flac", "lfs.wav", "annex.wav", "locked.wav"}
    assert left(found.passed_over, folder) == expected
    assert "git-annex" in found.passed_over[folder / "locked.wav"]
    assert "git-annex" in found.passed_over[folder / "annex.wav"]


def test_a_named_fifo_is_not_opened(folder):
    os.mkfifo(folder / "pipe")
    assert list(sound_files([folder / "pipe"]).passed_over) == [folder / "pipe"]


def test_a_folder_that_cannot_be_read_is_passed_over(folder, monkeypatch):
    scan = os.scandir

    def refused(path):
        if Path(path).name == "more":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    found = sound_files([folder])
    assert names(found, folder) == ["b.wav", "c.mp3"]
    assert left(found.passed_over, folder) == {"more"}


def test_hidden_files_and_leftovers_are_skipped_and_named(folder):
    put(folder, "._b.wav", ".hidden/x.wav", "__MACOSX/b.wav", "more/@eaDir/c.mp3", ".git/config", ".DS_Store")
    found = sound_files([folder])
    assert names(found, folder) == ALL
    assert left(found.skipped, folder) == {"._b.wav", ".hidden", "__MACOSX", "more/@eaDir"}
    assert not found.passed_over


def test_a_hidden_folder_that_is_named_is_taken(folder):
    put(folder, ".hidden/x.wav")
    assert names(sound_files([folder / ".hidden"]), folder) == [".hidden/x.wav"]


def test_only_what_is_left_out_is_no_reason_to_refuse_the_folder(tmp_path):
    (tmp_path / "gone.wav").symlink_to("nowhere")
    found = sound_files([tmp_path])
    assert not found.files
    assert len(found.passed_over) == 1


def test_names_that_are_not_utf8_are_names(folder):
    put(folder, "\udcff.wav")
    assert names(sound_files([folder]), folder) == [*ALL, "\udcff.wav"]
