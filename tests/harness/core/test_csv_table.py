"""What a spreadsheet would run is text, whatever the column, and comes back as it was."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.csv_table import read_table, write_table
from harness.corpora.manifest import read_tracks, write_tracks
from harness.scoring.likelihood import Scored
from harness.scoring.likelihood import as_csv as likelihoods_as_csv
from tests.harness.corpora.conftest import track_of

BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n")
TEXTS = st.text(alphabet="'=+-@\t\r\n a1,\"＝", max_size=6)


def cells_of(table: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table, newline=""), strict=True))


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=3))
def test_no_text_is_a_formula_and_every_text_comes_back(rows):
    table = write_table(("a", "=b"), [{"a": one, "=b": two} for one, two in rows])
    assert not [
        cell for row in cells_of(table) for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    ]
    columns, back = read_table(io.StringIO(table, newline=""))
    assert columns == ["a", "=b"]
    assert [(row["a"], row["=b"]) for row in back] == rows


@pytest.mark.parametrize(
    "number", [-1, -1.5, np.float32(-0.25), np.int64(-3), Decimal("-2.50"), float("-inf"), -1e-300]
)
def test_numbers_stay_numbers(number):
    [[_], [cell]] = cells_of(write_table(("n",), [{"n": number}]))
    assert cell == str(number)


def test_what_is_missing_is_empty_and_rows_of_other_lengths_can_be_told():
    assert write_table(("a", "b"), [{"a": None}, {"b": "x"}]) == "a,b\n,\n,x\n"
    assert read_table(["a,b\n", "1\n", "1,2,3\n"])[1] == [{"a": "1", "b": None}, {"a": "1", "b": "2", None: ["3"]}]


def test_tables_of_files_and_of_tracks_hold_no_formula():
    scored = Scored(Path("=1+1.wav"), error="-2+3 cannot be read")
    assert "'=1+1.wav" in likelihoods_as_csv([scored])
    track = track_of("songs", "usr/one.ogg", [b"x"], title="=HYPERLINK(1)", author="@somebody")
    assert "'=HYPERLINK(1)" in write_tracks([track])
    assert read_tracks(write_tracks([track]), "it") == [track]
