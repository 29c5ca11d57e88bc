"""Sets of clips from folders: what a condition is, what a clip is, what is named as left out."""

import shutil
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.prompts.prompt import Prompt
from harness.scoring.clips import Clip, ClipSet, distinguishing, folder_sets, prompt_labels, shared_content
from tests.harness.sounds import make_folder


def names(one: ClipSet) -> list[str]:
    return [clip.unit for clip in one.clips]


def test_each_folder_is_a_condition_and_loose_files_are_one_more(tmp_path):
    folders = [make_folder(tmp_path / name / "clips", 2, first=n) for n, name in enumerate("ab")]
    make_folder(folders[0] / "jazz" / "live", 1, first=5)
    loose = sorted(make_folder(tmp_path / "loose", 2, first=8).iterdir())
    first, second, third = folder_sets([folders[0], loose[0], folders[1], loose[1]])
    assert [one.name for one in (first, second, third)] == ["a/clips", "b/clips", "2 files"]
    assert names(first) == ["00.wav", "01.wav", "jazz/live/00.wav"]
    assert first.strata() == ["", "", "jazz"]
    assert second.strata() is None
    assert names(third) == [str(path) for path in loose]
    assert not any(one.paired or one.left_out or one.skipped for one in (first, second, third))


def test_together_they_are_one_set(tmp_path):
    folders = [make_folder(tmp_path / name, 1, first=n) for n, name in enumerate("ab")]
    [one] = folder_sets([*folders, folders[0]], together=True)
    assert names(one) == [str(folder / "00.wav") for folder in folders]


@pytest.mark.parametrize("again", [lambda f: f, lambda f: f.parent / "." / f.name / ".." / f.name])
def test_a_folder_given_twice_is_one_condition(tmp_path, again):
    folder = make_folder(tmp_path / "a", 2)
    [one] = folder_sets([folder, again(folder)])
    assert len(one.clips) == 2


def test_a_copy_and_a_link_count_once_and_are_named(tmp_path):
    folder = make_folder(tmp_path / "a", 2)
    shutil.copy(folder / "00.wav", folder / "02.wav")
    (folder / "03.wav").symlink_to("01.wav")
    [one] = folder_sets([folder])
    assert names(one) == ["00.wav", "01.wav"]
    assert set(one.skipped) == {str(folder / "02.wav"), str(folder / "03.wav")}
    assert not one.left_out


def test_what_cannot_be_taken_is_left_out_by_path(tmp_path):
    folder = make_folder(tmp_path / "a", 1)
    (folder / "gone.wav").symlink_to("nowhere")
    [one] = folder_sets([folder])
    assert names(one) == ["00.wav"]
    assert list(one.left_out) == [str(folder / "gone.wav")]


def test_a_name_that_is_not_utf8_is_a_name(tmp_path):
    folder = make_folder(tmp_path / "a", 1)
    (folder / "00.wav").rename(folder / "\udcff.wav")
    [one] = folder_sets([folder])
    assert names(one) == ["\\xff.wav"]
    names(one)[0].encode("utf-8")


def test_names_are_as_long_as_it_takes():
    paths = ["/r/one/x/out", "/r/two/x/out", "/r/two/y"]
    assert distinguishing([Path(path) for path in paths]) == ["one/x/out", "two/x/out", "y"]


def test_prompts_of_one_label_are_told_apart():
    prompts = [Prompt(text="x" * 90 + end) for end in "abc"]
    first, second, third = prompt_labels(prompts)
    assert [second, third] == [f"{first} (2)", f"{first} (3)"]


def test_a_stratum_is_the_style_or_else_the_prompt():
    clips = (Clip("a", Path("a"), "", prompt="p", style="jazz"), Clip("b", Path("b"), "", prompt="p"))
    assert ClipSet("x", clips).strata() == ["jazz", "p"]


def test_content_on_both_sides_is_counted(tmp_path):
    folders = [make_folder(tmp_path / name, 2, first=first) for name, first in (("a", 0), ("b", 1), ("c", 7))]
    sets = folder_sets(folders)
    assert shared_content(sets, [clip.sha256 for clip in sets[0].clips]) == {"a": 2, "b": 1}


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError):
        folder_sets([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError):
        folder_sets([tmp_path / "empty"])
