"""Every metric there is, as data: what it says, what it takes, and where it lives.

A row names its function, which is imported when it is asked for. Other distributions add rows through the entry-point
group `music_harness.metrics`, whose names point to a `Metric`; a row here wins over a plug-in of the same name.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, Literal, get_args

from metrics.errors import UsageError
from metrics.registry import unknown_name
from metrics.score import Direction

Need = Literal["reference", "embedding", "audio", "probabilities", "text", "prompt", "likelihood", "labels"]

ENTRY_POINTS = "music_harness.metrics"


@dataclass(frozen=True)
class Metric:
    """One metric.

    `title` says in a line what it measures; `direction` which way is better. `minimum` is the smallest number of
    evaluated `units` for which there is a value with an error bar. `needs` says what it takes: "embedding" a set of
    embedded clips, "reference" one of real music, "probabilities" class probabilities in place of embeddings, "prompt"
    what was asked for, "audio" waveforms, "labels", "text" or "likelihood" what the words say. `target` is
    "module:function", sets → `Score`, called with `options`; `paired` the function of (first, second, reference) →
    `Score` of the difference, empty where groups of songs are left out of `target` itself.
    """

    name: str
    title: str
    unit: str
    direction: Direction
    minimum: int
    units: str
    needs: frozenset[Need]
    citation: str
    target: str
    paired: str = ""
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        unknown = self.needs - set(get_args(Need))
        if unknown or self.direction not in get_args(Direction) or self.minimum < 1 or ":" not in self.target:
            raise UsageError(
                f"the metric {self.name!r} is not declared well: needs {sorted(self.needs)}, direction "
                f"{self.direction!r}, minimum {self.minimum}, target {self.target!r}."
            )

    def load(self) -> Callable[..., Any]:
        """The function behind `target`, imported now."""
        return _load(self.target)

    def load_paired(self) -> Callable[..., Any] | None:
        """The function behind `paired`, or None."""
        return _load(self.paired) if self.paired else None

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return {**vars(self), "needs": sorted(self.needs), "options": dict(self.options)}


def available() -> list[str]:
    """The name of every metric: those here in their order, then those of plug-ins."""
    return [*CATALOGUE, *sorted(name for name in _plugins() if name not in CATALOGUE)]


def metric(name: str) -> Metric:
    """The row of that name. Raises `UsageError` for an unknown one, with the nearest known."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    plugin = _plugins().get(name)
    if plugin is None:
        raise UsageError(unknown_name("metric", name, available()))
    row = plugin.load()
    if not isinstance(row, Metric):
        raise UsageError(f"the plug-in {name!r} is a {type(row).__name__}: a metrics.catalogue.Metric was expected.")
    return row


def _plugins() -> dict[str, Any]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _load(target: str) -> Callable[..., Any]:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


EMBEDDING: frozenset[Need] = frozenset({"embedding"})
AGAINST_REFERENCE: frozenset[Need] = frozenset({"embedding", "reference"})

KILGOUR = "Kilgour et al., Fréchet Audio Distance, Interspeech 2019"
VENDI = "Friedman & Dieng, The Vendi Score, TMLR 2023"
VENDI_ORDERS = "Pasarkar & Dieng, Cousins of the Vendi Score, AISTATS 2024"
MANIFOLD = "Kynkäänniemi et al., Improved Precision and Recall Metric, NeurIPS 2019"
DENSITY = "Naeem et al., Reliable Fidelity and Diversity Metrics, ICML 2020"
ESTIMATES = "this package: metrics/resampling.py"

_ROWS = (
    # ── Nearness to real music ──
    Metric(
        "fad16", "Fréchet distance in the reference's first 16 principal components, corrected for bias",
        "squared embedding distance", "lower", 3, "clips", AGAINST_REFERENCE, KILGOUR, "metrics.frechet:fad",
        "metrics.frechet:paired_fad", MappingProxyType({"components": 16}),
    ),
    Metric(
        "fad", "Fréchet distance to the reference in all dimensions, corrected for bias: needs as many songs",
        "squared embedding distance", "lower", 3, "clips", AGAINST_REFERENCE, KILGOUR, "metrics.frechet:fad",
        "metrics.frechet:paired_fad",
    ),
    Metric(
        "kad", "kernel distance to the reference (Gaussian kernel), unbiased at any number of clips",
        "squared kernel distance", "lower", 3, "clips", AGAINST_REFERENCE,
        "Chung et al., KAD: No More FAD!, ICML 2025", "metrics.kernel:kad", "metrics.kernel:paired_kad",
    ),
    Metric(
        "kid", "kernel distance to the reference (cubic kernel), unbiased at any number of clips",
        "squared kernel distance, cubic", "lower", 3, "clips", AGAINST_REFERENCE,
        "Bińkowski et al., Demystifying MMD GANs, ICLR 2018", "metrics.kernel:kid", "metrics.kernel:paired_kid",
    ),
    Metric(
        "mad", "MAUVE divergence from the reference, over clusters of both",
        "−ln MAUVE", "lower", 3, "clips", AGAINST_REFERENCE,
        "Huang et al., Aligning Text-to-Music Evaluation with Human Preferences, 2025",
        "metrics.mauve:mad", "metrics.mauve:paired_mad",
    ),
    Metric(
        "precision", "share of frames that lie among real music",
        "share of frames", "higher", 3, "clips", AGAINST_REFERENCE, MANIFOLD,
        "metrics.manifold:precision", "metrics.manifold:paired_precision",
    ),
    Metric(
        "density", "how densely real music lies about the frames, 1 when both are of one law",
        "songs about a frame, over k", "higher", 3, "clips", AGAINST_REFERENCE, DENSITY,
        "metrics.manifold:density", "metrics.manifold:paired_density",
    ),
    # ── Variety ──
    Metric(
        "recall", "share of real frames that lie among generated music, at this number of clips",
        "share of real frames", "higher", 7, "clips", AGAINST_REFERENCE, MANIFOLD,
        "metrics.manifold:recall", "metrics.manifold:paired_recall",
    ),
    Metric(
        "coverage", "share of real frames with generated music nearby, at this number of clips",
        "share of real frames", "higher", 3, "clips", AGAINST_REFERENCE, DENSITY,
        "metrics.manifold:coverage", "metrics.manifold:paired_coverage",
    ),
    Metric(
        "vendi", "effective number of different clips (order 1)",
        "clips", "higher", 3, "clips", EMBEDDING, VENDI,
        "metrics.diversity:vendi", "metrics.diversity:paired_vendi",
    ),
    Metric(
        "vendi2", "effective number of different clips (order 2): rare ones count less",
        "clips", "higher", 3, "clips", EMBEDDING, VENDI_ORDERS,
        "metrics.diversity:vendi2", "metrics.diversity:paired_vendi2",
    ),
    Metric(
        "vendi_inf", "effective number of different clips (order ∞): only the commonest kind counts",
        "clips", "higher", 3, "clips", EMBEDDING, VENDI_ORDERS,
        "metrics.diversity:vendi_inf", "metrics.diversity:paired_vendi_inf",
    ),
    Metric(
        "vendi_frames", "effective number of different frames, those within a clip too",
        "frames", "higher", 3, "clips", EMBEDDING, VENDI,
        "metrics.frame_diversity:vendi_frames", "metrics.frame_diversity:paired_vendi_frames",
    ),
    Metric(
        "diversity", "1 − mean cosine between clips",
        "1 − cosine", "higher", 3, "clips", EMBEDDING, ESTIMATES,
        "metrics.diversity:cosine_diversity", "metrics.diversity:paired_cosine_diversity",
    ),
    Metric(
        "frame_diversity", "1 − mean cosine between frames of different clips",
        "1 − cosine", "higher", 3, "clips", EMBEDDING, ESTIMATES,
        "metrics.frame_diversity:frame_diversity", "metrics.frame_diversity:paired_frame_diversity",
    ),
    Metric(
        "within_prompt_diversity", "1 − mean cosine between clips of one prompt",
        "1 − cosine", "higher", 3, "prompts", frozenset({"embedding", "prompt"}), ESTIMATES,
        "metrics.frame_diversity:within_prompt_diversity", "metrics.frame_diversity:paired_within_prompt_diversity",
    ),
    Metric(
        "across_prompt_diversity", "1 − mean cosine between clips of different prompts",
        "1 − cosine", "higher", 3, "prompts", frozenset({"embedding", "prompt"}), ESTIMATES,
        "metrics.frame_diversity:across_prompt_diversity", "metrics.frame_diversity:paired_across_prompt_diversity",
    ),
    Metric(
        "prompt_effect", "across-prompt − within-prompt diversity: how far prompts move the clips",
        "1 − cosine", "none", 3, "prompts", frozenset({"embedding", "prompt"}), ESTIMATES,
        "metrics.frame_diversity:prompt_effect", "metrics.frame_diversity:paired_prompt_effect",
    ),
    # ── What was asked for ──
    Metric(
        "style_similarity", "mean cosine between clips and the centroid of the style asked for",
        "cosine", "higher", 3, "clips", frozenset({"embedding", "reference", "labels"}), ESTIMATES,
        "metrics.similarity:centroid_similarity", "metrics.similarity:paired_style_similarity",
    ),
    Metric(
        "prompt_similarity", "mean cosine between continuations and their audio prompts",
        "cosine", "higher", 3, "clips", frozenset({"embedding", "prompt", "audio"}), ESTIMATES,
        "metrics.similarity:prompt_similarity",
    ),
    # ── Class probabilities ──
    Metric(
        "is_softmax", "inception score: sure of each clip's class, and all classes equally frequent",
        "classes", "higher", 3, "clips", frozenset({"probabilities"}),
        "Salimans et al., Improved Techniques for Training GANs, NeurIPS 2016", "metrics.divergence:is_softmax",
    ),
    Metric(
        "kld_softmax_mean", "mean KL(real counterpart ‖ clip) of softmax class probabilities",
        "nats", "lower", 3, "clips", frozenset({"probabilities", "reference"}),
        "Liu et al., AudioLDM, ICML 2023", "metrics.divergence:kld_softmax_mean",
        "metrics.divergence:paired_kld_softmax_mean",
    ),
    Metric(
        "kld_sigmoid_mean", "mean KL(real counterpart ‖ clip) of sigmoid class probabilities, summed over classes",
        "nats", "lower", 3, "clips", frozenset({"probabilities", "reference"}),
        "Liu et al., AudioLDM, ICML 2023", "metrics.divergence:kld_sigmoid_mean",
        "metrics.divergence:paired_kld_sigmoid_mean",
    ),
    Metric(
        "kld_softmax_pooled", "KL(mean of the reference ‖ mean of the clips) of softmax class probabilities",
        "nats", "lower", 3, "clips", frozenset({"probabilities", "reference"}),
        "Liu et al., AudioLDM, ICML 2023", "metrics.divergence:kld_softmax_pooled",
    ),
)  # fmt: skip

CATALOGUE: Mapping[str, Metric] = MappingProxyType({row.name: row for row in _ROWS})
