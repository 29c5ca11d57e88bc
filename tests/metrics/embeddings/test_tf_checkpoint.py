import numpy as np
import pytest

from metrics.embeddings import tf_checkpoint
from metrics.embeddings.tf_checkpoint import read_tensors
from metrics.errors import WeightsError

FIRST = np.arange(6, dtype="<f4").reshape(2, 3)
SECOND = np.full(4, 7.5, "<f4")


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def entry(shape, offset, kind=1, shard=0):
    """A BundleEntryProto: dtype, shape, shard, offset, size, checksum."""
    dims = b"".join(b"\x12" + varint(len(varint(n)) + 1) + b"\x08" + varint(n) for n in shape)
    size = 4 * int(np.prod(shape))
    numbers = b"".join(varint(n << 3) + varint(v) for n, v in ((3, shard), (4, offset), (5, size)) if v)
    return b"\x08" + varint(kind) + b"\x12" + varint(len(dims)) + dims + numbers + b"\x35\x00\x00\x00\x00"


def block(pairs, compression=0):
    """A LevelDB block whose keys share the prefixes they have in common with the one before."""
    out, before = b"", b""
    for key, value in pairs:
        shared = next(
            (i for i, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), min(len(key), len(before))
        )
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return out + (0).to_bytes(4, "little") + (1).to_bytes(4, "little"), bytes([compression]) + bytes(4)


def write(folder, entries, compression=0):
    data, trailer = block([(b"", b"\x08\x01"), *entries], compression)
    index, index_trailer = block([(b"z", varint(0) + varint(len(data)))])
    start = len(data) + len(trailer)
    footer = (varint(0) + varint(0) + varint(start) + varint(len(index))).ljust(40, b"\0") + tf_checkpoint.MAGIC
    (folder / "index").write_bytes(data + trailer + index + index_trailer + footer)
    (folder / "data").write_bytes(FIRST.tobytes() + SECOND.tobytes())
    return folder / "index", folder / "data"


def test_tensors_come_back_by_name_and_shape(tmp_path):
    tensors = read_tensors(*write(tmp_path, [(b"conv/bias", entry((2, 3), 0)), (b"conv/kernel", entry((4,), 24))]))
    assert list(tensors) == ["conv/bias", "conv/kernel"]
    assert np.array_equal(tensors["conv/bias"], FIRST)
    assert np.array_equal(tensors["conv/kernel"], SECOND)


def test_other_types_than_float32_are_left_out(tmp_path):
    assert list(read_tensors(*write(tmp_path, [(b"a", entry((4,), 24)), (b"step", entry((1,), 0, kind=9))]))) == ["a"]


@pytest.mark.parametrize(
    ("entries", "compression", "message"),
    [
        ([(b"a", entry((4,), 24, shard=1))], 0, "shard 1"),
        ([(b"a", entry((40,), 24))], 0, "damaged"),
        ([(b"a", entry((4,), 24))], 1, "compressed"),
    ],
)
def test_what_is_not_read_is_refused(tmp_path, entries, compression, message):
    with pytest.raises(WeightsError, match=message):
        read_tensors(*write(tmp_path, entries, compression))


def test_another_file_is_refused(tmp_path):
    (tmp_path / "index").write_bytes(bytes(100))
    (tmp_path / "data").write_bytes(b"")
    with pytest.raises(WeightsError, match="not a TensorFlow checkpoint"):
        read_tensors(tmp_path / "index", tmp_path / "data")
