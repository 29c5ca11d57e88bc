"""What the sampling benchmark computes and writes; the names are checked against the port itself whenever it runs."""

from __future__ import annotations

import doctest
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.models.base import Sampling
from harness.models.jukebox.network.config import PriorConfig
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.weights.hparams import prior_config
from tests.benchmarks import bench_sampling, hf_client, hf_names, sampling_figures
from tests.benchmarks.bench_sampling import CodesDiffer, Ours, Setting, check_codes
from tests.benchmarks.hf_names import hf_config, hf_name
from tests.benchmarks.jukebox_shapes import RELEASED, SMALL, random_prior, random_window, small, step_weights
from tests.benchmarks.sampling_figures import Series, better, device_slug, flatness, ratio, ratios, write
from tests.benchmarks.sampling_floor import Floor
from tests.benchmarks.timing import CLOCKS, StepClock

CPU = torch.device("cpu")
GOLDEN = Path(__file__).parents[1] / "golden"
PRIORS = ["prior_5b", "prior_1b_lyrics", "prior_5b_lyrics", "upsampler_level_0", "upsampler_level_1"]
TINY = replace(SMALL, n_ctx=64, width=32, depth=3, bins=16, blocks=4)
SETTING = Setting(CPU, torch.float32, (1,), 2, 16, 8, None, None)

seconds = st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=7)


def golden_config(name: str) -> PriorConfig:
    hparams = json.loads((GOLDEN / name / "hparams.json").read_text())
    return prior_config(hparams["prior"], hparams["vqvae"])


@given(seconds, st.floats(0.1, 10.0))
def test_a_steady_advantage_is_the_ratio_whatever_the_machine_does(theirs, advantage):
    ours = Series("ours", 1, tuple(second / advantage for second in theirs))
    assert all(value == pytest.approx(advantage) for value in ratio(ours, Series("hf", 2, tuple(theirs))).values())


def test_ratios_take_each_engine_at_its_better_number_of_threads():
    steady = (("ours", 1, 1.0), ("ours", 2, 0.5), ("hf", 1, 2.0), ("hf", 2, 9.0))
    passes = (("sum", 1, 0.1), ("sum", 2, 0.2), ("gemv", 1, 0.1), ("gemv", 2, 0.25), ("products", 2, 0.1))
    series = [Series(engine, threads, (second, second)) for engine, threads, second in steady + passes]
    found = ratios(series)
    assert found["to_hf"]["median"] == 4.0
    assert found["of_gemv"]["median"] == 0.5  # with as many threads as ours
    assert found["of_sum"]["median"] == pytest.approx(0.4)
    assert set(found) == {"to_hf", "of_gemv", "of_sum"}


def test_an_engine_that_was_spared_rounds_is_not_the_better():
    assert better([Series("ours", 1, (1.0, 1.1)), Series("ours", 2, (0.5,))], "ours") == Series("ours", 1, (1.0, 1.1))
    assert better([], "ours") is None
    assert ratios([Series("ours", 1, (1.0,))]) == {}


@pytest.mark.parametrize("module", [sampling_figures, hf_names])
def test_the_examples_in_the_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0


def test_flatness_is_the_furthest_from_the_mean():
    assert flatness([2.0, 2.0]) == 0
    assert flatness([1.0, 3.0]) == pytest.approx(0.5)


def test_the_clock_reads_at_its_marks_only(monkeypatch):
    ticks = iter([0.0, 1.0, 5.0])
    monkeypatch.setitem(CLOCKS, "wall", lambda: next(ticks))
    clock = StepClock((0, 2, 4))
    for _ in range(6):
        clock()
    assert clock.seconds_per_step() == [0.5, 2.0]
    with pytest.raises(ValueError, match="made 0 steps"):
        StepClock((0, 1)).seconds_per_step()


@pytest.mark.parametrize("name", PRIORS)
def test_every_tensor_has_one_name_of_its_own_in_the_port(name):
    ours = Prior(golden_config(name)).state_dict()
    theirs = [hf_name(key) for key in ours]
    assert len(set(theirs)) == len(ours)
    assert not [key for key in theirs if re.search(r"\.[wb]$|\.ln_|x_emb|x_out|y_emb|prime_|\.model\.", key)]
    state = hf_client.hf_state(Prior(golden_config(name)))
    assert [tuple(weight.shape) for weight in state.values()] == [tuple(weight.shape) for weight in ours.values()]


@pytest.mark.parametrize("config", [small(256), small(512), *RELEASED.values()])
def test_the_shapes_are_told_to_the_port_in_json(config):
    told = json.loads(json.dumps(hf_config(config)))
    assert (told["hidden_size"], told["n_ctx"], told["mask"]) == (config.width, config.n_ctx, True)
    assert told["level"] == (0 if config.conditioner is None else 1)
    assert ("encoder_config" in told) == (config.lyric_encoder is not None)


def parameters(config: PriorConfig) -> int:
    """Counted without memory; a tied output is one matrix."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in Prior(config).parameters())


def test_released_shapes_have_the_released_numbers_of_parameters():
    assert {name: round(parameters(config) / 1e6, 1) for name, config in RELEASED.items()} == pytest.approx(
        {"upsampler": 981.3, "1b_lyrics": 942.6, "5b_lyrics": 5640.5}, abs=0.1
    )


def test_a_step_reads_the_transformer_and_the_output_and_no_table():
    prior = random_prior(TINY, CPU)
    read = step_weights(prior)
    layer = 32 * 24 + 24 + 8 * 32 + 32 + 2 * (32 * 32 + 32) + 4 * 32
    assert sum(weight.numel() for weight in read.values()) == 3 * layer + 16 * 32
    floor = Floor(prior, 2, lambda: None)
    assert floor.bytes == 4 * (3 * layer + 16 * 32)


def test_windows_are_seeded_and_rows_differ():
    config = golden_config("upsampler_level_1")
    window, again = (random_window(config, 3, 4, 5, CPU) for _ in range(2))
    assert window.prompt.equal(again.prompt)
    assert window.uniforms.shape == (3, 5)
    assert window.above is not None
    assert window.above.shape == (3, config.n_ctx // config.cond_stride**config.cond_down)
    assert len(window.prompt.unique(dim=0)) == 3


class Another:
    """An engine that gives given codes."""

    def __init__(self, codes: torch.Tensor) -> None:
        self.given = codes

    def codes(self, window, sampling):
        return self.given


def test_engines_that_differ_are_not_compared():
    window = random_window(TINY, 2, 3, 8, CPU)
    ours = Ours(random_prior(TINY, CPU), SETTING)
    codes = ours.codes(window, Sampling(temperature=1.0, top_k=1))
    assert check_codes({"ours": ours, "hf": Another(codes)}, window)["equal"]  # type: ignore[dict-item]
    wrong = codes.clone()
    wrong[1, 5] += 1
    with pytest.raises(CodesDiffer, match="first at code 5 of row 1"):
        check_codes({"ours": ours, "hf": Another(wrong)}, window)  # type: ignore[dict-item]


def test_what_is_written_names_device_shape_and_type(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_sampling, "small", lambda width: replace(TINY, width=width))
    monkeypatch.setattr(sampling_figures, "draw", lambda result, path: path.touch())
    monkeypatch.setattr(bench_sampling, "PROMPT", 4)
    monkeypatch.setattr("tests.benchmarks.sampling_floor.BYTES_A_ROUND", 1e5)
    monkeypatch.setattr(bench_sampling, "POSITIONS_FROM", 16)
    options = "--skip-hf --widths 32 --batches 2 --threads 1 --rounds 2 --tokens 32 --out"
    bench_sampling.main([*options.split(), str(tmp_path)])
    [table] = tmp_path.glob("*.json")
    result = json.loads(table.read_text())
    assert table.name == f"sampling-{device_slug(result['device'])}.json"
    [row] = result["rows"]
    assert (row["width"], row["batch"], row["tokens"]) == (32, 2, 16)
    assert {figure["engine"] for figure in row["figures"]} == {"ours", "sum", "gemv", "products"}
    assert all(len(figure["ms_per_step_by_round"]) == 2 for figure in row["figures"])
    assert set(row["ratios"]) == {"of_gemv", "of_sum"}
    assert len(result["positions"]["ms_per_step"]["ours"]) == bench_sampling.POSITION_WINDOWS
    assert {"torch", "dtype", "threads", "command", "configs", "hf_versions"} <= {*result, *row}

    paths = write(result | {"shape": "1b_lyrics", "dtype": "float16", "device": "A GPU"}, tmp_path)
    assert [path.name for path in paths] == [f"sampling-a-gpu-1b-lyrics-float16.{end}" for end in ("json", "png")]


def test_the_plot_is_drawn_with_and_without_the_port(tmp_path):
    value = {"median": 1.5, "min": 1.2, "max": 1.9, "of_fastest": 1.4}
    row = {"width": 256, "batch": 1, "ratios": {"of_gemv": value, "of_sum": value}}
    result = {
        "device": "a CPU",
        "dtype": "float32",
        "shape": "small",
        "rounds": 2,
        "clock": "wall",
        "rows": [row],
        "positions": {},
    }
    sampling_figures.draw(result, tmp_path / "alone.png")
    along = {"width": 256, "batch": 1, "ms_per_step": {"ours": [{"from": 100, "to": 200, "ms": 2.0}]}}
    beside_hf = row | {"ratios": {"of_gemv": value, "of_sum": value, "to_hf": value}}
    both = result | {"rows": [row, beside_hf], "positions": along}
    sampling_figures.draw(both, tmp_path / "both.png")
    assert (tmp_path / "alone.png").stat().st_size > 0
    assert (tmp_path / "both.png").stat().st_size > 0


def test_a_missing_environment_is_named_with_what_makes_it(tmp_path):
    with pytest.raises(SystemExit, match="make bench-sampling"):
        bench_sampling.main(["--hf", str(tmp_path / "python"), "--widths", "256", "--batches", "1"])
