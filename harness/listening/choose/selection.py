"""Which clips are heard: matched on prompt and index across conditions, never the best ones unless that was asked for.

An item is one prompt × index with its clip under every condition. Items are drawn by the seed, prompts evenly: every
prompt once before any comes a second time.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.core.csv_table import read_table
from harness.core.errors import UsageError
from harness.listening.choose.sources import Clip, Source
from metrics.api.registry import unknown_name


@dataclass(frozen=True)
class Choice:
    """What is taken of a source. `items` is how many (None: all), `listed` a CSV of prompt,index, `best_by` a figure
    whose highest means over the conditions are taken; more than `at_most` are never taken. `skip_bad` drops an item
    that lacks a clip, or has a clip that cannot be used, under all conditions; without it such a clip is refused."""

    conditions: tuple[str, ...] = ()
    items: int | None = None
    listed: Path | None = None
    best_by: str | None = None
    skip_bad: bool = False
    at_most: int | None = None


@dataclass(frozen=True)
class Item:
    """One prompt × index: a clip for each condition, in their order."""

    group: str
    index: int
    clips: tuple[Clip, ...]

    @property
    def prompt(self) -> str:
        return self.clips[0].prompt

    @property
    def key(self) -> tuple[str, int]:
        return self.group, self.index

    def __str__(self) -> str:
        return f"{self.prompt} #{self.index}"


@dataclass(frozen=True)
class Selection:
    """The items, in the order of their source, and those that listeners are trained on; what was dropped and why; and
    what the protocol says of how they were come by."""

    conditions: tuple[str, ...]
    items: tuple[Item, ...]
    dropped: Mapping[str, str]
    rule: str
    training: tuple[Item, ...] = ()


def matched_items(source: Source, choice: Choice) -> Selection:
    """Every item that the source has for all chosen conditions.

    Raises `UsageError` for a condition there is not, and for an item without a clip under one of them unless
    `skip_bad`.
    """
    for name in choice.conditions:
        if name not in source.conditions:
            raise UsageError(unknown_name("condition", name, list(source.conditions)))
    if repeated := [name for name, times in Counter(choice.conditions).items() if times > 1]:
        raise UsageError(f"the condition {repeated[0]!r} was named twice: name each once.")
    conditions = choice.conditions or source.conditions
    by_item: dict[tuple[str, int], dict[str, Clip]] = {}
    for clip in source.clips:
        if clip.condition in conditions:
            of_item = by_item.setdefault(clip.item, {})
            if of_item.setdefault(clip.condition, clip) is not clip:
                raise UsageError(f"{clip.condition!r} has two clips of {clip.prompt} #{clip.index}: one was expected.")
    items, dropped = [], {}
    for (group, index), clips in by_item.items():
        missing = [name for name in conditions if name not in clips]
        if not missing:
            items.append(Item(group, index, tuple(clips[name] for name in conditions)))
            continue
        one = next(iter(clips.values()))
        dropped[f"{one.prompt} #{index}"] = f"no clip under {', '.join(missing)}"
    if dropped and not choice.skip_bad:
        name, reason = next(iter(dropped.items()))
        raise UsageError(
            f"{name} has {reason} ({len(dropped)} such items): clips are matched on prompt and index across conditions."
            " Add the missing clips, leave the condition out with --condition, or drop such items with --skip-bad."
        )
    if not items:
        raise UsageError(
            f"no prompt and index has a clip under all of {', '.join(conditions)}: files of the same names were "
            "expected in each condition's folder."
        )
    return Selection(conditions, tuple(items), dropped, f"all {len(items)} that every condition has")


def choose_items(found: Selection, choice: Choice, extra: int, seed: int) -> Selection:
    """Of the items found, those that the choice asks for, and `extra` ones more for training.

    Raises `UsageError` when there are too few, or when the list names others.
    """
    if choice.listed is not None and (choice.items is not None or choice.best_by is not None):
        raise UsageError("--clips was given with --items or --best-by: the list alone says what is taken.")
    if choice.best_by is not None and choice.items is None:
        raise UsageError(f"--best-by {choice.best_by} was given without --items: how many are taken must be said.")
    if choice.items is not None and choice.items < 1:
        raise UsageError(f"--items was {choice.items}: at least 1 was expected.")
    total, figure = len(found.items), choice.best_by
    if choice.listed is not None:
        ranked = _listed(choice.listed, found.items)
        wanted, rule = len(ranked), f"the {len(ranked)} listed in {choice.listed.name}"
        ranked += _drawn([item for item in found.items if item not in ranked], seed)
    elif figure is not None:
        ranked, wanted = sorted(found.items, key=lambda item: -_mean_figure(item, figure)), choice.items or 0
        rule = (
            f"the {wanted} of {total} with the highest mean {figure} over the conditions: chosen by a metric, so that "
            "ratings say nothing of the other clips"
        )
    else:
        ranked, wanted = _drawn(found.items, seed), choice.items or min(max(total - extra, 0), choice.at_most or total)
        rule = f"{wanted} of {total}, drawn by seed {seed}, prompts evenly"
    if choice.at_most is not None and wanted > choice.at_most:
        raise UsageError(
            f"{wanted} items were asked for, and there are {choice.at_most} tasks, one for each: name a file of more "
            "with --tasks, or ask for fewer items."
        )
    if not 0 < wanted <= total - extra:
        more = f" and {extra} to train on" if extra else ""
        raise UsageError(
            f"{max(wanted, 1)} items{more} were asked for, and there are {total} that every condition has: sample "
            "more clips, or ask for fewer with --items or --training 0."
        )
    if extra:
        rule += f"; {extra} more to train on"
    order = {item.key: n for n, item in enumerate(found.items)}
    items, training = ranked[:wanted], ranked[wanted : wanted + extra]
    return replace(
        found,
        items=tuple(sorted(items, key=lambda item: order[item.key])),
        training=tuple(training),
        rule=rule,
    )


def _drawn(items: Sequence[Item], seed: int) -> list[Item]:
    """All items in an order drawn by the seed: every prompt once before any comes a second time."""
    turn: Counter[str] = Counter()
    ranked = []
    for n in np.random.default_rng([seed, 1]).permutation(len(items)).tolist():
        ranked.append((turn[items[n].group], len(ranked), items[n]))
        turn[items[n].group] += 1
    return [item for *_, item in sorted(ranked, key=lambda row: row[:2])]


def _mean_figure(item: Item, name: str) -> float:
    known: Collection[str] = {figure for clip in item.clips for figure in clip.figures}
    if name not in known:
        raise UsageError(unknown_name("figure of single clips", name, sorted(known)))
    try:
        return float(np.mean([clip.figures[name] for clip in item.clips]))
    except KeyError:
        raise UsageError(f"{item} has no {name} under one of its conditions: choose without --best-by.") from None


def _listed(path: Path, items: Sequence[Item]) -> list[Item]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            columns, rows = read_table(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"the list {path} cannot be read ({error}): CSV with a column prompt was expected.") from error
    if "prompt" not in columns:
        raise UsageError(f"the list {path} has no column prompt: the header 'prompt,index' was expected.")
    by_name: dict[tuple[str, int], Item] = {}
    for item in items:
        by_name.setdefault((item.prompt, item.index), item)
    chosen: dict[tuple[str, int], Item] = {}
    for line, row in enumerate(rows, start=2):
        try:
            wanted = row["prompt"], int(row.get("index") or 0)
        except ValueError:
            raise UsageError(f"{path}, line {line}: the index {row['index']!r} is no whole number.") from None
        if wanted not in by_name:
            near = sorted({prompt for prompt, _ in by_name})
            raise UsageError(f"{path}, line {line}: {unknown_name('item', f'{wanted[0]} #{wanted[1]}', near)}")
        if wanted in chosen:
            raise UsageError(f"{path}, line {line}: {wanted[0]} #{wanted[1]} is listed twice.")
        chosen[wanted] = by_name[wanted]
    if not chosen:
        raise UsageError(f"the list {path} names no items: at least one row was expected.")
    return list(chosen.values())
