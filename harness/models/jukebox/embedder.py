"""Jukebox's hidden states as an embedder: `jukebox:<model>@<layer>`, for example `jukebox:mini@6`.

Castellon, Donahue & Liang, "Codified audio language modeling learns useful representations for music information
retrieval", ISMIR 2021 (arXiv:2107.05677): the codes of the top level go through the top prior, and what a layer in the
middle of it makes of them, averaged over time, says more of music than a tagger's last layer (there layer 36 of the 72
of 5b). The state at a code has seen the codes before it, not the code itself.

The model is run without labels, as a piece of its usual length that begins with the window: so a second of music
gives the same frame wherever it lies in a longer recording, apart from what lies before it in its window.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from harness.core.errors import UsageError
from harness.models.jukebox.decoding.sampling import ENGINE_VERSION
from harness.models.jukebox.encoding import device_of, encode, windows_at_once
from harness.models.jukebox.model import JukeboxModel
from harness.models.jukebox.network.prior import Prior
from harness.models.registry import load_model
from metrics.embeddings.base import Frames

Pool = Literal["second", "clip"]


class JukeboxEmbedder:
    """States after `layer` of the top prior over a clip's top-level codes, averaged per second or over the clip.

    The clip is read in windows of the prior's length that do not overlap: the first codes of each see little before
    them. A frame is the mean over the codes that begin in its second; what is left over after the last whole second is
    not in a frame. Pooled by clip there is one frame, the mean over all codes. A clip of less than a second is padded
    with zeros to one. The prior is causal: a window that is not filled needs no padding.
    """

    window_seconds = hop_seconds = 1.0

    def __init__(self, model: JukeboxModel, layer: int, pool: Pool = "second") -> None:
        if pool not in get_args(Pool):
            raise UsageError(f"the pooling was {pool!r}: one of {', '.join(get_args(Pool))} was expected.")
        level = model.levels - 1
        config = model.folder.priors[level]
        if not 1 <= layer <= config.depth:
            raise UsageError(
                f"{model.name} has no layer {layer} to embed with: 1 to {config.depth} was expected, for example "
                f"{model.name}@{config.depth // 2}."
            )
        self.name, self.rate, self.dim = f"{model.name}@{layer}", model.rate, config.width
        self.model, self.layer, self.pool, self._config = model, layer, pool, config
        self._prior, self._labels = model.prior(level), self._unlabelled()

    def _unlabelled(self) -> NDArray[np.int64]:
        total = round(self.model.folder.total_seconds * self.rate)
        return self.model.labellers[-1].label("", "", "", total).y

    def provenance(self) -> dict[str, Any]:
        """Everything that changes the numbers, to be compared and stored with them."""
        return {
            "name": self.name, "layer": self.layer, "dim": self.dim, "weights_sha256": self.model.folder.sha256,
            "engine_version": ENGINE_VERSION, "rate": self.rate, "pool": self.pool,
            "window_seconds": self.window_seconds, "hop_seconds": self.hop_seconds,
            "context_codes": self._config.n_ctx, "code_samples": self._config.hop, "labels": "none",
            "piece_seconds": self.model.folder.total_seconds,
        }  # fmt: skip

    def embed(self, audio: NDArray[np.float32]) -> Frames:
        """float32 (samples,) at `self.rate` → float32 (frames, width)."""
        hop = self._config.hop
        padded = np.pad(audio, (0, max(0, self.rate - len(audio))))
        codes = encode(self.model.vqvae, padded[: len(padded) // hop * hop], self.model.levels - 1)
        states = self._states(codes)
        if self.pool == "clip":
            return states.mean(0, keepdims=True)
        second = np.arange(len(codes)) * hop // self.rate
        bounds = np.searchsorted(second, np.arange(len(padded) // self.rate + 1))
        return np.stack([states[a:b].mean(0) for a, b in pairwise(bounds)])

    @torch.inference_mode()
    def _states(self, codes: NDArray[np.integer]) -> NDArray[np.float32]:
        """Codes (T,) → hidden states (T, width), window by window."""
        n_ctx, device = self._config.n_ctx, device_of(self._prior)
        at_once = windows_at_once(self._prior, n_ctx) * n_ctx
        z, y = torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(self._labels)
        whole = len(z) // n_ctx * n_ctx
        states = []
        for batch in (*z[:whole].split(at_once), z[whole:]):
            if len(batch):
                rows = batch.view(-1, min(n_ctx, len(batch))).to(device)
                hidden = hidden_after(self._prior, rows, y.to(device).expand(len(rows), -1), self.layer)
                states.append(hidden.flatten(0, 1).float().cpu())
        return torch.cat(states).numpy()


def hidden_after(prior: Prior, z: Tensor, y: Tensor, layer: int) -> Tensor:
    """Hidden states of a top prior.

    Args:
        prior: without a level above.
        z: music codes (B, T), T ≤ n_ctx.
        y: label rows (B, y).
        layer: how many layers to run.

    Returns:
        (B, T, width), at each position from the codes before it.
    """
    start, x_cond = prior.conditioning(y, None)
    tokens = prior.sequence_prompt(z, y)
    lyrics = tokens.shape[1] - z.shape[1]  # where lyrics share the sequence they come first
    x = prior.prior.inputs(tokens[:, :-1], start, F.pad(x_cond, (0, 0, lyrics, 0)))
    return prior.prior.transformer(x, prior.encode_lyrics(y), layer)[:, lyrics:]


def load(name: str = "", **options: Any) -> JukeboxEmbedder:
    """The embedder behind `jukebox:<name>`: the model's name after `jukebox:`, and `@` with a layer, by default the
    middle one. `options` go to `JukeboxEmbedder`.

    Raises `UsageError` for a model that is not known and for a layer that it does not have.
    """
    model_name, _, layer = name.partition("@")
    model = load_model(f"jukebox:{model_name}")
    if not isinstance(model, JukeboxModel):
        raise UsageError(f"{model.name} is not a Jukebox: only their hidden states can be read.")
    depth = model.folder.priors[-1].depth
    if layer and not layer.isdecimal():
        raise UsageError(f"the layer of {model.name}@{layer} is not a number: 1 to {depth} was expected.")
    return JukeboxEmbedder(model, int(layer) if layer else depth // 2, **options)
