import doctest
import importlib

import pytest

MODULES = [
    "harness.cli.store",
    "harness.cli.tables",
    "harness.identity",
    "harness.listening.blinding",
    "harness.listening.blocks",
    "harness.listening.casting",
    "harness.listening.design_figure",
    "harness.listening.exports.sequence",
    "harness.listening.exports.tables",
    "harness.listening.lists",
    "harness.listening.processing",
    "harness.listening.readme",
    "harness.listening.sequences",
    "harness.listening.williams",
    "harness.mlflow_run",
    "harness.progress",
    "harness.results",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_run(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
