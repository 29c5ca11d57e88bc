"""Label vectors and the bins of the time signal against the original: whole numbers, so equal or wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from harness.core.errors import HarnessError
from harness.models.jukebox.conditioning.labels import VOCABULARY, Labeller, clean_lyrics, lyric_window
from harness.models.jukebox.golden.case import Case
from harness.models.jukebox.golden.report import GoldenReport
from harness.models.jukebox.network.config import PriorConfig
from harness.models.jukebox.network.prior import time_bins


def check_labels(case: Case, report: GoldenReport) -> None:
    """The vocabularies, every row, what must be refused, what must not, and lyric windows of plain numbers."""
    for version, characters in VOCABULARY.items():
        with report.part(f"vocabulary {version}"):
            report.same(f"vocabulary {version}", characters, case.hparams["vocabulary_characters"][version])
            report.same(f"n_vocab {version}", len(characters) + 1, case.hparams["n_vocab"][version])
    with report.part("labellers"):
        ids = case.hparams.get("ids", "ids")
        labellers = {name: case.folder.labeller(hps, ids) for name, hps in case.hparams["labellers"].items()}
        for row in case.values["rows"]:
            with report.part(row["id"]):
                _check_row(case, labellers[row["labeller"]], row, report)
        for row in case.values["must_fail"]:
            name = f"must_fail: {row['why']}"
            with report.part(name):
                report.same(name, _refused(labellers[row["labeller"]], row["meta"]), True)
        for row in case.values["tolerated"]:
            name = f"tolerated: {row['why']}"
            with report.part(name):
                report.equal(name, labellers[row["labeller"]].label(**row["meta"]).y, row["y"])
    with report.part("raw_windows"):
        for place, w in enumerate(case.values["raw_windows"]):
            ours = lyric_window(w["n_full_tokens"], w["n_tokens"], w["total_length"], w["offset"], w["duration"])
            report.equal(f"raw_windows {place}", ours, np.array(w["indices"], np.int64))


def _check_row(case: Case, labeller: Labeller, row: dict[str, Any], report: GoldenReport) -> None:
    name, starts = row["id"], row["window_starts"]
    labels = labeller.label(**row["meta"])
    report.same(f"{name}.artist_id", labels.record["artist"]["id"], row["artist_id"])
    report.same(f"{name}.genre_ids", [genre["id"] for genre in labels.record["genre"]], row["genre_ids"])
    report.same(f"{name}.clean_lyrics", clean_lyrics(row["meta"]["lyrics"], labeller.version), row["clean_lyrics"])
    report.equal(f"{name}.full_tokens", labels.full_tokens, case.vectors[f"{name}.full_tokens"])
    report.equal(f"{name}.y", labels.y, case.vectors[f"{name}.y"])
    windows = np.stack([labeller.window(labels, start) for start in starts])
    report.equal(f"{name}.window_y", windows, case.vectors[f"{name}.window_y"])
    if labeller.n_tokens:
        characters = np.stack([labeller.window_characters(labels, start) for start in starts])
        report.equal(f"{name}.window_lyric_indices", characters, case.vectors[f"{name}.window_lyric_indices"])


def _refused(labeller: Labeller, meta: dict[str, Any]) -> bool:
    try:
        labeller.label(**meta)
    except HarnessError:
        return True
    return False


def check_time_bins(case: Case, report: GoldenReport) -> None:
    """Each row brings its own sizes: the bins of its total length (1,), and of each position (n_time,) twice."""
    for row in case.values["rows"]:
        with report.part(row["id"]):
            # Only the first and the last line of sizes matter to the bins.
            config = PriorConfig(
                level=0, n_ctx=row["n_time"], rate=row["sr"], t_bins=row["t_bins"],
                width=1, depth=1, heads=1, bins=1, hop=1,
                min_seconds=row["min_duration"], max_seconds=row["max_duration"],
            )  # fmt: skip
            lengths = torch.tensor([[row["total_length"], row["offset"], row["length"]]])
            names = ("total_length_bin", "absolute_bins", "relative_bins")
            for name, bins in zip(names, time_bins(lengths, config), strict=True):
                report.equal(f"{row['id']}.{name}", bins[0], case.vectors[f"{row['id']}.{name}"])
