"""A study: an experiment as plain YAML, for those who would rather not write Python.

    name: cold-and-narrow             # without it the file's name
    question: Do cold clips gain from truncation?
    varies:                           # one of grid, zip, list, random, sobol, ablate
      grid:
        temperature: [0.7, 0.99]
        top_k: [0, 64]
    primary: fad16                    # the metric that decides, declared before the first clip
    contrast: against the first       # or: every pair
    family: all contrasts             # or: each alone
    margin: 0.5                       # equivalence margin, in the unit of the primary metric
    prompts: [a slow waltz, {style: metal}, {audio: clip.wav, prompt_seconds: 2}]    # or the name of a prompt set
    metrics: [kad, coverage]          # measured besides the primary; without it the usual ones
    clips: 16                         # and seconds, model, seed, reference, embedder, independent_seeds
    listening: {kind: affect, analysis: [...], limits: [...]}                        # how listeners judge the clips

`zip` takes lists of one length, `list` a list of conditions ({name: cold, temperature: 0.7}), `random` and `sobol`
a `count`, perhaps a `seed`, and for each value a list or a range {from: 0.7, to: 1.1, log: false}. `ablate` takes a
`baseline` of values, perhaps empty, and changes that are made to it one at a time ({top_k: off, temperature: 1}): each
is compared with the baseline. Sound files are found beside the study. `harness run --schema` prints all entries.

All mistakes of a file are reported at once, each with its line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.core.mistakes import Mistakes
from harness.core.settings import problem
from harness.core.yaml_document import Document, decoded, read_content, read_yaml
from harness.planning import sweeps
from harness.planning.claims import Claims
from harness.planning.experiment import Condition, Declaration, StudyFile
from harness.planning.study import KEYS, OPTIONS, Study, known_entries

__all__ = ["KEYS", "read_study"]


def read_study(path: Path) -> Declaration:
    """The experiment that a YAML file declares, checked.

    Raises:
        FileMistakes: a `UsageError` with every mistake of the file, its line and its entry.
    """
    mistakes = Mistakes(path)
    content = read_content(path, mistakes)
    document = read_yaml(decoded(content, mistakes), mistakes)
    if document.data is None and not mistakes.found:
        mistakes.refuse(None, "", f"the study is empty: {', '.join(KEYS)} were expected.")
    study = _validated(document, path, mistakes)
    declaration = _declaration(study, path.stem, ", ".join(_varied(document)))
    return replace(declaration, source=hashlib.sha256(content).hexdigest(), study=StudyFile(path.name, content))


def _validated(document: Document, path: Path, mistakes: Mistakes) -> Any:
    """The study. Raises `FileMistakes` with the mistakes of reading and of validation."""
    try:
        study = Study.model_validate(document.data, context={"name": path.stem, "folder": path.parent})
    except ValidationError as error:
        for one in error.errors(include_url=False):
            _add(one, document, mistakes)
    except RecursionError:
        mistakes.refuse(None, "", "the study is nested too deeply.")
    mistakes.check()
    return study


def _add(error: ErrorDetails, document: Document, mistakes: Mistakes) -> None:
    """One mistake that pydantic found, with its line; what follows from an unreadable value is left out."""
    missing = error["loc"][-1:] if error["type"] == "missing" else ()
    place = document.known(error["loc"])
    if not document.readable((*place, *missing)):
        return
    unknown = error["type"] == "extra_forbidden"
    line = document.keys.get(place) if unknown else None
    said = problem(error, known=known_entries(error["loc"][:-1]) if unknown else ())
    mistakes.add(line or document.line(place), ".".join(map(str, (*place, *missing))), said)


def _declaration(study: Any, stem: str, varied: str) -> Declaration:
    given = study.model_fields_set
    conditions: Sequence[Condition] = study.varies.conditions
    claims = {name: getattr(study, name) for name in Claims.__pydantic_fields__ if name in given}  # type: ignore[attr-defined]
    if study.varies.way == "ablate":
        claims = {"contrast": "against the first", **claims}
    settings = {key: getattr(study, key) for key in given if key in OPTIONS and key not in claims}
    if "prompts" in given:
        settings["prompts"] = study.prompts

    def listed() -> Sequence[Condition]:
        return conditions

    listed.__name__, listed.__doc__ = study.name or stem, study.question
    return Declaration(listed, varied, Claims(**claims), settings=settings, listening=study.listening)


def _varied(document: Document) -> list[str]:
    """The names of what varies, in the order in which they are written."""
    [body] = document.data["varies"].values()
    tables = body if isinstance(body, list) else [body.get("baseline") or {}, body]
    names = dict.fromkeys(name for table in tables for name in table)
    return [name for name in names if name in sweeps.FIELDS]
