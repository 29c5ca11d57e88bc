from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import HarnessError, UsageError
from harness.listening.make.blinding import ID, Blinder, KeyRow, keep_secret, read_key, write_key

ROW = KeyRow(
    "sabc", ("t1", "t2"), "test", "temperature=0.7, “a”", "toy", "科研\n创意", 3, "9223372036854775807", "f" * 64,
    "a,b.wav", -3.25, -19.75, -23.0, -1.5, "20..40",
)  # fmt: skip


@given(st.binary(min_size=32, max_size=32), st.lists(st.text() | st.integers(0, 99), min_size=1, max_size=4))
def test_ids_are_of_one_form_and_a_spreadsheet_takes_none_for_a_number(secret: bytes, what: list[str | int]) -> None:
    blinder = Blinder(secret)
    for id in (blinder.stimulus(*what), blinder.trial(*what)):
        assert ID.fullmatch(id)
        with pytest.raises(ValueError, match="could not convert"):
            float(id)


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), unique=True, max_size=40))
def test_different_things_have_different_ids(things: list[tuple[str, str]]) -> None:
    assert len({Blinder(bytes(32)).stimulus(*one) for one in things}) == len(things)


def test_without_the_secret_ids_cannot_be_computed() -> None:
    assert Blinder(bytes(32)).stimulus("a") != Blinder(bytes(31) + b"\1").stimulus("a")
    assert Blinder(bytes(32)).stimulus("a")[1:] != Blinder(bytes(32)).trial("a")[1:]


def test_a_new_secret_is_random_and_stays(tmp_path: Path) -> None:
    first = keep_secret(tmp_path / "one")
    assert keep_secret(tmp_path / "one") == first
    assert keep_secret(tmp_path / "two") != first
    assert keep_secret(tmp_path / "three", tmp_path / "one/PRIVATE/secret") == first


def test_the_private_folder_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keep_secret(tmp_path)
        write_key(tmp_path, [ROW])
    finally:
        os.umask(before)
    assert (tmp_path / "PRIVATE").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "PRIVATE").iterdir()} == {0o600}


def test_the_key_comes_back_as_it_was_written(tmp_path: Path) -> None:
    silence = KeyRow("sabd", ("t1",), "control", "silence", "", "p", 0, "", "", "", None, None, None, None)
    write_key(tmp_path, [silence, ROW])
    assert read_key(tmp_path) == [ROW, silence]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda text: text.replace("role", "rolle"), "no column 'role'"),
        (lambda text: text.replace(",test,", ",boss,"), "boss"),
        (lambda text: text.replace("-3.2500", "loud"), "loud"),
        (lambda text: text.replace(",3,", ",three,"), "three"),
        (lambda text: text.rstrip("\n") + ",more\n", "cells"),
        (lambda text: text + '"open', "unexpected end of data"),
    ],
)
def test_a_damaged_key_says_what_is_wrong(tmp_path: Path, change, named: str) -> None:
    path = write_key(tmp_path, [ROW])
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    with pytest.raises(HarnessError, match=f"key.csv.*{named}"):
        read_key(tmp_path)


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"PRIVATE/key\.csv cannot be read"):
        read_key(tmp_path)


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32, "ab" * 31, "ab" * 33])
def test_a_secret_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secret"
    path.write_text(content)
    with pytest.raises(UsageError, match=f"secret {path}"):
        keep_secret(tmp_path / "study", path)


def test_another_secret_than_the_studys_is_refused(tmp_path: Path) -> None:
    keep_secret(tmp_path / "one")
    keep_secret(tmp_path / "two")
    with pytest.raises(UsageError, match="--secret"):
        keep_secret(tmp_path / "one", tmp_path / "two/PRIVATE/secret")
