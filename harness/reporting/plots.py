"""Plots of an outcome, drawn without a display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.scoring.results import ConditionResult, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, ACCENT, SECOND = "#22303c", "#c9d1d9", "#0b6e99", "#c4622d"
MOST_TICKS = 8
"""With more conditions the ticks are left to matplotlib."""

TITLES = {
    "fad16": "Fréchet distance, 16 components",
    "fad": "Fréchet distance, all dimensions",
    "vendi": "Vendi score",
    "diversity": "Diversity, 1 − mean cosine",
    "style_similarity": "Similarity to the style's centroid",
    "prompt_similarity": "Similarity to the audio prompt",
    "kad": "Kernel distance",
    "tag_text_similarity": "Similarity of tags and text",
    "text_audio_similarity": "Similarity to the text",
}
MOST_PANELS = 8
"""Beside the primary metric's; of more metrics the first are drawn."""


def scores_figure(outcome: Outcome) -> Figure | None:
    """The primary metric large, the others as small panels beside it; None when nothing could be measured.

    Bars are the scores' own intervals, where they have one. An open marker is a score that calls itself unreliable.
    """
    from matplotlib.figure import Figure

    measured = list(dict.fromkeys(name for result in outcome.conditions for name in result.scores))
    if not measured:
        return None
    primary = outcome.experiment.primary if outcome.experiment.primary in measured else measured[0]
    others = [name for name in measured if name != primary][:MOST_PANELS]
    columns = -(-len(others) // 2)
    figure = Figure(figsize=(5.2 + 2.9 * columns, 4.6), dpi=150, layout="constrained")
    grid = figure.add_gridspec(2, 2 + columns, width_ratios=[1, 1, *[1.1] * columns])
    _panel(figure.add_subplot(grid[:, :2]), outcome, primary, ACCENT, large=True)
    for n, name in enumerate(others):
        _panel(figure.add_subplot(grid[n % 2, 2 + n // 2]), outcome, name, SECOND, large=False)
    reference, model = outcome.settings.get("reference", "no reference"), outcome.fingerprint.get("name")
    seconds, clips = outcome.settings["seconds"], min(len(result.clips) for result in outcome.conditions)
    unreliable = any(not score.reliable for result in outcome.conditions for score in result.scores.values())
    unreliable_note = "; open markers: not reliable, see the notes" if unreliable else ""
    figure.suptitle(
        f"{model} against {reference}: {clips} clips of {seconds:g} s per condition, 95 % intervals{unreliable_note}",
        fontsize=10, color=INK, x=0.012, ha="left",
    )  # fmt: skip
    return figure


def title(name: str) -> str:
    """What a score's panel is headed with."""
    metric, _, embedder = name.partition("@")
    return TITLES.get(metric, metric) + (f" @{embedder}" if embedder else "")


def _panel(axes: Axes, outcome: Outcome, metric: str, colour: str, large: bool) -> None:
    results = [result for result in outcome.conditions if metric in result.scores]
    places = _places(outcome, results)
    order = sorted(range(len(results)), key=lambda n: places[n])
    if all(result.condition.value is not None for result in outcome.conditions):
        axes.plot(
            [places[n] for n in order], [results[n].scores[metric].value for n in order], color=FAINT, lw=1.5, zorder=1
        )
    else:
        axes.set_xticks(places, [result.condition.name for result in results], fontsize=8)
    for place, result in zip(places, results, strict=True):
        score = result.scores[metric]
        if score.interval is not None:
            axes.vlines(place, *score.interval, color=colour, lw=3 if large else 2, alpha=0.45, zorder=2)
        face = colour if score.reliable else "white"
        axes.plot(place, score.value, "o", ms=9 if large else 6, mfc=face, mec=colour, mew=1.6, zorder=3)
        if large:
            note = f"{score.value:.3g} ± {score.stderr:.2g}"
            paper = {"boxstyle": "square,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.85}
            axes.annotate(
                note, (place, score.value), (10, 7), textcoords="offset points", fontsize=8.5, color=INK, bbox=paper
            )
    direction = {"lower": "lower is better ↓", "higher": "higher is better ↑"}.get(
        results[0].scores[metric].direction, ""
    )
    axes.set_title(
        title(metric), loc="left", fontsize=10.5 if large else 9, color=INK, fontweight="bold" if large else "normal"
    )
    if direction:
        axes.set_ylabel(direction, fontsize=8, color="#6b7885")
    axes.set_xlabel(outcome.experiment.varies if large else "", fontsize=9, color=INK)
    if len(results) <= MOST_TICKS and all(result.condition.value is not None for result in outcome.conditions):
        axes.set_xticks(places, [f"{place:g}" for place in places])
    # Room on the right for the last figure's label.
    left, right = min(places), max(places)
    width = (right - left) or 1.0
    axes.set_xlim(left - 0.12 * width, right + (0.3 if large else 0.12) * width)
    axes.margins(y=0.12)
    axes.grid(axis="y", color=FAINT, lw=0.6, alpha=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)


def _places(outcome: Outcome, results: list[ConditionResult]) -> list[float]:
    """Where the conditions stand on the axis: at their value, or side by side when what varies is not a number."""
    names = [result.condition.name for result in outcome.conditions]
    if any(result.condition.value is None for result in outcome.conditions):
        return [float(names.index(result.condition.name)) for result in results]
    return [float(result.condition.value or 0.0) for result in results]
