"""Small studies made by hand: blinded sets of every kind, and sound files that sound."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import soundfile

from harness.listening.kinds.catalogue import find_kind
from harness.listening.make.blinding import KeyRow
from harness.listening.study import ListenerList, Presentation, Stimulus, StimulusSet, Trial

RATE, SECONDS = 16_000, 2.0
CONDITIONS = ("cold & dry", "warm", "hot")
PROMPT = "科研 <b>创意</b> 激发"
TASK = {"en": "Name <three> uses & more of a brick.", "zh": "说出砖头的三种用途。"}


def study(kind: str, conditions: int = 3, items: int = 2, listeners: int = 2) -> StimulusSet:
    """A set of a kind, its stimuli named s + 16 letters as blinding names them; every listener hears every trial."""
    declared = find_kind(kind)
    per_trial = {"single": 1, "pair": 2, "page": conditions}[declared.layout]
    names = iter(_names())
    stimuli: dict[str, Stimulus] = {}
    trials: dict[str, Trial] = {}

    def new() -> str:
        name = next(names)
        sha256 = hashlib.sha256(sound(name)).hexdigest()
        stimuli[name] = Stimulus(name, SECONDS, sha256)
        return name

    for _ in range(items * (conditions if per_trial == 1 else 1)):
        name, heard = f"t{next(names)[1:]}", tuple(sorted(new() for _ in range(per_trial)))
        reference = new() if declared.reference or declared.probe else None
        trials[name] = Trial(name, heard, reference, TASK if declared.open_answer else {})
    order = [Presentation(name, trial.stimuli) for name, trial in trials.items()]
    backward = [Presentation(one.trial, one.stimuli[::-1]) for one in order[::-1]]
    lists = [
        ListenerList(f"L{n:02d}", tuple(order[:1]), tuple(order if n % 2 else [*backward, backward[0]]))
        for n in range(1, listeners + 1)
    ]
    return StimulusSet("a study", declared, stimuli, trials, tuple(lists), RATE, 1, SECONDS)


def sound(name: str) -> bytes:
    """A WAV file whose pitch depends on the name."""
    time = np.arange(int(RATE * SECONDS)) / RATE
    pitch = 200 + int(hashlib.sha256(name.encode()).hexdigest()[:3], 16) / 10
    file = io.BytesIO()
    soundfile.write(file, 0.1 * np.sin(2 * np.pi * pitch * time), RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def write_sounds(stimuli: StimulusSet, public: Path) -> None:
    """The sound files of a set, where it says that they are."""
    for one in stimuli.stimuli.values():
        path = public / one.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sound(one.id))


def _names():
    for n in range(10_000):
        digest = hashlib.sha256(str(n).encode()).hexdigest()
        yield "s" + "".join(chr(97 + int(digest[k : k + 2], 16) % 26) for k in range(0, 32, 2))


def key_of(stimuli: StimulusSet) -> list[KeyRow]:
    """A key for a set: conditions in turn, a silent stimulus, and a gold item as the last."""
    rows = []
    for n, name in enumerate(stimuli.stimuli):
        gold = n == len(stimuli.stimuli) - 1
        rows.append(
            KeyRow(
                blind_id=name,
                trial=tuple(id for id, trial in stimuli.trials.items() if name in (*trial.stimuli, trial.reference)),
                role="gold" if gold else "test",
                condition=CONDITIONS[n % 3],
                model="a model <1>",
                prompt=PROMPT,
                index=n // 3,
                seed=str(n),
                source="ab" * 32,
                file=f"clip-{n}.flac",
                gain_db=None if n == 1 else 1.5,
                lufs_before=None if n == 1 else -24.5,
                lufs_after=None if n == 1 else -23.0,
                true_peak_dbtp=None if n == 1 else -3.25,
                expected="1..2" if gold else "",
            )
        )
    return rows
