"""A run's folder is read as it was written, or said to be damaged."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import StoreError, UsageError
from harness.core.identity import digest
from harness.reporting.run_folder import find_runs, read_run

RESULT: dict[str, Any] = {
    "id": digest("run"),
    "experiment": {
        "name": "temperature",
        "conditions": [
            {
                "name": "cold",
                "sampling": {"temperature": 0.5, "top_k": 0, "top_p": 0.0, "window": None, "chunk": [1, 2]},
            },
            {"name": "hot", "prompt": {"style": "metal", "audio": None}, "more_seconds": 2.0, "replicate": 2},
        ],
    },
    "settings": {"seconds": 3.0},
    "model": {},
    "conditions": [{"name": "cold"}, {"name": "hot"}],
    "differences": [],
}
TABLE = """condition,prompt,index,seed,seconds,silent,similarity,clip
cold,12,0,0012,1.0,False,0.25,a
cold,“x”,1,9223372036854775807,1.5,True,,b
hot,“x”,0,1,1e3,False,,c
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "temperature-0f3a91"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(RESULT), "utf-8")
    (folder / "clips.csv").write_text(TABLE, "utf-8")
    return folder


def test_cells_have_their_types_back(run: Path):
    assert read_run(run).rows[:2] == [
        {"condition": "cold", "prompt": "12", "index": 0, "seed": "0012", "seconds": 1.0, "silent": False}
        | {"similarity": 0.25, "clip": "a"},
        {"condition": "cold", "prompt": "“x”", "index": 1, "seed": "9223372036854775807", "seconds": 1.5}
        | {"silent": True, "similarity": None, "clip": "b"},
    ]


def test_a_table_leaves_out_columns_that_say_nothing(run: Path):
    read = read_run(run)
    assert read.table("cold")["similarity"] == [0.25, None]
    assert "similarity" not in read.table("hot")
    assert read.table("other") == {}


def test_a_condition_changes_what_was_not_left_to_the_model_prompts_and_run(run: Path):
    read = read_run(run)
    assert read.changes("cold") == {"temperature": 0.5, "top_k": 0, "top_p": 0.0, "chunk": [1, 2]}
    assert read.changes("hot") == {"prompt.style": "metal", "prompt.audio": None, "seconds": 5.0, "replicate": 2}
    assert read.changes("other") == {}


def test_there_are_failures_only_where_there_is_a_file_of_them(run: Path):
    assert read_run(run).failures == []
    (run / "failures.json").write_text('[{"condition": "cold", "error": "ValueError"}]')
    assert read_run(run).failures == [{"condition": "cold", "error": "ValueError"}]


@pytest.mark.parametrize("text", ["", "{", "null", "3", "[3]", '[{"condition": "cold"}]', "[" * 100_000])
def test_damaged_failures_are_named(run: Path, text: str):
    (run / "failures.json").write_text(text)
    with pytest.raises(StoreError, match=r"failures\.json cannot be read .*Run its experiment again"):
        read_run(run)


def without(*names: str) -> str:
    return json.dumps({key: value for key, value in RESULT.items() if key not in names})


DAMAGED = [
    *("", "{", "[]", "{}", "null", "[" * 100_000),
    *(without(name) for name in RESULT),
    *(json.dumps({**RESULT, **change}) for change in ({"id": "x"}, {"conditions": [1]}, {"settings": []})),
    json.dumps({**RESULT, "experiment": {}}),
]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_result_is_named(run: Path, text: str):
    (run / "result.json").write_text(text)
    with pytest.raises(StoreError, match=r"result\.json cannot be read .*Run its experiment again"):
        read_run(run)


@pytest.mark.parametrize("text", [None, "clip\nx\n", 'clip\n"'])
def test_a_damaged_table_is_named(run: Path, text: str | None):
    (run / "clips.csv").unlink() if text is None else (run / "clips.csv").write_text(text)
    with pytest.raises(StoreError, match=r"clips\.csv cannot be read .*Run its experiment again"):
        read_run(run)


def test_runs_are_found_by_name_path_and_beginning_of_the_id(run: Path, tmp_path: Path):
    for name in (run.name, str(run), f"runs/{run.name}/", "0f3a"):
        assert find_runs(tmp_path, (name,)) == [run]
    assert find_runs(tmp_path) == [run]
    assert find_runs(tmp_path / "empty") == []
    with pytest.raises(UsageError, match="Did you mean 'temperature-0f3a91'"):
        find_runs(tmp_path, ("temprature",))
    (run.parent / "other-0f3a92").mkdir()
    (run.parent / "other-0f3a92" / "result.json").touch()
    with pytest.raises(UsageError, match="give the whole name"):
        find_runs(tmp_path, ("0f3a",))
