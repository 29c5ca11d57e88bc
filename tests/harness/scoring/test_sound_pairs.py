"""Pairs of files: by name or by table, and every way in which a table can be wrong."""

import pytest

from harness.core.errors import UsageError
from harness.scoring.sound_pairs import pair_files
from tests.harness.sounds import make_folder


@pytest.fixture
def folders(tmp_path):
    return make_folder(tmp_path / "a", 3, seconds=0.1), make_folder(tmp_path / "b", 3, seconds=0.1)


def table(tmp_path, *lines):
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_equal_names_are_pairs(folders):
    pairs = pair_files(folders[0], folders[1], "name")
    assert [pair.id for pair in pairs.pairs] == ["00.wav", "01.wav", "02.wav"]
    assert all(pair.first.name == pair.second.name and pair.first != pair.second for pair in pairs.pairs)
    assert pairs.unpaired == (0, 0)
    assert pairs.prompts() is None


def test_a_file_without_a_partner_is_named(folders):
    (folders[1] / "02.wav").rename(folders[1] / "02.flac")
    with pytest.raises(UsageError, match=r"2 files are in one only, such as '02\.flac'"):
        pair_files(folders[0], folders[1], "name")
    (folders[1] / "02.flac").unlink()
    with pytest.raises(UsageError, match="number of clips is 3 against 2"):
        pair_files(folders[0], folders[1], "name")


def test_a_table_pairs_as_it_says(tmp_path, folders):
    rows = ["a,b,prompt,stratum", "00.wav,02.wav,a waltz,folk", "01.wav,00.wav,a march,brass"]
    pairs = pair_files(folders[0], folders[1], table(tmp_path, *rows))
    assert [(pair.first.name, pair.second.name) for pair in pairs.pairs] == [("00.wav", "02.wav"), ("01.wav", "00.wav")]
    assert pairs.prompts() == {"00.wav": "a waltz", "01.wav": "a march"}
    assert [clip.style for clip in pairs.clips(1)] == ["folk", "brass"]
    assert pairs.unpaired == (1, 1)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["first,second", "00.wav,00.wav"], "columns first, second: a and b were expected"),
        (["a,b,weight", "00.wav,00.wav,1"], "columns a, b, weight"),
        (["a,b"], "no rows"),
        (["a,b", "00.wav,"], "row 2: a file in a and one in b"),
        (["a,b", "00.wav,00.wav", "01.wav,01.wav,02.wav"], "row 3"),
        (["a,b", "00.wav,00.wav", "09.wav,01.wav"], r"row 3: there is no .*09\.wav"),
        (["a,b", "00.wav,00.wav", "00.wav,01.wav"], "more than once in column a"),
        (["a,b,prompt", "00.wav,00.wav,x", "01.wav,01.wav,"], "row 3 has no prompt"),
    ],
)
def test_a_wrong_table_is_told_by_row(tmp_path, folders, lines, said):
    with pytest.raises(UsageError, match=said):
        pair_files(folders[0], folders[1], table(tmp_path, *lines))


def test_what_is_no_table_or_no_folder(tmp_path, folders):
    with pytest.raises(UsageError, match="no table"):
        pair_files(folders[0], folders[1], "nmae")
    with pytest.raises(UsageError, match="is no folder"):
        pair_files(folders[0], folders[1] / "00.wav", "name")
