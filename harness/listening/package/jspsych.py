"""jsPsych 8: one timeline a listener, as plain JSON, and the page that runs it.

A trial is a form (`jsPsychSurveyHtmlForm`) with a player for each stimulus: the audio plugins of jsPsych play one
stimulus only. An answer is an object, by name of the scale or, where several stimuli are rated on one page, by blind
id; a choice between two is answered with the chosen blind id. Every trial's data hold the list, the trial, its position
and its stimuli. `type` is the global name of a plugin's class, which `index.html` looks up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any

from harness.listening.kinds.catalogue import Scale
from harness.listening.package.sequence import Step, is_choice, points, steps, welcome, words_of
from harness.listening.study import ListenerList, StimulusSet

FORM, BUTTON, PRELOAD = "jsPsychSurveyHtmlForm", "jsPsychHtmlButtonResponse", "jsPsychPreload"
LETTERS = ("A", "B")


def jspsych_files(stimuli: StimulusSet, language: str) -> dict[str, bytes]:
    """A JSON for each list, and the page that runs them, by file name.

    Args:
        stimuli: the blinded study.
        language: of what listeners read.
    """
    made = {}
    for one in stimuli.lists:
        content = json.dumps(timeline(stimuli, one, language), ensure_ascii=False, indent=1)
        made[f"{one.listener}.json"] = f"{content}\n".encode()
    return {**made, "index.html": (files("harness.listening.package") / "jspsych.html").read_bytes()}


def timeline(stimuli: StimulusSet, listener: ListenerList, language: str) -> dict[str, Any]:
    """One list: `timeline` is an array of jsPsych trials.

    Args:
        stimuli: the blinded study.
        listener: the list.
        language: of what the listener reads.
    """
    words = words_of(language)
    heard = {name: None for step in steps(stimuli, listener) for name in _heard(step)}
    sounds = [f"../{stimuli.stimuli[name].file}" for name in heard]
    hello = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in welcome(stimuli.kind, language))
    return {
        "language": words["lang"],
        "title": stimuli.name,
        "listener": listener.listener,
        "timeline": [
            {"type": PRELOAD, "audio": sounds},
            {"type": BUTTON, "stimulus": hello, "choices": [words["start"]]},
            *(_trial(stimuli, listener, step, language) for step in steps(stimuli, listener)),
            {"type": BUTTON, "stimulus": f"<p>{escape(words['thanks'])}</p>", "choices": [words["go_on"]]},
        ],
    }


def _heard(step: Step) -> tuple[str, ...]:
    return (*((step.trial.reference,) if step.trial.reference else ()), *step.presentation.stimuli)


def _trial(stimuli: StimulusSet, listener: ListenerList, step: Step, language: str) -> dict[str, Any]:
    words = words_of(language)
    task = step.trial.task.get(language, "")
    preamble = [f"<h2>{escape(step.title(words))}</h2>", f"<p>{escape(stimuli.kind.question[language])}</p>"]
    if task:
        preamble.append(f"<p><strong>{escape(words['task'])}</strong> {escape(task)}</p>")
    return {
        "type": FORM,
        "preamble": "".join(preamble),
        "html": "".join(_form(stimuli, step, language)),
        "button_label": words["go_on"],
        "data": {
            "listener": listener.listener,
            "id": step.id,
            "trial": step.trial.id,
            "phase": step.phase,
            "position": step.number,
            "stimuli": list(step.presentation.stimuli),
        },
    }


def _form(stimuli: StimulusSet, step: Step, language: str) -> Iterator[str]:
    """The players and the questions, as HTML."""
    kind, words, heard = stimuli.kind, words_of(language), step.presentation.stimuli
    while_writing = " autoplay loop" if kind.open_answer else ""

    def player(name: str, label: str) -> str:
        sound = f"../{stimuli.stimuli[name].file}"
        return f'<p><label>{escape(label)}<br><audio controls{while_writing} src="{sound}"></audio></label></p>'

    if step.trial.reference:
        yield player(step.trial.reference, "X" if kind.probe else words["reference"])
    if kind.layout == "page":
        for number, name in enumerate(heard, start=1):
            yield player(name, words["excerpt"].format(n=number))
            yield from (_rating(name, scale, language) for scale in kind.scales)
    elif kind.layout == "pair":
        for name, letter in zip(heard, LETTERS, strict=True):
            yield player(name, letter)
        yield from (_choice(scale.name, dict(zip(heard, LETTERS, strict=True))) for scale in kind.scales)
    else:
        yield player(heard[0], words["excerpt"].format(n=step.number))
        if kind.open_answer:
            field = '<textarea name="ideas" rows="10" cols="60"></textarea>'
            yield f"<p><label>{escape(words['ideas'])}<br>{field}</label></p>"
        yield from (_choice(scale.name, points(scale, language)) for scale in kind.scales)


def _rating(name: str, scale: Scale, language: str) -> str:
    """A choice, or a slider that sets a required number: a slider alone has an answer before it is touched."""
    if is_choice(scale):
        return _choice(name, points(scale, language))
    words = (scale.bands or scale.ends or {language: [""]})[language]
    marks = "".join(f"<span>{escape(word)}</span>" for word in words)
    limits = f'min="{scale.low}" max="{scale.high}"'
    return (
        f'<p class="marks" aria-hidden="true">{marks}</p><p class="rating">'
        f'<input type="range" {limits} aria-label="{scale.name}" oninput="this.nextElementSibling.value = this.value">'
        f'<input type="number" {limits} step="any" required name="{name}" aria-label="{scale.name}" '
        'oninput="this.previousElementSibling.value = this.value"></p>'
    )


def _choice(name: str, choices: dict[Any, str]) -> str:
    buttons = "".join(
        f'<label><input type="radio" required name="{name}" value="{value}"> {escape(label)}</label> '
        for value, label in choices.items()
    )
    return f'<fieldset><legend class="hidden">{name}</legend>{buttons}</fieldset>'
