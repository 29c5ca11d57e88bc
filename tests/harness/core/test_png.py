"""Plots as files: equal plots are equal bytes, and a file appears whole or not at all."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from harness.core.png import write_png


def plot(height: float) -> Figure:
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([0, height])
    return figure


def test_equal_plots_are_equal_bytes(tmp_path):
    for name, height in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        write_png(plot(height), tmp_path / f"{name}.png")
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a.startswith(b"\x89PNG")
    assert a == b != c


def test_a_plot_that_cannot_be_drawn_leaves_the_file_as_it_was(tmp_path):
    write_png(plot(1.0), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    broken = plot(1.0)
    broken.savefig = lambda *args, **options: 1 / 0  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        write_png(broken, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
