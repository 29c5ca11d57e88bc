"""Whether this engine computes what the original does: checks against a folder of golden vectors.

The vectors were computed by the original implementation: tiny shapes, random weights, the original's names. A folder
holds one subfolder a case, of any name; what a case is, its `hparams.json` says, and so does every size:

    vqvae           {"vqvae"}             audio -> latents -> codes -> audio
    prior           {"prior", "vqvae"}    conditioning, logits and losses of a prior or an upsampler
    orchestration   {"modules", ...}      whole samplings through all levels, window by window
    labels          {"labellers", ...}    label vectors
    time_bins       nothing of its own    bins of the time signal; sizes stand in the rows of `vectors.json`

Beside them `manifests.json.gz` may list the tensors of the released modules.

Float values may differ by 1e-5, decoded audio by 1e-4, everything that is a whole number not at all.
`harness models check-golden FOLDER` prints the results of `check_folder`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from harness.core.errors import ModelError, UsageError
from harness.core.progress import Progress, Quiet
from harness.models.jukebox.golden.case import Case, GoldenFolder
from harness.models.jukebox.golden.labels import check_labels, check_time_bins
from harness.models.jukebox.golden.manifests import check_manifests
from harness.models.jukebox.golden.modules import check_prior, check_vqvae
from harness.models.jukebox.golden.orchestration import check_orchestration
from harness.models.jukebox.golden.report import Check, GoldenReport

__all__ = ["Check", "CheckedCase", "GoldenFolder", "check_case", "check_folder", "find_cases"]

KINDS: tuple[tuple[str, Callable[[Case, GoldenReport], None]], ...] = (
    ("modules", check_orchestration),
    ("prior", check_prior),
    ("vqvae", check_vqvae),
    ("labellers", check_labels),
)
"""What a case is by the first of these keys that its hyper-parameters have."""

FILES: dict[str, Callable[[Path, GoldenReport], None]] = {"manifests.json.gz": check_manifests}
"""Checks of single files beside the cases, by file name: each is run where its file is, as a case of that name."""

PARTS = ("hparams.json", "vectors.json", "vectors.safetensors", "state_dict.safetensors")


@dataclass(frozen=True)
class CheckedCase:
    """All results of one case."""

    name: str
    checks: tuple[Check, ...]
    unread: tuple[str, ...] = ()
    """Tensors of the case that no check reads."""

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def largest_difference(self) -> float:
        """Of its float values."""
        return max((c.difference for c in self.checks if c.tolerance > 0 and not isnan(c.difference)), default=0.0)


def find_cases(folder: Path) -> list[str]:
    """Names of the cases of a folder: its subfolders with at least one of a case's files, and files with a check.

    Raises:
        UsageError: there is none.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give the one that holds the cases (vqvae, labels, …).")
    cases = [path.name for path in folder.iterdir() if any((path / part).is_file() for part in PARTS)]
    if not cases:
        hint = f" It is a case itself: give {folder.resolve().parent}." if (folder / PARTS[0]).is_file() else ""
        raise UsageError(
            f"{folder} holds no golden cases: a case is a subfolder with {', '.join(PARTS[:3])}, and "
            f"{PARTS[3]} where it has weights.{hint}"
        )
    return sorted(cases) + [name for name in FILES if (folder / name).is_file()]


def check_case(folder: GoldenFolder, name: str) -> CheckedCase:
    """Every check of one case. What cannot be read or run is a failed check with the reason, never an exception."""
    report, unread = GoldenReport(name), ()
    with report.part("case"):
        if name in FILES:
            FILES[name](folder.path / name, report)
        else:
            case = folder.case(name)
            _kind(case)(case, report)
            unread = case.vectors.unread
    return CheckedCase(name, tuple(report.checks), unread)


def _kind(case: Case) -> Callable[[Case, GoldenReport], None]:
    """The checks of a case, by what its hyper-parameters are about."""
    for key, check in KINDS:
        if key in case.hparams:
            return check
    if any("t_bins" in row for row in case.values.get("rows", [])):
        return check_time_bins
    keys = ", ".join(case.hparams) or "none"
    raise ModelError(f"hparams.json has the keys {keys}; one of {', '.join(key for key, _ in KINDS)} was expected.")


def check_folder(path: Path, progress: Progress | None = None) -> Iterator[CheckedCase]:
    """Each case as it is checked. Raises UsageError where there is none."""
    names = find_cases(path)
    folder = GoldenFolder(path)
    with (progress or Quiet()).stage("Checking", len(names)) as stage:
        for done, name in enumerate(names):
            stage.advance(done, name)
            yield check_case(folder, name)
        stage.advance(len(names))
