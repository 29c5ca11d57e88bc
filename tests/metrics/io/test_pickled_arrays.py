import os
import pickle
import pickletools

import numpy as np
import pytest

from metrics.errors import WeightsError
from metrics.io.pickled_arrays import load_dictionary

LAYERS = {"conv1": {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "biases": np.ones(2)}, "conv2": {}}


def save(path, value):
    np.save(path, np.array(value, dtype=object), allow_pickle=True)
    return path


def header_and(path, content):
    """A `.npy` that claims to hold one object, followed by a pickle of the test's choice."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        file.write(content)
    return path


def test_a_dictionary_of_arrays_comes_back_as_it_was(tmp_path):
    loaded = load_dictionary(save(tmp_path / "a.npy", LAYERS))
    assert loaded["conv2"] == {}
    for name, array in LAYERS["conv1"].items():
        assert np.array_equal(loaded["conv1"][name], array)
        assert loaded["conv1"][name].dtype == array.dtype


class Runs:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_code_in_the_pickle_is_refused_and_not_run(tmp_path):
    path = header_and(tmp_path / "a.npy", pickle.dumps({"conv1": Runs(tmp_path / "mark")}, protocol=2))
    with pytest.raises(WeightsError, match=r"posix\.mkdir, which is no part of an array"):
        load_dictionary(path)
    assert not (tmp_path / "mark").exists()


def test_an_array_is_reconstructed_as_an_array_only(tmp_path):
    content = pickle.dumps(np.ones(2), protocol=3)
    assert any(arg == "numpy._core.multiarray _reconstruct" for _, arg, _ in pickletools.genops(content))
    forged = content.replace(b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", 1)
    with pytest.raises(WeightsError, match="in place of an array"):
        load_dictionary(header_and(tmp_path / "a.npy", forged))


@pytest.mark.parametrize(
    "value", [np.ones(3), {"conv1": np.ones(3)}, {"conv1": {"weights": "text"}}, {"conv1": {"w": np.array([{}])}}, 7]
)
def test_anything_else_is_refused(tmp_path, value):
    np.save(tmp_path / "a.npy", np.array(value, dtype=None if isinstance(value, np.ndarray) else object))
    with pytest.raises(WeightsError, match=r"a\.npy"):
        load_dictionary(tmp_path / "a.npy")


def test_a_damaged_file_is_refused(tmp_path):
    path = save(tmp_path / "a.npy", LAYERS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WeightsError, match="Fetch it again"):
        load_dictionary(path)
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match="Fetch it again"):
        load_dictionary(path)
