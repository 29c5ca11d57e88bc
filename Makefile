# make help lists what there is. Every target sets up .venv when it is missing; nothing but Python ≥ 3.11 and a package index is needed.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
BENCH_VENV ?= .venv-bench
BENCH_STAMP := $(BENCH_VENV)/.set-up
# Processes that share the fast tests
WORKERS ?= auto
RESULTS ?= $(or $(HARNESS_RESULTS),results)
# Set TORCH_INDEX to take torch from an index of its own, for example https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## Make .venv with everything at the versions of constraints.txt (nothing to do the second time)

$(STAMP): pyproject.toml constraints.txt tools/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" TORCH_INDEX="$(TORCH_INDEX)" bash tools/setup.sh
	@touch $(STAMP)

.PHONY: demo
demo: $(STAMP) ## Sample under three temperatures, measure against real music, log to MLflow
	@$(BIN)/harness run temperature --temperature 0.7 --temperature 0.85 --temperature 0.99 --clips 24 --seconds 6 --results $(RESULTS)

.PHONY: test
# The tests' arithmetic is small: a second thread makes the suite slower, and four times so beside other work.
test: export OMP_NUM_THREADS ?= 1
test: $(STAMP) ## Run the fast tests on all cores, then those that guard the main path: whole commands, then the slow ones
	@$(MAKE) --no-print-directory fast
	$(BIN)/python -m pytest -m "whole and not slow and not long" -n $(WORKERS) --dist loadscope
	$(BIN)/python -m pytest -m "slow and not long"

.PHONY: fast
fast: export OMP_NUM_THREADS ?= 1
fast: $(STAMP) ## Run the fast tests alone, on all cores (two and a quarter minutes on two)
	$(BIN)/python -m pytest -m "not whole and not slow and not long" -n $(WORKERS)

.PHONY: all-checks
all-checks: export OMP_NUM_THREADS ?= 1
all-checks: test lint ## Run everything there is: the long tests, the soak and the calibration as well (hours)
	$(BIN)/python -m pytest -m long
	$(BIN)/python -m tests.soak
	$(BIN)/python -m tests.calibration

.PHONY: lint
lint: $(STAMP) ## Check style, formatting, types, and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

.PHONY: readme
readme: $(STAMP) ## Run the commands whose output README.md shows, and put what they print in its place
	$(BIN)/python tools/readme.py

.PHONY: bench-metrics
bench-metrics: $(STAMP) ## Time the metrics beside their peers, fetched into build/, and write results/benchmarks/ (OPTIONS="--only KAD")
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks metrics --peers $(OPTIONS)

.PHONY: calibration
calibration: $(STAMP) ## Simulate what the estimators are worth (half an hour of CPU; what is there is kept) into results/calibration/
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.calibration

.PHONY: bench
bench: $(STAMP) ## Measure the speed of the parts that matter, printed as ratios
	$(BIN)/python -m tests.benchmarks

.PHONY: bench-harness
bench-harness: $(STAMP) ## Measure what the harness itself costs and what a second worker brings, into results/benchmarks/
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks harness

.PHONY: soak
soak: $(STAMP) ## Kill runs at 100 random moments of every phase and resume each (some 15 minutes), into results/soak.json
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak

.PHONY: bench-sampling
bench-sampling: $(STAMP) $(BENCH_STAMP) ## Measure tokens/s beside Hugging Face's Jukebox and the byte floor (OPTIONS="--widths 512")
	$(BIN)/python -m tests.benchmarks sampling --hf $(BENCH_VENV)/bin/python $(OPTIONS)

# The peer's environment has its own transformers and, at the end of its path, what .venv has: one build of torch on both sides.
$(BENCH_STAMP): tests/benchmarks/peer.txt
	$(BIN)/python -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip --disable-pip-version-check install --quiet -r tests/benchmarks/peer.txt
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$($(BENCH_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch-of-the-project.pth"
	@touch $@
