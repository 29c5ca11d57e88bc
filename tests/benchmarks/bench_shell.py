"""The command line's help beside a bare interpreter, and the store beside plain files."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from harness.models.base import Clip
from harness.store.clips import Store
from tests.benchmarks.timing import best, compare


def main() -> None:
    helped = best(lambda: subprocess.run([sys.executable, "-m", "harness", "--help"], capture_output=True, check=True))
    bare = best(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
    compare("harness --help", helped, "python -c pass", bare)

    audio = np.random.default_rng(0).uniform(-0.5, 0.5, 6 * 16000).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        store, numbers = Store(Path(folder) / "store"), iter(range(1000))
        put = best(lambda: store.put({"n": next(numbers)}, Clip(audio, 16000, {0: np.arange(750)}), {}))
        plain = best(lambda: soundfile.write(Path(folder) / "plain.flac", audio, 16000))
        compare("store a clip of 6 s", put, "write its FLAC", plain)
        stored = next(store.root.glob("??/*"))
        got = best(lambda: store.get(stored.name))
        read = best(lambda: soundfile.read(stored / "audio.flac"))
        compare("get it, hashes checked", got, "read its FLAC", read)


if __name__ == "__main__":
    main()
