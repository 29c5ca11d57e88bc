"""Whole samplings against the original: every level, window by window, codes equal and audio within 1e-4.

All runs are greedy, so that codes are compared without the original's random numbers. A run is an entry of
`vectors.json` with `windows`; which levels it samples, those windows say, and what was there before, its tensors:
`RUN.prompt_codes_level_L` or `RUN.input_codes_level_L`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from harness.models.base import Sampling
from harness.models.jukebox.conditioning.labels import Labels
from harness.models.jukebox.decoding.alignment import AttentionHead, align
from harness.models.jukebox.decoding.incremental import begin_window
from harness.models.jukebox.decoding.sampling import LevelBatch, sample_level, truncate, window_starts
from harness.models.jukebox.golden.case import Case, song_labels
from harness.models.jukebox.golden.report import AUDIO, GoldenReport
from harness.models.jukebox.network.config import PriorConfig
from harness.models.jukebox.network.prior import Prior

Window = dict[str, int]


@torch.inference_mode()
def check_orchestration(case: Case, report: GoldenReport) -> None:
    """Labels, then every run, then what only some runs record: picks, alignment, growing by parts, distributions."""
    pieces = Pieces(case)
    for level in range(pieces.levels):
        with report.part(f"label_y_level_{level}"):
            ours = torch.stack([torch.from_numpy(row.y) for row in pieces.labels[level]])
            report.equal(f"label_y_level_{level}", ours, case.vectors[f"label_y_level_{level}"])
    with report.part("full_lyric_tokens"):
        tokens = [row.full_tokens.tolist() for row in pieces.labels[pieces.top]]
        name = f"full_lyric_tokens_level_{pieces.top}"
        if any(tokens) or name in case.values:
            report.same(name, tokens, case.values[name])
    for name, facts in case.values.items():
        if name == "partial":
            _check_partial(pieces, report)
        elif isinstance(facts, dict) and "windows" in facts:
            _check_run(pieces, name, report)
    _check_windows_of(pieces, "ancestral", report)
    top = pieces.module(f"level_{pieces.top}")
    if top.prior.config.single_enc_dec:
        _check_picks(pieces, report)
    if top.hparams["prior"].get("alignment_layer") is not None:
        _check_alignment(pieces, report)
    for name, facts in case.values.items():
        if name.startswith("topk_level_"):
            _check_distributions(pieces, name, facts, report)


class Pieces:
    """The pieces of an orchestration: its modules, the labels of its songs by level, and how they are sampled."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.hparams = case.hparams
        self.levels: int = case.hparams["levels"]
        self.top = self.levels - 1

    def module(self, name: str) -> Case:
        """The case of a module, by its name."""
        return self.case.folder.case(self.hparams["modules"][name])

    def prior(self, level: int) -> Prior:
        """The prior of a level."""
        return self.module(f"level_{level}").prior

    @cached_property
    def labels(self) -> list[list[Labels]]:
        """By level, a song a row."""
        metas = self.case.values["metas"]
        return [song_labels(self.module(f"level_{level}").labeller, metas) for level in range(self.levels)]

    def labels_at(self, level: int) -> Callable[[int], Tensor]:
        """Label rows (B, len) of the window that starts at a code of that level: each row its own song's."""
        labeller = self.module(f"level_{level}").labeller
        return lambda start: torch.stack([torch.from_numpy(labeller.window(row, start)) for row in self.labels[level]])

    def hop(self, level: int) -> int:
        """Codes that a window adds, of all that it holds."""
        return int(self.hparams["hop_fraction"][level] * self.prior(level).config.n_ctx)

    def sampling(self, level: int) -> Sampling:
        """How a level is sampled."""
        kwargs = self.hparams["sampling_kwargs"][level]
        return Sampling(temperature=kwargs["temp"], top_k=kwargs["top_k"])

    def codes(self, samples: int, level: int) -> int:
        """How many codes stand for that many samples."""
        return samples // self.prior(level).config.hop

    def sample(self, level: int, above: Tensor | None, codes: Tensor, total: int) -> Tensor:
        """Codes (B, total) of a level, beginning with the existing `codes`."""
        uniforms = torch.zeros(len(codes), total, dtype=torch.float64)  # greedy: any number draws the same code
        batch = LevelBatch(self.labels_at(level), above, codes, uniforms)
        return sample_level(self.prior(level), batch, self.sampling(level), self.hop(level))


@dataclass(frozen=True)
class Run:
    """One run of an orchestration, as its vectors describe it."""

    pieces: Pieces
    name: str

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `vectors.json` says of this run."""
        return self.pieces.case.values[self.name]

    @property
    def sampled(self) -> list[int]:
        """Levels that are sampled, the top one first."""
        return sorted({window["level"] for window in self.facts["windows"]}, reverse=True)

    @property
    def samples(self) -> int:
        """Length of the piece in samples: that of the codes above the sampled levels, where they are given."""
        above = self.above
        if above is None:
            return self.pieces.hparams["sample_length"]
        return above.shape[1] * self.pieces.prior(self.sampled[0] + 1).config.hop

    @property
    def above(self) -> Tensor | None:
        """Codes above the highest sampled level, None where that is the top."""
        level = self.sampled[0] + 1
        return None if level == self.pieces.levels else self.pieces.case.codes(f"{self.name}.input_codes_level_{level}")

    def there(self, level: int) -> Tensor:
        """Codes (B, P) that exist before anything is sampled."""
        for kind in ("prompt", "input"):
            if (key := f"{self.name}.{kind}_codes_level_{level}") in self.pieces.case.vectors:
                return self.pieces.case.codes(key)
        return torch.zeros(self.pieces.hparams["n_samples"], 0, dtype=torch.long)


def _check_run(pieces: Pieces, name: str, report: GoldenReport) -> None:
    case, run = pieces.case, Run(pieces, name)
    if f"{name}.prompt_audio" in case.vectors:
        for level in run.sampled:
            key = f"{name}.prompt_codes_level_{level}"
            with report.part(key):
                codes = pieces.module("vqvae").vqvae.encode(case.vectors[f"{name}.prompt_audio"].squeeze(-1), level)
                report.equal(key, codes, case.codes(key))
    with report.part(f"{name}.windows"):
        report.same(f"{name}.windows", _windows(run, run.samples), run.facts["windows"])
    with report.part(f"{name}.codes"):
        above = run.above
        for level in run.sampled:
            above = pieces.sample(level, above, run.there(level), pieces.codes(run.samples, level))
            report.equal(f"{name}.codes_level_{level}", above, case.codes(f"{name}.codes_level_{level}"))
    for level in run.sampled:
        key = f"{name}.audio_level_{level}"
        with report.part(key):
            audio = pieces.module("vqvae").vqvae.decode(case.codes(f"{name}.codes_level_{level}"), level)
            report.close(key, audio, case.vectors[key].squeeze(-1), AUDIO)
    if "input_run" in run.facts:
        _check_input_run(run, report)


def _windows(run: Run, samples: int, empty: bool = False) -> list[Window]:
    """Every window in order; those that are full already count among them. `empty`: no codes exist before."""
    windows: list[Window] = []
    for level in run.sampled:
        config, total = run.pieces.prior(level).config, run.pieces.codes(samples, level)
        there = 0 if empty else run.there(level).shape[1]
        for start in window_starts(total, config.n_ctx, run.pieces.hop(level)):
            windows.append(_window(level, config, start, there, total))
            there = max(there, min(start + config.n_ctx, total))
    return windows


def _window(level: int, config: PriorConfig, start: int, there: int, total: int) -> Window:
    wanted = min(config.n_ctx, total - start)
    reused = min(there - start, config.n_ctx)
    return {
        "level": level, "start": start, "sample_tokens": wanted, "conditioning_tokens": reused,
        "new_tokens": wanted - reused,
    }  # fmt: skip


def _check_input_run(run: Run, report: GoldenReport) -> None:
    """The codes that a run continues were themselves sampled from nothing, to a shorter length."""
    pieces, name = run.pieces, f"{run.name}.input_run"
    with report.part(name):
        samples = pieces.hparams[f"{run.name}_input_sample_length"]
        report.same(f"{name}.windows", _windows(run, samples, empty=True), run.facts["input_run"]["windows"])
        above = None
        for level in run.sampled:
            key = f"{run.name}.input_codes_level_{level}"
            expected = pieces.case.codes(key)
            above = pieces.sample(level, above, expected[:, :0], pieces.codes(samples, level))
            report.equal(key, above, expected)


def _check_windows_of(pieces: Pieces, run: str, report: GoldenReport) -> None:
    """Starts and labels of each window of one run, by level."""
    for level in range(pieces.levels):
        with report.part(f"{run}.window_y_level_{level}"):
            total = pieces.codes(pieces.hparams["sample_length"], level)
            starts = window_starts(total, pieces.prior(level).config.n_ctx, pieces.hop(level))
            vectors = pieces.case.vectors
            report.equal(f"{run}.window_starts_level_{level}", starts, vectors[f"{run}.window_starts_level_{level}"])
            y = torch.stack([pieces.labels_at(level)(start) for start in starts])
            report.equal(f"{run}.window_y_level_{level}", y, vectors[f"{run}.window_y_level_{level}"])


def _extend_level(pieces: Pieces, level: int, codes: Tensor, n: int) -> tuple[Tensor, Window]:
    """Grow codes (B, T) of the top level by `n` ≤ n_ctx in one window that ends with the new codes and slides once the
    old and the new no longer fit."""
    config, total = pieces.prior(level).config, codes.shape[1] + n
    start = max(0, total - config.n_ctx)
    labels_at = pieces.labels_at(level)
    uniforms = torch.zeros(len(codes), total - start, dtype=torch.float64)
    batch = LevelBatch(lambda _: labels_at(start), None, codes[:, start:], uniforms)
    window = sample_level(pieces.prior(level), batch, pieces.sampling(level), pieces.hop(level))
    return torch.cat([codes[:, :start], window], 1), _window(level, config, start, codes.shape[1], total)


def _check_partial(pieces: Pieces, report: GoldenReport) -> None:
    with report.part("partial"):
        sizes = pieces.hparams["partial_tokens_to_sample"]
        codes = torch.zeros(pieces.hparams["n_samples"], 0, dtype=torch.long)
        windows: list[Window] = []
        for step, size in enumerate(sizes):
            codes, window = _extend_level(pieces, pieces.top, codes, size)
            windows.append(window)
            key = f"partial.codes_level_{pieces.top}_after_{step}"
            report.equal(key, codes, pieces.case.codes(key))
        report.same("partial.windows", windows, pieces.case.values["partial"]["windows"])


def _along(prior: Prior, y: Tensor, above: Tensor | None, prompt: Tensor, picks: Tensor) -> Iterator[Tensor]:
    """Logits (B, bins) of each pick (B, N) of the joint vocabulary given the ones before, as sampling sees them."""
    decoding = begin_window(prior, y, above)
    yield decoding.prime(prior.sequence_prompt(prompt, y))
    for n in range(picks.shape[1] - 1):
        yield decoding.feed(picks[:, n])


def _check_picks(pieces: Pieces, report: GoldenReport) -> None:
    """Picks of the joint vocabulary: fed back as they are inside a window, stored as codes for the next."""
    with report.part("raw picks"):
        level, prior = pieces.top, pieces.prior(pieces.top)
        key = f"ancestral.level_{level}_raw_picks"
        expected, codes = pieces.case.codes(key), pieces.case.codes(f"ancestral.codes_level_{level}")
        total, n_ctx = codes.shape[1], prior.config.n_ctx
        picks: list[Tensor] = []
        for start in window_starts(total, n_ctx, pieces.hop(level)):
            there, end = len(picks), min(start + n_ctx, total)
            y = pieces.labels_at(level)(start)
            steps = _along(prior, y, None, codes[:, start:there], expected[:, there:end])
            picks += [logits.argmax(-1) for logits in steps] if there < end else []
        ours = torch.stack(picks, 1)
        report.equal(key, ours, expected)
        report.equal(f"{key} as codes", prior.music_code(ours), codes)
        counted = f"level_{level}_picks_in_lyric_vocabulary"
        report.same(counted, int((ours < prior.config.n_vocab).sum()), pieces.case.values["ancestral"][counted])


def _check_alignment(pieces: Pieces, report: GoldenReport) -> None:
    level, module = pieces.top, pieces.module(f"level_{pieces.top}")
    with report.part("ancestral.alignment"):
        hps = module.hparams["prior"]
        weights = align(
            module.prior, module.labeller, pieces.labels[level], pieces.case.codes(f"ancestral.codes_level_{level}"),
            pieces.hop(level), AttentionHead(hps["alignment_layer"], hps["alignment_head"]),
        )  # fmt: skip
        for row, ours in enumerate(weights):
            report.close(f"ancestral.alignment_{row}", ours, pieces.case.vectors[f"ancestral.alignment_{row}"])


def _check_distributions(pieces: Pieces, name: str, facts: Mapping[str, Any], report: GoldenReport) -> None:
    """Temperature and top-k: logits and probabilities at each step, given the picks that the original drew."""
    with report.part(name):
        level, vectors = int(name.removeprefix("topk_level_")), pieces.case.vectors
        prior, y = pieces.prior(level), vectors[f"{name}.y"]
        report.equal(f"{name}.y", y, pieces.labels_at(level)(0))
        above = None if prior.config.conditioner is None else pieces.case.codes(f"{name}.z_cond")
        picks = pieces.case.codes(f"{name}.sampled_raw")
        logits = torch.stack([step.clone() for step in _along(prior, y, above, picks[:, :0], picks)])
        temperature, top_k = facts["temp"], facts["top_k"]
        report.close(f"{name}.logits_over_temp", logits / temperature, vectors[f"{name}.logits_over_temp"])
        truncated = truncate(logits.flatten(0, 1), Sampling(temperature=temperature, top_k=top_k))
        report.close(f"{name}.probs", truncated.softmax(-1).view_as(logits), vectors[f"{name}.probs"])
        report.equal(f"{name}.sampled_codes", prior.music_code(picks), pieces.case.codes(f"{name}.sampled_codes"))
