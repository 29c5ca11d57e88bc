import doctest
import importlib
import pkgutil

import pytest

import metrics

MODULES = ["metrics", *(found.name for found in pkgutil.walk_packages(metrics.__path__, "metrics."))]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    modules = [importlib.import_module(name) for name in MODULES]
    assert sum(doctest.testmod(module).attempted for module in modules) >= 8
