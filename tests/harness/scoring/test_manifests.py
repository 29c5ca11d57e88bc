"""A manifest says of files what a run knows of its clips; its mistakes are reported together, with their lines."""

from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.scoring.clips import unit_id
from harness.scoring.manifests import COLUMNS, manifest_sets
from tests.harness.sounds import make_folder


@pytest.fixture
def write(tmp_path):
    make_folder(tmp_path / "a", 4)

    def written(*lines: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "files.csv"
        path.write_text("\n".join(lines) + "\n", encoding=encoding, errors="surrogateescape")
        return path

    return written


def mistakes(path: Path) -> list[str]:
    with pytest.raises(UsageError) as caught:
        manifest_sets(path)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_everything_a_run_knows_is_read(write, tmp_path):
    path = write(
        "condition,prompt,text,style,index,seed,prompt_seconds,file,anything",
        "cold,slow waltz,a slow waltz,classical,0,9223372036854775807,1.5,a/00.wav,x",
        "cold,slow waltz,a slow waltz,classical,1,2,1.5,a/01.wav,y",
        "warm,slow waltz,a slow waltz,,0,1,0,a/02.wav,z",
    )
    cold, warm = manifest_sets(path)
    assert (cold.name, warm.name, cold.paired, warm.paired) == ("cold", "warm", True, True)
    first, second = cold.clips
    assert (first.unit, second.unit) == (unit_id("slow waltz", 0), unit_id("slow waltz", 1))
    assert (first.text, first.style, first.index, first.seed) == ("a slow waltz", "classical", 0, 2**63 - 1)
    assert (first.prompt_seconds, first.path) == (1.5, tmp_path / "a" / "00.wav")
    assert warm.clips[0].unit == first.unit
    assert (cold.strata(), warm.strata()) == (["classical"] * 2, ["slow waltz"])


def test_the_file_alone_is_enough_and_its_old_name_is_read(write):
    for header in ("file", "path", "\ufefffile", "File ".strip().lower()):
        [one] = manifest_sets(write(header, "a/00.wav", "a/01.wav"))
        assert (one.name, one.paired, one.strata()) == ("files", False, None)
        assert [clip.unit for clip in one.clips] == ["a/00.wav", "a/01.wav"]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_other_separators_are_read(write, mark):
    [one] = manifest_sets(write(mark.join(["file", "style"]), mark.join(["a/00.wav", "jazz, slow"])))
    assert one.clips[0].style == "jazz, slow"


def test_prompts_without_an_index_are_no_pairs(write):
    [one] = manifest_sets(write("file,prompt", "a/00.wav,x", "a/01.wav,x"))
    assert not one.paired
    assert one.strata() == ["x", "x"]


def test_a_file_that_cannot_be_read_is_left_out_with_its_reason(write, tmp_path):
    (tmp_path / "link.wav").symlink_to("nowhere")
    [one] = manifest_sets(write("file,prompt,index", "a/00.wav,x,0", "gone.wav,x,1", "link.wav,x,2", "a,x,3"))
    assert [clip.unit for clip in one.clips] == ["x#000"]
    assert {Path(path).name for path in one.left_out} == {"gone.wav", "link.wav", "a"}


def test_all_mistakes_are_reported_with_their_lines(write):
    found = mistakes(
        write(
            "file,promt,index,seed,prompt_seconds",
            "a/00.wav,x,one,0,0",
            ",x,1,two,-3",
            "a/01.wav,x,-1,0,nan",
            "a/02.wav,x,2,0,0,more",
        )
    )
    lines = [mistake.partition(":")[0] for mistake in found]
    assert lines == ["line 1", "line 2", *["line 3"] * 3, *["line 4"] * 2, "line 5"]
    assert "did you mean 'prompt'" in found[0]


@pytest.mark.parametrize(("header", "nearest"), [("fiel,x", "fiel"), ("flie", "file"), ("Files,y", "file")])
def test_a_header_without_a_file_names_the_nearest_column(write, header, nearest):
    assert nearest in mistakes(write(header, "a/00.wav,1"))[0]


@pytest.mark.parametrize("name", ["seconds", "style_similarity", "prompts_understood_as", "audio_sha256", "clip"])
def test_columns_of_other_programs_are_ignored(write, name):
    assert len(manifest_sets(write(f"file,{name}", "a/00.wav,1"))[0].clips) == 1


def test_every_column_may_stand_anywhere(write):
    assert (
        len(manifest_sets(write(",".join(reversed(COLUMNS)), ",".join(["0", "1", "2", "", "", "x", "", "a/00.wav"]))))
        == 1
    )


def test_a_clip_is_named_once(write):
    assert "line 2" in mistakes(write("file,prompt,index", "a/00.wav,x,0", "a/01.wav,x,0"))[0]
    assert "line 2" in mistakes(write("file", "a/00.wav", "a/../a/00.wav"))[0]
    both = manifest_sets(write("file,condition", "a/00.wav,one", "a/00.wav,two"))
    assert [len(one.clips) for one in both] == [1, 1]


def test_what_is_no_table_is_refused(write, tmp_path):
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    for path in (tmp_path / "none.csv", tmp_path, write(), write("file"), tmp_path / "binary.csv"):
        with pytest.raises(UsageError):
            manifest_sets(path)


def test_names_that_spreadsheets_or_utf8_do_not_take_are_read(write, tmp_path):
    for name in ("=1+1.wav", "\udcff.wav"):
        (tmp_path / "a" / "00.wav").rename(tmp_path / name)
        [one] = manifest_sets(write("file", f"'{name}" if name[0] == "=" else name))
        assert one.clips[0].path == tmp_path / name
        (tmp_path / name).rename(tmp_path / "a" / "00.wav")


def test_a_number_that_a_table_with_gaps_has_written_is_a_number(write):
    [one] = manifest_sets(write("file,prompt,index", "a/00.wav,x,3.0"))
    assert one.clips[0].index == 3
