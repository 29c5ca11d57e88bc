import subprocess
import sys


def test_arrays_are_measured_without_torch_and_without_the_harness():
    code = (
        "import sys, numpy as np, metrics\n"
        "assert 'numpy' in sys.modules and 'scipy' not in sys.modules and 'metrics.frechet' not in sys.modules\n"
        "x = metrics.EmbeddingSet(np.random.default_rng(0).normal(size=(30, 3)), np.arange(30))\n"
        "metrics.fad(x, x), metrics.vendi(x), metrics.cosine_diversity(x)\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'torch', 'harness', 'librosa', 'mlflow', 'sklearn', 'pandas', 'soundfile'}))\n"
    )
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr


def test_sets_are_compared_where_neither_torch_nor_the_harness_can_be_imported():
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'harness', 'librosa', 'soundfile'):\n"
        "            raise ImportError(f'{name} is blocked')\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "import numpy as np\n"
        "from metrics import EmbeddingSet, Score, available, fad, kad, kid, mad, metric\n"
        "from metrics import paired_difference, prdc, vendi\n"
        "rng = np.random.default_rng(0)\n"
        "first, second, real = (EmbeddingSet(rng.normal(size=(30, 3)), np.arange(30)) for _ in range(3))\n"
        "for score in (fad(first, real), kad(first, real), kid(first, real), mad(first, real), vendi(first)):\n"
        "    assert isinstance(score, Score)\n"
        "assert len(prdc(first, real)) == 4\n"
        "for name in available():\n"
        "    if metric(name).needs <= {'embedding', 'reference'} and not metric(name).compare_by:\n"
        "        options = {'components': 2} if name == 'fad16' else {}\n"
        "        paired_difference(name, first, second, real, **options)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_every_name_of_the_face_is_there():
    import metrics

    assert all(callable(getattr(metrics, name)) for name in metrics.__all__)
    assert not hasattr(metrics, "no_such_name")
