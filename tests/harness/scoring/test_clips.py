"""Sets of clips from folders: what a condition is, what a clip is, what is named as left out."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import UsageError
from harness.core.progress import Quiet
from harness.models.base import Clip as ModelClip
from harness.planning.experiment import Condition
from harness.planning.plan import ClipRequest
from harness.prompts.prompt import Prompt
from harness.scoring.cache import ContentCache
from harness.scoring.clips import ClipFile, ClipSet, clip_set, prompt_labels, shared_content
from harness.scoring.folders import distinguishing, folder_sets
from harness.scoring.frames import Recipe, embed_clips
from harness.scoring.manifests import manifest_sets
from harness.store.clips import Store, StoredClip
from metrics.embeddings import load_embedder
from metrics.io.audio import Preprocessing
from metrics.io.weights import file_sha256
from tests.harness.sounds import RATE, make_folder, tone


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
    assert [note.count("03.wav") + note.count("02.wav") for note in one.notes()] == [1, 1]


def test_what_cannot_be_taken_is_left_out_by_path(tmp_path):
    folder = make_folder(tmp_path / "a", 1)
    (folder / "gone.wav").symlink_to("nowhere")
    [one] = folder_sets([folder])
    assert names(one) == ["00.wav"]
    assert list(one.left_out) == [str(folder / "gone.wav")]
    assert "gone.wav" in one.left_out[str(folder / "gone.wav")]


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
    clips = (ClipFile("a", Path("a"), "", prompt="p", style="jazz"), ClipFile("b", Path("b"), "", prompt="p"))
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


def requested(prompt: Prompt, number: int, index: int, seed: int = 7) -> ClipRequest:
    return ClipRequest(Condition("any"), prompt, number, index, seed + index, 1.0, {}, f"{number}-{index}", prompt)


@pytest.fixture
def stored(tmp_path):
    """Stores a clip with what its prompt was understood as."""
    store = Store(tmp_path / "store")

    def put(name: str, **record) -> StoredClip:
        return store.put({"name": name}, ModelClip(tone(len(name)).astype(np.float32), RATE, {}, record), {})

    return put


def test_a_clip_of_the_store_carries_what_its_record_knows(stored):
    long = Prompt(text="w" * 90 + "1"), Prompt(text="w" * 90 + "2"), Prompt(style="jazz")
    labels = prompt_labels(long)
    requests = [requested(long[0], 0, 0), requested(long[1], 1, 0), requested(long[2], 2, 1)]
    clips = [stored("a", style="metal", prompt_seconds=0.5), stored("bb"), stored("ccc")]
    one = clip_set("cold", requests, clips, labels, {"01-000": "folk"})
    first, second, third = one.clips
    assert (one.name, one.paired) == ("cold", True)
    assert [clip.unit for clip in one.clips] == [f"{labels[0]}#000", f"{labels[0]} (2)#000", f"{labels[2]}#001"]
    assert (first.style, second.style, third.style) == ("metal", "folk", "jazz")
    assert (first.prompt_seconds, first.text, first.seed) == (0.5, "w" * 90 + "1", 7)
    assert third.text == ""
    assert [clip.sha256 for clip in one.clips] == [file_sha256(clip.path) for clip in clips]


def test_a_run_and_its_manifest_are_the_same_clips_with_the_same_frames(stored, tmp_path):
    prompts = Prompt(text="calm, “slow”"), Prompt(style="jazz")
    requests = [requested(prompts[n % 2], n % 2, n // 2) for n in range(4)]
    clips = [stored("x" * (n + 1), style="folk", prompt_seconds=0.25 * (n == 1)) for n in range(4)]
    run = clip_set("cold", requests, clips, prompt_labels(prompts))
    names = ("prompt", "text", "style", "index", "seed", "prompt_seconds")
    with (tmp_path / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["condition", *names, "path"])
        for n, clip in enumerate(run.clips):
            shutil.copy(clip.path, tmp_path / f"{n}.flac")
            table.writerow(["cold", *(getattr(clip, name) for name in names), f"{n}.flac"])
    [listed] = manifest_sets(tmp_path / "clips.csv")
    assert [replace(clip, path=Path()) for clip in listed.clips] == [replace(clip, path=Path()) for clip in run.clips]
    assert (listed.name, listed.paired, listed.strata()) == (run.name, run.paired, run.strata())
    recipe = Recipe(load_embedder("toy"), Preprocessing())
    first, second = (
        embed_clips(one.clips, recipe, ContentCache(tmp_path / name), Quiet()).embedded
        for one, name in ((run, "a"), (listed, "b"))
    )
    assert list(first) == list(second)
    for one, other in zip(first.values(), second.values(), strict=True):
        assert np.array_equal(one.frames, other.frames)
        assert (one.prompt is None) == (other.prompt is None)
