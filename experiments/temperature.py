"""Fidelity against diversity along the sampling temperature."""

from collections.abc import Sequence
from typing import Annotated

from harness import Condition, Sampling, experiment


@experiment(varies="temperature", primary="fad16", unit="clip", contrast="every pair", family="all contrasts")
def temperature(
    temperature: Annotated[Sequence[float], "Sampling temperature; repeat the option for each condition."] = (
        0.7,
        0.85,
        0.99,
    ),
) -> list[Condition]:
    """How does the sampling temperature change fidelity, diversity and style?"""
    return [Condition(f"temperature={value:g}", Sampling(temperature=value), value) for value in temperature]
