import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.embeddings.windows import WindowEmbedder, in_blocks, positive, resolve_device
from metrics.errors import UsageError


class Edges(WindowEmbedder):
    """The first and the last sample of each window; remembers how many windows it was given at once."""

    name, rate, dim, window_seconds, hop_seconds, batch = "edges", 100, 2, 0.5, 0.2, 4

    def __init__(self):
        self.batches = []

    def embed_windows(self, windows):
        self.batches.append(len(windows))
        return windows[:, [0, -1]]


def ramp(samples):
    return np.arange(1, samples + 1, dtype=np.float32)


def test_windows_start_every_hop_and_the_tail_is_left():
    embedder = Edges()
    assert embedder.embed(ramp(200)).tolist() == [[1 + 20 * n, 50 + 20 * n] for n in range(8)]
    assert embedder.batches == [4, 4]


def test_audio_shorter_than_a_window_is_filled_up_with_zeros():
    assert Edges().embed(ramp(10)).tolist() == [[1, 0]]


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))
def test_blocks_make_the_frames_of_one_pass(length, window, hop, block):
    def network(audio):
        return np.lib.stride_tricks.sliding_window_view(audio, window)[::hop].sum(axis=1, keepdims=True)

    audio = ramp(length)
    whole = network(np.pad(audio, (0, max(0, window - length))))
    assert np.array_equal(in_blocks(network, audio, window, hop, block), whole)


def test_a_device_is_found_or_refused():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device(None).type in ("cpu", "cuda")
    with pytest.raises(UsageError, match="'cpu'"):
        resolve_device("abacus")


def test_a_length_is_positive():
    assert positive("hop", 0.5) == 0.5
    with pytest.raises(UsageError, match=r"the hop was -1"):
        positive("hop", -1)
