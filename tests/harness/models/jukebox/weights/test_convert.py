"""Checkpoints of both containers become the same weights; whatever else they hold or are is refused."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.core.errors import ModelError
from harness.models.jukebox.weights.convert import ExpectedCheckpoint, PickleRefused, convert
from harness.models.jukebox.weights.pins import Pin
from tests.harness.models.jukebox.weights.released.conftest import make_folder, save_checkpoint, state_dict

pytestmark = pytest.mark.whole

BOTH = pytest.mark.parametrize("zipped", [False, True], ids=["legacy", "zip"])


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "cache")


def wanted(folder, module):
    return ExpectedCheckpoint(folder.file(module), folder.manifest(module), folder.hps(module))


@BOTH
@pytest.mark.parametrize("module", ["vqvae", "prior_level_0", "prior_level_2"])
def test_weights_arrive_as_they_are_and_load(folder, module, zipped, tmp_path):
    state = state_dict(folder, module)
    source, target = tmp_path / "source.pth.tar", folder.weights(module)
    save_checkpoint(source, state, folder.hps(module), zipped)
    pin = convert(source, target, wanted(folder, module))
    assert pin == Pin.of(target)
    kept = load_file(target)  # the safetensors package can read it
    assert kept.keys() == folder.manifest(module).unique.keys()
    for key, tensor in kept.items():
        assert tensor.dtype == state[key].dtype
        assert torch.equal(tensor, state[key]), key
    loaded = folder.load_vqvae() if module == "vqvae" else folder.load_prior(int(module[-1]))
    for key, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, state[key].float()), key


@BOTH
def test_both_containers_give_the_same_bytes(folder, zipped, tmp_path):
    state = state_dict(folder, "prior_level_1")
    pins = []
    for container in (zipped, not zipped):
        save_checkpoint(tmp_path / "source", state, {}, container)
        pins.append(convert(tmp_path / "source", tmp_path / "target", wanted(folder, "prior_level_1")))
    assert pins[0] == pins[1]


class Bomb:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@BOTH
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(folder, zipped, tmp_path):
    source, mark = tmp_path / "source.pth.tar", tmp_path / "ran"
    save_checkpoint(source, state_dict(folder, "vqvae"), {}, zipped, extra=Bomb(mark))
    with pytest.raises(PickleRefused, match=r"system.*--trust-pickle"):
        convert(source, folder.weights("vqvae"), wanted(folder, "vqvae"))
    assert not mark.exists()
    assert not folder.weights("vqvae").exists()
    convert(source, folder.weights("vqvae"), wanted(folder, "vqvae"), trust_pickle=True)
    assert mark.exists()
    folder.load_vqvae()


def test_a_bare_pickle_is_refused(folder, tmp_path):
    source, mark = tmp_path / "source.pth.tar", tmp_path / "ran"
    source.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(PickleRefused):
        convert(source, folder.weights("vqvae"), wanted(folder, "vqvae"))
    assert not mark.exists()


@BOTH
@pytest.mark.parametrize("part", [0.001, 0.3, 0.99])
def test_a_file_cut_short_is_called_that(folder, zipped, part, tmp_path):
    source = tmp_path / "source.pth.tar"
    save_checkpoint(source, state_dict(folder, "vqvae"), {}, zipped)
    whole = source.read_bytes()
    source.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(ModelError, match="damaged or cut short"):
        convert(source, folder.weights("vqvae"), wanted(folder, "vqvae"))
    assert not folder.weights("vqvae").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "is a web page"),
        (b"", "begins with"),
        (b"RIFF....WAVE", "begins with"),
    ],
)
def test_what_is_no_checkpoint_is_not_read(folder, content, message, tmp_path):
    source = tmp_path / "source.pth.tar"
    source.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        convert(source, folder.weights("vqvae"), wanted(folder, "vqvae"))


@pytest.mark.parametrize("content", [{"a": torch.zeros(2)}, {"model": 3}, {"model": {"a": 3}}, [torch.zeros(1)]])
def test_another_program_s_checkpoint_is_named_as_such(folder, content, tmp_path):
    torch.save(content, tmp_path / "source")
    with pytest.raises(ModelError, match="OpenAI's Jukebox was expected"):
        convert(tmp_path / "source", folder.weights("vqvae"), wanted(folder, "vqvae"))


def test_wrong_keys_shapes_and_types_are_named(folder, tmp_path):
    def message(**changed):
        state = state_dict(folder, "prior_level_2") | changed
        save_checkpoint(tmp_path / "source", {k: v for k, v in state.items() if v is not None}, {}, True)
        with pytest.raises(ModelError) as caught:
            convert(tmp_path / "source", folder.weights("prior_level_2"), wanted(folder, "prior_level_2"))
        assert not folder.weights("prior_level_2").exists()
        return str(caught.value)

    assert "1 missing (prior.pos_emb.pos_emb)" in message(**{"prior.pos_emb.pos_emb": None})
    assert "1 unexpected (prior.more)" in message(**{"prior.more": torch.zeros(1)})
    shape = message(**{"prior.pos_emb.pos_emb": torch.zeros(4, 16)})
    assert "prior.pos_emb.pos_emb is [4, 16], not [24, 16]" in shape
    assert "not floating-point" in message(**{"prior.pos_emb.pos_emb": torch.zeros(24, 16, dtype=torch.int32)})
    assert "differ in it" in message(**{"prior.x_out.weight": torch.zeros(95, 16)})


def test_the_checkpoint_of_another_module_is_refused_by_its_shapes(folder, tmp_path):
    save_checkpoint(tmp_path / "source", state_dict(folder, "prior_level_0"), {}, True)
    with pytest.raises(ModelError, match=r"not the checkpoint tiny/prior_level_2: \d+ missing"):
        convert(tmp_path / "source", folder.weights("prior_level_2"), wanted(folder, "prior_level_2"))


@pytest.mark.parametrize("hps", [{"level": 0}, {"cond_res_scale": False}])
def test_an_upsampler_in_the_other_s_place_is_refused_by_its_hyper_parameters(folder, hps, tmp_path):
    save_checkpoint(tmp_path / "source", state_dict(folder, "prior_level_0"), hps, True)
    with pytest.raises(ModelError, match=f"its {next(iter(hps))} is"):
        convert(tmp_path / "source", folder.weights("prior_level_1"), wanted(folder, "prior_level_1"))


WIDE = """
[vqvae]
rate = 1000
downs = [1]
strides = [2]
bins = 16
emb_width = 4
width = 4
depth = 1
multipliers = [1]
[priors.top]
level = 0
n_ctx = 2048
width = 1024
depth = 10
heads = 2
blocks = 32
labels_version = "v2"
genres = 2
artists = 2
[labels.v2]
[dtypes]
prior_level_0 = "float16"
"""

MEASURE = """
import sys, torch
from pathlib import Path
from harness.models.jukebox.weights.checkpoint import ModelFolder
from harness.models.jukebox.weights.convert import ExpectedCheckpoint, convert

def kilobytes(what):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1])

def peak(action):
    Path("/proc/self/clear_refs").write_text("5")  # begin the high-water mark anew
    before = kilobytes("VmRSS")
    kept = action()
    print((kilobytes("VmHWM") - before) * 1024, flush=True)
    return kept

torch.set_num_threads(1)
small, wide = (ModelFolder(Path(a), Path(a + ".toml")) for a in sys.argv[1:3])
def go(folder, module, container):
    wanted = ExpectedCheckpoint(folder.file(module), folder.manifest(module), folder.hps(module))
    return lambda: convert(folder.path / container, folder.weights(module), wanted) and None
for container in ("legacy", "zip"):
    go(small, "prior_level_0", container)()  # what is imported on the way shall not count
    peak(go(wide, "prior_level_0", container))
small.load_prior(0)
for dtype in (torch.float32, torch.float16):
    peak(lambda: wide.load_prior(0, dtype))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from /proc")
def test_memory_holds_a_checkpoint_once_and_a_loaded_module_once(folder, tmp_path):
    """Of 72 MB of weights at the peak; 5 % is for what torch's reader and the allocator keep beside them."""
    wide = make_folder(tmp_path / "wide", WIDE)
    state, parameters = state_dict(wide, "prior_level_0"), wide.manifest("prior_level_0").parameters
    for container in ("legacy", "zip"):
        save_checkpoint(wide.path / container, state, {}, container == "zip")
        save_checkpoint(folder.path / container, state_dict(folder, "prior_level_0"), {}, container == "zip")
    size = (wide.path / "legacy").stat().st_size
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder.path), str(wide.path)], capture_output=True, text=True,
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"},  # memory given back is seen to be given back
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    legacy, zipped, single, half = (int(line) for line in run.stdout.split())
    assert legacy <= 1.05 * size
    assert zipped <= 1.05 * size
    largest = 2048 * 1024 * 4
    assert single <= 1.05 * 4 * parameters + largest
    assert half <= 1.05 * 2 * parameters + largest
