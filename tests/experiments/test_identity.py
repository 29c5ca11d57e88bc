"""The clips of the shipped experiments keep their ids: what is stored is found again."""

import hashlib

import pytest

from harness.core.settings import counted
from harness.planning.registry import declarations
from harness.running.by_model import shares_of, whole
from harness.running.settings import RunSettings

# Of four toy clips of a second per condition: SHA-256 of all ids, in the order of the plan.
DIGESTS = {
    "conditioning": "ef7336b8c47f",
    "duration": "ae2a81b5b72a",
    "emotion": "42e5a53549d4",
    "experiment_design": "8b5751207475",
    "ideation": "53267bdc3c71",
    "seeds": "720bd91b0fe1",
    "temperature": "7d44e8ada3de",
    "truncation": "1584aab9fe4f",
    "writing": "60676eafd816",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_clips_keep_their_ids(name):
    declaration = declarations()[name]
    settings = RunSettings("toy", clips=4, seconds=1.0, prompts=declaration.prompts()[:2])
    plan = whole(declaration(), shares_of(declaration(), settings))
    ids = "".join(request.id for request in plan.requests)
    assert hashlib.sha256(ids.encode()).hexdigest()[:12] == DIGESTS[name]


def test_a_default_run_is_known_by_what_it_was_known_by():
    """New options count where they are set, so that earlier runs keep their ids."""
    assert counted(RunSettings()) == {"clips": 16, "seconds": 6.0, "seed": 0}
    assert counted(declarations()["temperature"].claims) == {"primary": "fad16", "contrast": "every pair"}
    assert counted(RunSettings(metrics=("kad",), independent_seeds=True)) == {
        "clips": 16, "seconds": 6.0, "seed": 0, "metrics": ["kad"], "independent_seeds": True,
    }  # fmt: skip
