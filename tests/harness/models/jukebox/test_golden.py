"""The whole of the original's vectors through the checks, and the checks themselves: what is wrong must be found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.core.errors import UsageError
from harness.models.jukebox.golden import PARTS, GoldenFolder, check_case, check_folder, find_cases
from harness.models.jukebox.golden.report import GoldenReport
from tests.harness.models.jukebox.conftest import GOLDEN
from tests.harness.models.jukebox.golden_writer import write_folder

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def originals() -> GoldenFolder:
    return GoldenFolder(GOLDEN)


def failures(case) -> list[str]:
    return [str(check) for check in case.checks if not check.passed]


@pytest.mark.parametrize("name", find_cases(GOLDEN))
def test_the_engine_is_the_original(name: str, originals: GoldenFolder):
    case = check_case(originals, name)
    assert failures(case) == []
    assert case.unread == ()  # every tensor of the set took part
    assert len(case.checks) > 10


def test_cases_of_every_kind_are_here():
    assert {"vqvae", "labels", "time_bins"} < set(find_cases(GOLDEN))
    assert sum("orchestration" in name for name in find_cases(GOLDEN)) == 3


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("written")
    write_folder(path)
    return path


def test_other_shapes_and_names_are_read_from_the_folder(written: Path):
    cases = {case.name: case for case in check_folder(written)}
    assert set(cases) == {"codec", "fine", "sung", "whole", "words and music"}
    for case in cases.values():
        assert failures(case) == []
        assert case.unread == ()
        assert case.checks


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Path:
    """The written folder, to be spoilt."""
    return shutil.copytree(written, tmp_path / "copy")


def spoil(path: Path, key: str, change) -> None:
    tensors = load_file(path)
    tensors[key] = change(tensors[key]).contiguous()
    save_file(tensors, path)


def nudged(x: torch.Tensor) -> torch.Tensor:
    """One entry off by a little: by one where it is a whole number."""
    flat = x.clone().flatten()
    flat[-1] += 1 if not x.is_floating_point() else 1e-3
    return flat.view(x.shape)


@pytest.mark.parametrize(
    "key", [f"{what}_level_{level}" for what in ("encoder_out", "codes", "audio") for level in (0, 1)]
)
def test_one_wrong_entry_of_a_codec_is_found(key: str, copy: Path):
    spoil(copy / "codec" / "vectors.safetensors", key, nudged)
    found = failures(check_case(GoldenFolder(copy), "codec"))
    assert any(line.startswith(f"FAIL  {key}:") for line in found), found


@pytest.mark.parametrize("key", ["y", "y_cond", "x_cond", "preds", "cached_preds", "gen_loss", "prime_loss", "loss"])
def test_one_wrong_entry_of_a_prior_is_found(key: str, copy: Path):
    spoil(copy / "fine" / "vectors.safetensors", f"{key}_late", nudged)
    found = failures(check_case(GoldenFolder(copy), "fine"))
    assert any(line.startswith(f"FAIL  {key}_late") for line in found), found


def test_each_wrong_entry_of_a_sampling_is_found(copy: Path):
    keys = {
        "label_y_level_1", "ancestral.codes_level_0", "ancestral.audio_level_1", "ancestral.window_starts_level_0",
        "ancestral.window_y_level_0", "ancestral.level_1_raw_picks", "ancestral.alignment_2", "upsample.codes_level_0",
        "upsample.audio_level_0", "partial.codes_level_1_after_1", "topk_level_0.logits_over_temp",
        "topk_level_0.probs", "topk_level_0.sampled_codes",
    }  # fmt: skip
    for key in keys:
        spoil(copy / "whole" / "vectors.safetensors", key, nudged)
    case = check_case(GoldenFolder(copy), "whole")
    wrong = {check.name for check in case.checks if not check.passed}
    # The audio of other codes is other audio, whether or not it was spoilt as well.
    assert wrong - {"ancestral.audio_level_0"} == keys


def test_a_wrong_window_is_found(copy: Path):
    values = json.loads((copy / "whole" / "vectors.json").read_text())
    values["ancestral"]["windows"][1]["start"] += 1
    (copy / "whole" / "vectors.json").write_text(json.dumps(values))
    [line] = failures(check_case(GoldenFolder(copy), "whole"))
    assert line.startswith("FAIL  ancestral.windows: 1 unequal (entry 1 is {")


def test_another_weight_is_found(copy: Path):
    spoil(copy / "fine" / "state_dict.safetensors", "prior.pos_emb.pos_emb", lambda x: x + 0.01)
    found = failures(check_case(GoldenFolder(copy), "fine"))
    assert any(line.startswith("FAIL  preds_early:") for line in found)


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_file_is_a_failure_with_the_reason(part: str, copy: Path):
    (copy / "codec" / part).unlink()
    found = failures(check_case(GoldenFolder(copy), "codec"))
    assert any(f"{part} cannot be read (No such file" in line for line in found), found


def test_missing_weights_fail_what_is_sampled_with_them_as_well(copy: Path):
    (copy / "fine" / "state_dict.safetensors").unlink()
    passed = {case.name: case.passed for case in check_folder(copy)}
    assert passed == {"codec": True, "fine": False, "sung": True, "whole": False, "words and music": True}


def test_half_a_file_is_a_failure(copy: Path):
    path = copy / "codec" / "vectors.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert any("not a whole safetensors file" in line for line in failures(check_case(GoldenFolder(copy), "codec")))
    (copy / "codec" / "hparams.json").write_text("{")
    assert any("not a JSON object" in line for line in failures(check_case(GoldenFolder(copy), "codec")))


def test_a_missing_tensor_is_a_failure(copy: Path):
    path = copy / "fine" / "vectors.safetensors"
    save_file({key: value for key, value in load_file(path).items() if key != "preds_late"}, path)
    found = failures(check_case(GoldenFolder(copy), "fine"))
    assert any("has no 'preds_late'" in line for line in found)


def test_a_tensor_that_no_check_knows_is_told(copy: Path):
    path = copy / "codec" / "vectors.safetensors"
    save_file(load_file(path) | {"surplus": torch.zeros(1)}, path)
    case = check_case(GoldenFolder(copy), "codec")
    assert case.passed
    assert case.unread == ("surplus",)


def test_a_case_of_no_known_kind_is_a_failure(copy: Path):
    (copy / "codec" / "hparams.json").write_text('{"diffusion": {}}')
    [line] = failures(check_case(GoldenFolder(copy), "codec"))
    assert "keys diffusion; one of modules, prior, vqvae, labellers was expected" in line


@pytest.mark.parametrize(
    ("ours", "expected", "found"),
    [
        (torch.zeros(2), torch.zeros(3), "FAIL  x: shape (2,) where (3,) was expected"),
        (torch.tensor([0.0, torch.nan]), torch.zeros(2), "FAIL  x: at [1]: nan, expected 0"),
        (torch.tensor([0.0, 0.1]), torch.zeros(2), "FAIL  x: 1.0e-01 of 1e-05 (at [1]: 0.1, expected 0)"),
    ],
)
def test_a_report_says_what_was_found_and_expected(ours, expected, found):
    report = GoldenReport("case")
    report.close("x", ours, expected)
    [check] = report.checks
    assert not check.passed
    assert found in str(check)


def test_a_folder_without_cases_is_explained(tmp_path: Path):
    with pytest.raises(UsageError, match="holds no golden cases: a case is a subfolder with hparams"):
        find_cases(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        find_cases(tmp_path / "missing")
    with pytest.raises(UsageError, match="It is a case itself: give"):
        find_cases(GOLDEN / "vqvae")
