"""What a study is to detect, and what its listeners are expected to answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.core.errors import UsageError
from harness.core.option import Option
from harness.core.settings import settings_class
from harness.listening.kinds.catalogue import StudyKind
from harness.listening.plan.power import ChoiceModel, RatingModel

# Assumptions, each stated in the plan and each with an option. None is a finding: replace them by those of a pilot.
SD_OF_RANGE, PART_OF_SD, CORRELATION = 0.2, 0.5, 0.1


PANEL = "What is to be detected"
Spread = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@settings_class
class PowerTarget:
    """What a study is to detect.

    Attributes:
        effect: smallest difference worth detecting, in units of the scale (of `sd` with `in_sd`; ab, abx: the share of
            answers above one half).
        in_sd: `effect` counts standard deviations.
        power: probability to detect it.
        alpha: two-sided level over all comparisons.
        comparisons: number of tests; None for all pairs of conditions × scales.
        sd, taste, clip: see `harness.listening.plan.power.RatingModel` and `ChoiceModel`; None for an assumption.
    """

    effect: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    in_sd: bool = False
    power: Annotated[float, Field(gt=0, lt=1), Option("Probability to detect the effect.", panel=PANEL)] = 0.8
    alpha: Annotated[float, Field(gt=0, lt=0.5), Option("Two-sided level over all comparisons.", panel=PANEL)] = 0.05
    comparisons: Annotated[
        int | None, Field(ge=1), Option("Number of tests (Holm).", panel=PANEL, default="all pairs × scales")
    ] = None
    sd: Annotated[
        float | None,
        Field(gt=0, allow_inf_nan=False),
        Option("Standard deviation of one listener's ratings.", panel=PANEL, default="a fifth of the scale"),
    ] = None
    taste: Annotated[
        Spread | None,
        Option(
            "Standard deviation of listeners' tastes for a condition; ab, abx: correlation of one listener's answers.",
            panel=PANEL,
            default="half of --sd; 0.1",
        ),
    ] = None
    clip: Annotated[
        Spread | None,
        Option(
            "Standard deviation of a condition's clips; ab, abx: correlation of the answers about an item. 0: "
            "conclusions are about these clips alone.",
            panel=PANEL,
            default="half of --sd; 0.1",
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.power <= self.alpha:
            raise UsageError(
                f"--power was {self.power:g}: a share above --alpha ({self.alpha:g}) was expected, as a rule 0.8."
            )


def expected_answers(kind: StudyKind, target: PowerTarget) -> RatingModel | ChoiceModel:
    """The model of what listeners answer. Raises `UsageError` for an effect that the kind's scale cannot show."""
    if kind.layout == "pair":
        taste, clip = (CORRELATION if part is None else part for part in (target.taste, target.clip))
        if target.sd is not None or target.in_sd:
            raise UsageError(
                f"an answer of {kind.name} is one of two: --effect is the share above one half, without --sd."
            )
        if target.effect >= 0.5 or taste + clip >= 1:
            raise UsageError(
                f"--effect was {target.effect:g}, --taste {taste:g}, --clip {clip:g}; for {kind.name} expected a share "
                "above one half of less than 0.5 (0.1: 60 % of the answers) and correlations that add to less than 1."
            )
        return ChoiceModel(target.effect, taste, clip)
    scale = kind.scales[0]
    sd = (scale.high - scale.low) * SD_OF_RANGE if target.sd is None else target.sd
    effect = target.effect * sd if target.in_sd else target.effect
    if effect >= scale.high - scale.low:
        raise UsageError(
            f"--effect was {effect:g}; the scale of {kind.name} goes from {scale.low} to {scale.high}. Expected less, "
            "or a number of standard deviations, such as 0.5d."
        )
    part = PART_OF_SD * sd
    taste, clip = (part if given is None else given for given in (target.taste, target.clip))
    return RatingModel(effect, scale.low, scale.high, residual=sd, listener=part, item=part, taste=taste, clip=clip)
