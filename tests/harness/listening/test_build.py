"""Whole folders of every kind, small: what is in them, what comes again, what nobody may read out of them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate

from harness.core.errors import UsageError
from harness.listening.build import BuiltStudy, build
from harness.listening.kinds.catalogue import kinds
from harness.listening.make.blinding import ID, Blinder, KeyRow, keep_secret, read_key
from harness.listening.make.processing import NEUTRAL_TIME
from metrics.io.audio import loudness
from tests.harness.listening.clips import CONDITIONS, RATE, make_clips, read, settings

GIVEN = {
    "affect": {"source": {"seconds": 5.2}},
    "ideation": {"source": {"seconds": 5.2}},
    "mushra": {"study": {"reference": "tape-machine", "format": {"rate": 48000}}},
}


def make(folder: Path, kind: str) -> BuiltStudy:
    given = GIVEN.get(kind, {})
    source = make_clips(folder / "clips", **given.get("source", {}))
    return build(settings(source, folder / "study", kind, **given.get("study", {})))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """A study of each kind, made once."""
    done: dict[str, BuiltStudy] = {}

    def of(kind: str) -> BuiltStudy:
        if kind not in done:
            done[kind] = make(tmp_path_factory.mktemp(kind), kind)
        return done[kind]

    return of


def audio(built: BuiltStudy, id: str) -> tuple[np.ndarray, int]:
    return read(built.folder / "public" / built.stimuli.stimuli[id].file)


@pytest.mark.parametrize("kind", kinds())
def test_all_stimuli_of_a_study_have_one_format_and_every_item_one_loudness(made, kind: str) -> None:
    built = made(kind)
    shapes = {(audio(built, id)[0].shape, audio(built, id)[1]) for id in built.stimuli.stimuli}
    assert len(shapes) == 1
    for row in built.key:
        sound, rate = audio(built, row.blind_id)
        if row.condition == "silence":
            assert not sound.any()
            continue
        assert row.true_peak_dbtp <= -1
        assert loudness(sound, rate) == pytest.approx(row.lufs_after, abs=0.01)
        lowered = built.protocol["processing"]["true_peak"]["items_lowered_db"]
        name = f"{row.prompt} #{row.index}"
        expected = -23 - next((db for item, db in lowered.items() if item.split(",")[0] == name), 0)
        if row.role not in ("training", "gold", "trap", "control"):
            assert row.lufs_after == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("kind", kinds())
def test_the_public_folder_holds_what_the_manifest_says_and_trials_are_of_its_stimuli(made, kind: str) -> None:
    built = made(kind)
    public = built.folder / "public"
    with (public / "manifest.csv").open() as file:
        rows = {row["blind_id"]: row for row in csv.DictReader(file)}
    assert {path.stem for path in (public / "audio").iterdir()} == {*rows} == {row.blind_id for row in built.key}
    assert all(ID.fullmatch(id) for id in rows)
    assert all(path.stat().st_mtime == NEUTRAL_TIME for path in public.rglob("*"))
    heard = set()
    for number, one in enumerate(built.stimuli.lists, start=1):
        assert one.listener == f"L{number:02d}"
        stored = json.loads((public / "lists" / f"{one.listener}.json").read_text())
        assert [shown["stimuli"] for shown in stored["trials"]] == [list(shown.stimuli) for shown in one.trials]
        for shown in (*one.training, *one.trials):
            trial = built.stimuli.trials[shown.trial]
            assert tuple(sorted(shown.stimuli)) == trial.stimuli
            heard |= {*trial.stimuli, trial.reference} - {None}
    assert heard == {*rows}


@pytest.mark.parametrize("kind", kinds())
def test_no_public_byte_names_a_condition_a_model_a_prompt_or_a_source(made, kind: str) -> None:
    """A search of its own, sound samples and all: the names here are long enough not to come about by chance."""
    built = made(kind)
    names = {*CONDITIONS, "melody", "clips"} | {row.source for row in built.key if row.source}
    names |= {row.file for row in built.key if row.file}
    forms = [name.encode(code) for name in names for code in ("utf-8", "utf-16-le", "utf-16-be")]
    for path in (built.folder / "public").rglob("*"):
        content = path.relative_to(built.folder).as_posix().encode() + (path.read_bytes() if path.is_file() else b"")
        assert not [form for form in forms if form in content.lower()]


@pytest.mark.parametrize("kind", kinds())
def test_the_key_is_private_and_its_ids_need_the_secret(made, kind: str) -> None:
    built = made(kind)
    private = built.folder / "PRIVATE"
    assert private.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in private.rglob("*") if path.is_file()} == {0o600}
    assert [row.blind_id for row in read_key(built.folder)] == sorted(row.blind_id for row in built.key)
    row = next(row for row in built.key if row.role == "test")
    identity = ("test", f"melody{row.prompt[-1]}", row.index)

    def ids(blinder: Blinder) -> set[str]:
        return {blinder.stimulus(*identity, n, c, row.condition) for n in range(9) for c in range(9)}

    assert row.blind_id in ids(keep_secret(built.folder))  # the search is the right one
    assert row.blind_id not in ids(Blinder(b"")) | ids(Blinder(bytes(32)))


def test_nobody_else_may_change_a_study_however_lax_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        built = make(tmp_path, "acr")
    finally:
        os.umask(before)
    modes = {path.relative_to(built.folder): path.stat().st_mode & 0o777 for path in built.folder.rglob("*")}
    assert built.folder.stat().st_mode & 0o777 == 0o755
    assert {str(path): oct(mode) for path, mode in modes.items() if mode & 0o022} == {}
    assert modes[Path("PRIVATE/key.csv")] == 0o600


@pytest.mark.parametrize("kind", kinds())
def test_nothing_private_can_be_reached_from_the_public_folder(made, kind: str) -> None:
    built = made(kind)
    public = (built.folder / "public").resolve()
    secret = (built.folder / "PRIVATE" / "secret").read_text().strip().encode()
    for path in public.rglob("*"):
        assert path.resolve().is_relative_to(public)
        assert path.name not in {"key.csv", "secret", "request.json", "protocol.json", "preview.html"}
        assert path.is_dir() or (secret not in path.read_bytes() and b"PRIVATE" not in path.read_bytes())


def test_the_same_request_makes_the_same_bytes(tmp_path: Path) -> None:
    source = make_clips(tmp_path / "clips", prompts=3)
    first = build(settings(source, tmp_path / "one", "abx"))
    again = build(settings(source, tmp_path / "two", "abx", secret=tmp_path / "one/PRIVATE/secret", workers=2))
    assert again.made == first.made
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_second_run_makes_nothing_and_changes_nothing(tmp_path: Path) -> None:
    requested = settings(make_clips(tmp_path / "clips", prompts=3), tmp_path / "study")
    build(requested)
    before = tree(tmp_path / "study")
    assert build(requested).made == 0
    assert tree(tmp_path / "study") == before


def test_what_was_lost_or_changed_is_made_again_the_same(tmp_path: Path) -> None:
    requested = settings(make_clips(tmp_path / "clips", prompts=3), tmp_path / "study")
    build(requested)
    before = tree(tmp_path / "study")
    lost, changed, *_ = sorted((tmp_path / "study/public/audio").iterdir())
    lost.unlink()
    changed.write_bytes(changed.read_bytes()[:-2] + b"xx")
    (tmp_path / "study/protocol.json").unlink()
    assert 0 < build(requested).made < len(before)
    assert tree(tmp_path / "study") == before


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    source = make_clips(tmp_path / "clips", tuple("abcd"), prompts=20)
    requested = settings(source, tmp_path / "study", "multi", workers=2)
    command = ["stimuli", source, "--kind", "multi", "--out", requested.out, "--rate", "keep", "--listeners", "3"]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *map(str, command), "--workers", "2", "-q"], start_new_session=True
    )
    while len(list(requested.out.glob("PRIVATE/made/*.json"))) < 3 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (requested.out / "protocol.json").exists()
    existing = len(list(requested.out.glob("PRIVATE/made/*.json")))
    resumed = build(requested)
    assert 0 < resumed.made <= len(resumed.stimuli.stimuli) - 4 * (existing - 1)
    whole = build(replace(requested, out=tmp_path / "whole", secret=requested.out / "PRIVATE/secret"))
    assert whole.made == len(whole.stimuli.stimuli)
    assert tree(tmp_path / "study") == tree(tmp_path / "whole")


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    requested = settings(make_clips(tmp_path / "clips", prompts=3), tmp_path / "study")
    build(requested)
    before = tree(tmp_path / "study")
    with pytest.raises(UsageError, match="format, order"):
        build(settings(tmp_path / "clips", tmp_path / "study", format={"lufs": -20}, order={"listeners": 4}))
    assert tree(tmp_path / "study") == before


def rows_of(built: BuiltStudy, **expected) -> list[KeyRow]:
    return [row for row in built.key if all(getattr(row, name) == value for name, value in expected.items())]


def test_mushra_has_an_open_and_a_hidden_reference_and_both_anchors_on_every_page(made) -> None:
    built = made("mushra")
    key = {row.blind_id: row for row in built.key}
    tests = [one for one in built.stimuli.trials.values() if key[one.stimuli[0]].role != "trap"]
    assert tests
    for trial in tests:
        conditions = sorted(key[id].condition for id in trial.stimuli)
        assert conditions == ["anchor 3500 Hz", "anchor 7000 Hz", "reference", "robot", "temperature=0.7"]
        hidden = next(id for id in trial.stimuli if key[id].condition == "reference")
        assert trial.reference not in trial.stimuli
        a, b = audio(built, hidden)[0], audio(built, trial.reference)[0]
        assert 0 < np.abs(a - b).max() <= 3 * 2.0**-15
        for id in trial.stimuli:
            if key[id].condition.startswith("anchor"):
                lags = correlate(audio(built, id)[0], a, mode="full", method="fft")
                assert np.argmax(lags) == len(a) - 1


def test_every_x_is_one_of_its_two_and_the_key_says_which(made) -> None:
    built = made("abx")
    key = {row.blind_id: row for row in built.key}
    for trial in built.stimuli.trials.values():
        x = key[trial.reference]
        if x.role == "trap":
            assert x.expected in ("1..1", "2..2")
            continue
        same = x.expected.removeprefix("= ")
        assert same in trial.stimuli
        assert np.abs(audio(built, same)[0] - audio(built, x.blind_id)[0]).max() <= 3 * 2.0**-15
        assert x.condition == key[same].condition


def test_ideation_has_other_music_noise_and_silence_and_nobody_has_a_task_twice(made) -> None:
    built = made("ideation")
    key = {row.blind_id: row for row in built.key}
    for row in rows_of(built, condition="other music"):
        task = built.stimuli.trials[row.trial[0]].task
        own = [other for other in rows_of(built, role="test") if built.stimuli.trials[other.trial[0]].task == task]
        assert {row.prompt} == {other.prompt for other in own}  # of the item that it belongs to …
        assert row.source not in {other.source for other in own}  # … and made of another's clip
    for one in built.stimuli.lists:
        tasks = [built.stimuli.trials[shown.trial].task["en"] for shown in (*one.training, *one.trials)]
        assert len({*tasks}) == len(tasks)
        assert all(task in (built.folder / "README.md").read_text("utf-8") for task in tasks)
        assert len({key[shown.stimuli[0]].condition for shown in one.trials}) == len(one.trials)


@pytest.mark.parametrize("kind", ["multi", "acr", "ab", "affect"])
def test_attention_items_have_answers_and_are_not_among_the_tests(made, kind: str) -> None:
    built = make_long(made, kind)
    traps, golds = rows_of(built, role="trap"), rows_of(built, role="gold")
    assert all(".." in row.expected for row in traps)
    assert bool(golds) == (kind != "affect")
    expected = {"multi": {"lowest", ""}, "acr": {"1..2"}, "ab": {"chosen", "not chosen"}, "affect": set()}
    assert {row.expected for row in golds} == expected[kind]
    assert not {row.trial for row in (*traps, *golds)} & {row.trial for row in rows_of(built, role="test")}


def make_long(made, kind: str) -> BuiltStudy:
    built = made(kind)
    source = built.folder.parent / "clips"
    requested = settings(
        source, built.folder.parent / "long", kind, order={"listeners": 2, "traps": 2, **GOLDS.get(kind, {})}
    )
    return build(requested)


GOLDS = {kind: {"golds": 2} for kind in ("multi", "acr", "ab")}


def test_there_are_no_more_items_than_tasks(tmp_path: Path) -> None:
    source = make_clips(tmp_path / "clips", ("hot",), prompts=7, seconds=5.2)
    built = build(settings(source, tmp_path / "study", "ideation"))
    assert built.protocol["selection"]["rule"] == "4 of 7, drawn by seed 0, prompts evenly; 1 more for training"
    with pytest.raises(UsageError, match="--tasks"):
        build(settings(source, tmp_path / "more", "ideation", choice={"items": 5}))
    (tmp_path / "tasks.yaml").write_text("- en: x\n")
    with pytest.raises(UsageError, match=r"task 1 .*--language"):
        build(settings(source, tmp_path / "zh", "ideation", language="zh", tasks=str(tmp_path / "tasks.yaml")))


def test_repeats_are_the_same_trials_again(tmp_path: Path) -> None:
    source = make_clips(tmp_path / "clips", prompts=3)
    built = build(settings(source, tmp_path / "study", order={"listeners": 3, "repeats": 2, "traps": 0, "golds": 0}))
    for one in built.stimuli.lists:
        counts = Counter(shown.trial for shown in one.trials)
        assert sorted(counts.values())[-2:] == [2, 2]
        assert len(one.trials) == len(counts) + 2


def test_bad_clips_are_dropped_under_all_conditions_and_the_protocol_says_so(tmp_path: Path) -> None:
    source = make_clips(tmp_path / "clips")
    soundfile.write(source / "robot/melody2-0.wav", np.zeros(3 * RATE), RATE)
    built = build(settings(source, tmp_path / "study", choice={"skip_bad": True}))
    [(item, reason)] = built.protocol["selection"]["dropped"].items()
    assert item == "melody2 #0"
    assert reason.startswith("melody2-0.wav (robot): it is silent")
    assert "melody2" not in {row.prompt for row in built.key}
    assert Counter(row.condition for row in rows_of(built, role="test")) == dict.fromkeys(CONDITIONS, 2)


def test_a_clip_that_is_silent_in_its_excerpt_alone_is_dropped_too(tmp_path: Path) -> None:
    source = make_clips(tmp_path / "clips", seconds=5)
    path = source / "robot/melody2-0.wav"
    sound, _ = soundfile.read(path)
    sound[RATE : 3 * RATE + RATE // 2] = 0
    soundfile.write(path, sound, RATE)
    excerpt = {"rate": None, "start": 1, "seconds": 2.5}
    built = build(settings(source, tmp_path / "study", choice={"skip_bad": True}, format=excerpt))
    [(item, reason)] = built.protocol["selection"]["dropped"].items()
    assert item == "melody2 #0"
    assert "melody2-0.wav (robot)" in reason
    assert "--start" in reason
    with pytest.raises(UsageError, match=r"robot/melody2-0.wav"):
        build(settings(source, tmp_path / "refused", format=excerpt))
    assert not (tmp_path / "refused").exists()
    longer = {"rate": None, "start": 1, "seconds": 2.8}
    build(settings(source, tmp_path / "longer", format=longer))


def test_silence_at_the_ends_is_trimmed_and_beside_a_reference_alike(tmp_path: Path) -> None:
    source = make_clips(tmp_path / "clips", ("original", "coded"), seconds=4)
    for condition, silent in {"original": 0.5, "coded": 0.7}.items():
        for path in (source / condition).iterdir():
            sound, _ = soundfile.read(path)
            sound[: round(silent * RATE)] = 0
            soundfile.write(path, sound, RATE)
    plain = build(settings(source, tmp_path / "acr", format={"rate": None, "trim": True}))
    assert plain.stimuli.seconds == pytest.approx(3.3, abs=0.01)
    rated = {"trim": True, "rate": 48000}
    aligned = build(settings(source, tmp_path / "mushra", "mushra", reference="original", format=rated))
    assert aligned.stimuli.seconds == pytest.approx(3.5, abs=0.01)
    starts = {
        row.condition: np.flatnonzero(np.abs(audio(aligned, row.blind_id)[0]) > 0.01)[0] / 48000
        for row in aligned.key
        if row.condition in ("reference", "coded") and row.role in ("test", "reference")
    }
    assert starts["coded"] - starts["reference"] == pytest.approx(0.2, abs=0.02)


def test_the_folder_states_what_the_reference_is(made) -> None:
    text = (made("mushra").folder / "README.md").read_text("utf-8")
    assert "Reference: the condition tape-machine, presented openly" in text


def test_the_folder_states_what_a_methods_section_needs(made) -> None:
    built = made("acr")
    text = (built.folder / "README.md").read_text("utf-8")
    for words in ("ITU-T P.808", "-23 LUFS", "BS.1770", "-1 dBTP", "raised cosine, 10 ms", "Williams square", "seed 0"):
        assert words in text
    assert "made from the folder clips: 3 conditions (robot, tape-machine, temperature=0.7) and 3 items" in text
    assert "A list has 11 trials (9 test, 1 trap, 1 gold) after 1 for training." in text
    assert json.loads((built.folder / "protocol.json").read_text("utf-8")) == built.protocol
    assert {"pyloudnorm", "soxr", "soundfile", "numpy", "scipy"} == {*built.protocol["versions"]["packages"]}
