"""The settings of a listening study: each field is an option of `harness stimuli`, checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness.core.errors import UsageError
from harness.core.option import Option
from harness.core.settings import Texts, settings_class
from harness.listening.design.settings import PAGE_LIMIT
from harness.listening.kinds.catalogue import LANGUAGES, find_kind
from harness.planning.listening import Listening

CLIPS, SOUND, ORDER, KIND, DONE = (
    "Which clips", "How they sound", "Who hears what", "What some kinds need", "How the work is done",
)  # fmt: skip

MOST_LISTENERS = 10_000
Count = Annotated[int, Field(ge=0, le=1000)]


@settings_class
class SelectionSettings:
    """Which clips of a source become stimuli.

    Attributes:
        conditions: names of conditions; empty for all.
        items: how many items (a prompt and an index) are taken; None for all.
        listed: a CSV with columns prompt,index that lists the items to take.
        best_by: a score of single clips; the items with the highest mean over the conditions are taken.
        skip_bad: drop an item that lacks a clip or has an unusable one under all conditions, instead of refusing it.
        at_most: upper limit on the number of items, such as the number of tasks.
    """

    conditions: Annotated[Texts, Option("A condition to present.", flag="condition", panel=CLIPS, default="all")] = ()
    items: Annotated[
        int | None,
        Field(ge=1),
        Option(
            "Number of items (prompt × index), drawn by the seed.",
            panel=CLIPS,
            default="all; ideation: one for each task",
        ),
    ] = None
    listed: Annotated[
        Path | None, Option("Take the items of this CSV with columns prompt,index.", flag="clips", panel=CLIPS)
    ] = None
    best_by: Annotated[
        str | None, Option("Take the items with the highest value of this score of the run.", panel=CLIPS)
    ] = None
    skip_bad: Annotated[bool, Option("Drop items that lack a clip or have an unusable one.", panel=CLIPS)] = False
    at_most: int | None = None


@settings_class
class SoundSettings:
    """How stimuli are to sound, as requested.

    Attributes:
        rate: sampling rate in Hz; None keeps that of the clips, which must then agree.
        channels: 1 or 2; None keeps that of the clips, which must then agree.
        bits: bits per sample.
        flac: FLAC instead of WAV.
        lufs: integrated loudness in LUFS.
        peak: highest true peak in dBTP.
        fade_ms: length of the fades at both ends, in milliseconds.
        seconds: length of every stimulus; None for that of the shortest clip.
        start: where an excerpt begins, in seconds.
        trim: first leave out silence at both ends.
        keep_clipped: accept clips with clipping.
    """

    rate: Annotated[
        int | None,
        Field(ge=8000, le=96000),
        Option("Sampling rate; keep: that of the clips.", panel=SOUND, metavar="HZ|keep"),
    ] = 48000
    channels: Annotated[
        int | None, Field(ge=1, le=2), Option("Channels.", panel=SOUND, default="those of the clips")
    ] = None
    bits: Annotated[int, Option("Bits per sample: 16 or 24.", panel=SOUND)] = 16
    flac: Annotated[bool, Option("FLAC instead of WAV.", panel=SOUND)] = False
    lufs: Annotated[
        float, Field(ge=-50, le=-5), Option("Integrated loudness in LUFS (ITU-R BS.1770).", panel=SOUND)
    ] = -23.0
    peak: Annotated[
        float, Field(ge=-20, le=0), Option("Highest true peak in dBTP.", flag="true-peak", panel=SOUND)
    ] = -1.0
    fade_ms: Annotated[float, Field(ge=0, le=1000), Option("Fade in and out, in ms.", panel=SOUND)] = 10.0
    seconds: Annotated[
        float | None,
        Field(ge=0.5, le=3600),
        Option("Length of every stimulus.", panel=SOUND, default="that of the shortest clip"),
    ] = None
    start: Annotated[
        float, Field(ge=0, le=36000), Option("Where excerpts begin in their clips, in seconds.", panel=SOUND)
    ] = 0.0
    trim: Annotated[bool, Option("First leave out silence at both ends.", panel=SOUND)] = False
    keep_clipped: Annotated[bool, Option("Accept clips with clipping.", panel=SOUND)] = False

    def __post_init__(self) -> None:
        if self.bits not in (16, 24):
            raise UsageError(f"--bits was {self.bits}: 16 or 24 was expected.")


@dataclass(frozen=True)
class ProcessingSettings:
    """How every stimulus of a study is made, with all defaults resolved.

    Attributes:
        rate: sampling rate in Hz.
        channels: number of channels.
        samples: length in samples.
        bits: bits per sample.
        suffix: of the files, ".wav" or ".flac".
        lufs: loudness in LUFS, unless a true peak would exceed `peak`.
        peak: highest true peak in dBTP.
        fade_seconds: length of the fades at both ends.
    """

    rate: int
    channels: int
    samples: int
    bits: int = 16
    suffix: str = ".wav"
    lufs: float = -23.0
    peak: float = -1.0
    fade_seconds: float = 0.01

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / self.rate


@settings_class
class OrderSettings:
    """Who hears what in which order: see `harness.listening.design.settings.DesignSettings`.

    `training` None stands for one item where there are three or more; `traps` and `golds` None for one control trial
    in ten test trials.
    """

    listeners: Annotated[
        int,
        Field(ge=1, le=MOST_LISTENERS),
        Option("Number of lists, one for each listener.", panel=ORDER, default="12, or what the experiment declares"),
    ] = 12
    seed: Annotated[int, Field(ge=0, lt=2**63), Option("Items and orders are drawn by it.", panel=ORDER)] = 0
    per_listener: Annotated[
        int | None,
        Field(ge=1, le=100_000),
        Option("Trials for each listener.", panel=ORDER, default="all there are"),
    ] = None
    block: Annotated[
        int | None, Field(ge=2, le=PAGE_LIMIT), Option("Conditions on a page.", panel=ORDER, default="all")
    ] = None
    repeats: Annotated[Count, Option("Trials presented twice, for test–retest.", panel=ORDER)] = 0
    traps: Annotated[Count | None, Option("Trap trials in a list.", panel=ORDER, default="one in ten")] = None
    golds: Annotated[Count | None, Option("Gold trials in a list.", panel=ORDER, default="one in ten")] = None
    training: Annotated[
        int | None, Field(ge=0, le=100), Option("Items for training trials.", panel=ORDER, default="one")
    ] = None
    design: Annotated[str, Option("auto, williams, blocks, pairs or random.", panel=ORDER)] = "auto"

    def __post_init__(self) -> None:
        if self.listeners < 2:
            raise UsageError(
                f"--listeners was {self.listeners}: with one listener nothing can be said of others, so 2 or more were "
                "expected. How many an effect needs: harness stimuli plan"
            )


@settings_class
class StudySettings:
    """Everything that is requested of one listening study.

    Attributes:
        source: an experiment, a run, or a folder of clips.
        kind: name of a kind of study.
        out: the folder to write.
        results: folder of the results, in which runs are looked up.
        name: what listeners may read as the study's name.
        language: of what listeners read.
        choice, format, order: which clips, how they sound, and who hears what.
        reference: for a kind with a reference, a condition or a folder of originals.
        other: a folder of real music for the control "other music".
        tasks: a YAML file of what listeners work on.
        secret: a file with the secret to blind with; None for a new one.
        workers: processes; None for one per core.
        listening: what the source's experiment declares for a study of this kind.

    Raises:
        UsageError: for values that are out of range or do not go with the kind.
    """

    source: str
    kind: str
    out: Annotated[Path, Option("The folder to write.")]
    results: Path = Path("results")
    name: Annotated[str, Option("What listeners may read as the study's name.")] = "listening study"
    language: Annotated[str, Option("Language of what listeners read: en or zh.")] = "en"
    choice: SelectionSettings = SelectionSettings()
    format: SoundSettings = SoundSettings()
    order: OrderSettings = OrderSettings()
    reference: Annotated[str | None, Option("mushra: a condition, or a folder of originals.", panel=KIND)] = None
    other: Annotated[
        Path | None, Option("ideation: a folder of real music.", panel=KIND, default="clips of other prompts")
    ] = None
    tasks: Annotated[str | None, Option("ideation: a YAML file of tasks.", panel=KIND, default="four")] = None
    secret: Annotated[Path | None, Option("A file with the secret to blind with.", panel=DONE, default="new")] = None
    workers: Annotated[int | None, Field(ge=1, le=1024), Option("Processes.", panel=DONE, default="one per core")] = (
        None
    )
    listening: Listening | None = None

    def __post_init__(self) -> None:
        kind = find_kind(self.kind)
        if self.language not in LANGUAGES:
            raise UsageError(f"--language was {self.language!r}: {' or '.join(LANGUAGES)} was expected.")
        if not self.name.strip() or len(self.name) > 200:
            raise UsageError(f"--name was {self.name[:50]!r}: 1 to 200 characters were expected.")
        if kind.reference and self.reference is None:
            raise UsageError(
                f"kind {kind.name!r} compares with a true reference, and none was given. Name the condition that holds "
                "it, or a folder of originals, with --reference; music made from a prompt has none: use --kind multi."
            )
        if self.reference is not None and not kind.reference:
            raise UsageError(f"--reference goes with --kind mushra: kind {kind.name!r} has no reference.")
        if self.other is not None and "other music" not in kind.controls:
            raise UsageError(f"--other goes with --kind ideation: kind {kind.name!r} has no other music.")
        if self.tasks is not None and not kind.open_answer:
            raise UsageError(f"--tasks goes with --kind ideation: kind {kind.name!r} has no task.")
        if self.order.block is not None and (kind.layout != "page" or kind.reference):
            raise UsageError(f"--block goes with --kind multi: trials of kind {kind.name!r} are not divided.")
        for name in ("trap", "gold"):
            if getattr(self.order, f"{name}s") and name not in kind.attention:
                raise UsageError(f"kind {kind.name!r} has no {name} trials: leave out --{name}s.")
        low, high = kind.seconds
        if self.format.seconds is not None and not low <= self.format.seconds <= high:
            raise UsageError(
                f"--seconds was {self.format.seconds:g} s: {low:g} to {high:g} s were expected for kind {kind.name!r}."
            )
