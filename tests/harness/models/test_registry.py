"""Models by name, and the doors of their families."""

import errno

import pytest

from harness.core.errors import BrokenPlugin, HarnessError, UsageError
from harness.core.registry import MODELS as GROUP
from harness.models.registry import DOORS, MODELS, doors, family_door, family_of, load_model, plugin_states
from harness.models.toy import ToyModel
from tests.distributions import install


class NoWidth(ToyModel):
    width = None  # type: ignore[assignment]


class NoFingerprint:
    """A model but for one method."""

    name, rate, width, styles = "half", 8000, 1, ()
    encode, sample = ToyModel.encode, ToyModel.sample


class OddFingerprint(ToyModel):
    def fingerprint(self) -> dict[str, object]:
        return {"weights": object()}


def no_fingerprint() -> NoFingerprint:
    return NoFingerprint()


def exits() -> None:
    raise SystemExit(0)


def fails() -> None:
    raise AttributeError("nothing there")


def machine() -> None:
    raise OSError(errno.EIO, "the disk")


def asks(pitch: int = 1) -> ToyModel:
    return ToyModel()


BROKEN = {
    "odd": "OddFingerprint",
    "width": "NoWidth",
    "class": "NoFingerprint",
    "made": "no_fingerprint",
    "exits": "exits",
    "fails": "fails",
}
GOOD = {"good": "asks", "machine": "machine", "toy": "asks", "compiled": ""}


@pytest.fixture
def _plugins(tmp_path, monkeypatch):
    targets = {name: f"{__name__}:{target}" if target else "time:sleep" for name, target in {**BROKEN, **GOOD}.items()}
    install(tmp_path, "models-of-others", {GROUP: {**targets, "absent": "no_such_module:load"}})
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("_plugins")
class TestPlugins:
    @pytest.mark.parametrize("name", [*BROKEN, "absent"])
    def test_one_that_is_no_model_is_broken(self, name):
        with pytest.raises(BrokenPlugin) as caught:
            load_model(name)
        assert (caught.value.name, caught.value.distribution) == (name, "models-of-others")

    def test_one_that_is_a_model_is_loaded_with_its_options(self):
        assert load_model("good", pitch=2).name == "toy"
        with pytest.raises(UsageError):
            load_model("good", tempo=2)
        with pytest.raises(HarnessError):
            load_model("compiled")

    def test_what_the_machine_does_is_no_defect_of_the_model(self):
        with pytest.raises(OSError, match="the disk"):
            load_model("machine")

    def test_a_name_of_ours_is_not_taken(self):
        assert MODELS.origin("toy").built_in

    def test_installed_is_not_ready(self):
        assert plugin_states() == {
            **dict.fromkeys(["absent", "class"], "broken"),
            **dict.fromkeys([*(set(BROKEN) - {"class"}), "good", "machine", "compiled"], "installed"),
        }


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
