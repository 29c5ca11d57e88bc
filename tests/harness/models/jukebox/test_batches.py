"""What a row of a batch is told is its own, and how wide the batch is changes no greedy code of the original's runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.models.jukebox.decoding.sampling import LevelBatch, sample_level
from harness.models.jukebox.golden import GoldenFolder, find_cases
from harness.models.jukebox.golden.case import song_labels
from harness.models.jukebox.golden.orchestration import Pieces
from tests.harness.models.jukebox.conftest import GOLDEN

RUNS = [name for name in find_cases(GOLDEN) if name.startswith("orchestration")]
FOLDER = GoldenFolder(GOLDEN)


def sample(pieces: Pieces, level: int, rows: list[int], above: Tensor | None, total: int) -> Tensor:
    """Codes (rows, total) of a level, a batch of these rows of the case."""
    labels_at = pieces.labels_at(level)
    batch = LevelBatch(
        labels_at=lambda start: labels_at(start)[rows],
        above=None if above is None else above[rows],
        codes=torch.zeros(len(rows), 0, dtype=torch.long),
        uniforms=torch.zeros(len(rows), total, dtype=torch.float64),
    )
    return sample_level(pieces.prior(level), batch, pieces.sampling(level), pieces.hop(level))


def levels(name: str) -> list[tuple[int, int]]:
    """Each level with the codes to sample of it; the upsamplers, which the runs share, in the first of them only."""
    pieces = Pieces(FOLDER.case(name))
    lowest = 0 if name == RUNS[0] else pieces.top
    samples = pieces.hparams["sample_length"]
    return [(level, pieces.codes(samples, level)) for level in range(pieces.top, lowest - 1, -1)]


@pytest.mark.parametrize("width", [1, 8])
@pytest.mark.parametrize("name", RUNS)
@torch.inference_mode()
def test_the_width_of_the_batch_changes_no_code(name: str, width: int):
    """Widths that the original was not run with, against the codes that it gave with its own."""
    pieces = Pieces(FOLDER.case(name))
    for level, total in levels(name):
        expected = pieces.case.codes(f"ancestral.codes_level_{level}")
        above = None if level == pieces.top else pieces.case.codes(f"ancestral.codes_level_{level + 1}")
        for row in range(len(expected) if level == pieces.top else 1):  # 0.5 s a row below
            ours = sample(pieces, level, [row] * width, above, total)
            assert torch.equal(ours, expected[[row] * width]), (level, row)


@pytest.mark.parametrize("name", RUNS)
@torch.inference_mode()
def test_rows_may_stand_in_any_order(name: str):
    pieces = Pieces(FOLDER.case(name))
    level, total = levels(name)[0]
    expected = pieces.case.codes(f"ancestral.codes_level_{level}")
    assert torch.equal(sample(pieces, level, [1, 0, 1], None, total), expected[[1, 0, 1]])


META: dict[str, Any] = {"artist": "", "genre": "", "total_length": 9000, "offset": 0}
SONGS = [
    META | {"lyrics": "copper moon and silver tide, wake me when the engines glide"},
    META | {"lyrics": "copper moon and silver tide, wake me when the engines glide", "offset": 4000},
    META | {"lyrics": "copper moon and silver tide, wake me when the engines glide", "total_length": 20_000},
    META | {"lyrics": "nobody hums along: count the crows, one, two, three, four"},
    META | {"lyrics": "hm"},
    META | {"lyrics": ""},
]


@pytest.mark.parametrize("name", ["prior_1b_lyrics", "prior_5b_lyrics"])
@torch.inference_mode()
def test_each_row_hears_its_own_lyrics_at_its_own_offset(name: str):
    """Songs that differ in one thing each, together and alone: the same logits, and none alike."""
    case = FOLDER.case(name)
    units = song_labels(case.labeller, SONGS)
    y = torch.stack([torch.from_numpy(case.labeller.window(song, 8)) for song in units])
    z = case.codes("z")[:1].expand(len(units), -1)
    together = case.prior(z, y)
    for row in range(len(units)):
        alone = case.prior(z[row : row + 1], y[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=0)
        for other in range(row):
            assert (together[row] - together[other]).abs().max() > 1e-3, (row, other)


@pytest.mark.parametrize("name", ["prior_1b_lyrics", "prior_5b_lyrics"])
@torch.inference_mode()
def test_each_row_of_a_sampling_has_its_own_labels_in_every_window(name: str):
    case = FOLDER.case(name)
    units, prior = song_labels(case.labeller, SONGS), case.prior
    pieces = Pieces(FOLDER.case(name.replace("prior", "orchestration")))
    n_ctx = prior.config.n_ctx

    def greedy(rows: list[int]) -> Tensor:
        told = [units[row] for row in rows]
        batch = LevelBatch(
            lambda start: torch.from_numpy(np.stack([case.labeller.window(song, start) for song in told])),
            above=None,
            codes=torch.zeros(len(rows), 0, dtype=torch.long),
            uniforms=torch.zeros(len(rows), n_ctx + 9, dtype=torch.float64),
        )
        return sample_level(prior, batch, pieces.sampling(pieces.top), 3)

    together = greedy(list(range(len(units))))
    for row in range(len(units)):
        assert torch.equal(together[row : row + 1], greedy([row])), row
