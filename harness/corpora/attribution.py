"""Who made the music of a corpus, as Markdown for a model card: what the licences ask for in return."""

from __future__ import annotations

from collections.abc import Sequence

from harness.corpora.manifest import Manifest, Track

LICENCE_PAGES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-3.0": "https://creativecommons.org/licenses/by-sa/3.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "MIT": "https://spdx.org/licenses/MIT.html",
    "GPL-2.0-or-later": "https://www.gnu.org/licenses/old-licenses/gpl-2.0.html",
    "GPL-3.0-only": "https://www.gnu.org/licenses/gpl-3.0.html",
    "GPL-3.0-or-later": "https://www.gnu.org/licenses/gpl-3.0.html",
}


def attribution(manifest: Manifest, splits: Sequence[str]) -> str:
    """A table with a row per package, author and licence, then the titles: the tracks in `splits`, as Markdown.

    Weights are made from the splits `train` and `valid`; a reference set from `test`.
    """
    groups: dict[tuple[str, str, str], list[Track]] = {}
    for track in manifest.tracks:
        if track.split in splits:
            groups.setdefault((track.package, track.author, track.licence), []).append(track)
    lines = ["| package | author | licence | style | tracks | minutes | source |", "|---|---|---|---|---|---|---|"]
    for (package, author, licence), tracks in groups.items():
        styles = ", ".join(sorted({track.style for track in tracks}))
        minutes = sum(track.seconds for track in tracks) / 60
        name = f"{package} {manifest.package(package).version}"
        cells = [name, author, f"[{licence}]({LICENCE_PAGES[licence]})", styles, str(len(tracks)), f"{minutes:.1f}"]
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} | {_cell(manifest.package(package).source)} |")
    lines += ["", "Titles. The recordings were mixed to mono, resampled to 16 kHz and brought to one loudness.", ""]
    for (package, author, licence), tracks in groups.items():
        titles = "; ".join(track.title for track in tracks)
        lines.append(f"- {author} ({package}, {licence}): {titles}.")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
