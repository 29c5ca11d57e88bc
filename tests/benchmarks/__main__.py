"""Runs `main` of every `bench_*` module here, or of those named; options after one name are that benchmark's own."""

import importlib
import pkgutil
import sys
from itertools import takewhile

import tests.benchmarks


def main(arguments: list[str]) -> None:
    names = list(takewhile(lambda argument: not argument.startswith("-"), arguments))
    options = arguments[len(names) :]
    if options and len(names) != 1:
        sys.exit(f"options ({' '.join(options)}) belong to one benchmark: name it in front of them.")
    found = [
        module.name for module in pkgutil.iter_modules(tests.benchmarks.__path__) if module.name.startswith("bench_")
    ]
    for name in [f"bench_{name}" for name in names] or sorted(found):
        print(f"\n{name.removeprefix('bench_')}")
        module = importlib.import_module(f"tests.benchmarks.{name}")
        module.main(options) if options else module.main()


main(sys.argv[1:])
