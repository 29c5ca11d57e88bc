"""A user's own file works like a built-in experiment; what is wrong in it is said with its line."""

import hashlib
import sys
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.models.base import Sampling
from harness.planning.python_file import is_file_name, load_experiment

MINE = '''\
from collections.abc import Sequence

import beside
from harness.planning.experiment import Condition, experiment
from harness.planning.sweeps import grid


@experiment(varies="temperature", primary="vendi", contrast="against the first")
def mine(temperature: Sequence[float] = beside.DEFAULTS) -> list[Condition]:
    """Does it matter?"""
    return grid(temperature=temperature)
'''
IMPORTS = """\
from harness.models.base import Sampling
from harness.planning.experiment import Condition, Experiment, experiment
"""
DECLARED = f'{IMPORTS}@experiment(varies="x")\ndef x():\n    """Why?"""\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("DEFAULTS = (0.5, 2.0)\n")
    return tmp_path / "my_experiment.py"


@pytest.fixture(autouse=True)
def _forget(path):
    yield
    sys.modules.pop("beside", None)


def test_a_file_declares_an_experiment_with_its_options_and_its_hash(path):
    path.write_text(MINE)
    declaration = load_experiment(str(path))
    built = declaration()
    assert (built.name, built.question, built.primary) == ("mine", "Does it matter?", "vendi")
    assert [one.sampling for one in built.conditions] == [Sampling(0.5), Sampling(2.0)]
    assert [one.sampling for one in declaration(temperature=[1.0]).conditions] == [Sampling(1.0)]
    assert list(declaration.parameters) == ["temperature"]
    assert built.source == hashlib.sha256(path.read_bytes()).hexdigest()
    assert str(path.parent) not in sys.path


def test_a_file_needs_the_facade_alone(path):
    path.write_text(
        "from harness import Condition, Sampling, experiment, sweeps\n"
        '@experiment(varies="top_k", metrics=["kad", "coverage"], primary="kad", margin=0.1)\n'
        'def mine():\n    """Does it matter?"""\n'
        "    return [Condition('none'), *sweeps.grid(top_k=[8]), Condition('cold', Sampling(0.5))]\n"
    )
    declaration = load_experiment(str(path))
    assert [one.name for one in declaration().conditions] == ["none", "top_k=8", "cold"]
    assert declaration.settings == {"metrics": ("kad", "coverage")}
    assert (declaration().primary, declaration().margin) == ("kad", 0.1)


def test_of_several_experiments_one_is_named(path):
    path.write_text(MINE + MINE.replace("def mine", "def yours").partition("\n\n\n")[2])
    with pytest.raises(UsageError, match=r"declares mine, yours: name one, for example .*my_experiment.py:mine"):
        load_experiment(str(path))
    assert load_experiment(f"{path}:yours").name == "yours"
    with pytest.raises(UsageError, match=r"unknown experiment in .* 'your'. Did you mean 'yours'"):
        load_experiment(f"{path}:your")


def test_an_experiment_that_is_imported_is_not_the_files(path):
    path.write_text("from experiments.temperature import temperature\n" + MINE)
    assert load_experiment(str(path)).name == "mine"


def test_files_are_known_by_their_endings():
    assert all(map(is_file_name, ("a.py", "./a.yaml", "/x/a.yml", "a.py:b")))
    assert not any(map(is_file_name, ("temperature", "a.txt", "py", "a:b")))


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "declares no experiment"),
    "no experiment": ("x = 1\n", "declares no experiment"),
    "not Python": ("def f(:\n", "line 1: invalid syntax"),
    "indented wrongly": ("x = 1\n  y = 2\n", "line 2: unexpected indent"),
    "a quote left open": ("x = 1\ny = 'a\n", "line 2: unterminated string"),
    "a null byte": (b"x = 1\x00\n", "null bytes"),
    "not UTF-8": (b"x = '\xff\xfe'\n", "utf-8"),
    "binary": (bytes(range(256)), "my_experiment.py"),
    "a missing module": ("x = 1\nimport no_such_module\n", "line 2: ModuleNotFoundError: No module named 'no_such"),
    "a missing name": (f"{IMPORTS}x = y\n", "line 3: NameError"),
    "an assertion": ("assert False, 'never'\n", "line 1: AssertionError: never"),
    "a division": ("def f():\n    return 1 / 0\nf()\n", "line 2: ZeroDivisionError"),
    "it exits": ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
    "it quits": ("quit()\n", "line 1: SystemExit"),
    "a refused value": (f"{IMPORTS}s = Sampling(temperature=-1)\n", "line 3: temperature is -1"),
    "a value of a wrong type": (f"{IMPORTS}s = Sampling(temperature='hot')\n", "line 3: TypeError"),
    "an unknown value": (f"{IMPORTS}s = Sampling(temprature=1)\n", "line 3: TypeError"),
    "an unknown declaration": (f"{IMPORTS}@experiment(vary='x')\ndef x(): ...\n", "line 3: TypeError"),
    "nothing declared": (f"{IMPORTS}@experiment\ndef x(): ...\n", "line 3: TypeError"),
    "without a question": (f"{IMPORTS}@experiment(varies='x')\ndef x():\n    return []\n", "asks nothing"),
    "an unknown annotation": (DECLARED.replace("x():", "x(a: Nowhere = 1):") + "    return []\n", "name 'Nowhere'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_in_a_file_is_said(case, path):
    content, message = BROKEN[case]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as caught:
        load_experiment(str(path))
    assert "my_experiment.py" in str(caught.value)
    assert message in str(caught.value)


WRONG_RESULTS = {
    "nothing": ("return None", "returned None; a list of Condition was expected"),
    "a condition": ("return Condition('a')", "a list of Condition was expected"),
    "a text": ("return 'abc'", "a list of Condition was expected"),
    "numbers": ("return [1, 2]", "returned [1, 2]; a list of Condition was expected"),
    "samplings": ("return [Sampling()]", "a list of Condition was expected"),
    "no conditions": ("return []", "has no conditions"),
    "the same twice": ("return [Condition('a'), Condition('a')]", "same name twice: a"),
    "the same by two names": ("return [Condition('a'), Condition('b')]", "same sampling twice: a, b"),
    "an exception": ("return [Condition(1 / 0)]", "line 6: ZeroDivisionError"),
    "a refused condition": ("return [Condition('a', seconds=-1.0)]", "line 6: seconds is -1.0"),
    "a broken generator": ("yield Condition('a')\n    raise ValueError('late')", "line 7: ValueError: late"),
}


@pytest.mark.parametrize("case", WRONG_RESULTS)
def test_what_a_function_returns_is_checked(case, path):
    body, message = WRONG_RESULTS[case]
    path.write_text(f"{DECLARED}    {body}\n")
    declaration = load_experiment(str(path))
    with pytest.raises(UsageError) as caught:
        declaration()
    assert message in str(caught.value)


def test_a_file_that_is_not_there_or_no_file_is_answered(tmp_path):
    for name in ("none.py", "none.yaml", "none.py:x", "."):
        with pytest.raises(UsageError, match="there is no experiment"):
            load_experiment(str(tmp_path / name) if name != "." else str(tmp_path))
