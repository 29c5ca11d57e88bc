"""A folder of golden vectors made by this project's own engine, with other shapes and names than the original's set.

It cannot say whether the engine is right, the original's set does that; it says whether the checks read every size and
name from the folder. Codes are drawn without a cache, by one whole forward pass each.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from harness.models.jukebox.decoding.alignment import AttentionHead, align
from harness.models.jukebox.golden.case import GoldenFolder, song_labels
from harness.models.jukebox.golden.modules import combined_loss
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.weights.hparams import prior_config, vqvae_config
from tests.harness.models.jukebox.conftest import GOLDEN

CODEC: dict[str, Any] = {
    "levels": 2, "downs_t": [2, 1], "strides_t": [2, 4], "hvqvae_multipliers": [1, 2], "emb_width": 6, "l_bins": 24,
    "width": 5, "depth": 3, "m_conv": 1.0, "dilation_growth_rate": 2, "dilation_cycle": 2, "sr": 16_000,
}  # fmt: skip
PRIOR: dict[str, Any] = {
    "m_attn": 0.5, "m_mlp": 2.0, "y_bins": [15, 20], "t_bins": 10, "sr": 16_000, "min_duration": 0.0,
    "max_duration": 2.0, "n_tokens": 0, "n_vocab": 80, "labels_v3": False, "max_bow_genre_size": 6,
    "single_enc_dec": False, "merged_decoder": False, "prime_loss_fraction": 0.0, "alignment_layer": None,
}  # fmt: skip
TOP = PRIOR | {
    "level": 1, "n_ctx": 24, "prior_width": 12, "prior_depth": 16, "heads": 3, "attn_order": 12, "blocks": 3,
    "labels_v3": True, "max_bow_genre_size": 1, "n_tokens": 6, "n_vocab": 79, "single_enc_dec": True,
    "prime_loss_fraction": 0.3, "alignment_layer": 15, "alignment_head": 2,
}  # fmt: skip
SUNG = PRIOR | {
    "level": 1, "n_ctx": 20, "prior_width": 12, "prior_depth": 19, "heads": 2, "attn_order": 10, "blocks": 5,
    "n_tokens": 8, "merged_decoder": True, "prime_loss_fraction": 0.3, "prime_width": 10, "prime_depth": 3,
    "prime_heads": 1, "prime_attn_order": 2, "prime_blocks": 2, "prime_m_attn": 0.4, "prime_m_mlp": 1.0,
}  # fmt: skip
FINE = PRIOR | {
    "level": 0, "n_ctx": 32, "prior_width": 8, "prior_depth": 4, "heads": 2, "attn_order": 2, "blocks": 4,
    "cond_width": 7, "cond_depth": 2, "cond_dilation_growth_rate": 3, "cond_dilation_cycle": None,
    "cond_res_scale": True, "cond_m_conv": 1.0,
}  # fmt: skip
WHOLE: dict[str, Any] = {
    "modules": {"vqvae": "codec", "level_0": "fine", "level_1": "words and music"},
    "ids": "names", "levels": 2, "n_samples": 3, "hop_fraction": [0.75, 0.25], "sample_length": 16 * 31,
    "continue_input_sample_length": 16 * 26, "sampling_kwargs": [{"temp": 1.0, "top_k": 1}] * 2,
    "partial_tokens_to_sample": [20, 9],
}  # fmt: skip
METAS = [
    {"artist": "Nobody", "genre": "folk rock", "lyrics": "la la la la la", "total_length": 700, "offset": 20},
    {"artist": "", "genre": "jazz", "lyrics": "hm", "total_length": 900, "offset": 0},
    {"artist": "", "genre": "", "lyrics": "one two three four five six", "total_length": 496, "offset": 0},
]


def write_folder(path: Path) -> None:
    """Cases `codec`, `words and music`, `sung`, `fine` and `whole`, of batch 3, and id tables `ids` and `names`."""
    torch.manual_seed(11)
    for ids in ("ids", "names"):
        shutil.copytree(GOLDEN / "ids", path / ids)
    with torch.inference_mode():
        _write_codec(path)
        for name, hps in (("words and music", TOP), ("sung", SUNG), ("fine", FINE)):
            _write_prior(path, name, hps)
        _write_whole(path)


def _write(path: Path, hparams: dict, vectors: dict[str, Tensor], values: dict, state: dict[str, Tensor]) -> None:
    path.mkdir(exist_ok=True)
    (path / "hparams.json").write_text(json.dumps(hparams))
    (path / "vectors.json").write_text(json.dumps(values))
    # The format has whole numbers as int32, but for label vectors.
    narrow = {key: v.int() if v.dtype == torch.int64 and "y" not in key.split("_") else v for key, v in vectors.items()}
    save_file({key: v.contiguous() for key, v in narrow.items()}, path / "vectors.safetensors")
    if state:
        save_file({key: v.clone() for key, v in state.items()}, path / "state_dict.safetensors")


def _random(module: torch.nn.Module) -> dict[str, Tensor]:
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.normal_(std=0.4)
    return module.eval().state_dict()


def _write_codec(path: Path) -> None:
    vqvae = VQVAE(vqvae_config(CODEC))
    state, audio = _random(vqvae), torch.rand(3, 16 * 12) * 2 - 1
    vectors, distinct = {"x": audio.unsqueeze(-1)}, []
    for level in range(2):
        codes = vqvae.encode(audio, level)
        distinct.append(len(codes.unique()))
        vectors |= {
            f"encoder_out_level_{level}": vqvae.latents(audio, level),
            f"codes_level_{level}": codes,
            f"audio_level_{level}": vqvae.decode(codes, level).unsqueeze(-1),
        }
    values = {"hop_lengths": [4, 16], "distinct_codes_per_level": distinct}
    _write(path / "codec", {"vqvae": CODEC}, vectors, values, state)


def _write_prior(path: Path, name: str, hps: dict[str, Any]) -> None:
    config = prior_config(hps, CODEC)
    prior = Prior(config)
    state = _random(prior)
    values = {"window_starts": {"early": 0, "late": 8}, "metas_early": METAS, "metas_late": METAS[::-1]}
    derived = {"n_ctx_total": config.total_ctx, "raw_to_tokens": config.hop, "total_bins": config.total_bins}
    hparams = {"prior": hps, "vqvae": CODEC, "derived": derived}
    _write(path / name, hparams, {}, values, state)
    z = torch.randint(0, 24, (3, config.n_ctx))
    above = torch.randint(0, 24, (3, config.n_ctx // 4)) if config.conditioner else None
    positions = torch.tensor([0, 5, config.total_ctx - 1])
    vectors = {"z": z, "cached_positions": positions} | ({} if above is None else {"z_cond": above})
    labeller = GoldenFolder(path).case(name).labeller
    for labels, start in values["window_starts"].items():
        units = song_labels(labeller, values[f"metas_{labels}"])
        y = torch.stack([torch.from_numpy(labeller.window(song, start)) for song in units])
        y_cond, x_cond = prior.conditioning(y, above)
        encoded = prior.encode_lyrics(y)
        vectors |= {} if encoded is None else {f"encoder_kv_{labels}": encoded}
        preds, (music, lyrics) = prior(z, y, above), prior.bits(z, y, above)
        loss = combined_loss(config, music, lyrics)
        vectors |= {
            f"{key}_{labels}": value
            for key, value in {
                "y": y, "y_cond": y_cond, "x_cond": x_cond, "preds": preds, "cached_preds": preds[:, positions],
                "gen_loss": music, "prime_loss": lyrics, "loss": loss,
            }.items()
        }  # fmt: skip
    _write(path / name, hparams, vectors, values, state)


class _Whole:
    """Greedy runs of the written modules."""

    def __init__(self, path: Path) -> None:
        folder = GoldenFolder(path)
        self.codec = folder.case("codec").vqvae
        self.cases = [folder.case("fine"), folder.case("words and music")]
        self.labels = [song_labels(case.labeller, METAS) for case in self.cases]

    def y(self, level: int, start: int) -> Tensor:
        labeller = self.cases[level].labeller
        return torch.stack([torch.from_numpy(labeller.window(row, start)) for row in self.labels[level]])

    def logits(self, level: int, start: int, above: Tensor | None, picks: Tensor) -> Tensor:
        """(B, bins) of the code after the window's `picks` (B, T), tokens of the joint vocabulary."""
        prior, config = self.cases[level].prior, self.cases[level].prior.config
        y, n = self.y(level, start), picks.shape[1] + 1
        first, x_cond = prior.conditioning(y, None if above is None else above[:, start // 4 : (start + 32) // 4])
        if config.single_enc_dec:
            picks = torch.cat([prior.lyrics(y), picks], 1)
            x_cond = torch.nn.functional.pad(x_cond, (0, 0, config.n_tokens, 0))
            n += config.n_tokens
        picks = torch.cat([picks, picks.new_zeros(len(picks), 1)], 1)  # the last token is predicted, not read
        return prior.prior(picks, first, x_cond[:, :n], prior.encode_lyrics(y))[:, -1]

    def run(
        self, level: int, starts: list[int], ends: list[int], above: Tensor | None = None, codes: Tensor | None = None
    ) -> tuple[Tensor, list[dict[str, int]], Tensor]:
        """Codes (B, T), the windows, and the picks of the joint vocabulary."""
        codes = torch.zeros(3, 0, dtype=torch.long) if codes is None else codes
        prior = self.cases[level].prior
        shift = prior.config.n_vocab if prior.config.single_enc_dec else 0
        windows, raw = [], []
        for start, end in zip(starts, ends, strict=True):
            there = codes.shape[1]
            reused = min(there - start, end - start)
            windows.append(
                {"level": level, "start": start, "sample_tokens": end - start, "conditioning_tokens": reused,
                 "new_tokens": end - start - reused}
            )  # fmt: skip
            picks = codes[:, start:] + shift
            while start + picks.shape[1] < end:
                pick = self.logits(level, start, above, picks).argmax(-1, keepdim=True)
                picks = torch.cat([picks, pick], 1)
                raw.append(pick)
            codes = torch.cat([codes, (picks[:, there - start :] - shift).clamp_min(0)], 1)
        return codes, windows, torch.cat(raw, 1) if raw else codes[:, :0]


TOP_WINDOWS = [0, 6, 7], [24, 30, 31]  # of 31 codes, 24 at a time, by 6
FINE_WINDOWS = [0, 24, 48, 72, 92], [32, 56, 80, 104, 124]


def _write_whole(path: Path) -> None:
    whole, vectors = _Whole(path), {}
    top, top_windows, picks = whole.run(1, *TOP_WINDOWS)
    fine, fine_windows, _ = whole.run(0, *FINE_WINDOWS, top)
    values: dict[str, Any] = {
        "metas": METAS,
        "full_lyric_tokens_level_1": [row.full_tokens.tolist() for row in whole.labels[1]],
        "ancestral": {
            "windows": top_windows + fine_windows,
            "level_1_picks_in_lyric_vocabulary": int((picks < TOP["n_vocab"]).sum()),
        },
        "upsample": {"windows": fine_windows},
        "partial": {"windows": []},
        "topk_level_0": {"temp": 0.5, "top_k": 3},
    }
    for run, levels in (("ancestral", {0: fine, 1: top}), ("upsample", {0: fine})):
        for level, codes in levels.items():
            vectors[f"{run}.codes_level_{level}"] = codes
            vectors[f"{run}.audio_level_{level}"] = whole.codec.decode(codes, level).unsqueeze(-1)
    vectors |= {"upsample.input_codes_level_1": top, "ancestral.level_1_raw_picks": picks}
    for level, (starts, _) in enumerate((FINE_WINDOWS, TOP_WINDOWS)):
        vectors[f"label_y_level_{level}"] = torch.stack([torch.from_numpy(row.y) for row in whole.labels[level]])
        vectors[f"ancestral.window_starts_level_{level}"] = torch.tensor(starts)
        vectors[f"ancestral.window_y_level_{level}"] = torch.stack([whole.y(level, start) for start in starts])
    case = whole.cases[1]
    weights = align(
        case.prior, case.labeller, whole.labels[1], top, 6, AttentionHead(TOP["alignment_layer"], TOP["alignment_head"])
    )
    vectors |= {f"ancestral.alignment_{row}": torch.from_numpy(each) for row, each in enumerate(weights)}
    codes = None
    for step, (start, end) in enumerate(((0, 20), (5, 29))):
        codes, windows, _ = whole.run(1, [start], [end], None, codes)
        values["partial"]["windows"] += windows
        vectors[f"partial.codes_level_1_after_{step}"] = codes
    drawn = torch.randint(0, 24, (3, 5))
    steps = torch.stack([whole.logits(0, 0, top, drawn[:, :n]) for n in range(5)]) / 0.5
    least = steps.topk(3).values[..., -1:]
    vectors |= {
        "topk_level_0.y": whole.y(0, 0), "topk_level_0.z_cond": top[:, :8], "topk_level_0.sampled_raw": drawn,
        "topk_level_0.sampled_codes": drawn, "topk_level_0.logits_over_temp": steps,
        "topk_level_0.probs": steps.masked_fill(steps < least, -torch.inf).softmax(-1),
    }  # fmt: skip
    _write(path / "whole", WHOLE, vectors, values, {})
