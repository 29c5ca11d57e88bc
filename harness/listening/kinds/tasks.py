"""What listeners work on while they listen: a list in YAML, each task in English and Chinese or in one of them.

- en: List uses for a paper clip.
  zh: 列出回形针的用途。
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from harness.core.errors import UsageError
from harness.listening.kinds.catalogue import LANGUAGES, StudyKind

LARGEST_BYTES = 1_000_000


def read_tasks(name: str | None, kind: StudyKind) -> list[dict[str, str]]:
    """The tasks of a file.

    Args:
        name: a YAML file; None for the tasks of the package.
        kind: the kind of study; one without an open answer has no tasks.

    Returns:
        The words of each task by language.

    Raises:
        UsageError: for a file that cannot be read or does not hold a list of tasks.
    """
    if not kind.open_answer:
        return []
    import yaml

    path = Path(name).expanduser() if name else files("harness.listening.kinds") / "tasks.yaml"
    try:
        text = path.read_text("utf-8")
        if len(text) > LARGEST_BYTES:
            raise ValueError(f"it is longer than {LARGEST_BYTES} characters")
        found = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"the tasks {path} cannot be read ({reason}): a list of tasks in YAML was expected."
        ) from error
    if not isinstance(found, list) or not found:
        raise UsageError(
            f"the tasks {path} hold no list: entries such as '- en: List uses for a brick.' were expected."
        )
    for number, task in enumerate(found, start=1):
        valid = (
            isinstance(task, dict)
            and task
            and all(
                language in LANGUAGES and isinstance(words, str) and words.strip() for language, words in task.items()
            )
        )
        if not valid:
            raise UsageError(
                f"task {number} of {path} is {task!r:.60}: words by language, {' or '.join(LANGUAGES)}, were expected."
            )
    return found
