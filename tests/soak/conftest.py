"""The world of the trials, and what a run leaves that nothing disturbs."""

from typing import Any

import pytest

from tests.soak.killing import Trial, World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.make(tmp_path_factory.mktemp("soak"))


@pytest.fixture(scope="session")
def expected(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], dict[str, Any]]:
    whole = Trial(tmp_path_factory.mktemp("whole"), world, world.database)
    whole.resume("local")
    return whole.expected()
