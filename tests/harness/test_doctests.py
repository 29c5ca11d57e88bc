import doctest
import importlib

import pytest

MODULES = [
    "harness.cli.store",
    "harness.cli.tables.scores",
    "harness.identity",
    "harness.listening.make.blinding",
    "harness.listening.design.blocks",
    "harness.listening.design.assignment",
    "harness.listening.describe.design_figure",
    "harness.listening.package.sequence",
    "harness.listening.package.tables",
    "harness.listening.design.lists",
    "harness.listening.make.processing",
    "harness.listening.describe.readme",
    "harness.listening.design.sequences",
    "harness.listening.design.williams",
    "harness.reporting.mlflow_run",
    "harness.core.progress",
    "harness.scoring.measures",
    "harness.scoring.results",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_run(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
