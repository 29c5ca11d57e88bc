"""Files of several folders that belong together have one unit; what has no counterpart is named."""

from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.scoring.folders import folder_sets
from tests.harness.sounds import make_folder


@pytest.fixture
def folders(tmp_path) -> list[Path]:
    return [make_folder(tmp_path / name, 3, first=10 * n) for n, name in enumerate("xyz")]


def table(folder: Path, *lines: str) -> str:
    path = folder / "pairs.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def units(sets) -> list[list[str]]:
    return [[clip.unit for clip in one.clips] for one in sets]


@pytest.mark.parametrize("count", [2, 3])
def test_equal_names_are_pairs_of_any_number_of_folders(folders, count):
    sets = folder_sets(folders[:count], pair_by="name")
    assert units(sets) == [["00.wav", "01.wav", "02.wav"]] * count
    assert all(one.paired for one in sets)
    assert [clip.path.parent for one in sets for clip in one.clips[:1]] == folders[:count]


def test_a_name_that_one_folder_lacks_is_refused(folders):
    (folders[1] / "01.wav").unlink()
    with pytest.raises(UsageError, match="01"):
        folder_sets(folders, pair_by="name")


def test_a_counterpart_that_cannot_be_read_takes_the_pair_with_it(folders):
    (folders[1] / "01.wav").unlink()
    (folders[1] / "01.wav").symlink_to("nowhere")
    sets = folder_sets(folders, pair_by="name")
    assert units(sets) == [["00.wav", "02.wav"]] * 3
    assert [list(one.left_out) for one in sets] == [[str(folder / "01.wav")] for folder in folders]


def test_a_table_names_the_pairs_of_any_number_of_folders(folders, tmp_path):
    rows = table(tmp_path, "a,c,b,prompt,stratum", "00.wav,02.wav,01.wav,p,jazz", "02.wav,00.wav,./02.wav,q,folk")
    sets = folder_sets(folders, pair_by=rows)
    assert units(sets) == [["00.wav", "02.wav"]] * 3
    assert [[clip.path.name for clip in one.clips] for one in sets] == [
        ["00.wav", "02.wav"], ["01.wav", "02.wav"], ["02.wav", "00.wav"],
    ]  # fmt: skip
    assert [clip.prompt for clip in sets[1].clips] == ["p", "q"]
    assert sets[2].strata() == ["jazz", "folk"]
    assert [list(one.skipped) for one in sets] == [
        [str(folders[0] / "01.wav")], [str(folders[1] / "00.wav")], [str(folders[2] / "01.wav")],
    ]  # fmt: skip


def test_equal_content_counts_in_each_pair(folders):
    (folders[0] / "01.wav").write_bytes((folders[0] / "00.wav").read_bytes())
    assert len(folder_sets(folders, pair_by="name")[0].clips) == 3


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["a,x", "00.wav,00.wav"], "columns a, x"),
        (["a,b"], "no rows"),
        (["a,b", "00.wav,", "00.wav,gone.wav", "00.wav,00.wav,more"], "line 2"),
        (["a,b", "00.wav,00.wav", "00.wav,01.wav"], "several rows"),
        (["a,b,prompt", "00.wav,00.wav,p", "01.wav,01.wav,"], "line 3"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(folders, tmp_path, lines, found):
    with pytest.raises(UsageError, match=found):
        folder_sets(folders[:2], pair_by=table(tmp_path, *lines))


def test_only_folders_are_paired(folders, tmp_path):
    for paths in (folders[:1], [folders[0], folders[1] / "00.wav"], [*folders, folders[0] / "00.wav"]):
        with pytest.raises(UsageError, match="--pair-by"):
            folder_sets(paths, pair_by="name")
    with pytest.raises(UsageError):
        folder_sets(folders, pair_by=str(tmp_path / "none.csv"))
