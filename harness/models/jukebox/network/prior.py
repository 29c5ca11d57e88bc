"""A prior: the autoregressive model of one level with everything it is conditioned on.

Labels `y` are rows [total length, offset, window length, artist, genres…, lyric characters…], the lengths in samples
(see `labels`). The top prior gets a time signal from the lengths, an upsampler the codes of the level above.
Module names follow the released checkpoints.
"""

from __future__ import annotations

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.models.jukebox.network.affine import Conv1D
from harness.models.jukebox.network.config import PriorConfig
from harness.models.jukebox.network.transformer import Autoregressive
from harness.models.jukebox.network.vqvae import DecoderBlock, Resnet1D, dilations


class Conditioner(nn.Module):
    """Codes of the level above (B, T) -> conditioning (B, T * stride^down, width)."""

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        cond = config.conditioner
        assert cond is not None
        self.x_emb = nn.Embedding(config.bins, config.width)
        nn.init.normal_(self.x_emb.weight, std=0.02)
        dilation = dilations(cond.depth, cond.dilation_growth, cond.dilation_cycle)
        scale = 1 / sqrt(cond.depth) if cond.res_scale else 1.0
        resnets = [
            Resnet1D(cond.width, cond.depth, dilation, cond.m_conv, scale, listed=True) for _ in range(config.cond_down)
        ]
        self.cond = DecoderBlock(config.width, config.width, config.cond_down, config.cond_stride, resnets, cond.width)
        self.ln = nn.LayerNorm(config.width)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.x_emb(codes).transpose(1, 2)  # (B, width, T)
        return self.ln(self.cond(x).transpose(1, 2))  # (B, T * stride^down, width)


class Table(nn.Module):
    """An embedding, under the name that checkpoints give it."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(rows, width)
        nn.init.normal_(self.emb.weight, std=0.01)


def time_bin(position: Tensor, low: float, high: float, bins: int) -> Tensor:
    """Which of `bins` equal parts of [low, high) each float32 position falls in, in float32 as the original does it."""
    return (bins * ((position - low) / (high - low))).floor().long()


def time_bins(lengths: Tensor, config: PriorConfig) -> tuple[Tensor, Tensor, Tensor]:
    """(B, 3) of total length, offset, window length in samples -> bins (B, 1), (B, n_ctx), (B, n_ctx):
    total length, absolute position, position relative to the total (clamped to its end)."""
    total, start, window = lengths.float().split(1, 1)
    end = start + window
    steps = torch.arange(config.n_ctx, dtype=torch.float32, device=lengths.device) / config.n_ctx
    low, high = config.min_seconds * config.rate, config.max_seconds * config.rate
    absolute = start + (end - start) * steps
    first, last = start / total, (end / total).clamp(0.0, 1.0)
    relative = first + (last - first) * steps
    return (
        time_bin(total, low, high, config.t_bins),
        time_bin(absolute, 0.0, high, config.t_bins),
        time_bin(relative, 0.0, 1.0, config.t_bins),
    )


class LabelConditioner(nn.Module):
    """Labels -> start embedding (B, 1, width), and for the top prior a time signal (B, n_ctx, width)."""

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        self.bow_genre_emb = Table(config.genres, config.width)
        self.artist_emb = Table(config.artists, config.width)
        if config.conditioner is None:
            self.total_length_emb = Table(config.t_bins, config.width)
            self.absolute_pos_emb = Table(config.t_bins, config.width)
            self.relative_pos_emb = Table(config.t_bins, config.width)

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor | None]:
        artist, genres = y[:, 3:4], y[:, 4 : 4 + self.config.max_genres]  # (B, 1), (B, max_genres)
        known = (genres >= 0).unsqueeze(-1)  # (B, max_genres, 1)
        start = (self.bow_genre_emb.emb(genres.clamp_min(0)) * known).sum(1, keepdim=True) + self.artist_emb.emb(artist)
        if self.config.conditioner is not None:
            return start, None
        total, absolute, relative = time_bins(y[:, :3], self.config)
        signal = self.total_length_emb.emb(total) + self.absolute_pos_emb.emb(absolute)
        return start, signal + self.relative_pos_emb.emb(relative)


class Prior(nn.Module):
    """p(codes of a level | labels, codes of the level above)."""

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        self.graph: bool | None = None  # whether steps are launched as CUDA graphs; None: on a GPU
        self.prior = Autoregressive(
            config.transformer, config.total_bins, config.merged_decoder, start=not config.labelled
        )
        if config.labelled:
            self.y_emb = LabelConditioner(config)
        if config.conditioner is not None:
            self.conditioner_blocks = nn.ModuleList([Conditioner(config)])
        if config.lyric_encoder is not None:
            self.prime_prior = Autoregressive(config.lyric_encoder, config.n_vocab, headless=True, start=True)
            self.prime_state_proj = Conv1D(config.lyric_encoder.width, config.width)
            self.prime_state_ln = nn.LayerNorm(config.width)
            self.prime_x_out = nn.Linear(config.width, config.n_vocab, bias=False)

    def products(self) -> list[str]:
        """The keys of the tensors that the transformers multiply with: those that may have a lower precision. Sums and
        norms stay in float32."""
        owners = {name for name, module in self.named_modules() if isinstance(module, Conv1D)}
        owners |= {
            f"{name}.{part}"
            for name, module in self.named_modules()
            if isinstance(module, Autoregressive)
            for part in ("x_emb", "x_out")
        }
        return [key for key in self.state_dict() if key.rpartition(".")[0] in owners]

    def lyrics(self, y: Tensor) -> Tensor:
        """The lyric characters (B, n_tokens) of label rows."""
        return y[:, 4 + self.config.max_genres :]

    def conditioning(self, y: Tensor, z_cond: Tensor | None) -> tuple[Tensor | None, Tensor]:
        """What a window is conditioned on.

        Args:
            y: label rows (B, y).
            z_cond: the codes above, (B, n_ctx / ratio) or fewer; None for the top prior.

        Returns:
            The start embedding (B, 1, width), None for a prior without labels, and the conditioning of every music
            position (B, n_ctx, width): zeros past the codes of a window that is not full.
        """
        start, signal = self.y_emb(y) if self.config.labelled else (None, None)
        if z_cond is not None:
            upsampled = self.conditioner_blocks[0](z_cond)
            signal = F.pad(upsampled, (0, 0, 0, self.config.n_ctx - upsampled.shape[1]))
        if signal is None:
            signal = self.prior.pos_emb.pos_emb.new_zeros(len(y), self.config.n_ctx, self.config.width)
        return start, signal

    def encode_lyrics(self, y: Tensor) -> Tensor | None:
        """What cross layers read, (B, n_tokens, width); None for a prior without a lyric encoder."""
        if self.config.lyric_encoder is None:
            return None
        return self.prime_state_ln(self.prime_state_proj(self.prime_prior.hidden(self.lyrics(y), None)))

    def _sequence(self, z: Tensor, y: Tensor, x_cond: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, T) and conditioning (B, n_ctx, width) of the whole sequence: lyrics that share it go in front."""
        if not self.config.single_enc_dec:
            return z, x_cond
        return torch.cat([self.lyrics(y), z + self.config.n_vocab], 1), F.pad(x_cond, (0, 0, self.config.n_tokens, 0))

    def forward(self, z: Tensor, y: Tensor, z_cond: Tensor | None = None) -> Tensor:
        """Teacher-forced logits.

        Args:
            z: music codes (B, T), T ≤ n_ctx.
            y: label rows (B, y).
            z_cond: the codes above, for an upsampler.

        Returns:
            (B, positions, total bins): the music's, behind the lyrics' where they share the sequence.
        """
        start, x_cond = self.conditioning(y, z_cond)
        tokens, x_cond = self._sequence(z, y, x_cond)
        return self.prior(tokens, start, x_cond[:, : tokens.shape[1]], self.encode_lyrics(y))

    def bits(self, z: Tensor, y: Tensor, z_cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Bits per music code and per lyric character, (B,) each; the second is 0 without lyrics."""
        logits, lyrics = self(z, y, z_cond), self.lyrics(y)
        if self.config.single_enc_dec:
            music = _bits(logits[:, self.config.n_tokens :], z + self.config.n_vocab)
            return music, _bits(logits[:, : self.config.n_tokens], lyrics)
        encoded = self.encode_lyrics(y)
        if encoded is None:
            return _bits(logits, z), torch.zeros(len(z), device=z.device)
        return _bits(logits, z), _bits(self.prime_x_out(encoded), lyrics)

    def sequence_prompt(self, z: Tensor, y: Tensor) -> Tensor:
        """Existing music codes (B, T ≥ 0) -> the tokens to prime a window with, (B, positions)."""
        if not self.config.single_enc_dec:
            return z
        return torch.cat([self.lyrics(y), z + self.config.n_vocab], 1)

    def music_code(self, token: Tensor) -> Tensor:
        """A token of the joint vocabulary as a code; a draw among the lyrics becomes code 0, as in the original."""
        return (token - self.config.n_vocab).clamp_min(0) if self.config.single_enc_dec else token


def _bits(logits: Tensor, tokens: Tensor) -> Tensor:
    """Mean negative log2 likelihood of tokens (B, T) under logits (B, T, bins), per row."""
    nats = F.cross_entropy(logits.transpose(1, 2), tokens, reduction="none").mean(1)
    return nats / torch.log(torch.tensor(2.0))
