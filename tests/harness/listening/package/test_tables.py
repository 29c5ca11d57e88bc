"""Tables: rows in the list's order under names that PsychoPy takes, and addresses that Prolific fills in."""

import csv
import io
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.listening.kinds.catalogue import kinds
from harness.listening.package.tables import table_files
from tests.harness.listening.hand_made import TASK, study


def read(content):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))


@pytest.mark.parametrize("kind", kinds())
def test_rows_are_the_list_in_its_order(kind):
    stimuli = study(kind)
    rows, one = read(table_files(stimuli, "zh")["trials/L01.csv"]), stimuli.lists[0]
    sounds = [name for name in rows[0] if name.startswith("sound_")]
    assert [tuple(row[name] for name in sounds) for row in rows] == [
        tuple(stimuli.stimuli[name].file for name in p.stimuli) for p in (*one.training, *one.trials)
    ]
    assert all(name.isidentifier() for name in rows[0])
    assert {row["task"] for row in rows} == ({TASK["zh"]} if stimuli.kind.open_answer else {""})
    assert all(bool(row["reference"]) == (stimuli.kind.reference or stimuli.kind.probe) for row in rows)


def test_each_list_has_an_address_for_one_participant():
    rows = read(table_files(study("acr", listeners=3), "en")["prolific.csv"])
    queries = [parse_qs(urlsplit(row["external_url"]).query) for row in rows]
    assert [query["list"] for query in queries] == [["L01"], ["L02"], ["L03"]]
    assert queries[0]["PROLIFIC_PID"] == ["{{%PROLIFIC_PID%}}"]
    assert {row["total_allocation"] for row in rows} == {"1"}
