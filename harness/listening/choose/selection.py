"""Which clips become stimuli: matched on prompt and index across conditions, drawn at random unless specified.

An item is one prompt × index with its clip under every condition. Items are drawn by the seed, prompts evenly: every
prompt once before any is drawn again.
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
from harness.listening.choose.sources import SourceClip, StudySource
from harness.listening.settings import SelectionSettings
from metrics.api.registry import unknown_name


@dataclass(frozen=True)
class Item:
    """One prompt × index, with a clip for each condition in the order of the conditions."""

    group: str
    index: int
    clips: tuple[SourceClip, ...]

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
    """The chosen items.

    Attributes:
        conditions: names of the conditions.
        items: in the order of their source.
        dropped: items that were left out, each with the reason.
        rule: for the protocol, how the items were chosen.
        training: items for training trials.
    """

    conditions: tuple[str, ...]
    items: tuple[Item, ...]
    dropped: Mapping[str, str]
    rule: str
    training: tuple[Item, ...] = ()


def matched_items(source: StudySource, choice: SelectionSettings) -> Selection:
    """Every item with a clip under all chosen conditions.

    Args:
        source: all clips.
        choice: the conditions, and whether incomplete items are dropped.

    Raises:
        UsageError: for an unknown condition, and for an item that lacks a clip unless `skip_bad`.
    """
    for name in choice.conditions:
        if name not in source.conditions:
            raise UsageError(unknown_name("condition", name, list(source.conditions)))
    if repeated := [name for name, times in Counter(choice.conditions).items() if times > 1]:
        raise UsageError(f"the condition {repeated[0]!r} was given twice: give each once.")
    conditions = choice.conditions or source.conditions
    by_item: dict[tuple[str, int], dict[str, SourceClip]] = {}
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


def choose_items(found: Selection, choice: SelectionSettings, extra: int, seed: int) -> Selection:
    """The items that the settings request, and others for training.

    Args:
        found: the usable items.
        choice: how many are taken, and how.
        extra: number of items for training.
        seed: items are drawn by it.

    Raises:
        UsageError: when there are too few items, or when a list has others.
    """
    if choice.listed is not None and (choice.items is not None or choice.best_by is not None):
        raise UsageError("--clips was given with --items or --best-by: the list alone determines what is taken.")
    if choice.best_by is not None and choice.items is None:
        raise UsageError(f"--best-by {choice.best_by} was given without --items: give the number of items, too.")
    total, score = len(found.items), choice.best_by
    if choice.listed is not None:
        ranked = _listed(choice.listed, found.items)
        wanted, rule = len(ranked), f"the {len(ranked)} listed in {choice.listed.name}"
        ranked += _drawn([item for item in found.items if item not in ranked], seed)
    elif score is not None:
        ranked, wanted = sorted(found.items, key=lambda item: -_mean_score(item, score)), choice.items or 0
        rule = (
            f"the {wanted} of {total} with the highest mean {score} over the conditions: chosen by a metric, so that "
            "ratings do not generalise to the other clips"
        )
    else:
        ranked, wanted = _drawn(found.items, seed), choice.items or min(max(total - extra, 0), choice.at_most or total)
        rule = f"{wanted} of {total}, drawn by seed {seed}, prompts evenly"
    if choice.at_most is not None and wanted > choice.at_most:
        raise UsageError(
            f"{wanted} items were requested, and there are {choice.at_most} tasks, one for each: give a file of more "
            "with --tasks, or request fewer items."
        )
    if not 0 < wanted <= total - extra:
        more = f" and {extra} for training" if extra else ""
        raise UsageError(
            f"{max(wanted, 1)} items{more} were requested, and there are {total} that every condition has: sample "
            "more clips, or request fewer with --items or --training 0."
        )
    if extra:
        rule += f"; {extra} more for training"
    order = {item.key: n for n, item in enumerate(found.items)}
    items, training = ranked[:wanted], ranked[wanted : wanted + extra]
    return replace(
        found,
        items=tuple(sorted(items, key=lambda item: order[item.key])),
        training=tuple(training),
        rule=rule,
    )


def _drawn(items: Sequence[Item], seed: int) -> list[Item]:
    """All items in an order drawn by the seed: every prompt once before any is drawn again."""
    turn: Counter[str] = Counter()
    ranked = []
    for n in np.random.default_rng([seed, 1]).permutation(len(items)).tolist():
        ranked.append((turn[items[n].group], len(ranked), items[n]))
        turn[items[n].group] += 1
    return [item for *_, item in sorted(ranked, key=lambda row: row[:2])]


def _mean_score(item: Item, name: str) -> float:
    known: Collection[str] = {score for clip in item.clips for score in clip.scores}
    if name not in known:
        raise UsageError(unknown_name("score of single clips", name, sorted(known)))
    try:
        return float(np.mean([clip.scores[name] for clip in item.clips]))
    except KeyError:
        raise UsageError(f"{item} has no {name} under one of its conditions: select without --best-by.") from None


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
        raise UsageError(f"the list {path} has no items: at least one row was expected.")
    return list(chosen.values())
