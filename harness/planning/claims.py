"""What an experiment claims, declared before its first sample: the deciding metric, the contrasts, the family of tests.

Everything else that a run reports is exploratory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from harness.core.errors import UsageError
from harness.core.option import Option
from harness.core.settings import settings_class

Contrast = Literal["every pair", "against the first"]
Unit = Literal["clip"]
Family = Literal["all contrasts", "each alone"]


@settings_class
class Claims:
    """What is claimed of the conditions. Raises `UsageError` for a value that is not one of the choices.

    Attributes:
        unit: what is resampled for the errors: clips, within the strata of their prompts' styles.
        primary: the metric that decides; any of the catalogue that has a difference (`check_primary`).
        contrast: the pairs of conditions that are tested in it.
        family: the tests over which p-values are adjusted together.
        margin: equivalence margin, in the unit of the primary metric: two conditions whose difference is surely smaller
            count as equivalent. None where equivalence is not claimed.
    """

    unit: Annotated[Unit, Option("What is resampled for the errors.", declarable=True)] = "clip"
    primary: Annotated[str, Field(min_length=1), Option("The metric that decides.", counts=True, declarable=True)] = (
        "fad16"
    )
    contrast: Annotated[Contrast, Option("The pairs of conditions that are tested.", counts=True, declarable=True)] = (
        "every pair"
    )
    family: Annotated[
        Family,
        Option("The tests that are adjusted together.", counts=True, optional=True, declarable=True),
    ] = "all contrasts"
    margin: Annotated[
        float | None,
        Field(gt=0, allow_inf_nan=False),
        Option("Equivalence margin, in the unit of the primary metric.", counts=True, optional=True, declarable=True),
    ] = None


def check_primary(name: str) -> None:
    """Raise `UsageError` unless the catalogue has this metric and conditions can be compared in it."""
    from metrics.api.catalogue import metric

    row = metric(name.partition("@")[0])
    if row.compare_by or row.gives != "score":
        instead = f": compare conditions by {row.compare_by!r}" if row.compare_by else ""
        raise UsageError(f"{name!r} cannot be the primary metric, for it has no difference between conditions{instead}")


def check_metrics(names: Iterable[str]) -> None:
    """Raise `UsageError` for a metric that the catalogue does not have, with the nearest that it has."""
    from metrics.api.catalogue import metric

    for name in names:
        metric(name.partition("@")[0])
