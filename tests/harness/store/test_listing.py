"""What a store says it holds: each clip once, under the names that the runs gave it."""

import os
from pathlib import Path

import pytest

from harness.core.errors import StoreError
from harness.store.listing import begun_runs, listing, references, usage
from tests.harness.stored import leave_plan, leave_run, put


@pytest.fixture
def results(tmp_path: Path) -> Path:
    first, second, _ = (put(tmp_path, seed) for seed in range(3))
    older = leave_run(tmp_path, "old-1", {"cold": [first], "hot": [second]})
    os.utime(older / "clips.csv", (1, 1))
    leave_run(tmp_path, "new-1", {"renamed": [first]})
    return tmp_path


def test_a_clip_has_the_condition_of_the_newest_run_and_all_its_references(results: Path):
    rows = {row["seed"]: row for row in listing(results)}
    assert [rows[n]["condition"] for n in range(3)] == ["renamed", "hot", None]
    assert [one["condition"] for one in rows[0]["references"]] == ["cold", "renamed"]
    assert rows[0]["prompt"] == "“calm”"
    assert (rows[2]["prompt"], rows[2]["index"]) == ("calm", 2)


def test_a_run_under_way_says_why_its_clips_are_there(results: Path):
    third = put(results, 2)
    plan = leave_plan(results, "begun-1", {"third": [third]})
    rows = {row["seed"]: row for row in listing(results)}
    assert (rows[2]["condition"], rows[2]["prompt"], rows[2]["index"]) == ("third", "“calm”", 0)
    assert begun_runs(results) == ["begun-1"]
    leave_run(results, "begun-1", {"third": [third]})  # killed just before its plan was removed
    assert len(references(results)[third.id]) == 1
    plan.write_text("clip")
    plan.with_name(".begun-1.csv.part").write_text("half written")
    assert references(results)
    plan.write_text("clip\nx\n")
    with pytest.raises(StoreError, match=r"planned/begun-1\.csv cannot be read .* or remove .*begun-1\.csv"):
        references(results)


def test_a_row_says_where_the_sound_is_and_its_hash(results: Path):
    from metrics.io.weights import file_sha256

    rows = listing(results)
    assert [row["identity"] for row in rows] == sorted(row["identity"] for row in rows)
    for row in rows:
        assert Path(row["path"]).parent.name == row["identity"]
        assert row["sha256"] == file_sha256(Path(row["path"]))


def test_a_damaged_record_is_said_in_its_row(results: Path):
    rows = listing(results)
    (Path(rows[0]["path"]).parent / "record.json").write_text("{")
    again = listing(results)
    assert "cannot be read" in again[0]["problem"]
    assert again[0]["sha256"] is None
    assert again[1:] == rows[1:]
    assert {"model": "(unreadable)", "clips": 1}.items() <= usage(again)[0].items()


def test_usage_adds_up_to_the_disk(results: Path):
    groups = usage(listing(results))
    assert [(group["condition"], group["clips"]) for group in groups] == [("(no run)", 1), ("hot", 1), ("renamed", 1)]
    assert sum(group["seconds"] for group in groups) == pytest.approx(0.3)
    files = [path for path in (results / "store").glob("??/*/*") if path.is_file()]
    assert sum(group["bytes"] for group in groups) == sum(path.stat().st_size for path in files)


def test_an_empty_folder_holds_nothing(tmp_path: Path):
    assert listing(tmp_path) == usage([]) == []


@pytest.mark.parametrize(
    "table", ["clip\nx\n", "clip,condition,prompt,index\na,b,c,d\n", 'clip\n"', "clip,condition,prompt,index\na,b\n"]
)
def test_a_damaged_table_of_clips_is_named(results: Path, table: str):
    (results / "runs" / "new-1" / "clips.csv").write_text(table)
    with pytest.raises(StoreError, match=r"new-1/clips\.csv cannot be read"):
        references(results)
