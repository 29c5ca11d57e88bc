"""Our prior in the words of Hugging Face's port: its configuration, and what it calls each of our tensors."""

from __future__ import annotations

import re
from typing import Any

from harness.models.jukebox.network.config import PriorConfig, TransformerConfig

PATTERNS = {2: "raw_column_previous_row_attention", 10: "large_separated_enc_dec_w_lyrics", 12: "enc_dec_with_lyrics"}

UPSAMPLE = "conditioner_blocks.upsampler.upsample_block"  # one list: residual stack, transposed convolution, and again

RULES = (  # applied in turn, each to the whole name
    (r"^conditioner_blocks\.0\.cond\.model\.0\.", "conditioner_blocks.upsampler.proj_in."),
    (r"^conditioner_blocks\.0\.cond\.model\.(\d+)\.([01])\.", lambda m: f"{UPSAMPLE}.{2 * int(m[1]) - 2 + int(m[2])}."),
    (r"\.blocks\.(\d+)\.model\.1\.", r".resnet_block.\1.conv1d_1."),
    (r"\.blocks\.(\d+)\.model\.3\.", r".resnet_block.\1.conv1d_2."),
    (r"^conditioner_blocks\.0\.x_emb\.", "conditioner_blocks.embed_tokens."),
    (r"^conditioner_blocks\.0\.ln\.", "conditioner_blocks.layer_norm."),
    (r"^y_emb\.(bow_genre_emb|artist_emb)\.emb\.", r"metadata_embedding.\1."),
    (r"^y_emb\.", "metadata_embedding."),
    (r"^prime_state_proj\.", "encoder.proj_in."),
    (r"^prime_state_ln\.", "encoder.final_layer_norm."),
    (r"^prime_x_out\.", "encoder.lm_head."),
    (r"^prime_prior\.", "encoder."),
    (r"^(prior|encoder)\.x_emb\.", r"\1.embed_tokens."),
    (r"^prior\.x_out\.", "prior.fc_proj_out."),
    (r"\.ln_([01])\.", r".layer_norm_\1."),
    (r"\.w$", ".weight"),
    (r"\.b$", ".bias"),
)  # fmt: skip


def hf_name(name: str) -> str:
    """What `JukeboxPrior` calls a tensor of our `Prior`.

    >>> hf_name("prior.transformer._attn_mods.3.attn.c_attn.w"), hf_name("y_emb.artist_emb.emb.weight")
    ('prior.transformer._attn_mods.3.attn.c_attn.weight', 'metadata_embedding.artist_emb.weight')
    """
    for pattern, replacement in RULES:
        name = re.sub(pattern, replacement, name)
    return name


def hf_config(config: PriorConfig) -> dict[str, Any]:
    """The arguments of `JukeboxPriorConfig`. Its levels count from the top, and the port tells an upsampler by its
    level alone: 0 is the top prior, 1 stands for both upsamplers."""
    conditioner, lyrics = config.conditioner, config.lyric_encoder
    arguments: dict[str, Any] = _transformer(config.transformer) | {
        "level": 0 if conditioner is None else 1,
        "n_ctx": config.n_ctx,
        "music_vocab_size": config.bins,
        "sampling_rate": config.rate,
        "metadata_dims": [config.genres, config.artists],
        "max_nb_genres": config.max_genres,
        "timing_dims": config.t_bins,
        "min_duration": config.min_seconds,
        "max_duration": config.max_seconds,
        "nb_relevant_lyric_tokens": config.n_tokens,
        "lyric_vocab_size": config.n_vocab,
        "merged_decoder": config.merged_decoder,
        "is_encoder_decoder": config.single_enc_dec,
    }
    if lyrics is not None:
        arguments["encoder_config"] = _transformer(lyrics) | {"nb_relevant_lyric_tokens": config.n_tokens}
    if conditioner is not None:
        arguments |= {
            "res_conv_width": conditioner.width,
            "res_conv_depth": conditioner.depth,
            "res_dilation_growth_rate": conditioner.dilation_growth,
            "res_dilation_cycle": conditioner.dilation_cycle,
            "res_convolution_multiplier": int(conditioner.m_conv),
            "conv_res_scale": conditioner.res_scale,
            "res_downs_t": [1, config.cond_down, 1],
            "res_strides_t": [2, config.cond_stride, 2],
        }
    return arguments


def _transformer(config: TransformerConfig) -> dict[str, Any]:
    return {
        "n_ctx": config.n_ctx,
        "hidden_size": config.width,
        "num_layers": config.depth,
        "n_heads": config.heads,
        "attention_pattern": PATTERNS[config.attn_order],
        "blocks": config.blocks,
        "attention_multiplier": config.m_attn,
        "mlp_multiplier": config.m_mlp,
        "mask": True,  # the port's default is False, and then priming looks ahead
    }
