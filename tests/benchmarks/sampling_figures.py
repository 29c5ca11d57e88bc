"""The arithmetic of the sampling benchmark: rounds of timings become speeds and paired ratios, written and drawn."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

FLOORS = ("gemv", "sum")
NAMES = {"ours": "ours", "hf": "HF", "sum": "read", "gemv": "read as GEMV", "products": "matrix products"}


@dataclass(frozen=True)
class Series:
    """Seconds a step of one engine (or pass) under one number of threads, one figure a round."""

    engine: str
    threads: int
    seconds: tuple[float, ...]

    def record(self, batch: int) -> dict[str, Any]:
        return {
            "engine": self.engine,
            "threads": self.threads,
            "ms_per_step": {"min": min(self.seconds) * 1e3, "median": median(self.seconds) * 1e3},
            "tokens_per_second": {"max": batch / min(self.seconds), "median": batch / median(self.seconds)},
            "ms_per_step_by_round": [second * 1e3 for second in self.seconds],
        }


def better(series: Sequence[Series], *engines: str) -> Series | None:
    """Of the series of these engines that went all rounds the one of the lowest median; None without any."""
    found = [one for one in series if one.engine in engines]
    rounds = max((len(one.seconds) for one in found), default=0)
    return min((one for one in found if len(one.seconds) == rounds), key=lambda o: median(o.seconds), default=None)


def ratio(ours: Series, other: Series) -> dict[str, float]:
    """How many times faster `ours` is. Rounds are paired, for what slows the machine slows neighbours in time alike;
    `of_fastest` compares each one's fastest round.

    >>> ratio(Series("ours", 1, (1.0, 2.0, 1.0)), Series("hf", 1, (3.0, 4.0, 2.5)))
    {'median': 2.5, 'min': 2.0, 'max': 3.0, 'of_fastest': 2.5}
    """
    paired = [theirs / our for our, theirs in zip(ours.seconds, other.seconds, strict=True)]
    fastest = min(other.seconds) / min(ours.seconds)
    return {"median": median(paired), "min": min(paired), "max": max(paired), "of_fastest": fastest}


def ratios(series: Sequence[Series]) -> dict[str, dict[str, float]]:
    """Of our engine to HF, each at its better number of threads, and to the passes over the weights with as many
    threads as ours (1 is at the floor)."""
    ours, hf = better(series, "ours"), better(series, "hf")
    if ours is None:
        return {}
    found = {} if hf is None else {"to_hf": ratio(ours, hf)}
    alike = {one.engine: one for one in series if one.threads == ours.threads}
    return found | {f"of_{name}": ratio(ours, alike[name]) for name in FLOORS if name in alike}


def flatness(milliseconds: Sequence[float]) -> float:
    """The furthest that a window of positions lies from the mean of all, as a share of it.

    >>> round(flatness([1.0, 1.0, 1.3, 0.9]), 2)
    0.24
    """
    mean = sum(milliseconds) / len(milliseconds)
    return max(abs(value - mean) for value in milliseconds) / mean


def describe(series: Sequence[Series], batch: int) -> list[str]:
    """One line an engine, its better number of threads first, then the ratios."""
    lines = []
    for engine, name in NAMES.items():
        best = better(series, engine)
        if best is None:
            continue
        others = [one for one in series if one.engine == engine and one is not best]
        line = f"{name:>16}: {batch / median(best.seconds):8.1f} tokens/s"
        line += f", {median(best.seconds) * 1e3:.2f} ms a step (min {min(best.seconds) * 1e3:.2f}), {best.threads} thr."
        line += "".join(f"; with {one.threads} {batch / median(one.seconds):.1f} tokens/s" for one in others)
        lines.append(line)
    found = ratios(series)
    for key, text in (("to_hf", "ours / HF"), ("of_gemv", "ours / GEMV"), ("of_sum", "ours / read")):
        if key in found:
            r = found[key]
            lines.append(
                f"{text:>16}: {r['median']:.2f} ({r['min']:.2f}–{r['max']:.2f} by round; fastest {r['of_fastest']:.2f})"
            )
    return lines


def device_slug(device: str) -> str:
    """A device's name as part of a file's.

    >>> device_slug("NVIDIA H100 80GB HBM3"), device_slug("AMD EPYC 7763 64-Core Processor")
    ('nvidia-h100-80gb-hbm3', 'amd-epyc-7763-64-core-processor')
    """
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    found = re.search(r"model name\s*:\s*(.+)", text)
    return found[1].strip() if found else platform.processor() or platform.machine()


def write(result: dict[str, Any], folder: Path) -> list[Path]:
    """`sampling-<device>.json` and its plot; a shape, type or clock other than the default is named too."""
    extras = [result["shape"]] if result["shape"] != "small" else []
    extras += [result["dtype"]] if result["dtype"] != "float32" else []
    extras += ["processor-time"] if result["clock"] != "wall" else []
    stem = "-".join(["sampling", device_slug(result["device"]), *(extra.replace("_", "-") for extra in extras)])
    folder.mkdir(parents=True, exist_ok=True)
    table, picture = folder / f"{stem}.json", folder / f"{stem}.png"
    table.write_text(json.dumps(result, indent=1) + "\n")
    draw(result, picture)
    return [table, picture]


def draw(result: dict[str, Any], path: Path) -> None:
    """Three panels: times HF's speed, share of the floor's, and milliseconds by position."""
    from matplotlib.figure import Figure

    rows = result["rows"]
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    hf, floor, positions = figure.subplots(1, 3)
    panels = (
        (hf, "to_hf", "× Hugging Face's tokens/s", 1.0, "{:.2f}"),
        (floor, "of_gemv", "share of a GEMV over the weights (–: a read)", 1.0, "{:.0%}"),
    )
    for axes, key, title, level, form in panels:
        shown = [row for row in rows if key in row["ratios"]]
        centres = range(len(shown))
        values = [row["ratios"][key] for row in shown]
        heights = [value["median"] for value in values]
        spread = [
            [v["median"] - v["min"] for v in values],
            [v["max"] - v["median"] for v in values],
        ]
        bars = axes.bar(centres, heights, yerr=spread, color="#4878a8", ecolor="#333333", capsize=3, width=0.7)
        axes.bar_label(bars, [form.format(height) for height in heights], padding=3, fontsize=8)
        axes.axhline(level, color="#b04040", linewidth=1, linestyle="--")
        axes.set_xticks(centres, [f"w {row['width']}\nb {row['batch']}" for row in shown])
        axes.set_title(title, fontsize=10)
        if key == "of_gemv":
            axes.plot(centres, [row["ratios"]["of_sum"]["median"] for row in shown], "k_", markersize=18)
        axes.set_ylim(0, max([level, *(v["max"] for v in values)]) * 1.15)
    for engine, windows in result["positions"].get("ms_per_step", {}).items():
        middles = [(w["from"] + w["to"]) / 2 for w in windows]
        positions.plot(middles, [w["ms"] for w in windows], marker="o", label=NAMES[engine])
    positions.set_ylim(bottom=0)
    positions.set_title("ms a step by position" + _where(result["positions"]), fontsize=10)
    if positions.lines:
        positions.legend(fontsize=8)
    figure.suptitle(
        f"Jukebox priors on {result['device']}, {result['dtype']}, shape {result['shape']} (w width, b batch): "
        f"median of {result['rounds']} paired rounds of {result['clock']} time, bars from least to most",
        fontsize=9,
    )
    figure.savefig(path, dpi=120)


def _where(positions: dict[str, Any]) -> str:
    return f" (w {positions['width']}, b {positions['batch']})" if positions else ""
