import pytest

from metrics.errors import AudioError, DegenerateInput, HarnessError, UsageError, WeightsError


@pytest.mark.parametrize(("kind", "code"), [(UsageError, 2), (AudioError, 2), (WeightsError, 1), (DegenerateInput, 1)])
def test_every_error_is_of_the_one_tree_and_carries_its_exit_code(kind, code):
    assert issubclass(kind, HarnessError)
    assert kind("found x, expected y").exit_code == code
