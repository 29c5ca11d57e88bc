"""The recipe of an embedded model: which part is trained on what, for how long, and how the parts become a folder.

    codec 1 ─► prior 1 (top) ─┐
    codec 0 ─► prior 0 ───────┴─► export

Levels are independent as codecs, so both columns can run side by side, one processor each. Every part resumes from its
last checkpoint; the schedule is read from `[training]` in the model's config.toml.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from harness.core.errors import HarnessError, UsageError
from harness.core.png import write_png
from harness.models.base import SamplingProgress
from harness.models.jukebox.model import JukeboxModel
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.train.codec import train_codec
from harness.models.jukebox.train.codes import PLAIN, VARIED, CodedTrack, assembled_vqvae, coded_tracks
from harness.models.jukebox.train.data import read_recordings
from harness.models.jukebox.train.evaluate import by_style, conditioning, distances, likelihood, make_sets
from harness.models.jukebox.train.loop import Job, Schedule, keep_freed_memory
from harness.models.jukebox.train.prior import train_prior
from harness.models.jukebox.train.report import spectrograms, stored_likelihood, write_report
from harness.models.jukebox.weights.checkpoint import MINI, ModelFolder, save_weights
from harness.models.training import TrainingLog
from harness.prompts.prompt import Prompt
from metrics.embeddings import load_embedder


@dataclass(frozen=True)
class JukeboxRecipe:
    """Training of the model in `folder` on the built corpus named `corpus`; checkpoints and scores go to `results`."""

    folder: ModelFolder
    corpus: str
    results: Path

    @property
    def out(self) -> Path:
        """Where the checkpoints of this model lie."""
        return self.results / "training" / self.folder.path.name

    def schedule(self, part: str, steps: int | None = None) -> Schedule:
        """The schedule of `codec-N` or `prior-N`, with another number of steps if given."""
        tables = self.folder.training
        if part not in tables:
            raise UsageError(f"there is no part {part!r} to train: one of {', '.join(sorted(tables))} was expected.")
        return Schedule(**(tables[part] | ({"steps": steps} if steps else {})))

    def train(self, part: str, log: TrainingLog, steps: int | None = None, threads: int = 1) -> None:
        """Train one part from its last checkpoint on.

        Args:
            part: codec-N or prior-N, N the level.
            log: opens the log that its values go to.
            steps: instead of those of the model's config.toml.
            threads: of the processor.

        Raises:
            UsageError: an unknown part.
            HarnessError: a part that it needs is not trained.
        """
        job = Job(self.schedule(part, steps), self.out, log)
        keep_freed_memory()
        torch.set_num_threads(threads)
        self.out.mkdir(parents=True, exist_ok=True)
        kind, level = part.split("-")
        if kind == "codec":
            train, valid = (read_recordings(self.corpus, split) for split in ("train", "valid"))
            train_codec(self.folder.vqvae, int(level), job, train, valid)
        else:
            train, valid = (self.coded(int(level), split) for split in ("train", "valid"))
            train_prior(self.folder, int(level), job, train, valid)

    def coded(self, level: int, split: str, vqvae: VQVAE | None = None) -> list[CodedTrack]:
        """A split as the codes that the prior of `level` learns: its own, and those above for an upsampler.

        The codec is the one given, or that of the checkpoints.
        """
        is_top = self.folder.priors[level].conditioner is None
        levels = (level,) if is_top else (level, level + 1)
        if vqvae is None:
            for needed in levels:
                self._require(f"codec-{needed}")
            vqvae = assembled_vqvae(self.folder.vqvae, levels, self.out)
        variants = VARIED if is_top and split == "train" else PLAIN
        return coded_tracks(vqvae, levels, read_recordings(self.corpus, split), self.out, variants)

    def export(self) -> Path:
        """Write the best checkpoints of all parts into the model's folder as safetensors; the folder is returned."""
        levels = range(self.folder.vqvae.levels)
        for part in (f"{kind}-{level}" for kind in ("codec", "prior") for level in levels):
            self._require(part)
        save_weights(assembled_vqvae(self.folder.vqvae, levels, self.out), self.folder.weights("vqvae"))
        for level in levels:
            prior = Prior(self.folder.priors[level])
            saved = torch.load(self.out / f"prior-{level}.best.pt", weights_only=True)
            prior.load_state_dict(saved["module"])
            save_weights(prior, self.folder.weights(f"prior_level_{level}"))
        return self.folder.path

    def evaluate(
        self, per_style: int, seconds: float, progress: SamplingProgress | None = None, *, encode: bool = True
    ) -> str:
        """Measure the exported model (see `evaluate`) into `results/reference`; a report in Markdown.

        It takes the model's folder and the corpus, and no checkpoints. Bits per code take all of the corpus as codes:
        without `encode` the stored ones are taken. Raises `HarnessError` where there are none of these weights.
        """
        out = self.results / "reference" / f"jukebox-{self.folder.path.name}"
        model = JukeboxModel(f"jukebox:{self.folder.path.name}", self.folder)
        bits = None if encode else stored_likelihood(out, model.fingerprint())
        sets = make_sets(model, self.corpus, load_embedder("musicnn"), per_style, seconds, progress)
        measured = {
            "model": model.fingerprint(),
            "settings": {"clips": per_style * len(model.styles), "per_style": per_style, "seconds": seconds},
            "conditioning": conditioning(sets),
            "likelihood": bits or likelihood(model, partial(self.coded, vqvae=model.vqvae)),
            "round_trip_by_style": by_style(sets, "round trip"),
        }
        pictured = [f"{style}, seed 0" for style in model.styles]
        clips = model.sample(
            [model.encode(Prompt(style=style), seconds) for style in model.styles], [0] * len(pictured)
        )
        sounds = {title: clip.audio for title, clip in zip(pictured, clips, strict=True)}
        write_png(spectrograms(sounds, model.rate), out / "samples.png")
        return write_report(out, measured, distances(sets))

    def _require(self, part: str) -> None:
        if not (self.out / f"{part}.best.pt").exists():
            raise HarnessError(f"{part} is not trained in {self.out}. Run first: harness train part {part}")


def recipe(folder: Path | None, corpus: str, results: Path) -> JukeboxRecipe:
    """The recipe of the model in `folder`, by default the embedded one, on the built corpus named `corpus`."""
    return JukeboxRecipe(ModelFolder(folder or MINI), corpus, results)
