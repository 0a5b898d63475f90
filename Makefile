# `make app` and `make test` start from nothing but Python 3.11, make and git; a second run starts at once.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
PYTHON ?=
PORT ?= 8501
WORKERS ?= 2
BASE := smollm2-135m
BIN := $(VENV)/bin
CODE := ddx app tests benchmarks training
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SET_UP := pyproject.toml constraints.txt
PYTEST := $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

.PHONY: help app test slow test-all lint types format bench bench-long bench-score notebooks clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

app: $(STAMPS)/app  ## set up, then serve the app on 127.0.0.1 (PORT=8501)
	@$(BIN)/ddx models get $(BASE)
	@echo "3/3 starting the app: http://127.0.0.1:$(PORT)  (Ctrl-C stops it)"
	@exec $(BIN)/streamlit run app/main.py --server.address 127.0.0.1 --server.port $(PORT)

test: $(STAMPS)/dev  ## set up, then the quick tests
	@$(BIN)/ddx models get $(BASE)
	@echo "3/3 running the quick tests"
	@$(PYTEST)

slow: $(STAMPS)/dev  ## the tests that `make test` leaves out, but for those that need a GPU
	@$(BIN)/ddx models get $(BASE)
	@$(PYTEST) -m "(slow or browser) and not gpu"

test-all: test slow  ## every test but those that need a GPU

lint: $(STAMPS)/dev  ## ruff, and the floors (import-linter)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/lint-imports

types: $(STAMPS)/dev  ## mypy
	@$(BIN)/mypy

format: $(STAMPS)/dev  ## rewrite the code in the project's style
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

bench: $(STAMPS)/dev  ## the short benchmarks that need no data: figures, no verdict
	@for name in import metrics rewards predict rl; do echo "bench_$$name.py"; $(BIN)/python benchmarks/bench_$$name.py; done

bench-long: $(STAMPS)/dev  ## memory over a million rows, the app in a browser: a quarter of an hour each
	@for name in memory stream app; do echo "bench_$$name.py"; $(BIN)/python benchmarks/bench_$$name.py; done

bench-score: $(STAMPS)/dev  ## engines against a plain loop of generate, in one run
	@$(BIN)/python benchmarks/bench_score.py

notebooks: $(STAMPS)/dev  ## execute the notebooks again, in place
	@$(BIN)/python notebooks/execute.py

clean:  ## remove the virtual environment and the tools' caches; data, runs and models stay
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache ddx.egg-info
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# The first of these that is Python 3.11 or 3.12 and can make a virtual environment.
$(STAMPS)/python:
	@for name in $(PYTHON) python3.11 python3 python3.12 python; do \
	    if "$$name" -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; \
	    then found="$$name"; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	    echo "ddx needs Python 3.11 with venv, and found none (is $$(python3 --version 2>/dev/null || echo 'no Python') all there is?)." >&2; \
	    echo "Install it (Debian, Ubuntu: apt install python3.11-venv; macOS: brew install python@3.11)," >&2; \
	    echo "or name it: make PYTHON=/path/to/python3.11 app" >&2; exit 1; \
	fi; \
	"$$found" -m venv $(VENV)
	@mkdir -p $(@D) && touch $@

# torch comes first and alone. It is by far the largest part, and its exact pin takes a CPU build (2.13.0+cpu)
# where the index offers one; pip then leaves it as it is. In one call with everything else, pip downloads it
# while still weighing the other packages, and an interrupted call has to start over.
$(STAMPS)/torch: $(SET_UP) | $(STAMPS)/python
	@echo "1/3 installing packages (about 3 minutes): torch ..."
	@$(PIP) torch==2.13.0
	@touch $@

$(STAMPS)/app: $(STAMPS)/torch
	@echo "2/3 installing packages: ddx and its app ..."
	@$(PIP) -e '.[app]'
	@touch $@

$(STAMPS)/dev: $(STAMPS)/torch
	@echo "2/3 installing packages: ddx, its app, training and tests ..."
	@$(PIP) -e '.[app,train,dev]'
	@touch $@ $(STAMPS)/app
