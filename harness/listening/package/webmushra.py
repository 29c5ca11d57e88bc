"""webMUSHRA 1.4: one YAML a listener, with this study's own anchors and order.

The public folder becomes webMUSHRA's `configs/stimuli/`, and a listener's page `?config=stimuli/webmushra/L01.yaml`.
What is reported are blind ids, under the id of each page. Pages by kind:

    mushra           mushra: it adds the open reference once more as the last excerpt, reported as "reference"; the
                     hidden reference to analyse is this study's own
    multi            likert_multi_stimulus, the one page of several excerpts that needs no reference: the bands of the
                     scale as points; the order down the page is drawn in the browser, the order of pages is kept
    acr, affect      likert_single_stimulus, a page for each scale

A preference between two without a reference has no documented page, a public file of an ABX would hold the answers, and
open questions can be asked at the end only: those kinds are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from harness.core.errors import PlatformError
from harness.listening.kinds.catalogue import Scale
from harness.listening.package.sequence import (
    Step,
    band_middles,
    is_choice,
    points,
    steps,
    study_id,
    welcome,
    words_of,
)
from harness.listening.package.webmushra_rules import validate_webmushra
from harness.listening.study import ListenerList, StimulusSet

ROOT = "configs/stimuli"
REFUSED = {
    "ab": "it has no documented page for a preference between two without a reference",
    "abx": "its page names the reference of the two, so a public file would hold the answers",
    "ideation": "it asks open questions at the end of a session only",
}


def webmushra_files(stimuli: StimulusSet, language: str) -> dict[str, bytes]:
    """A YAML for each list, by file name. Raises `PlatformError` for a study that webMUSHRA cannot run."""
    if stimuli.kind.name in REFUSED:
        raise PlatformError(
            f"webMUSHRA cannot run a study of kind {stimuli.kind.name}: {REFUSED[stimuli.kind.name]}. Use the jsPsych "
            "timeline or the tables."
        )
    made = {}
    for one in stimuli.lists:
        config = configuration(stimuli, one, language)
        if problems := validate_webmushra(config, stimuli.seconds):
            raise PlatformError(
                f"webMUSHRA cannot run list {one.listener}: {problems[0]}. Make fewer or shorter stimuli, or use the "
                "jsPsych timeline or the tables."
            )
        made[f"{one.listener}.yaml"] = as_yaml(config).encode("utf-8")
    return made


def configuration(stimuli: StimulusSet, listener: ListenerList, language: str) -> dict[str, Any]:
    """One list as webMUSHRA's configuration."""
    words = words_of(language)
    hello = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in welcome(stimuli.kind, language))
    first = {"type": "generic", "id": "welcome", "name": stimuli.name, "content": hello}
    finish = {"type": "finish", "name": words["thanks"], "content": "", "showResults": False, "writeResults": True}
    pages = [page for step in steps(stimuli, listener) for page in _pages(stimuli, step, language)]
    return {
        "testname": stimuli.name,
        "testId": f"{study_id(stimuli)}-{listener.listener}",
        "bufferSize": 2048,
        "stopOnErrors": True,
        "showButtonPreviousPage": False,
        "remoteService": "service/write.php",
        "pages": [first, *pages, finish],
    }


def as_yaml(config: dict[str, Any]) -> str:
    """YAML that webMUSHRA's own small reader reads correctly: one line per value, every text in quotes."""
    import yaml

    class Quoted(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            return super().increase_indent(flow, False)

    Quoted.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
    return yaml.dump(config, Dumper=Quoted, sort_keys=False, allow_unicode=True, width=10**9)


def _pages(stimuli: StimulusSet, step: Step, language: str) -> Iterator[dict[str, Any]]:
    kind = stimuli.kind
    question = f"<p>{escape(kind.question[language])}</p>"
    common = {"name": step.title(words_of(language))}
    heard = {name: f"{ROOT}/{stimuli.stimuli[name].file}" for name in step.presentation.stimuli}
    if kind.reference:
        reference = stimuli.stimuli[step.trial.reference or ""].file
        off = dict.fromkeys(("createAnchor35", "createAnchor70", "randomize", "showConditionNames"), False)
        waveform = {"showWaveform": False, "enableLooping": True}
        where = {"reference": f"{ROOT}/{reference}", "stimuli": heard}
        yield {"type": "mushra", "id": step.id, **common, "content": question, **waveform, **off, **where}
        return
    page = "likert_multi_stimulus" if kind.layout == "page" else "likert_single_stimulus"
    for scale in kind.scales:
        name = step.id if len(kind.scales) == 1 else f"{step.id}-{scale.name}"
        must = {"mustRate": True, "mustPlayback": "ended"}
        response = _response(scale, language)
        yield {
            "type": page, "id": name, **common, "content": question, **must, "stimuli": heard, "response": response
        }  # fmt: skip


def _response(scale: Scale, language: str) -> list[dict[str, Any]]:
    labels = points(scale, language) if is_choice(scale) else band_middles(scale, language)
    return [{"value": value, "label": escape(label)} for value, label in labels.items()]
