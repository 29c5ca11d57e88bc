"""Single modules against the original: the VQ-VAE, and a prior or upsampler under each set of labels of its case."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.models.jukebox.decoding.incremental import begin_window
from harness.models.jukebox.golden.case import Case, song_labels
from harness.models.jukebox.golden.report import GoldenReport
from harness.models.jukebox.network.attention import layer_pattern
from harness.models.jukebox.network.config import PriorConfig
from harness.models.jukebox.network.prior import Prior


@torch.inference_mode()
def check_vqvae(case: Case, report: GoldenReport) -> None:
    """`x` (B, T, 1) -> `encoder_out_level_L` -> `codes_level_L` -> `audio_level_L`, and the facts of `vectors.json`."""
    with report.part("hop_lengths"):
        report.same("hop_lengths", list(case.vqvae.config.hops), case.values["hop_lengths"])
    for level in range(case.vqvae.config.levels):
        with report.part(f"encoder_out_level_{level}"):
            audio = case.vectors["x"].squeeze(-1)
            name = f"encoder_out_level_{level}"
            report.close(name, case.vqvae.latents(audio, level), case.vectors[name])
        with report.part(f"codes_level_{level}"):
            codes = case.vqvae.encode(case.vectors["x"].squeeze(-1), level)
            report.equal(f"codes_level_{level}", codes, case.codes(f"codes_level_{level}"))
            distinct = case.values["distinct_codes_per_level"][level]
            report.same(f"distinct_codes level {level}", len(codes.unique()), distinct)
        with report.part(f"audio_level_{level}"):
            decoded = case.vqvae.decode(case.codes(f"codes_level_{level}"), level)
            report.close(f"audio_level_{level}", decoded, case.vectors[f"audio_level_{level}"].squeeze(-1))


@torch.inference_mode()
def check_prior(case: Case, report: GoldenReport) -> None:
    """Everything of a prior's case: what follows from its sizes, then each set of labels `_a`, `_b`, … in turn."""
    prior = case.prior
    _check_derived(prior.config, case.hparams["derived"], report)
    for labels in case.values["window_starts"]:
        _check_labels(case, labels, report)
        _check_conditioning(case, labels, report)
        _check_logits(case, labels, report)
        _check_cached(case, labels, report)


def _check_derived(config: PriorConfig, derived: dict[str, Any], report: GoldenReport) -> None:
    transformer = config.transformer
    ours: dict[str, Any] = {
        "raw_to_tokens": config.hop,
        "cond_downsample": config.ratio if config.conditioner else None,
        "window_raw_samples": config.window_samples,
        "n_ctx_music": config.n_ctx,
        "n_ctx_total": config.total_ctx,
        "total_bins": config.total_bins,
        "block_ctx": transformer.block_ctx,
        "attn_func_per_layer": [int(layer_pattern(config.attn_order, n)) for n in range(config.depth)],
        "attn_state_width": int(config.m_attn * config.width),
        "y_length": 4 + config.max_genres + config.n_tokens,
        "prime_attention_length": transformer.prime_len,
        "bins_shift": [0, config.n_vocab],
    }
    for name in derived:
        if name in ours:
            report.same(f"derived {name}", ours[name], derived[name])


def _check_labels(case: Case, labels: str, report: GoldenReport) -> None:
    with report.part(f"y_{labels}"):
        start = case.values["window_starts"][labels]
        units = song_labels(case.labeller, case.values[f"metas_{labels}"])
        y = torch.stack([torch.from_numpy(case.labeller.window(song, start)) for song in units])
        report.equal(f"y_{labels}", y, case.vectors[f"y_{labels}"])


def _inputs(case: Case, labels: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """Codes (B, n_ctx), labels (B, len), codes above."""
    above = case.codes("z_cond") if case.prior.config.conditioner else None
    return case.codes("z"), case.vectors[f"y_{labels}"], above


def _check_conditioning(case: Case, labels: str, report: GoldenReport) -> None:
    with report.part(f"conditioning {labels}"):
        _, y, above = _inputs(case, labels)
        start, x_cond = case.prior.conditioning(y, above)
        report.close(f"y_cond_{labels}", start, case.vectors[f"y_cond_{labels}"])
        report.close(f"x_cond_{labels}", x_cond, case.vectors[f"x_cond_{labels}"])
        encoded = case.prior.encode_lyrics(y)
        if encoded is not None:
            report.close(f"encoder_kv_{labels}", encoded, case.vectors[f"encoder_kv_{labels}"])


def _check_logits(case: Case, labels: str, report: GoldenReport) -> None:
    with report.part(f"preds_{labels}"):
        report.close(f"preds_{labels}", case.prior(*_inputs(case, labels)), case.vectors[f"preds_{labels}"])
    with report.part(f"losses {labels}"):
        music, lyrics = case.prior.bits(*_inputs(case, labels))
        report.close(f"gen_loss_{labels}", music, case.vectors[f"gen_loss_{labels}"])
        report.close(f"prime_loss_{labels}", lyrics, case.vectors[f"prime_loss_{labels}"])
        report.close(f"loss_{labels}", combined_loss(case.prior.config, music, lyrics), case.vectors[f"loss_{labels}"])


def combined_loss(config: PriorConfig, music: Tensor, lyrics: Tensor) -> Tensor:
    """What the original minimises, from bits per code and bits per character: each weighted by how many tokens of it a
    window has, the lyrics by `prime_loss_fraction` besides."""
    total = config.n_tokens + config.n_ctx
    return config.prime_loss_fraction * lyrics * config.n_tokens / total + music * config.n_ctx / total


def _check_cached(case: Case, labels: str, report: GoldenReport) -> None:
    """Sampling uses KV caches: the logits are the same, however much of the window was given at once."""
    name = f"cached_preds_{labels}"
    with report.part(name):
        z, y, above = _inputs(case, labels)
        positions = case.vectors["cached_positions"].tolist()
        tokens = case.prior.sequence_prompt(z, y)
        for way, primed in (("one by one", 0), ("half at once", tokens.shape[1] // 2)):
            ours = _cached_logits(case.prior, tokens, y, above, primed)
            seen = [place for place, position in enumerate(positions) if position in ours]
            logits = torch.stack([ours[positions[place]] for place in seen], 1)
            report.close(f"{name} {way}", logits, case.vectors[name][:, seen])


def _cached_logits(prior: Prior, tokens: Tensor, y: Tensor, above: Tensor | None, primed: int) -> dict[int, Tensor]:
    """Logits (B, bins) by position of the whole sequence, from the one after the `primed` tokens on."""
    decoding = begin_window(prior, y, above)
    logits = {primed: decoding.prime(tokens[:, :primed]).clone()}
    for position in range(primed, tokens.shape[1] - 1):
        logits[position + 1] = decoding.feed(tokens[:, position]).clone()
    return logits
