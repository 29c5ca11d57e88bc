"""The original code's hyper-parameter names, as checkpoints and golden vectors carry them, read into our shapes."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from harness.models.jukebox.network.config import ConditionerConfig, PriorConfig, TransformerConfig, VQVAEConfig


def vqvae_config(hps: Mapping[str, Any]) -> VQVAEConfig:
    """The shape of a VQ-VAE from the original's hyper-parameters."""
    return VQVAEConfig(
        rate=hps["sr"],
        downs=tuple(hps["downs_t"]),
        strides=tuple(hps["strides_t"]),
        bins=hps["l_bins"],
        emb_width=hps["emb_width"],
        width=hps["width"],
        depth=hps["depth"],
        multipliers=tuple(hps["hvqvae_multipliers"]),
        dilation_growth=hps["dilation_growth_rate"],
        dilation_cycle=hps["dilation_cycle"],
        m_conv=hps["m_conv"],
    )


def prior_config(hps: Mapping[str, Any], vqvae: Mapping[str, Any]) -> PriorConfig:
    """`vqvae` needs only the hyper-parameters that fix the hops and the codebook: downs_t, strides_t, l_bins."""
    level = hps["level"]
    is_top = level == vqvae["levels"] - 1
    steps = [stride**down for down, stride in zip(vqvae["downs_t"], vqvae["strides_t"], strict=True)]
    lyric_encoder = None
    if hps["n_tokens"] and not hps["single_enc_dec"]:
        lyric_encoder = TransformerConfig(
            n_ctx=hps["n_tokens"],
            width=hps["prime_width"],
            depth=hps["prime_depth"],
            heads=hps["prime_heads"],
            attn_order=hps["prime_attn_order"],
            blocks=hps["prime_blocks"],
            m_attn=hps["prime_m_attn"],
            m_mlp=hps["prime_m_mlp"],
        )
    conditioner = None
    if not is_top:
        conditioner = ConditionerConfig(
            width=hps["cond_width"],
            depth=hps["cond_depth"],
            dilation_growth=hps["cond_dilation_growth_rate"],
            dilation_cycle=hps["cond_dilation_cycle"],
            res_scale=hps["cond_res_scale"],
            m_conv=hps["cond_m_conv"],
        )
    return PriorConfig(
        level=level,
        n_ctx=hps["n_ctx"],
        width=hps["prior_width"],
        depth=hps["prior_depth"],
        heads=hps["heads"],
        bins=vqvae["l_bins"],
        hop=prod(steps[: level + 1]),
        rate=hps["sr"],
        attn_order=hps["attn_order"],
        blocks=hps["blocks"],
        m_attn=hps["m_attn"],
        m_mlp=hps["m_mlp"],
        labels_version="v3" if hps["labels_v3"] else "v2",
        genres=hps["y_bins"][0],
        artists=hps["y_bins"][1],
        max_genres=hps["max_bow_genre_size"],
        n_tokens=hps["n_tokens"],
        n_vocab=hps["n_vocab"],
        t_bins=hps["t_bins"],
        min_seconds=hps["min_duration"] or 0.0,
        max_seconds=hps["max_duration"] or 600.0,
        merged_decoder=hps["merged_decoder"],
        single_enc_dec=hps["single_enc_dec"],
        lyric_encoder=lyric_encoder,
        conditioner=conditioner,
        cond_down=1 if is_top else vqvae["downs_t"][level + 1],
        cond_stride=2 if is_top else vqvae["strides_t"][level + 1],
        prime_loss_fraction=hps["prime_loss_fraction"],
    )
