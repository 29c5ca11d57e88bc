"""A good folder passes; each thing that can be wrong with one is found and named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.core.errors import UsageError
from harness.core.progress import Quiet
from harness.listening.build import build
from harness.listening.check.checks import CheckLimits, check_folder
from tests.harness.listening.clips import RATE, make_clips, music, settings


def check(folder: Path, **limits) -> dict[str, tuple[bool | None, str]]:
    found = check_folder(folder, CheckLimits(**limits), 1, Quiet())
    assert len({one.what for one in found}) == len(found)
    return {one.what: (one.ok, one.detail) for one in found}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    source = make_clips(folder / "clips", prompts=3)
    (folder / "secret").write_text("07" * 32)  # with a new one, lists might be in the order of their ids by chance
    order = {"listeners": 3, "traps": 1, "golds": 1}
    build(settings(source, folder / "study", "multi", order=order, secret=folder / "secret"))
    return folder / "study"


@pytest.fixture
def study(good: Path, tmp_path: Path) -> Path:
    return shutil.copytree(good, tmp_path / "study")


def first_sound(study: Path) -> Path:
    return sorted((study / "public/audio").iterdir())[0]


def rewrite(path: Path, change) -> None:
    sound, rate = soundfile.read(path)
    changed, rate = change(sound, rate)
    soundfile.write(path, changed, rate, "PCM_16")


def test_a_good_folder_passes(study: Path) -> None:
    found = check(study)
    assert {ok for ok, _ in found.values()} == {True}, found
    assert len(found) == 11


@pytest.mark.parametrize(
    ("what", "spoil", "named"),
    [
        ("hashes", lambda s: rewrite(first_sound(s), lambda x, r: (x * 0.999, r)), "differs from the manifest"),
        ("hashes", lambda s: first_sound(s).unlink(), "is missing"),
        ("hashes", lambda s: shutil.copy(first_sound(s), s / "public/audio/more.wav"), "more is not in the manifest"),
        ("format", lambda s: rewrite(first_sound(s), lambda x, r: (x[:-1], r)), "35199 samples"),
        ("format", lambda s: rewrite(first_sound(s), lambda x, r: (x, 2 * r)), "32000 Hz"),
        ("format", lambda s: rewrite(first_sound(s), lambda x, r: (np.stack([x, x], 1), r)), "2 channels"),
        ("loudness", lambda s: rewrite(first_sound(s), lambda x, r: (x * 0.9, r)), "the protocol lowered none"),
        ("loudness", lambda s: rewrite(first_sound(s), lambda x, r: (x * 1.1, r)), "-22.17 LUFS"),
        ("loudness", lambda s: rewrite(first_sound(s), lambda x, r: (0 * x, r)), "is silent"),
        ("true peak", lambda s: rewrite(first_sound(s), lambda x, r: (spiked(x), r)), "dBTP"),
        ("readable", lambda s: first_sound(s).write_bytes(b"RIFF"), "cannot be decoded"),
        ("metadata", lambda s: tag(first_sound(s)), "LIST"),
        ("names", lambda s: tag(first_sound(s), "tape-machine"), "'tape-machine' in audio/"),
        ("names", lambda s: (s / "public/Robot.txt").write_text(""), "'robot' in Robot.txt"),
        ("names", lambda s: (s / "public/notes.md").write_text("t TEMPERATURE=0.7"), "'temperature=0.7' in notes.md"),
        ("names", lambda s: (s / "public/x.json").write_text('"melody1-0"'), "'melody1-0' in x.json"),
        ("private", lambda s: (s / "PRIVATE/key.csv").chmod(0o644), "key.csv can be read by others (mode 644)"),
        ("private", lambda s: (s / "PRIVATE").chmod(0o755), "PRIVATE can be read by others"),
        ("private", lambda s: (s / "public/key").symlink_to("../PRIVATE/key.csv"), "public/key is a link"),
        ("folder", lambda s: (s / "PRIVATE/key.csv").unlink(), "PRIVATE/key.csv cannot be read"),
        ("folder", lambda s: (s / "protocol.json").write_text("[]"), "protocol.json cannot be read"),
        ("folder", lambda s: (s / "protocol.json").write_text('{"kind": "acr"}'), "protocol.json cannot be read"),
        ("folder", lambda s: shutil.rmtree(s / "public/lists"), "holds no list"),
        ("folder", lambda s: (s / "public/lists/L01.json").write_text("{}"), "L01.json cannot be read"),
        ("lists", lambda s: edit(s, lambda one: one["trials"].pop()), "lists have 3 to 4 trials"),
        ("lists", lambda s: edit(s, lambda one: one["trials"][0]["stimuli"].pop()), "other stimuli in t"),
        ("lists", lambda s: edit(s, lambda one: one["trials"][0].update(trial="tx")), "stimuli that are not its own"),
        ("balance", lambda s: edit(s, lambda one: [shown["stimuli"].sort() for shown in one["trials"]]), "differ by"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_and_named(study: Path, what: str, spoil, named: str) -> None:
    spoil(study)
    ok, detail = check(study)[what]
    assert ok is False
    assert named in detail


def spiked(sound: np.ndarray) -> np.ndarray:
    sound[1000] = 0.99
    return sound


def tag(path: Path, title: str = "x") -> None:
    sound, rate = soundfile.read(path)
    with soundfile.SoundFile(path, "w", int(rate), 1) as file:
        file.title = title
        file.write(sound)


def edit(study: Path, change) -> None:
    path = study / "public/lists/L01.json"
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))


def test_without_the_private_part_what_can_be_checked_is(study: Path) -> None:
    shutil.rmtree(study / "PRIVATE")
    found = check(study)
    assert (found["names"][0], found["balance"][0]) == (None, None)
    assert {name for name, (ok, _) in found.items() if ok is False} == {"folder"}


def test_a_lowered_item_is_as_it_should_be_and_a_single_lowered_clip_is_not(tmp_path: Path) -> None:
    source = make_clips(tmp_path / "clips", prompts=3)
    spiky = music(0, level=0.02)
    spiky[9000] = 0.5
    soundfile.write(source / "robot/melody1-0.wav", spiky, RATE)
    requested = settings(
        source, tmp_path / "study", "multi", order={"listeners": 2, "training": 0, "traps": 0, "golds": 0}
    )
    build(requested)
    assert "3 lowered with their items" in check(tmp_path / "study")["loudness"][1]
    rewrite(first_sound(tmp_path / "study"), lambda x, r: (x * 0.7, r))
    assert check(tmp_path / "study")["loudness"][0] is False


def foreign(folder: Path, levels: dict[str, float]) -> Path:
    folder.mkdir()
    for name, level in levels.items():
        soundfile.write(folder / name, level * music(0), RATE)
    return folder


def test_a_foreign_folder_is_checked_for_what_it_can_be(tmp_path: Path) -> None:
    folder = foreign(tmp_path / "clips", {"a.wav": 1, "b.wav": 1, "model-x.wav": 1.5})
    found = check(folder, names=("Model-X",))
    assert "model-x.wav" in found["loudness"][1]
    assert found["names"] == (False, "'Model-X' in model-x.wav")
    assert {name for name, (ok, _) in found.items() if ok} == {"readable", "format", "true peak", "metadata"}


def test_a_foreign_folder_is_compared_with_a_target(tmp_path: Path) -> None:
    folder = foreign(tmp_path / "clips", {"a.wav": 1, "b.wav": 1})
    assert check(folder)["loudness"][0] is True
    assert check(folder, lufs=-23)["loudness"][0] is False
    assert check(folder, lufs=-23, tolerance=50)["loudness"][0] is True


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.write_text(""), lambda p: p.mkdir()])
def test_a_folder_of_nothing_is_refused(tmp_path: Path, make) -> None:
    make(tmp_path / "x")
    with pytest.raises(UsageError, match=r"x"):
        check(tmp_path / "x")
