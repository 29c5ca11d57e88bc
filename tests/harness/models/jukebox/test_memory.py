"""Memory while sampling a large model: its largest module and the caches, not all of its modules."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.weights.checkpoint import ModelFolder, save_weights

PRIOR = """
[priors.level_{level}]
level = {level}
n_ctx = 64
width = 512
depth = {depth}
heads = 2
blocks = 8
max_genres = 1
merged_decoder = true
"""
CONDITIONER = """cond_stride = 2
[priors.level_{level}.conditioner]
width = 32
depth = 2
"""
CONFIG = """
artists = ["ada"]
[vqvae]
rate = 1000
downs = [1, 1, 1]
strides = [2, 2, 2]
bins = 64
emb_width = 8
width = 8
depth = 1
multipliers = [1, 1, 1]
[sampling]
hop_fraction = [0.5, 0.5, 0.5]
width = 1
total_seconds = 20.0
"""
DEPTHS = (40, 30, 30)  # 3.1 MB a layer in float32: 126, 94 and 94 MB

MEASURE = """
    import sys
    from pathlib import Path

    from harness.models.base import Sampling
    from harness.models.jukebox import model as jukebox
    from harness.models.jukebox.weights.checkpoint import ModelFolder
    from harness.prompts.prompt import Prompt

    def peak():
        status = Path("/proc/self/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024

    jukebox.RESIDENT_BYTES = int(sys.argv[2])
    small = jukebox.load_mini(width=1)  # everything that is imported and allocated once, whatever the model
    small.sample([small.encode(Prompt(style="ambient"), 0.5)], [0])
    del small
    before = peak()
    model = jukebox.JukeboxModel("large", ModelFolder(Path(sys.argv[1])), "cpu")
    model.sample([model.encode(Prompt(style="calm"), 1.0)], [0])
    print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_one_prior_is_in_memory_at_a_time(tmp_path):
    config = CONFIG + "".join(
        PRIOR.format(level=level, depth=depth) + (CONDITIONER.format(level=level) if level < 2 else "")
        for level, depth in enumerate(DEPTHS)
    )
    (tmp_path / "config.toml").write_text(config)
    (tmp_path / "styles.toml").write_text('[calm]\nen = ["calm drones"]\n')
    folder = ModelFolder(tmp_path)
    torch.manual_seed(0)
    save_weights(VQVAE(folder.vqvae), folder.weights("vqvae"))
    for level in range(3):
        save_weights(Prior(folder.priors[level]), folder.weights(f"prior_level_{level}"))
    largest = 4 * max(folder.manifest(f"prior_level_{level}").parameters for level in range(3))

    def peak(resident_bytes: int) -> int:
        command = [sys.executable, "-c", textwrap.dedent(MEASURE), str(tmp_path), str(resident_bytes)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert peak(0) < 1.2 * largest
    assert peak(2**40) > 2 * largest  # the measure sees all three where they may stay
