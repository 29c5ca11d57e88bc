"""How one option is offered to users, and the options that several commands share. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """What an option's type and default do not tell.

    Attributes:
        help: one line for --help and for the JSON schema.
        flag: the name on the command line, where it is not the field's own.
        key: the name in a study, where it is not the field's own.
        short: one letter that stands for the flag.
        panel: the heading in --help.
        default: what --help shows in place of the default value.
        env: environment variable that gives the value.
        metavar: what --help shows in place of the type.
        counts: the value is part of a run's identity.
        optional: it is so only where it is not the default, so that a new option leaves earlier run ids unchanged.
        declarable: an experiment or a study may set it.
    """

    help: str
    flag: str = ""
    key: str = ""
    short: str = ""
    panel: str = ""
    default: str = ""
    env: str = ""
    metavar: str = ""
    counts: bool = False
    optional: bool = False
    declarable: bool = False


DEFAULT_MODEL, DEFAULT_RESULTS = "jukebox:mini", "results"

MODEL = Option("Model to sample from; 'harness models' lists them.", short="m", declarable=True)
RESULTS = Option("Folder for all results.", env="HARNESS_RESULTS", default=DEFAULT_RESULTS)
SEED = Option("Every clip's seed is derived from it.", counts=True, declarable=True)
QUIET = Option("No progress.", short="q")
