"""Runs `main` of every `bench_*` module here, or of those named on the command line."""

import importlib
import pkgutil
import sys

import tests.benchmarks


def main(names: list[str]) -> None:
    found = [
        module.name for module in pkgutil.iter_modules(tests.benchmarks.__path__) if module.name.startswith("bench_")
    ]
    for name in [f"bench_{name}" for name in names] or sorted(found):
        print(f"\n{name.removeprefix('bench_')}")
        importlib.import_module(f"tests.benchmarks.{name}").main()


main(sys.argv[1:])
