"""What webMUSHRA 1.4 requires of its YAML, by its documentation for experimenters and by its behaviour.

Three rules follow from its behaviour rather than from its documentation: it sends its results without encoding them, so
that `&`, `+` and `%` in an id cut them off; it iterates over a page's stimuli as an object of JavaScript, where keys
that are whole numbers are first; and where it randomizes pages and excerpts, it does so without a seed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

MOST_CONDITIONS, MOST_SECONDS = 12, 12.0
BUFFER_SIZES = (256, 512, 1024, 2048, 4096, 8192, 16384)
OPTIONS = {
    "testname": str,
    "testId": str,
    "bufferSize": int,
    "stopOnErrors": bool,
    "showButtonPreviousPage": bool,
    "remoteService": str,
    "pages": list,
}
TEXT = {"id": str, "name": str, "content": str}
COMPARED = {**TEXT, "reference": str, "stimuli": dict, "showWaveform": bool, "enableLooping": bool}
ANCHORED = {**COMPARED, "createAnchor35": bool, "createAnchor70": bool}
RATED = {**TEXT, "mustRate": bool, "mustPlayback": str, "stimuli": dict, "response": list}
PAGES: dict[str, dict[str, type]] = {
    "generic": TEXT,
    "volume": {**TEXT, "stimulus": str, "defaultVolume": float},
    "mushra": {**ANCHORED, "randomize": bool, "showConditionNames": bool, "strict": bool},
    "bs1116": ANCHORED,
    "paired_comparison": COMPARED,
    "likert_single_stimulus": RATED,
    "likert_multi_stimulus": RATED,
    "finish": {"name": str, "content": str, "showResults": bool, "writeResults": bool},
}
OPTIONAL = ("strict", "showConditionNames")
WITH_SIDE_BY_SIDE = ("mushra", "likert_multi_stimulus")
PLAYED = ("ended", "processUpdate")


def validate_webmushra(config: Mapping[str, Any], seconds: float | None = None) -> list[str]:
    """Check a configuration.

    Args:
        config: the configuration of one list.
        seconds: length of its sound files; None to leave it unchecked.

    Returns:
        A sentence for each problem; empty when webMUSHRA can run it as intended.
    """
    return list(_problems(config, seconds))


def _problems(config: Mapping[str, Any], seconds: float | None) -> Iterator[str]:
    yield from _fields("the configuration", config, OPTIONS)
    if config.get("bufferSize") not in BUFFER_SIZES:
        yield f"bufferSize is {config.get('bufferSize')!r}: one of {', '.join(map(str, BUFFER_SIZES))} was expected"
    yield from _safe("testId", config.get("testId"))
    listed = config.get("pages")
    pages: list[Any] = listed if isinstance(listed, list) else []
    for number, page in enumerate(pages, start=1):
        yield from _page(f"page {number}", page, seconds)
    found = [page for page in pages if isinstance(page, dict)]
    ids = Counter((page.get("type"), page["id"]) for page in found if isinstance(page.get("id"), str))
    yield from (f"the id {name!r} is there {times} times" for (_, name), times in ids.items() if times > 1)
    if [page.get("type") for page in found].count("finish") != 1 or found[-1].get("type") != "finish":
        yield "the last page, and no other, must be of type finish"


def _page(where: str, page: Any, seconds: float | None) -> Iterator[str]:
    if not isinstance(page, dict) or page.get("type") not in PAGES:
        shuffled = "; a list is shuffled by the browser, unseeded" if isinstance(page, list) else ""
        kind = page.get("type") if isinstance(page, dict) else page
        yield f"{where} is of type {str(kind)[:40]!r}: {', '.join(PAGES)} were expected{shuffled}"
        return
    kind = page["type"]
    yield from _fields(where, page, {"type": str, **PAGES[kind]})
    yield from _safe(f"{where}: id", page.get("id", "x"))
    for key in ("createAnchor35", "createAnchor70", "randomize"):
        if page.get(key):
            yield f"{where}: {key} is on: anchors and order are this study's own, delay-compensated and seeded"
    if page.get("mustPlayback", PLAYED[0]) not in PLAYED:
        yield f"{where}: mustPlayback is {page['mustPlayback']!r}: {' or '.join(PLAYED)} was expected"
    if isinstance(page.get("stimuli"), dict):
        yield from _stimuli(where, page)
    if isinstance(page.get("response"), list):
        for point in page["response"]:
            if not isinstance(point, dict) or {"value", "label"} - set(point):
                yield f"{where}: response has {point!r}: a map with value and label was expected"
    if seconds is not None and kind in WITH_SIDE_BY_SIDE and seconds > MOST_SECONDS:
        yield f"{where}: its excerpts last {seconds:g} s, and at most {MOST_SECONDS:g} s are allowed"


def _stimuli(where: str, page: Mapping[str, Any]) -> Iterator[str]:
    stimuli, kind = page["stimuli"], page["type"]
    if not stimuli:
        yield f"{where}: stimuli is empty"
    if kind in WITH_SIDE_BY_SIDE and len(stimuli) > MOST_CONDITIONS:
        yield f"{where}: {len(stimuli)} conditions, and at most {MOST_CONDITIONS} are allowed"
    if kind == "likert_single_stimulus" and len(stimuli) > 1:
        yield f"{where}: {len(stimuli)} stimuli, which the browser would shuffle unseeded: one a page was expected"
    for key in stimuli:
        yield from _safe(f"{where}: the key", key)
        if str(key).isdecimal():
            yield f"{where}: the key {key!r} is a number, which JavaScript puts before all others: begin with a letter"
    paths = [*stimuli.values(), *([page["reference"]] if "reference" in page else [])]
    if len({PurePosixPath(str(path)).suffix for path in paths}) > 1:
        yield f"{where}: its files are of several formats: one was expected"


def _fields(where: str, found: Mapping[str, Any], expected: Mapping[str, type]) -> Iterator[str]:
    for key, kind in expected.items():
        if key not in found:
            if key not in OPTIONAL:
                yield f"{where} has no {key}"
        elif not isinstance(found[key], kind) or (kind is int and isinstance(found[key], bool)):
            yield f"{where}: {key} is {str(found[key])[:40]!r}: {kind.__name__} was expected"
    yield from (f"{where}: {key!r} is no option of it" for key in found if key not in expected)


def _safe(what: str, value: Any) -> Iterator[str]:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.-]+", value, flags=re.ASCII):
        yield f"{what} is {value!r}: letters, digits, '.', '-' and '_' were expected, for results are sent un-encoded"
