"""Clips level by level: what is there is kept, what is interrupted goes on, what is cut in slices is whole."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.models.base import Sampling
from harness.models.codes import read_codes, write_codes
from harness.models.jukebox.decoding.levels import slices
from harness.models.jukebox.model import JukeboxModel
from harness.prompts.prompt import Prompt


def sample(model, seed=3, seconds=1.0, prompt=None, sampling=None, unfinished=None, progress=None):
    encoded = model.encode(prompt or Prompt(style="calm"), seconds)
    paths = None if unfinished is None else [unfinished]
    return model.sample([encoded], [seed], sampling or Sampling(), progress, paths)[0]


def same_codes(one, other) -> bool:
    return one.codes.keys() == other.codes.keys() and all(
        np.array_equal(one.codes[n], other.codes[n]) for n in one.codes
    )


def test_stopping_at_a_level_and_going_on_equals_never_stopping(model, tmp_path):
    whole = sample(model)
    sketch = sample(model, sampling=Sampling(stop_level=1))
    assert list(sketch.codes) == [1]
    assert len(sketch.audio) == len(whole.audio)
    assert sketch.record["stopped_at_level"] == 1
    path = tmp_path / "sketch.codes.safetensors"
    write_codes(path, sketch.codes)
    upsampled = sample(model, prompt=Prompt(style="calm", codes=path))
    assert same_codes(upsampled, whole)
    assert upsampled.audio.tobytes() == whole.audio.tobytes()


def test_upsampling_ends_at_the_level_asked_for_and_leaves_the_codes_above_alone(model, tmp_path):
    rng = np.random.default_rng(0)
    given_codes = rng.integers(0, 32, 62)  # 992 of 1000 samples, rounded up to 63 codes
    path = tmp_path / "top.codes.safetensors"
    write_codes(path, {1: np.append(given_codes, 7)})
    clip = sample(model, prompt=Prompt(style="loud", codes=path))
    assert np.array_equal(clip.codes[1], np.append(given_codes, 7))
    assert len(clip.codes[0]) == 4 * 63


def test_a_continued_clip_begins_with_the_codes_of_the_shorter_one_at_every_level(model, tmp_path):
    short, path = sample(model, seconds=0.512), tmp_path / "short.codes.safetensors"
    write_codes(path, short.codes)
    longer = sample(model, seconds=1.0, prompt=Prompt(style="calm", codes=path))
    for level, codes in short.codes.items():
        assert np.array_equal(longer.codes[level][: len(codes)], codes)
    assert len(longer.audio) == 1000


@pytest.mark.parametrize(
    ("levels", "seconds", "said"),
    [({1: [40]}, 1.0, "codes below 32"), ({5: [1]}, 1.0, "levels 0 to 1"), ({1: [1] * 90}, 1.0, "1.44 s")],
)
def test_codes_of_another_model_or_of_a_longer_clip_are_refused(model, tmp_path, levels, seconds, said):
    path = tmp_path / "codes.safetensors"
    write_codes(path, {level: np.array(codes) for level, codes in levels.items()})
    with pytest.raises(UsageError, match=said):
        model.encode(Prompt(style="calm", codes=path), seconds)


def test_a_file_without_codes_is_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="cannot be read"):
        read_codes(tmp_path / "x.safetensors")


@pytest.mark.parametrize("at", [1, 17, 63, 64, 80, 150, 230, 314])
def test_an_interrupted_clip_goes_on_from_its_last_window(model, tmp_path, at):
    whole, path, done_before = sample(model), tmp_path / "clip.safetensors", []

    def interrupt(done, total, detail):
        done_before.append(detail)
        if done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(model, unfinished=path, progress=interrupt)
    kept = sum(map(len, read_codes(path).levels.values())) if path.exists() else 0
    assert at - 32 < kept <= at  # at most the window it was in is lost
    seen = []
    again = sample(model, unfinished=path, progress=lambda done, total, detail: seen.append(total))
    assert seen[-1] == 63 * 5 - kept
    assert again.audio.tobytes() == whole.audio.tobytes()
    assert same_codes(again, whole)


def test_clips_at_different_places_share_batches_and_keep_their_codes(model, tmp_path):
    seeds, asked = [3, 4, 5, 6], [1.0, 1.0, 2.0, 0.7]
    alone = [sample(model, seed, seconds) for seed, seconds in zip(seeds, asked, strict=True)]
    paths = [tmp_path / f"{seed}.safetensors" for seed in seeds]
    write_codes(paths[0], {1: alone[0].codes[1], 0: alone[0].codes[0][:48]})  # interrupted a while ago
    encoded = [model.encode(Prompt(style="calm"), seconds) for seconds in asked]
    together = model.sample(encoded, seeds, Sampling(), None, paths)
    assert all(same_codes(one, other) for one, other in zip(alone, together, strict=True))


def test_unfinished_codes_of_another_clip_are_left_out_of_account(model, tmp_path):
    given_path, path = tmp_path / "given.safetensors", tmp_path / "clip.safetensors"
    write_codes(given_path, {1: np.arange(10)})
    write_codes(path, {1: np.arange(20)[::-1]})
    prompt = Prompt(style="calm", codes=given_path)
    assert same_codes(sample(model, prompt=prompt, unfinished=path), sample(model, prompt=prompt))


def test_knobs_may_differ_by_level_and_only_that_level_changes(model):
    plain = sample(model)
    finer = sample(model, sampling=Sampling(temperature=(0.5, 0.99)))
    assert np.array_equal(finer.codes[1], plain.codes[1])
    assert not np.array_equal(finer.codes[0], plain.codes[0])
    with pytest.raises(UsageError, match=r"3 values .* 2 levels"):
        sample(model, sampling=Sampling(top_k=(1, 2, 3)))


@pytest.mark.parametrize(
    "knob", [{"hop_fraction": 0.25}, {"window": (16, 8)}, {"chunk": 4}, {"top_k": 5}, {"top_p": 0.9}]
)
def test_every_knob_gives_a_whole_clip_and_counts_in_the_identity(model, knob):
    sampling = Sampling(**knob)
    assert sampling.content() != Sampling().content()
    clip = sample(model, sampling=sampling)
    assert [len(clip.codes[level]) for level in (0, 1)] == [252, 63]


def test_a_level_that_the_model_lacks_is_refused(model):
    with pytest.raises(UsageError, match="levels 0 to 1"):
        sample(model, sampling=Sampling(stop_level=2))


@given(
    there=st.integers(0, 200), more=st.integers(1, 400), count=st.integers(2, 12), overlap=st.integers(0, 64),
    ratio=st.sampled_from([1, 2, 4]),
)  # fmt: skip
def test_slices_cover_what_is_missing_once_and_begin_where_a_code_above_begins(there, more, count, overlap, ratio):
    total = there + more
    cuts = slices(there, total, count, overlap, ratio)
    assert cuts[0].begin == cuts[0].first == 0
    assert cuts[-1].end == total
    assert all(one.end == other.begin for one, other in itertools.pairwise(cuts))
    assert all(cut.first % ratio == cut.begin % ratio == 0 and cut.begin - cut.first >= 0 for cut in cuts)
    assert all(cut.begin - cut.first < overlap + ratio for cut in cuts[1:])
    assert len(cuts) <= count


def test_slices_side_by_side_take_fewer_steps_and_the_first_is_exact_up_to_its_last_window(model):
    exact = sample(model, seconds=2.0)
    seen = []
    sliced = sample(
        model, seconds=2.0, sampling=Sampling(upsampling="parallel:4:0.5"), progress=lambda *told: seen.append(told)
    )
    assert np.array_equal(sliced.codes[1], exact.codes[1])
    assert len(sliced.codes[0]) == len(exact.codes[0]) == 500
    assert np.array_equal(sliced.codes[0][: 124 - 32], exact.codes[0][: 124 - 32])
    assert not np.array_equal(sliced.codes[0], exact.codes[0])
    assert seen[-1][0] == seen[-1][1] == 125 + 500 + 3 * 16  # the codes, and the overlaps
    steps = sum(detail.startswith("level 0") for _, _, detail in seen)
    assert steps < 200
    assert Sampling(upsampling="parallel:4:0.5").content()["upsampling"] == "parallel:4:0.5"


@pytest.mark.parametrize("upsampling", ["parallel", "parallel:1", "parallel:x", "parallel:4:2", "serial:4"])
def test_upsampling_that_makes_no_sense_is_refused(upsampling):
    with pytest.raises(UsageError, match="parallel:8"):
        Sampling(upsampling=upsampling)


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from harness.models.base import Sampling
    from harness.models.registry import load_model
    from harness.prompts.prompt import Prompt

    path, left = Path(sys.argv[1]), int(sys.argv[2])

    def kill(done, total, detail):
        if total - done <= left:
            os.kill(os.getpid(), signal.SIGKILL)

    model = load_model("jukebox:mini", width=1)
    model.sample([model.encode(Prompt(style="ambient"), 20.0)], [1], Sampling(), kill, [path])
"""


@pytest.mark.long
def test_a_clip_of_20_seconds_killed_in_ten_windows_has_the_codes_of_one_that_was_not(tmp_path):
    from harness.models.registry import load_model

    mini = load_model("jukebox:mini", width=1)
    assert isinstance(mini, JukeboxModel)
    encoded, path = mini.encode(Prompt(style="ambient"), 20.0), tmp_path / "clip.safetensors"
    [whole] = mini.sample([encoded], [1], Sampling())
    total = sum(map(len, whole.codes.values()))
    for left in sorted(random.Random(0).sample(range(1, total), 10), reverse=True):
        killed = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(path), str(left)], check=False)
        assert killed.returncode == -9
    kept = sum(map(len, read_codes(path).levels.values()))
    assert total / 2 < kept < total
    [resumed] = mini.sample([encoded], [1], Sampling(), None, [path])
    assert same_codes(resumed, whole)
    assert resumed.audio.tobytes() == whole.audio.tobytes()


def test_the_file_of_a_stored_clip_goes_on_as_the_request_it_was_made_by(model, tmp_path):
    from harness.core.identity import clip_identity
    from harness.sampling.one_clip import read_request
    from harness.store.clips import Store

    prompt = Prompt(style="calm", total_seconds=20.0, offset_seconds=2.0)
    sampling = Sampling(temperature=(0.9, 0.8), stop_level=1)
    clip = sample(model, prompt=prompt, sampling=sampling)
    identity = clip_identity(model.fingerprint(), prompt.content(), sampling, 3, 0, 1.0)
    stored = Store(tmp_path / "store").put(identity, clip, {})
    codes: Path = stored.folder / "codes.safetensors"
    asked = read_request({"codes": codes, "style": None}, {"top_k": None}, None, None)
    assert asked.prompt == Prompt(style="calm", total_seconds=20.0, offset_seconds=2.0, codes=codes)
    assert (asked.sampling, asked.seconds, asked.seed) == (Sampling(temperature=(0.9, 0.8)), 1.0, 3)
