"""The released modules against the manifests of the original's: keys, shapes, types and sizes, without any weights."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from harness.models.jukebox.golden.report import GoldenReport
from harness.models.jukebox.weights.released import released

MODULES = {
    "vqvae": ("jukebox:5b", "vqvae"),
    "prior_5b": ("jukebox:5b", "prior_level_2"),
    "prior_5b_lyrics": ("jukebox:5b_lyrics", "prior_level_2"),
    "prior_1b_lyrics": ("jukebox:1b_lyrics", "prior_level_2"),
    "upsampler_level_0": ("jukebox:1b_lyrics", "prior_level_0"),
    "upsampler_level_1": ("jukebox:1b_lyrics", "prior_level_1"),
}
"""Which of our modules each manifest describes."""


def check_manifests(path: Path, report: GoldenReport) -> None:
    """Every manifest of a gzipped JSON file, by module."""
    for module, expected in json.loads(gzip.decompress(path.read_bytes())).items():
        with report.part(module):
            name, part = MODULES[module]
            ours = released(name).manifest(part)
            listed = [
                [key, list(spec.shape), str(spec.dtype).removeprefix("torch.")] for key, spec in ours.specs.items()
            ]
            report.same(f"{module}: tensors", listed, expected["tensors"])
            report.same(f"{module}: tied", [list(group) for group in ours.tied], expected["tied"])
            report.same(f"{module}: buffers", list(ours.buffers), expected["buffer_names"])
            report.same(f"{module}: parameters", ours.parameters, expected["parameter_count"])
            report.same(f"{module}: bytes", ours.bytes, expected["state_dict_bytes"])
            report.same(f"{module}: bytes stored", ours.unique_bytes, expected["unique_storage_bytes"])
            report.same(f"{module}: SHA-1 of its layout", ours.sha1, expected["sha1_of_json_key_shape_list"])
