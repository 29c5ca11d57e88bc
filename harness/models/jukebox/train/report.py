"""The scores of `evaluate` as files: JSON to compare against, Markdown for the model card, two plots."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import HarnessError
from harness.core.png import write_png
from metrics.api.score import Score
from metrics.io.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES_OVER_NOISE, SAMPLES_OVER_RANDOM = 0.65, 0.8
"""What the samples' upper bound must stay below, relative to white noise and to random codes."""


def ratios(distances: Mapping[str, Mapping[str, Score]]) -> dict[str, float]:
    """The upper 95 % bound of the samples' headline distance over that of noise and of random codes."""
    samples = distances["samples"]["fad16"]
    # With too few clips for an interval two standard errors stand in for it: the tests' evaluations are that small.
    upper = samples.value + 2 * samples.stderr if samples.interval is None else samples.interval[1]
    return {
        "samples / white noise": upper / distances["white noise"]["fad16"].value,
        "samples / random codes": upper / distances["random codes"]["fad16"].value,
    }


def stored_likelihood(folder: Path, model: Mapping[str, Any]) -> dict[str, Any]:
    """The bits per code in `folder`'s quality.json. Raises `HarnessError` where it holds none of these weights."""
    path = folder / "quality.json"
    found = json.loads(path.read_text()) if path.is_file() else {}
    if found.get("model", {}).get("weights_sha256") != model["weights_sha256"]:
        raise HarnessError(f"{path} holds no bits per code of these weights: evaluate them with --likelihood.")
    return found["likelihood"]


def write_report(folder: Path, results: Mapping[str, Any], distances: Mapping[str, Mapping[str, Score]]) -> str:
    """Write quality.json, quality.md and confusion.png into `folder`; the Markdown is returned."""
    scores = {name: {metric: score.as_dict() for metric, score in found.items()} for name, found in distances.items()}
    everything = {**results, "distances": scores, "ratios": ratios(distances)}
    write_bytes(folder / "quality.json", (json.dumps(everything, indent=1) + "\n").encode())
    text = markdown(results, distances)
    write_bytes(folder / "quality.md", text.encode())
    write_png(confusion_figure(results["conditioning"]), folder / "confusion.png")
    return text


def markdown(results: Mapping[str, Any], distances: Mapping[str, Mapping[str, Score]]) -> str:
    """Tables of distances, conditioning and likelihood."""
    settings = results["settings"]
    lines = [
        f"{settings['clips']} clips of {settings['seconds']:g} s in each set, {settings['per_style']} of each style; "
        "distances in musicnn space to held-out real music.",
        "",
        "| set | tracks, against | FAD, 16 components | 95 % interval | FAD, full dimension (plug-in) |",
        "|---|---|---|---|---|",
    ]
    notes: dict[str, list[str]] = {}
    for name, found in distances.items():
        head, full = found["fad16"], found["fad"]
        interval = "–" if head.interval is None else f"{head.interval[0]:.1f} … {head.interval[1]:.1f}"
        units = f"{head.n_units}, {head.provenance['reference_units']}"
        value = f"{'' if head.reliable else '~'}{head.value:.1f} ± {head.stderr:.1f}"
        lines.append(f"| {name} | {units} | {value} | {interval} | {full.plain:.1f} |")
        if not head.reliable:
            notes.setdefault(head.why, []).append(name)
    lines += ["", *(f"~ {', '.join(names)}: {note}." for note, names in notes.items())]
    limits = {"samples / white noise": SAMPLES_OVER_NOISE, "samples / random codes": SAMPLES_OVER_RANDOM}
    lines += ["", "| upper bound of samples over | ratio | must stay below |", "|---|---|---|"]
    lines += [f"| {name.split(' / ')[1]} | {value:.2f} | {limits[name]} |" for name, value in ratios(distances).items()]
    lines += ["", "| heard by a linear classifier of real music | balanced accuracy | clips |", "|---|---|---|"]
    for name, found in results["conditioning"].items():
        lines.append(f"| {name} | {found['balanced_accuracy']:.2f} | {found['clips']} |")
    lines += ["", f"Requested style against permuted labels: p = {results['conditioning']['samples']['p']:.4f}."]
    lines += [
        "",
        "| bits per code, held-out | prior | interpolated trigram | codes | tracks |",
        "|---|---|---|---|---|",
    ]
    for name, found in results["likelihood"].items():
        bits = f"{found['prior']:.2f} | {found['trigram']:.2f}"
        lines.append(f"| {name} | {bits} | {found['codes']:,} | {found['tracks']} |")
    return "\n".join(lines) + "\n"


def confusion_figure(conditioning: Mapping[str, Any]) -> Figure:
    """Requested style against style heard, in shares of a row: real music, the codec's round trip, samples."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.8), layout="constrained")
    axes = figure.subplots(1, len(conditioning), sharey=True)
    for axis, (name, found) in zip(axes, conditioning.items(), strict=True):
        counts = np.asarray(found["confusion"], float)
        shares = counts / counts.sum(1, keepdims=True)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > 0.6 else "black"
            axis.text(column, row, f"{share:.2f}", ha="center", va="center", color=colour, fontsize=8)
        places = range(len(found["styles"]))
        axis.set_xticks(places, found["styles"], rotation=40, ha="right")
        axis.set_yticks(places, found["styles"])
        axis.set_title(f"{name}: balanced accuracy {found['balanced_accuracy']:.2f}", fontsize=10)
        axis.set_xlabel("style heard")
    axes[0].set_ylabel("style of the clip")
    return figure


def spectrograms(clips: Mapping[str, NDArray[np.float32]], rate: int) -> Figure:
    """Mel spectrograms (dB) of clips (samples,), one above the other, titles as given."""
    import librosa
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.4 * len(clips)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(clips), 1, sharex=True))
    for axis, (title, audio) in zip(axes, clips.items(), strict=True):
        mel = librosa.feature.melspectrogram(y=audio, sr=rate, n_fft=1024, hop_length=256, n_mels=96)
        image = librosa.display.specshow(
            librosa.power_to_db(mel, ref=np.max), sr=rate, hop_length=256, x_axis="time", y_axis="mel", ax=axis,
            cmap="magma", vmin=-70, vmax=0,
        )  # fmt: skip
        axis.set_title(title, fontsize=10)
        axis.set(xlabel="", ylabel="Hz")
    axes[-1].set_xlabel("seconds")
    figure.colorbar(image, ax=list(axes), format="%+d dB", pad=0.01)
    return figure
