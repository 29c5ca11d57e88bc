"""The streaming safetensors against the safetensors package, and files that are damaged."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import safetensors
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from harness.core.errors import ModelError
from harness.models.jukebox.weights.tensors import Spec, layout, load_module, read_header, read_tensors, write_tensors
from metrics.io.weights import file_sha256

pytestmark = pytest.mark.whole

DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64]

tables = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12).filter(
        lambda key: key != "__metadata__"
    ),
    st.builds(Spec, st.lists(st.integers(0, 5), max_size=3).map(tuple), st.sampled_from(DTYPES)),
    max_size=6,
)


def filled(specs):
    return {key: (torch.randn(spec.shape) * 9).to(spec.dtype) for key, spec in specs.items()}


def same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for key, tensor in ours.items():
        assert tensor.dtype == theirs[key].dtype
        assert tensor.shape == theirs[key].shape
        assert torch.equal(tensor, theirs[key])


@given(tables)
def test_the_package_reads_what_is_written_and_so_do_we(specs):
    specs = layout(specs)
    tensors = filled(specs)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        sha256 = write_tensors(path, specs, iter(tensors.values()), {"module": "x"})
        assert sha256 == file_sha256(path)
        assert list(Path(folder).iterdir()) == [path]
        same(load_file(path), tensors)
        header = read_header(path)
        assert header.metadata == {"module": "x"}
        assert dict(header.tensors) == specs
        same(dict(read_tensors(path, header)), tensors)
        with safetensors.safe_open(path, "pt") as opened:
            assert opened.metadata() == {"module": "x"}


def test_what_the_package_writes_is_read(tmp_path):
    tensors = {"b": torch.randn(3, 2), "a": torch.zeros(5).half(), "scalar": torch.tensor(2.5)}
    save_file(tensors, tmp_path / "x")
    same(dict(read_tensors(tmp_path / "x", read_header(tmp_path / "x"))), tensors)


def test_a_tensor_that_is_not_contiguous_is_written_as_it_reads(tmp_path):
    tensor = torch.arange(6.0).reshape(2, 3).T
    write_tensors(tmp_path / "x", {"t": Spec((3, 2), torch.float32)}, [tensor], {})
    assert torch.equal(load_file(tmp_path / "x")["t"], tensor)


@pytest.mark.parametrize("tensors", [[torch.zeros(2)], [], [torch.zeros(3).half()], [torch.zeros(3), torch.zeros(3)]])
def test_nothing_is_left_of_a_file_that_is_not_as_announced(tmp_path, tensors):
    with pytest.raises(ValueError, match=r"announced|shorter|longer"):
        write_tensors(tmp_path / "x", {"t": Spec((3,), torch.float32)}, tensors, {})
    assert list(tmp_path.iterdir()) == []


def header_of(table, size):
    head = json.dumps(table).encode()
    return len(head).to_bytes(8, "little") + head + bytes(size)


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        b"<!DOCTYPE html><title>Sign in</title>",
        (10**12).to_bytes(8, "little") + b"{}",
        header_of([1], 0),
        header_of({"t": 3}, 0),
        header_of({"t": ENTRY}, 7),
        header_of({"t": ENTRY}, 9),
        header_of({"t": ENTRY | {"dtype": "X9"}}, 8),
        header_of({"t": ENTRY | {"data_offsets": [4, 12]}}, 12),
        header_of({"t": ENTRY, "u": ENTRY}, 8),
        header_of({"t": ENTRY | {"shape": [3]}}, 8),
    ],
)
def test_a_damaged_file_is_a_model_error(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ModelError, match="is not a whole safetensors file"):
        read_header(tmp_path / "x")


def test_a_file_that_shrinks_while_it_is_read_is_a_model_error(tmp_path):
    save_file({"t": torch.zeros(100)}, tmp_path / "x")
    header = read_header(tmp_path / "x")
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:-1])
    with pytest.raises(ModelError, match="ended within t"):
        list(read_tensors(tmp_path / "x", header))


class Tied(nn.Module):
    steps: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.b.weight = self.a.weight
        self.register_buffer("steps", torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize("keys", [["a.weight"], ["b.weight"], ["a.weight", "b.weight"]])
def test_tied_parameters_come_under_any_of_their_names_and_integers_stay(keys):
    value = torch.randn(2, 2)
    tensors = [*((key, value) for key in keys), ("steps", torch.tensor([7]))]
    loaded = load_module(Tied, tensors, torch.float16, lambda module: ["a.weight", "b.weight"])
    assert loaded.a.weight is loaded.b.weight
    assert torch.equal(loaded.b.weight, value.half())
    assert loaded.steps.item() == 7


def test_a_tensor_that_never_came_is_a_defect_of_ours():
    with pytest.raises(RuntimeError, match=r"Tied is without values for \['a\.weight'\]"):
        load_module(Tied, [("steps", torch.tensor([7]))])


def test_a_model_loads_without_torch_s_compiler():
    """Importing it takes longer than loading the embedded model. Drawing a module's initial values brings it in: see
    `without_memory`."""
    code = (
        "import sys; from harness.models.jukebox.model import load_mini; before = set(sys.modules); load_mini(); "
        "print(*(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"sympy", "torch._dynamo"}.isdisjoint(run.stdout.split())
