"""A name in any public byte is found, however it is written, and nothing is found that is not there."""

from __future__ import annotations

import html
import json
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import soundfile

from harness.listening.check.leaks import find_leaks, public_bytes
from tests.harness.listening.clips import RATE, music

NAME = "Größe=0.7 “科研”/ü&b"


def leak(folder: Path, name: str, content: bytes, file: str = "file.json", **given) -> dict[str, tuple[str, ...]]:
    folder.mkdir(exist_ok=True)
    (folder / file).write_bytes(content)
    return dict(find_leaks(folder, [name], **given).found)


@pytest.mark.parametrize(
    "written",
    [
        NAME.encode(),
        NAME.upper().encode(),
        NAME.encode("utf-16-le"),
        NAME.lower().encode("utf-16-be"),
        json.dumps(NAME)[1:-1].encode(),
        json.dumps(NAME)[1:-1].upper().encode(),
        html.escape(NAME).encode(),
        quote(NAME).encode(),
        quote(NAME, safe="").lower().encode(),
    ],
)
def test_a_name_is_found_however_it_is_written(tmp_path: Path, written: bytes) -> None:
    assert leak(tmp_path / "public", NAME, b"before" + written + b"after") == {NAME: ("file.json",)}
    assert not leak(tmp_path / "clean", NAME, b"before" + written[1:] + b"after")


def test_a_name_is_found_in_the_name_of_a_file_or_folder(tmp_path: Path) -> None:
    (tmp_path / "public/robot-a").mkdir(parents=True)
    (tmp_path / "public/robot-a/x.csv").write_bytes(b"")
    assert find_leaks(tmp_path / "public", ["robot"]).found == {"robot": ("robot-a/x.csv",)}


@pytest.mark.parametrize(("name", "text", "there"), [
    ("a", b'{"a": 1}', True), ("a", b'{"answer": 1}', False), ("0.7", b"t=0.7,", True), ("0.7", b"10.75", False),
    ("b2", b"ab2", False), ("b2", b"_b2_", True), ("abcd", b"xabcdx", True), ("平静", "很平静的".encode(), True),
])  # fmt: skip
def test_a_short_name_counts_as_a_word_only(tmp_path: Path, name: str, text: bytes, there: bool) -> None:
    assert bool(leak(tmp_path / "public", name, text)) == there


def test_ids_and_hashes_may_spell_anything(tmp_path: Path) -> None:
    text = b"scafe234567abcde2 " + b"beef" * 16
    assert not leak(tmp_path / "public", "cafe", text, ids=["scafe234567abcde2"])
    assert not leak(tmp_path / "public", "beef", text)
    assert leak(tmp_path / "public", "cafe", text) == {"cafe": ("file.json",)}


def test_words_that_every_such_study_has_are_named_not_counted(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_bytes(b'{"reference": "x"}')
    leaks = find_leaks(tmp_path, ["reference", "robot"], ordinary=[b'{"Reference": 1}'])
    assert (leaks.found, leaks.common) == ({}, ("reference",))


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_metadata_is_searched_and_samples_are_not(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        file.title = "robot says"
        file.write(music(0))
    assert b"robot says" in public_bytes(path)
    assert len(public_bytes(path)) < 10_000
    assert find_leaks(tmp_path, ["robot says"]).found == {"robot says": (path.name,)}


def test_what_follows_the_samples_of_a_wav_is_searched(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.zeros(99), RATE)
    path.write_bytes(path.read_bytes() + b"\0junkrobotjunk and more")
    assert find_leaks(tmp_path, ["robot"]).found == {"robot": ("clip.wav",)}
