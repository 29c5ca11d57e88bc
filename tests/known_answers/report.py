"""The known answers for people: a table in Markdown, and a picture of where each metric errs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    "right": "#2a7f62",
    "octave": "#7fb7a3",
    "metre": "#b9d6c9",
    "relative": "#7fb7a3",
    "fifth": "#b9d6c9",
    "parallel": "#d9c58b",
    "wrong": "#b5483a",
    "none": "#999999",
}


def markdown(answers: Mapping[str, Any]) -> str:
    """Everything in one table for each question."""
    single, sets = answers["by_piece"], answers["sets"]
    lines = [
        "# What the metrics say where the truth is known",
        "",
        f"{single['pieces']} composed pieces (`harness corpus compose known --hours 5`), measured by "
        "`python -m tests.known_answers`: the first 30 s of each piece, sets of 11 clips of 10 s.",
        "",
        "| metric | right | otherwise |",
        "|---|---|---|",
        _shares("tempo, within 4 %", single["tempo"]["all"]),
        _shares("key", single["key"]["all"]),
    ]
    for name in ("onset_density", "repetition"):
        found = single[name]
        lines.append(
            f"| {name.replace('_', ' ')} | rank correlation with the truth {found['rank_correlation']:.2f} "
            f"({found['rank_correlation_within_styles']:.2f} within styles) | median of found over true "
            f"{found['median_ratio']:.2f} |"
        )
    chroma, copied = answers["chroma"], answers["copies"]
    lines += [
        f"| chroma: by how much a piece was transposed | {chroma['shift_found']:.3f} | of {chroma['pairs']} pieces |",
        f"| chroma: the same notes on another instrument | cosine {chroma['other_instrument_cosine']:.2f}, unrelated "
        f"{chroma['unrelated_cosine']:.2f} | no shift found in {chroma['other_instrument_unshifted']:.3f} |",
        f"| copies: 10 s quoted at −12 dB in noise at −20 dB | {copied['quotation found']:.3f} found | of "
        f"{copied['queries']} |",
        f"| copies: no copy | {1 - copied['false alarm']:.3f} | {copied['false alarm']:.3f} taken for copies |",
        f"| copies: the piece in another key, on another instrument | – | {copied['other keys']:.3f}, "
        f"{copied['other instrument']:.3f} taken for copies |",
        f"| nearest piece to a later excerpt | {sets['nearest']['right_piece']:.3f} | "
        f"{sets['nearest']['right_style']:.3f} of its style, of {sets['nearest']['excerpts']} |",
        f"| style, linear classifier | {sets['style']['own']:.3f} | in other keys {sets['style']['other keys']:.3f}, "
        f"on a trumpet {sets['style']['other instrument']:.3f} |",
        f"| Vendi: a mixture of two styles is more diverse | {sets['diversity']['mixture_is_more_diverse']:.3f} | of "
        f"{sets['diversity']['pairs']} pairs of styles |",
        "",
        f"Distances to half of a style's pieces, in {sets['declared_pairs']} pairs declared beforehand (the other half "
        "of the style, as it is or in other keys, is nearer than another style, or than its own notes on a trumpet):",
        "",
        f"| distance | in order | {' | '.join(_reasons(sets))} |",
        f"|---|---|{'---|' * len(_reasons(sets))}",
    ]
    for name, order in sets["order"].items():
        cells = " | ".join(f"{order[why]:.3f}" for why in _reasons(sets))
        lines.append(f"| {name} | {order['all']:.3f} | {cells} |")
    broken = [f"- {name}: {'; '.join(o['broken'])}" for name, o in sets["order"].items() if o["broken"]]
    lines += ["", *(["Pairs out of order:", "", *broken, ""] if broken else [])]
    styles = [style for style in single["tempo"] if style != "all"]
    lines += ["| style | tempo | key |", "|---|---|---|"]
    for style in styles:
        lines.append(f"| {style} | {_row(single['tempo'][style])} | {_row(single['key'][style])} |")
    return "\n".join(lines) + "\n\n![Where the metrics err](known-answers.png)\n"


def _reasons(sets: Mapping[str, Any]) -> list[str]:
    return [why for why in next(iter(sets["order"].values())) if why not in ("all", "broken")]


def _row(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.2f}" for name, share in shares.items())


def _shares(name: str, shares: Mapping[str, float]) -> str:
    rest = _row({answer: share for answer, share in shares.items() if answer != "right"})
    return f"| {name} | {shares.get('right', 0.0):.3f} | {rest} |"


def picture(answers: Mapping[str, Any]) -> Figure:
    """Answers on tempo and key by style, found against true, and the distances between styles."""
    from matplotlib.figure import Figure

    single, sets = answers["by_piece"], answers["sets"]
    figure = Figure(figsize=(13, 8), layout="constrained")
    axes = figure.subplots(2, 3)
    styles = [style for style in single["tempo"] if style != "all"]
    for axis, name in zip(axes[0, :2], ("tempo", "key"), strict=True):
        left = np.zeros(len(styles))
        for answer, colour in COLOURS.items():
            shares = np.array([single[name][style].get(answer, 0.0) for style in styles])
            if shares.any():
                axis.barh(styles, shares, left=left, color=colour, label=answer)
                left += shares
        axis.set_title(f"{name}: share of pieces")
        axis.invert_yaxis()
        axis.legend(fontsize=8, loc="lower left")
    for axis, name in zip((axes[0, 2], axes[1, 0]), ("onset_density", "repetition"), strict=True):
        for style in styles:
            values = [row[name] for row in single["rows"] if row["style"] == style and row[name][0] is not None]
            axis.scatter([v[1] for v in values], [v[0] for v in values], s=8, label=style)
        axis.set_xlabel("true")
        axis.set_ylabel("measured")
        axis.set_title(name.replace("_", " "))
    axes[0, 2].legend(fontsize=7)
    for axis, name in zip(axes[1, 1:], ("fad16", "kad"), strict=True):
        table = sets["distances"][name]
        columns = [*(f"{style} own" for style in styles)]
        values = np.array([[table[style][column] for column in columns] for style in styles])
        extra = np.array([[table[s][f"{s} other keys"], table[s][f"{s} other instrument"]] for s in styles])
        shown = np.concatenate([values, extra], 1)
        axis.imshow(shown, cmap="Blues", aspect="auto")
        for (row, column), value in np.ndenumerate(shown):
            colour = "white" if value > 0.6 * shown.max() else "black"
            axis.text(column, row, f"{value:.2g}", ha="center", va="center", fontsize=7, color=colour)
        axis.set_xticks(range(len(styles) + 2), [*styles, "other keys", "trumpet"], rotation=45, ha="right")
        axis.set_yticks(range(len(styles)), styles)
        axis.set_title(f"{name} to half of a style (row)")
    return figure
