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


def test_every_name_of_the_face_is_there():
    import metrics

    assert all(callable(getattr(metrics, name)) for name in metrics.__all__)
    assert not hasattr(metrics, "no_such_name")
