import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.whole


def test_arrays_are_measured_without_torch_and_without_the_harness():
    code = (
        "import sys, numpy as np, metrics\n"
        "assert 'numpy' in sys.modules and 'scipy' not in sys.modules and 'metrics.sets.frechet' not in sys.modules\n"
        "x = metrics.EmbeddingSet(np.random.default_rng(0).normal(size=(30, 3)), np.arange(30))\n"
        "metrics.fad(x, x), metrics.vendi(x), metrics.cosine_diversity(x)\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'torch', 'harness', 'librosa', 'mlflow', 'sklearn', 'pandas', 'soundfile'}))\n"
    )
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr


def run_without(blocked: tuple[str, ...], code: str) -> None:
    """Run code in a process of its own, in which none of these can be imported."""
    blocker = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {blocked!r}:\n"
        "            raise ImportError(f'{name} is blocked')\n"
        "sys.meta_path.insert(0, Blocked())\n"
    )
    result = subprocess.run([sys.executable, "-c", blocker + code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


EVERY_METRIC_OF_ARRAYS = """
import numpy as np
from metrics import EmbeddingSet, TextAudioPairs, available, equality_test, metric, paired_difference
from metrics.compare.checks import TAKEN_AS_SETS
from metrics.sets.likelihood import Likelihoods

rng, songs = np.random.default_rng(0), np.arange(60) // 2
styles = np.array(["a", "b", "c"])[songs % 3]
embedded = [EmbeddingSet(rng.normal(size=(60, 3)), songs, strata=styles) for _ in range(3)]
heard = [EmbeddingSet(rng.dirichlet(np.ones(5), 60), songs) for _ in range(3)]
others = {
    "text": [TextAudioPairs(rng.normal(size=(7, 4)), rng.normal(size=(7, 4)))],
    "predictions": [["folk"] * 3] * 2,
    "likelihood": [Likelihoods([3.0, 4.0, 5.0], [1, 1, 2], [1.0, 1.0, 2.0], [0, 1, 2])],
}
for row in map(metric, available()):
    options = {**row.options, **({"components": 2} if row.name == "fad16" else {})}
    sets = heard if "probabilities" in row.needs else embedded
    second = row.needs & {"reference", "known", "prompt audio"}
    [given] = [others[need] for need in row.needs if need in others] or [sets[:2] if second else sets[:1]]
    if "audio" not in row.needs:
        row.load()(*given, **options)
    if row.gives == "score" and not row.compare_by and row.needs <= TAKEN_AS_SETS - {"prompt"}:
        paired_difference(row.name, *sets, **({"components": 2} if row.name == "fad16" else {}))
for by in ("fad", "fad2", "kad"):
    equality_test(embedded[0], embedded[1], by, permutations=9)
"""


def test_every_metric_of_arrays_is_had_where_neither_torch_nor_the_harness_can_be_imported():
    run_without(("torch", "harness", "librosa", "soundfile"), EVERY_METRIC_OF_ARRAYS)


def test_audio_is_measured_where_neither_torch_nor_the_harness_can_be_imported():
    run_without(
        ("torch", "harness"),
        "import numpy as np\n"
        "from metrics import AudioSet, CopyIndex, available, metric\n"
        "rate = 16000\n"
        "chord = sum(np.sin(2 * np.pi * pitch * np.arange(7 * rate) / rate) for pitch in (220, 277, 330)) / 4\n"
        "beats = chord * np.repeat(np.resize([1.0, 0.2], 28), rate // 4)\n"
        "clips, index = AudioSet([beats] * 3, rate, range(3)), CopyIndex([('chord', beats, rate)])\n"
        "for name in available():\n"
        "    row = metric(name)\n"
        "    more = {'known audio': [index], 'prompt audio': [clips]}\n"
        "    if 'audio' in row.needs and 'embedding' not in row.needs:\n"
        "        row.load()(clips, *(one for need in row.needs for one in more.get(need, [])), **row.options)\n",
    )


def test_every_module_can_be_imported_without_the_harness():
    run_without(
        ("harness",),
        "import importlib, pkgutil, metrics\n"
        "for module in pkgutil.walk_packages(metrics.__path__, 'metrics.'):\n"
        "    importlib.import_module(module.name)\n",
    )


def test_the_face_is_written_down_alike_three_times():
    """`__all__`, the homes, and what a type checker reads."""
    import metrics

    [checked] = [node for node in ast.parse(Path(metrics.__file__).read_text()).body if isinstance(node, ast.If)]
    read = {
        alias.name: node.module for node in checked.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert read == metrics._HOMES
    assert metrics.__all__ == sorted(metrics._HOMES)
    for name, home in metrics._HOMES.items():
        assert getattr(metrics, name) is getattr(importlib.import_module(home), name)


def test_every_name_of_the_face_is_there():
    import metrics

    assert all(callable(getattr(metrics, name)) for name in metrics.__all__)
    assert not hasattr(metrics, "no_such_name")
