"""Jukebox behind the harness's protocol: a prompt becomes labels and codes, seeded clips come out.

Sampling goes from the coarsest level down, each level conditioned on the one above, and the finest level's codes are
decoded. Existing codes stay: none (ancestral), the beginning of every level (primed by audio, or continuing a clip), or
whole levels from the top (upsampling, or resuming after an interruption).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.models.base import Clip, Conditioning, Sampling, SamplingProgress, check_seeds
from harness.models.codes import read_codes, unfinished_codes
from harness.models.jukebox.conditioning.labels import Labels, clean_lyrics
from harness.models.jukebox.conditioning.transliteration import engine
from harness.models.jukebox.decoding.levels import Draws, TokenCounter, UnfinishedClip, complete_level
from harness.models.jukebox.decoding.sampling import ENGINE_VERSION
from harness.models.jukebox.decoding.threads import threads_for
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.weights.checkpoint import MINI, ModelFolder
from harness.models.jukebox.weights.released import released
from harness.prompts.prompt import LabelChoice, Prompt, labels_fingerprint, resolve_labels
from metrics.io.audio import normalise

PEAK = 0.98
"""A clip with samples beyond this peak is scaled down to it as a whole; its record has the gain."""

RESIDENT_BYTES = 2**30
"""Priors that together need less than this stay loaded; larger ones are loaded one at a time."""


@dataclass(frozen=True)
class ClipLabels:
    """What a clip is conditioned on. `codes` (codes,) by level are its beginning; it lies `offset` samples into a piece
    of `piece` samples, by default where its own generator draws."""

    style: str
    artist: str
    lyrics: str
    samples: int
    piece: int
    offset: int | None
    codes: tuple[np.ndarray, ...]


class JukeboxModel:
    """A Jukebox read from a folder. `width` clips are sampled at a time, fewer are filled up with copies; it and the
    `dtype` of the products ("float32"; "bfloat16"; on a GPU "float16") count in a clip's identity."""

    def __init__(
        self,
        name: str,
        folder: ModelFolder,
        device: str | None = None,
        width: int | None = None,
        dtype: str | None = None,
    ) -> None:
        self.name, self.folder = name, folder
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.dtype = dtype or ("float16" if self.device.type == "cuda" else "float32")
        if self.dtype not in ("float32", "bfloat16") and (self.dtype, self.device.type) != ("float16", "cuda"):
            raise UsageError(f"dtype is {self.dtype!r} on {self.device}: float32 or bfloat16 was expected.")
        self.rate, self.width = folder.vqvae.rate, width or folder.width
        if self.width < 1:
            raise UsageError(f"the batch width was {self.width}: at least 1 clip at a time was expected.")
        self.levels = folder.vqvae.levels
        self.vqvae = folder.load_vqvae().to(self.device)
        self.labellers = [folder.labeller(level) for level in range(self.levels)]
        self._priors: dict[int, Prior] = {}

    def prior(self, level: int) -> Prior:
        """The prior of a level, loaded at its first use. Of a large model the previous one is released first, so that
        memory holds one at a time."""
        if level not in self._priors:
            if self.folder.prior_bytes > RESIDENT_BYTES:
                self._priors.clear()
            prior = self.folder.load_prior(level, getattr(torch, self.dtype))
            self._priors[level] = prior.to(self.device)
        return self._priors[level]

    @property
    def styles(self) -> Sequence[str]:
        """The names of the style cards, sorted."""
        return sorted(self.folder.cards)

    def fingerprint(self) -> dict[str, Any]:
        """Name, engine version, weights, dtype, width and labels: all of the model that changes the sound."""
        return {
            "name": self.name,
            "engine_version": ENGINE_VERSION,
            "weights_sha256": self.folder.sha256,
            "dtype": self.dtype,
            "width": self.width,
            "labels": labels_fingerprint(self.folder.cards),
        }

    def encode(self, prompt: Prompt, seconds: float) -> Conditioning:
        """Labels and existing codes: of an audio prompt at every level, or of a file of codes.

        An audio prompt counts in `seconds`; it is brought to −23 LUFS, the loudness of the music that the embedded
        model was trained on. Raises `UsageError` for names, durations and offsets that the model does not know.
        """
        piece, offset = self._place(prompt, seconds)
        choice = self.understand(prompt)
        top = self.folder.priors[-1]
        record: dict[str, Any] = choice.record()
        if prompt.lyrics is not None:
            record["lyrics"] = {
                "read_as": clean_lyrics(prompt.lyrics, self.folder.labels_version),
                "transliteration": engine(),
                "used": top.n_tokens > 0,
            }
        codes = tuple(np.zeros(0, np.int64) for _ in range(self.levels))
        if prompt.codes is not None:
            codes = self._given_codes(prompt.codes, seconds)
        if prompt.audio is not None:
            if prompt.prompt_seconds >= seconds:
                raise UsageError(
                    f"the audio prompt takes {prompt.prompt_seconds:g} of {seconds:g} s: ask for more --seconds than "
                    "--prompt-seconds."
                )
            codes = self.encode_audio(normalise(prompt.excerpt(self.rate)[0], self.rate))
            record["prompt_seconds"] = len(codes[-1]) * self.folder.vqvae.hops[-1] / self.rate
        request = ClipLabels(
            choice.style or "",
            choice.artist or "",
            prompt.lyrics or "",
            round(seconds * self.rate),
            piece,
            offset,
            codes,
        )
        for level in range(self.levels):  # raise now what a labeller would raise later
            self._labels(level, request, offset or 0)
        return Conditioning(request, seconds, record)

    def understand(self, prompt: Prompt) -> LabelChoice:
        """The labels of a prompt. Raises `UsageError` for names that the model does not know."""
        return resolve_labels(prompt, self.folder.cards, self.folder.style, self.folder.artist)

    def _place(self, prompt: Prompt, seconds: float) -> tuple[int, int | None]:
        """Length of the piece that a clip is an excerpt of, and where the clip begins if that is given; in samples."""
        shortest, top = self.folder.vqvae.hops[-1] / self.rate, self.folder.priors[-1]
        if not shortest <= seconds < top.max_seconds:
            raise UsageError(
                f"the duration was {seconds:g} s: {self.name} makes at least {shortest:g} and less than "
                f"{top.max_seconds:g} s."
            )
        total = prompt.total_seconds
        offset = prompt.offset_seconds
        if total is None:
            total = max((offset or 0.0) + seconds, self.folder.total_seconds)
        if not max(top.min_seconds, seconds) <= total < top.max_seconds:
            raise UsageError(
                f"the whole piece was {total:g} s: for a clip of {seconds:g} s, {self.name} takes pieces of at least "
                f"{max(top.min_seconds, seconds):g} and less than {top.max_seconds:g} s (--total-seconds)."
            )
        if offset is not None and not 0 <= offset <= total - seconds:
            raise UsageError(
                f"the offset was {offset:g} s: a clip of {seconds:g} s out of a piece of {total:g} s begins at 0 to "
                f"{total - seconds:g} s (--offset-seconds)."
            )
        return round(total * self.rate), None if offset is None else round(offset * self.rate)

    def _given_codes(self, path: Path, seconds: float) -> tuple[np.ndarray, ...]:
        """The codes of a file by level, none for levels that it lacks."""
        found, totals = read_codes(path).levels, self._totals(round(seconds * self.rate))
        for level, codes in found.items():
            if level >= self.levels or (codes.size and not 0 <= codes.min() <= codes.max() < self.folder.vqvae.bins):
                raise UsageError(
                    f"{path} holds codes of level {level} up to {codes.max(initial=0)}: {self.name} has levels 0 to "
                    f"{self.levels - 1} and codes below {self.folder.vqvae.bins}. It was made by another model."
                )
            if len(codes) > totals[level]:
                held = len(codes) * self.folder.vqvae.hops[level] / self.rate
                raise UsageError(f"{path} holds {held:g} s: ask for at least as many --seconds.")
        return tuple(found.get(level, np.zeros(0, np.int64)) for level in range(self.levels))

    def tokens(self, conditioning: Conditioning, sampling: Sampling) -> int:
        """Codes that are drawn for a clip, over the sampled levels."""
        request: ClipLabels = conditioning.data
        totals = self._totals(request.samples)
        return sum(totals[level] - len(request.codes[level]) for level in range(sampling.stop_level, self.levels))

    @torch.inference_mode()
    def encode_audio(self, audio: np.ndarray) -> tuple[np.ndarray, ...]:
        """Mono audio (samples,) at the model's rate -> int64 codes by level, cut to whole top-level codes."""
        top = self.folder.vqvae.hops[-1]
        whole = torch.from_numpy(audio[: len(audio) // top * top]).to(self.device).unsqueeze(0)
        with threads_for(self.folder.vqvae.width):
            return tuple(self.vqvae.encode(whole, level)[0].cpu().numpy() for level in range(self.levels))

    def sample(
        self,
        conditionings: Sequence[Conditioning],
        seeds: Sequence[int],
        sampling: Sampling | None = None,
        progress: SamplingProgress | None = None,
        unfinished: Sequence[Path] | None = None,
    ) -> list[Clip]:
        """One clip per conditioning, each drawn from its own seed; arguments as in `harness.models.base.Model`.

        Raises:
            UsageError: not one seed per clip, or a level to stop at that the model lacks.
        """
        check_seeds(conditionings, seeds)
        sampling = sampling or Sampling()
        stop = sampling.stop_level
        if stop >= self.levels:
            raise UsageError(f"the level to stop at was {stop}: {self.name} has levels 0 to {self.levels - 1}.")
        paths = unfinished or [None] * len(seeds)
        clips = [self._begin(c.data, seed, path) for c, seed, path in zip(conditionings, seeds, paths, strict=True)]
        counter = TokenCounter(
            sum(clip.missing(level) for clip in clips for level in range(stop, self.levels)), progress
        )
        with torch.inference_mode():
            for level in reversed(range(stop, self.levels)):
                unready = [clip for clip in clips if clip.missing(level)]
                if unready:
                    config = self.folder.priors[level]
                    chosen, hop_fraction = sampling.at(level, self.levels), self.folder.hop_fractions[level]
                    with threads_for(config.width):
                        complete_level(self.prior(level), unready, self.width, chosen, hop_fraction, counter)
            return [self._clip(c, clip, stop) for c, clip in zip(conditionings, clips, strict=True)]

    def _begin(self, request: ClipLabels, seed: int, path: Path | None) -> UnfinishedClip:
        draws = Draws.from_seed(seed, self._totals(request.samples))
        offset = request.offset
        if offset is None:
            offset = round(draws.offset * max(0, request.piece - request.samples))
        labels = [
            partial(self._window_labels, level, self._labels(level, request, offset)) for level in range(self.levels)
        ]
        codes = [torch.from_numpy(codes).to(self.device) for codes in unfinished_codes(path, request.codes)]
        return UnfinishedClip(labels, [u.to(self.device) for u in draws.uniforms], codes, path, offset)

    def _labels(self, level: int, request: ClipLabels, offset: int) -> Labels:
        lyrics = request.lyrics if self.folder.priors[level].n_tokens else ""
        return self.labellers[level].label(request.artist, request.style, lyrics, request.piece, offset)

    def _window_labels(self, level: int, labels: Labels, start: int) -> Tensor:
        return torch.from_numpy(self.labellers[level].window(labels, start)).to(self.device)

    def _totals(self, samples: int) -> list[int]:
        """Codes by level that cover `samples`: a whole number of top-level codes."""
        hops = self.folder.vqvae.hops
        covered = -(-samples // hops[-1]) * hops[-1]
        return [covered // hop for hop in hops]

    def _clip(self, conditioning: Conditioning, clip: UnfinishedClip, level: int) -> Clip:
        """Decode the codes of a level, one clip at a time so that its audio is its own."""
        request: ClipLabels = conditioning.data
        with threads_for(self.folder.vqvae.width):
            audio = self.vqvae.decode(clip.codes[level].unsqueeze(0), level)[0].cpu().numpy()
        audio = audio[: request.samples]
        gain = min(1.0, PEAK / max(float(np.abs(audio).max()), 1e-9))
        record = conditioning.record | {
            "offset_seconds": clip.offset / self.rate,
            "piece_seconds": request.piece / self.rate,
            "gain": gain,
        }
        if level:
            record["stopped_at_level"] = level
        if self.folder.licence:
            record["licence"] = self.folder.licence
        if self.folder.notice:
            record["notice"] = self.folder.notice
        codes = {n: codes.cpu().numpy() for n, codes in enumerate(clip.codes) if n >= level}
        return Clip(audio * np.float32(gain), self.rate, codes, record)


def load_mini(*, width: int | None = None, dtype: str | None = None, device: str | None = None) -> JukeboxModel:
    """The model that ships in the package."""
    return JukeboxModel("jukebox:mini", ModelFolder(MINI), width=width, dtype=dtype, device=device)


def load_1b_lyrics(*, width: int | None = None, dtype: str | None = None, device: str | None = None) -> JukeboxModel:
    """The released 1b model, whose lyrics share the music's sequence.

    Raises:
        ModelError: weights that are missing or of another shape.
    """
    return _load_released("jukebox:1b_lyrics", width=width, dtype=dtype, device=device)


def load_5b(*, width: int | None = None, dtype: str | None = None, device: str | None = None) -> JukeboxModel:
    """The released 5b model without lyrics.

    Raises:
        ModelError: weights that are missing or of another shape.
    """
    return _load_released("jukebox:5b", width=width, dtype=dtype, device=device)


def load_5b_lyrics(*, width: int | None = None, dtype: str | None = None, device: str | None = None) -> JukeboxModel:
    """The released 5b model with an encoder of the lyrics.

    Raises:
        ModelError: weights that are missing or of another shape.
    """
    return _load_released("jukebox:5b_lyrics", width=width, dtype=dtype, device=device)


def _load_released(name: str, **options: Any) -> JukeboxModel:
    folder = released(name)
    for module in reversed(folder.modules):  # report what is missing before reading gigabytes
        folder.check(module)
    return JukeboxModel(name, folder, **options)
