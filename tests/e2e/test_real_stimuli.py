"""Forty clips of real music from five packages, and some of jukebox:mini: what a study promises, measured of its files.

The packages are the smallest ones with music (about 100 MB, fetched once into the user's cache).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate, csd, welch

from harness.core.errors import CorpusError
from harness.core.progress import Quiet
from harness.corpora.manifest import load_manifest
from harness.corpora.packages import fetch, read
from harness.listening.build import BuiltStudy, build
from harness.listening.check.checks import CheckLimits, check_folder
from harness.listening.settings import OrderSettings, SelectionSettings, SoundSettings, StudySettings
from harness.models.jukebox.model import load_mini
from harness.prompts.prompt import Prompt
from metrics.io.audio import loudness
from metrics.io.weights import cache_dir
from metrics.waves.signal import true_peak

pytestmark = pytest.mark.slow

PACKAGES = ("wordwarvi-sound", "wizznic-data", "ardentryst", "zaz-data", "fretsonfire-songs-sectoid")
CLIPS, SECONDS = 8, 6.0
MINI = "jukebox-mini"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each package and for the model, of eight excerpts as they are: any rate, channels and level."""
    root = tmp_path_factory.mktemp("clips")
    for name in PACKAGES:
        for number, (content, start) in enumerate(_pieces(name, root)):
            with soundfile.SoundFile(content) as file:
                file.seek(round(start * file.frames))
                sound = file.read(round(SECONDS * file.samplerate), dtype="float32", always_2d=True)
                (root / "clips" / name).mkdir(parents=True, exist_ok=True)
                soundfile.write(root / "clips" / name / f"piece{number}.wav", sound, file.samplerate, "FLOAT")
    model = load_mini()
    asked = [model.encode(Prompt(style=style), SECONDS) for style in (*model.styles, *model.styles)[:CLIPS]]
    (root / "clips" / MINI).mkdir()
    for number, made in enumerate(model.sample(asked, list(range(CLIPS)))):
        soundfile.write(root / "clips" / MINI / f"piece{number}.wav", made.audio, made.rate, "PCM_16")
    return root / "clips"


def _pieces(name: str, root: Path) -> list[tuple[Path, float]]:
    """Files of a package, each with the share of it to begin at; a file comes twice where there are few."""
    manifests = [load_manifest("heldout"), load_manifest("mini")]
    version = next(one.version for manifest in manifests for one in manifest.packages if one.name == name)
    wanted = sorted({t.path.split("|")[0] for manifest in manifests for t in manifest.tracks if t.package == name})
    try:
        package = fetch(name, version, cache_dir() / "packages")
    except CorpusError as error:
        pytest.skip(f"the music could not be fetched: {error}")
    files = []
    for number, (_, content) in enumerate(sorted(read(package, wanted))):
        files.append(root / f"{name}-{number}.ogg")
        files[-1].write_bytes(content)
    return [(file, start) for start in (0.3, 0.6) for file in files][:CLIPS]


def study(source: Path, out: Path, kind: str, **given) -> BuiltStudy:
    form = SoundSettings(channels=1, seconds=SECONDS, keep_clipped=True)
    order = OrderSettings(listeners=6, training=0, traps=0, golds=0)
    return build(StudySettings(str(source), kind, out, format=form, order=order, **given))


@pytest.fixture(scope="module")
def pages(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltStudy:
    return study(clips, tmp_path_factory.mktemp("pages") / "study", "multi")


def sound_of(built: BuiltStudy, id: str) -> tuple[np.ndarray, int]:
    sound, rate = soundfile.read(built.folder / "public" / built.stimuli.stimuli[id].file, dtype="float32")
    return np.asarray(sound, dtype=np.float32), int(rate)


def test_every_clip_is_at_the_target_or_lowered_with_all_of_its_item(pages: BuiltStudy) -> None:
    assert len(pages.key) == (len(PACKAGES) + 1) * CLIPS
    assert len({row.source for row in pages.key}) == len(pages.key)
    lowered = pages.protocol["processing"]["true_peak"]["items_lowered_db"]
    shapes = set()
    for row in pages.key:
        sound, rate = sound_of(pages, row.blind_id)
        shapes.add((sound.shape, rate))
        target = -23 - lowered.get(f"{row.prompt} #{row.index}", 0.0)
        assert loudness(sound, rate) == pytest.approx(target, abs=0.1)
        peak = true_peak(sound, rate)
        assert peak is not None
        assert peak <= -1
    assert shapes == {((round(SECONDS * 48000),), 48000)}


def test_the_folder_passes_its_check(pages: BuiltStudy) -> None:
    findings = check_folder(pages.folder, CheckLimits(), None, Quiet())
    assert [one for one in findings if not one.ok] == []


def test_a_second_study_of_the_same_secret_has_the_same_bytes(pages: BuiltStudy, clips: Path, tmp_path: Path) -> None:
    again = study(clips, tmp_path / "again", "multi", secret=pages.folder / "PRIVATE" / "secret")
    first, second = (
        {path.relative_to(one.folder): path.read_bytes() for path in one.folder.rglob("*") if path.is_file()}
        for one in (pages, again)
    )
    assert first == second


def test_no_byte_of_the_public_folder_names_a_source(pages: BuiltStudy) -> None:
    names = {*PACKAGES, MINI, "jukebox", "piece"} | {row.source for row in pages.key}
    for path in (pages.folder / "public").rglob("*"):
        content = path.name.encode() + (path.read_bytes().lower() if path.is_file() else b"")
        assert not [name for name in names if name.encode() in content]


@pytest.mark.parametrize("original", PACKAGES)
def test_anchors_of_real_music_lose_three_decibels_at_their_cut_off_and_are_not_late(
    clips: Path, tmp_path: Path, original: str
) -> None:
    """The response is measured between the hidden reference and each anchor as they were written."""
    conditions = (original, MINI)
    built = study(clips, tmp_path / "study", "mushra", reference=original, choice=SelectionSettings(conditions))
    key = {row.blind_id: row for row in built.key}
    measured = 0
    for trial in built.stimuli.trials.values():
        by_name = {key[id].condition: id for id in trial.stimuli}
        reference, rate = sound_of(built, by_name["reference"])
        for cutoff in (3500, 7000):
            anchor, _ = sound_of(built, by_name[f"anchor {cutoff} Hz"])
            lags = correlate(anchor, reference, mode="full", method="fft")
            assert np.argmax(lags) == len(reference) - 1
            frequency, power = welch(reference, rate, nperseg=4096)
            response = np.abs(csd(reference, anchor, rate, nperseg=4096)[1] / power)
            flat = np.median(response[(frequency > 300) & (frequency < 0.8 * cutoff)])
            near = (frequency > 0.9 * cutoff) & (frequency < 1.1 * cutoff)
            if power[near].mean() < 1e4 * (2.0**-15) ** 2 / rate:
                continue  # this piece has nothing there to measure with
            measured += 1
            lost = 20 * np.log10(response[near] / flat)
            assert frequency[near][np.argmax(lost < -3)] == pytest.approx(cutoff, rel=0.05)
    assert measured >= CLIPS
