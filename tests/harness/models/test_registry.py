"""Models by name, and the doors of their families."""

import pytest

from harness.core.errors import UsageError
from harness.models.registry import DOORS, MODELS, doors, family_door, family_of


@pytest.mark.parametrize(("family", "door"), [(family, door) for family in DOORS for door in doors(family)])
def test_every_door_is_there_and_belongs_to_its_family(family, door):
    found = family_door(f"{family}:any", door)
    assert getattr(found, "__module__", found.__name__).startswith(f"harness.models.{family}.")


def test_every_family_with_doors_has_models():
    assert set(DOORS) <= {family_of(name) for name in MODELS.names()}


@pytest.mark.parametrize(("model", "door"), [("toy", "likelihood"), ("jukebox:mini", "oracle"), ("nobody", "train")])
def test_a_door_that_a_family_lacks_is_a_mistake_that_says_which_families_have_it(model, door):
    with pytest.raises(UsageError) as caught:
        family_door(model, door)
    assert door in str(caught.value)
    assert ("jukebox:5b" in str(caught.value)) is (door != "oracle")


def test_a_family_without_doors_has_none():
    assert doors("toy") == []
