from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import soundfile

from harness.core.errors import AudioError, UsageError
from harness.core.progress import Quiet
from harness.models.jukebox.likelihood import likelihood
from harness.models.likelihood import LikelihoodRequest
from harness.prompts.prompt import Prompt
from harness.scoring.likelihood import (
    COLUMNS,
    as_csv,
    as_json,
    load_scorer,
    rows,
    score_files,
    scores,
    sound_files,
)
from metrics.api.catalogue import CATALOGUE
from tests.harness.models.jukebox.tiny import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def folder(tmp_path):
    """Two sound files, one of them further down, a broken one and a text."""
    (tmp_path / "more").mkdir()
    for name, seed in (("b.wav", 0), ("more/a.FLAC", 1)):
        audio = 0.1 * np.random.default_rng(seed).standard_normal(2000)
        soundfile.write(tmp_path / name, audio, 1000, format="FLAC" if name.endswith("FLAC") else "WAV")
    (tmp_path / "broken.wav").write_text("not a sound")
    (tmp_path / "notes.txt").write_text("text")
    return tmp_path


def test_folders_are_searched_and_files_are_taken_as_they_are(folder):
    inside = [folder / "b.wav", folder / "broken.wav", folder / "more" / "a.FLAC"]
    assert sound_files([folder]) == inside
    assert sound_files([folder / "notes.txt", folder, folder / "b.wav"]) == [folder / "notes.txt", *inside]


def test_a_path_that_is_not_there_and_a_folder_without_sound_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"there is no .*clips"):
        sound_files([tmp_path / "clips"])
    with pytest.raises(UsageError, match="holds no sound file"):
        sound_files([tmp_path])


def test_files_are_scored_as_they_would_be_alone_and_a_broken_one_is_named(model, folder):
    files = sound_files([folder])
    request = LikelihoodRequest(Prompt(style="calm"), lufs=-23.0)
    good, broken, further = score_files(model, files, request, stop=False, progress=Quiet())
    assert broken.likelihood is None
    assert broken.error is not None
    assert str(folder / "broken.wav") in broken.error
    for one in (good, further):
        audio, rate = soundfile.read(one.path, dtype="float32")
        assert one.likelihood is not None
        assert one.likelihood.as_dict() == likelihood(model, audio, rate, request).as_dict()


def test_a_broken_file_stops_it_where_that_is_asked(model, folder):
    with pytest.raises(AudioError, match=r"broken\.wav"):
        score_files(model, sound_files([folder]), LikelihoodRequest(), stop=True, progress=Quiet())


def test_errors_that_do_not_name_their_file_get_its_name(model, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(2000), 1000)
    [one] = score_files(model, [tmp_path / "silent.wav"], LikelihoodRequest(lufs=-23.0), stop=False, progress=Quiet())
    assert one.error is not None
    assert one.error.startswith(f"{tmp_path / 'silent.wav'}: the clip is silent")


def test_a_style_that_the_model_does_not_know_is_no_files_fault(model, folder):
    with pytest.raises(UsageError, match="calm"):
        score_files(model, sound_files([folder]), LikelihoodRequest(Prompt(style="clam")), stop=False, progress=Quiet())


def test_tables_hold_a_row_for_each_level_and_one_for_all(model, folder):
    scored = score_files(model, sound_files([folder]), LikelihoodRequest(), stop=False, progress=Quiet())
    found = list(rows(scored))
    assert [row.get("level") for row in found] == [0, 1, 2, "all", None, 0, 1, 2, "all"]
    assert found[3]["nats"] == pytest.approx(sum(row["nats"] for row in found[:3]))
    assert found[3]["bits_per_second"] == pytest.approx(sum(row["bits_per_second"] for row in found[:3]))
    assert found[3]["bits_per_token"] == pytest.approx(found[3]["bits_per_second"] * 1.984 / found[3]["codes"])
    read = list(csv.DictReader(io.StringIO(as_csv(scored))))
    assert tuple(read[0]) == COLUMNS
    assert [float(row["nats"]) for row in read if row["nats"]] == [row["nats"] for row in found if "nats" in row]
    assert "broken.wav" in read[4]["error"]
    parsed = json.loads(as_json(scored))["files"]
    assert [set(one) == {"file", "error"} for one in parsed] == [False, True, False]
    assert parsed[0]["levels"][1]["nats"] == found[1]["nats"]


def test_scores_are_means_over_files_with_their_errors(model, folder):
    audio = 0.1 * np.random.default_rng(2).standard_normal(2000)
    soundfile.write(folder / "c.wav", audio, 1000)
    scored = score_files(model, sound_files([folder]), LikelihoodRequest(), stop=False, progress=Quiet())
    likely = [one.likelihood for one in scored if one.likelihood]
    found = scores(scored)
    assert list(found) == [name for name, row in CATALOGUE.items() if row.group == "likelihood"]
    assert list(found["bits_per_token"]) == [0, 1, 2, "all"]
    for name, values in {
        "bits_per_second": [one.bits_per_second for one in likely],
        "nats_per_token": [one.nats / one.codes for one in likely],
    }.items():
        assert found[name]["all"].value == pytest.approx(np.mean(values))
        assert found[name]["all"].stderr == pytest.approx(np.std(values, ddof=1) / np.sqrt(3), rel=1e-4)
    level = [one.levels[1].bits_per_second for one in likely]
    assert found["bits_per_second"][1].value == pytest.approx(np.mean(level))
    assert json.loads(as_json(scored))["scores"]["bits_per_second"]["n_units"] == 3
    assert scores(scored[:2]) == {}


def test_only_a_jukebox_gives_likelihoods():
    with pytest.raises(UsageError, match="toy offers no likelihood"):
        load_scorer("toy")
