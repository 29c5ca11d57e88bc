"""Jukebox behind the harness's protocol: a prompt becomes labels and codes, seeded clips come out.

Sampling goes from the coarsest level down, each level conditioned on the one above, and the finest level's codes are
decoded. Every clip draws from one generator of its own, in this order: where in a longer piece the clip lies, then a
uniform for each code of each level, the top level first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import UsageError
from harness.models.base import Clip, Conditioning, Progress, Sampling, check_seeds
from harness.models.jukebox.checkpoint import ModelFolder
from harness.models.jukebox.labels import Labels, clean_lyrics
from harness.models.jukebox.sampling import ENGINE_VERSION, sample_level
from harness.models.jukebox.transliteration import engine
from harness.prompts import Prompt, labels_fingerprint, resolve_labels
from metrics.audio import normalise

PEAK = 0.98
"""A clip that would clip is turned down as a whole to this peak, and its record says by how much."""

MINI = Path(__file__).parent / "mini"


@contextmanager
def one_thread() -> Iterator[None]:
    """Codes do not depend on how many threads torch was given: sums over threads round differently.

    For a model this small a second thread takes 45 % more processor time to be 10 % faster (16 clips of 6 s: 12.3 s of
    processor in 13.0 s with one, 17.8 s in 11.8 s with two).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Request:
    """What a clip is conditioned on. `prompt_codes` (codes,) by level are the beginning of the clip."""

    style: str
    artist: str
    samples: int
    prompt_codes: tuple[np.ndarray, ...]


@dataclass
class Draws:
    """The random numbers of one clip."""

    offset: float  # in [0, 1): where in the imagined piece the clip begins, of the room there is
    uniforms: list[Tensor]  # float64 (codes,) by level

    @classmethod
    def from_seed(cls, seed: int, codes: Sequence[int]) -> Draws:
        generator = torch.Generator().manual_seed(seed % 2**63)
        offset = torch.rand((), generator=generator, dtype=torch.float64).item()
        top_first = [torch.rand(count, generator=generator, dtype=torch.float64) for count in reversed(codes)]
        return cls(offset, top_first[::-1])


class JukeboxModel:
    """A Jukebox read from a folder. `width` clips are sampled at a time; fewer are filled up with copies."""

    def __init__(self, name: str, folder: ModelFolder, device: str | None = None) -> None:
        self.name, self.folder = name, folder
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.rate, self.width = folder.vqvae.rate, folder.width
        self.levels = folder.vqvae.levels
        self.vqvae = folder.load_vqvae().to(self.device)
        self.priors = [folder.load_prior(level).to(self.device) for level in range(self.levels)]
        self.labellers = [folder.labeller(level) for level in range(self.levels)]

    @property
    def styles(self) -> Sequence[str]:
        return sorted(self.folder.cards)

    def fingerprint(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "engine_version": ENGINE_VERSION,
            "weights_sha256": self.folder.sha256,
            "dtype": "float32",
            "width": self.width,
            "labels": labels_fingerprint(self.folder.cards),
        }

    def encode(self, prompt: Prompt, seconds: float) -> Conditioning:
        """Labels, and for an audio prompt its codes at every level. The prompt counts in `seconds`; it is brought to
        −23 LUFS, the loudness of the music that the model was trained on."""
        top = self.folder.vqvae.hops[-1]
        limit = self.folder.priors[-1].max_seconds
        if not top / self.rate <= seconds < limit:
            raise UsageError(
                f"the duration was {seconds:g} s: {self.name} makes at least {top / self.rate:g} and less than "
                f"{limit:g} s."
            )
        choice = resolve_labels(prompt, self.folder.cards, self.folder.artists)
        record: dict[str, Any] = choice.record()
        if prompt.lyrics is not None:
            record["lyrics"] = {
                "read_as": clean_lyrics(prompt.lyrics, "v3"),
                "transliteration": engine(),
                "used": self.folder.priors[-1].n_tokens > 0,
            }
        codes = tuple(np.zeros(0, np.int64) for _ in range(self.levels))
        if prompt.audio is not None:
            if prompt.prompt_seconds >= seconds:
                raise UsageError(
                    f"the audio prompt takes {prompt.prompt_seconds:g} of {seconds:g} s: ask for more --seconds than "
                    "--prompt-seconds."
                )
            codes = self._encode_audio(normalise(prompt.excerpt(self.rate)[0], self.rate))
            record["prompt_seconds"] = len(codes[-1]) * top / self.rate
        request = Request(choice.style or "", choice.artist or "", round(seconds * self.rate), codes)
        return Conditioning(request, seconds, record)

    @one_thread()
    @torch.inference_mode()
    def _encode_audio(self, audio: np.ndarray) -> tuple[np.ndarray, ...]:
        """Audio (samples,) -> codes by level, of as many whole top-level codes as there are."""
        top = self.folder.vqvae.hops[-1]
        whole = torch.from_numpy(audio[: len(audio) // top * top]).to(self.device).unsqueeze(0)
        return tuple(self.vqvae.encode(whole, level)[0].cpu().numpy() for level in range(self.levels))

    def sample(
        self,
        conditionings: Sequence[Conditioning],
        seeds: Sequence[int],
        sampling: Sampling | None = None,
        progress: Progress | None = None,
    ) -> list[Clip]:
        check_seeds(conditionings, seeds)
        alike: defaultdict[tuple[int, int], list[int]] = defaultdict(list)  # clips of one batch share their lengths
        for place, conditioning in enumerate(conditionings):
            alike[conditioning.data.samples, len(conditioning.data.prompt_codes[-1])].append(place)
        batches = [group[i : i + self.width] for group in alike.values() for i in range(0, len(group), self.width)]
        counter = Counter(sum(self._steps(conditionings[batch[0]].data) for batch in batches), progress)
        clips: dict[int, Clip] = {}
        for batch in batches:
            made = self._sample_batch(
                [conditionings[place] for place in batch], [seeds[place] for place in batch],
                sampling or Sampling(), counter,
            )  # fmt: skip
            clips |= dict(zip(batch, made, strict=True))
        return [clips[place] for place in range(len(seeds))]

    def _totals(self, samples: int) -> list[int]:
        """Codes by level that cover `samples`: a whole number of top-level codes."""
        hops = self.folder.vqvae.hops
        covered = -(-samples // hops[-1]) * hops[-1]
        return [covered // hop for hop in hops]

    def _steps(self, request: Request) -> int:
        return sum(self._totals(request.samples)) - sum(len(codes) for codes in request.prompt_codes)

    @one_thread()
    @torch.inference_mode()
    def _sample_batch(
        self, conditionings: list[Conditioning], seeds: list[int], sampling: Sampling, counter: Counter
    ) -> list[Clip]:
        requests: list[Request] = [conditioning.data for conditioning in conditionings]
        totals = self._totals(requests[0].samples)
        draws = [Draws.from_seed(seed, totals) for seed in seeds]
        rows = [min(row, len(requests) - 1) for row in range(self.width)]  # padded with copies of the last clip
        above: Tensor | None = None
        codes: dict[int, Tensor] = {}
        offsets = [
            round(draw.offset * max(0, self._piece(r) - r.samples)) for draw, r in zip(draws, requests, strict=True)
        ]
        for level in reversed(range(self.levels)):
            prior = self.priors[level]
            labels = [self._labels(level, request, offset) for request, offset in zip(requests, offsets, strict=True)]
            above = sample_level(
                prior,
                lambda start, level=level, labels=labels: self._window_labels(
                    level, [labels[row] for row in rows], start
                ),
                above,
                torch.from_numpy(np.stack([requests[row].prompt_codes[level] for row in rows])).to(self.device),
                torch.stack([draws[row].uniforms[level] for row in rows]).to(self.device),
                sampling,
                int(self.folder.hop_fractions[level] * prior.config.n_ctx),
                counter.step,
            )
            codes[level] = above
        return [
            self._clip(conditioning, {level: codes[level][row].cpu() for level in codes}, offset)
            for row, (conditioning, offset) in enumerate(zip(conditionings, offsets, strict=True))
        ]

    def _piece(self, request: Request) -> int:
        """Samples of the piece that a clip is an excerpt of."""
        return max(request.samples, round(self.folder.total_seconds * self.rate))

    def _labels(self, level: int, request: Request, offset: int) -> Labels:
        return self.labellers[level].label(request.artist, request.style, "", self._piece(request), offset)

    def _window_labels(self, level: int, labels: list[Labels], start: int) -> Tensor:
        return torch.from_numpy(np.stack([self.labellers[level].window(row, start) for row in labels])).to(self.device)

    def _clip(self, conditioning: Conditioning, codes: dict[int, Tensor], offset: int) -> Clip:
        """Decode the finest level, one clip at a time so that its audio is its own."""
        audio = self.vqvae.decode(codes[0].unsqueeze(0).to(self.device), 0)[0].cpu().numpy()
        audio = audio[: conditioning.data.samples]
        gain = min(1.0, PEAK / max(float(np.abs(audio).max()), 1e-9))
        record = conditioning.record | {
            "offset_seconds": offset / self.rate,
            "piece_seconds": self._piece(conditioning.data) / self.rate,
            "gain": gain,
        }
        return Clip(audio * np.float32(gain), self.rate, {level: c.numpy() for level, c in codes.items()}, record)


class Counter:
    """Counts sampled steps and tells `progress`."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def step(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)


def load_mini() -> JukeboxModel:
    """The model that ships in the package."""
    return JukeboxModel("jukebox:mini", ModelFolder(MINI))
