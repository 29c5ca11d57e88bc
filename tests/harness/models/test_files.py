"""What an inventory says of the files of a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.models.files import Inventory, ModelFile

WHOLE = ModelFile("vqvae", "vqvae", "", 10, 10, 2)
MISSING = ModelFile("prior", "prior_level_0", "", None, 30, 5, "missing")
CUT = ModelFile("prior", "prior_level_0", "", 7, 30, 5, "cut short")
LIST = ModelFile("artists.txt", None, "label list", 3)


@pytest.mark.parametrize(
    ("files", "state", "missing", "size", "needed"),
    [
        ((WHOLE, LIST), "ready", [], 13, 0),
        ((WHOLE, MISSING, LIST), "partly (1 of 2 modules)", ["prior"], 13, 30),
        ((CUT,), "partly (0 of 1 modules)", ["prior"], 7, 30),
        ((MISSING,), "not pulled", ["prior"], 0, 30),
    ],
)
def test_the_state_of_a_model_is_that_of_its_files(files, state, missing, size, needed):
    found = Inventory(Path(), files)
    assert (found.state, found.missing, found.bytes, found.needed) == (state, missing, size, needed)
    assert found.parameters == sum(file.parameters for file in files)
