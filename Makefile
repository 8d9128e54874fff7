# `make help` is the whole menu. Everything runs in the environment .venv, which the first target that needs it makes.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help install demo browser test test-all check types format speed soak docs figures build clean

help: ## Show this menu
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

# The demo needs the core alone: no torch, no Matplotlib.
$(VENV)/core: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (about a minute the first time)"
	@$(PIP_INSTALL) .
	@touch $@

$(VENV)/installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) with all that the tests need (a few minutes the first time)"
	@$(PIP_INSTALL) '.[test]'
	@touch $(VENV)/core $@

install: $(VENV)/installed ## Make the environment and install

demo: $(VENV)/core ## The main job on the synthetic data set; ends by naming the page to open
	@$(BIN)/vidsal demo -o build/demo

# Beside Chromium, which the system brings; without both the browser tests are skipped.
build/browser/installed: tests/leaderboard/browser/package.json
	@mkdir -p build/browser && cp $< build/browser/
	@npm install --prefix build/browser --no-audit --no-fund --no-package-lock --silent
	@touch $@

browser: build/browser/installed ## Install what the tests in a real browser need (npm), then `make test` runs them

# Plugins by name: found by themselves, they have pytest rewrite the assertions of all of hypothesis in every process.
# Bytecode is kept, whatever the shell says: each process that a test starts would compile the package anew.
# Memory that is freed is kept: the kernel would clear it anew for each array, a sixth of the time of networks.
PYTEST := MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=67108864 \
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(BIN)/python -m pytest -q -p no:cacheprovider \
	-p xdist.plugin -p pytest_benchmark.plugin -p _hypothesis_pytestplugin \
	--numprocesses auto --dist worksteal --durations 15

# Drawn examples are the same each time, so that a tree passes or fails; test-all draws new ones.
test: $(VENV)/installed ## Run the suite
	@$(PYTEST) -m 'not slow' --hypothesis-profile ci

test-all: $(VENV)/installed ## Run the suite and what is slow beside a faster neighbour
	@$(PYTEST)

check: $(VENV)/installed ## Style, types and tests
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(MAKE) --no-print-directory test

types: $(VENV)/installed ## mypy --strict
	@$(BIN)/mypy

format: $(VENV)/installed ## Format the sources
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

speed: $(VENV)/installed ## Measure the speed, as ratios in one run
	@$(BIN)/python -m pytest -q tests/speed --benchmark-enable --benchmark-disable-gc -s

SECONDS_OF_SOAK := $(if $(filter command line environment,$(origin SECONDS)),$(SECONDS),300)

soak: $(VENV)/installed ## Convert, run, kill and resume in a loop; SECONDS=300 unless told otherwise
	@$(BIN)/python tests/speed/soak.py $(SECONDS_OF_SOAK)

$(VENV)/docs: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) '.[docs]'
	@touch $(VENV)/core $@

docs: $(VENV)/docs ## Write the generated tables again and build the documentation site in build/docs
	@$(BIN)/python docs/figures/reference_tables.py
	@$(BIN)/python -m sphinx -b html -q -W --keep-going docs build/docs
	@echo "open build/docs/index.html"

figures: $(VENV)/installed ## Measure and draw the figures of the documentation again
	@$(BIN)/python docs/figures/why_scores_differ.py && $(BIN)/python docs/figures/measure_statistics.py

build: $(VENV)/installed ## Build the wheel
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/dist .

clean: ## Remove the environment and what was built
	rm -rf $(VENV) build *.egg-info
