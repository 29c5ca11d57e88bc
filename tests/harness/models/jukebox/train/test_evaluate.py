"""The measures of a trained model, on made-up embeddings where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.core.errors import HarnessError
from harness.models.jukebox.train.evaluate import OF_TRACKS, Sets, by_style, conditioning, distances
from harness.models.jukebox.train.report import confusion_figure, markdown, ratios, stored_likelihood, write_report
from metrics.api.score import EmbeddingSet

STYLES, DIM, FRAMES = ("calm", "fast", "loud"), 24, 4


def embedded(rng, centres, per_style=8, shift: float | np.ndarray = 0.0, spread=1.0):
    """`per_style` clips around each of the styles' centres, styles in turn."""
    clips, units, styles = [], [], []
    for style, centre in zip(STYLES, centres, strict=True):
        for n in range(per_style):
            clips.append((centre + shift + spread * rng.standard_normal((FRAMES, DIM))).astype(np.float32))
            units.append(f"{style}-{n}")
            styles.append(style)
    return EmbeddingSet.from_clips(clips, units, {}, styles)


@pytest.fixture
def sets():
    rng = np.random.default_rng(0)
    centres = 2 * rng.standard_normal((3, DIM))
    away = np.zeros(DIM)
    away[0] = 8.0
    return Sets(
        reference=embedded(rng, centres, 16),
        other_half=embedded(rng, centres),
        evaluated={
            "real": embedded(rng, centres),
            "round trip": embedded(rng, centres, shift=0.2),
            "samples": embedded(rng, centres, shift=0.5),
            "random codes": embedded(rng, np.zeros((3, DIM)), shift=away),
            "white noise": embedded(rng, np.zeros((3, DIM)), shift=2 * away),
        },
        training=embedded(rng, centres, 16),
    )


def test_distances_rank_what_is_further_away(sets):
    values = {name: found["fad16"].value for name, found in distances(sets).items()}
    assert values["real"] < values["round trip"] < values["samples"] < values["random codes"] < values["white noise"]
    assert set(by_style(sets, "round trip")) == set(STYLES)


def test_real_clips_are_measured_against_tracks_that_they_are_not_from(sets):
    against = {name: found["fad16"].provenance["reference_units"] for name, found in distances(sets).items()}
    assert {name for name, units in against.items() if units == 24} == {"real", "round trip"}
    assert {units for name, units in against.items() if name not in OF_TRACKS} == {48}


def test_styles_that_sound_as_asked_are_heard(sets):
    found = conditioning(sets, permutations=999)
    assert found["samples"]["p"] == pytest.approx(0.001)
    assert found["samples"]["balanced_accuracy"] > 0.9
    assert np.sum(found["samples"]["confusion"]) == 24


def test_labels_without_effect_are_not_significant(sets):
    rng = np.random.default_rng(1)
    deaf = embedded(rng, np.zeros((3, DIM)))
    unheard = replace(sets, evaluated={**sets.evaluated, "samples": deaf})
    assert conditioning(unheard, permutations=199)["samples"]["p"] > 0.05


def test_the_report_holds_the_figures_and_two_tables_of_them(sets, tmp_path):
    found = distances(sets)
    figures = {
        "settings": {"clips": 24, "per_style": 8, "seconds": 6.0},
        "conditioning": conditioning(sets, permutations=99),
        "likelihood": {"level 0": {"prior": 7.25, "trigram": 8.5, "codes": 1000, "tracks": 9}},
        "model": {"weights_sha256": "ab"},
    }
    text = write_report(tmp_path, figures, found)
    assert text == markdown(figures, found)
    assert f"{found['samples']['fad16'].value:.1f}" in text
    assert "| level 0 | 7.25 | 8.50 | 1,000 | 9 |" in text
    assert "| real | 24, 24 | ~" in text
    assert f"~ real, round trip: {found['real']['fad16'].why}." in text
    assert ratios(found)["samples / white noise"] < 1
    assert stored_likelihood(tmp_path, figures["model"]) == figures["likelihood"]
    for folder, weights in ((tmp_path, "cd"), (tmp_path / "none", "ab")):
        with pytest.raises(HarnessError, match="no bits per code of these weights"):
            stored_likelihood(folder, {"weights_sha256": weights})
    assert {path.name for path in tmp_path.iterdir()} == {"quality.json", "quality.md", "confusion.png"}
    assert len(confusion_figure(figures["conditioning"]).axes) == 3
