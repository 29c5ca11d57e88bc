"""`harness doctor`: what this machine has for the harness, what it lacks, and what to do about each.

A check looks at one thing and says what it found. `wrong` is what a run would fail of; what is optional, or is fetched
when it is first needed, is a `note`. No check changes anything but a file of its own that it removes again, and none
waits longer than a few seconds.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from harness.core.errors import HarnessError
from harness.core.redaction import redacted

Verdict = Literal["ok", "note", "wrong"]

OLDEST_PYTHON = (3, 11)
LITTLE_ROOM = 1 << 30
"""Bytes below which a disk is worth a note: a thousand clips of 6 s take some 200 MB."""

EXTRAS = {"ray": "ray", "system": "psutil", "openl3": "h5py", "transformers": "transformers"}
"""Extra of this package → the module that it brings."""

FIRST_CLOCK = 1_735_689_600
"""2025-01-01: a clock before it is wrong."""


@dataclass(frozen=True)
class MachineFinding:
    """One line of the report: what was looked at, whether it will do, what was found, and what to do about it."""

    subject: str
    verdict: Verdict
    found: str
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def examine(results: Path) -> list[MachineFinding]:
    """Every check, in the order of the report.

    Args:
        results: the folder that runs would write to.

    Returns:
        The findings; a check that fails itself is a finding too.
    """
    checks: list[tuple[str, Callable[[], Iterator[MachineFinding]]]] = [
        ("Python", _python),
        ("torch", _torch),
        ("folders", lambda: _folders(results)),
        ("decoders", _decoders),
        ("extras", _extras),
        ("weights", _weights),
        ("plug-ins", _plugins),
        ("MLflow", lambda: _mlflow(results)),
        ("clock", _clock),
        ("speed", _speed),
    ]
    found: list[MachineFinding] = []
    for subject, check in checks:
        try:
            found += check()
        except HarnessError as error:
            found.append(MachineFinding(subject, "wrong", redacted(str(error))))
        except Exception as error:  # a broken package or a strange disk is what a doctor is called for
            found.append(MachineFinding(subject, "wrong", redacted(f"{type(error).__name__}: {error}"), "Report it."))
    return found


def _python() -> Iterator[MachineFinding]:
    here = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        yield MachineFinding("Python", "wrong", here, "Install Python 3.11 or newer.")
    else:
        yield MachineFinding("Python", "ok", f"{here}, {sys.executable}")


def _torch() -> Iterator[MachineFinding]:
    import torch

    device = "no GPU"
    if torch.cuda.is_available():
        device = ", ".join(torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count()))
    cores = os.cpu_count() or 1
    yield MachineFinding(
        "torch", "ok", f"{torch.__version__}, {device}, {torch.get_num_threads()} threads of {cores} cores"
    )


def _folders(results: Path) -> Iterator[MachineFinding]:
    from metrics.io.weights import cache_dir

    for subject, folder, verdict, advice in (
        ("results", results.absolute(), "wrong", "Name another with --results or HARNESS_RESULTS."),
        ("cache", cache_dir(), "note", "Set HARNESS_CACHE to a folder you can write to; until then nothing is cached."),
        ("temporary files", Path(tempfile.gettempdir()), "wrong", "Set TMPDIR to a folder you can write to."),
    ):
        yield _folder(subject, folder, verdict, advice)  # type: ignore[arg-type]


def _folder(subject: str, folder: Path, verdict: Verdict, advice: str) -> MachineFinding:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".doctor-") as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return MachineFinding(subject, verdict, f"{folder} cannot be written: {error.strerror or error}", advice)
    free = shutil.disk_usage(there).free
    found = f"{folder}, {free / 1e9:.1f} GB free"
    if free < LITTLE_ROOM:
        return MachineFinding(subject, "note", found, "Free some space: a thousand clips of 6 s take some 200 MB.")
    return MachineFinding(subject, "ok", found)


def _decoders() -> Iterator[MachineFinding]:
    import soundfile

    formats = soundfile.available_formats()
    wanted = {"WAV": "wav", "FLAC": "flac", "OGG": "ogg, opus", "MP3": "mp3"}
    lacking = [name for key, name in wanted.items() if key not in formats]
    library = f"libsndfile {soundfile.__libsndfile_version__}"
    if lacking:
        yield MachineFinding("decoders", "note", f"{library} reads no {', '.join(lacking)}", "pip install -U soundfile")
    else:
        yield MachineFinding("decoders", "ok", f"{', '.join(wanted.values())} by {library}")
    if shutil.which("ffmpeg") is None:
        yield MachineFinding(
            "m4a and aac", "note", "not read: ffmpeg is not installed", "Convert such files to wav or flac."
        )


def _extras() -> Iterator[MachineFinding]:
    lacking = [extra for extra, module in EXTRAS.items() if find_spec(module) is None]
    here = [f"{module} {version(module)}" for extra, module in EXTRAS.items() if extra not in lacking]
    if here:
        yield MachineFinding("extras", "ok", ", ".join(here))
    if lacking:
        advice = f"pip install 'music-harness[{','.join(lacking)}]', where you need them."
        yield MachineFinding("extras", "note", f"not installed: {', '.join(lacking)}", advice)


def _weights() -> Iterator[MachineFinding]:
    from harness.models.registry import load_model
    from metrics.io.weights import cache_dir

    model = load_model("jukebox:mini", width=1)
    yield MachineFinding("jukebox:mini", "ok", f"loads; {len(model.styles)} styles, {model.rate} Hz")
    fetched = sorted(path.name for path in (cache_dir() / "weights").glob("*") if path.is_dir())
    if fetched:
        yield MachineFinding("weights of embedders", "ok", ", ".join(fetched))
    else:
        yield MachineFinding("weights of embedders", "note", "none fetched yet", "harness models fetch")


def _plugins() -> Iterator[MachineFinding]:
    from harness.core.registry import REGISTRIES

    listed = [one for name in REGISTRIES.names() for one in REGISTRIES.get(name).listed() if one.state != "built in"]
    broken = [one for one in listed if one.state == "broken"]
    for one in broken:
        advice = f"Nothing else is harmed: update or uninstall {one.distribution}."
        yield MachineFinding("plug-ins", "note", f"{one.name} of {one.distribution} is broken: {one.reason}", advice)
    if not broken:
        names = ", ".join(one.name for one in listed)
        yield MachineFinding("plug-ins", "ok", names or "none installed")


def _mlflow(results: Path) -> Iterator[MachineFinding]:
    from harness.reporting.mlflow import tracking_uri

    uri = tracking_uri(results)
    if not uri.startswith(("http://", "https://")):
        yield MachineFinding("MLflow", "ok", f"{redacted(uri)}, version {version('mlflow')}")
        return
    import socket

    address = urlsplit(uri)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=3):
            yield MachineFinding("MLflow", "ok", f"{redacted(uri)} answers")
    except OSError as error:
        advice = "Start the server; runs are kept until then, and 'harness sync' logs them."
        yield MachineFinding("MLflow", "wrong", f"{redacted(uri)} does not answer: {error}", advice)


def _clock() -> Iterator[MachineFinding]:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(now))
    if now < FIRST_CLOCK:
        yield MachineFinding("clock", "wrong", shown, "Set the clock: MLflow orders runs by it.")
    else:
        yield MachineFinding("clock", "ok", shown)


def _speed() -> Iterator[MachineFinding]:
    """How long this machine multiplies matrices of a small prior: a second at most."""
    import torch

    x, w = torch.randn(16, 256), torch.randn(256, 1024)
    products, start = 0, time.perf_counter()
    while (taken := time.perf_counter() - start) < 0.5:
        for _ in range(100):
            _ = x @ w
        products += 100
    rate = products * 2 * x.numel() * w.shape[1] / taken / 1e9
    yield MachineFinding("speed", "ok", f"{rate:.0f} GFLOP/s in products of a small model")
