PYTHON := $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: check test clean

# Check everything that ships.
check: .venv/lockstep
	$(BIN)/lockstep check spec proofs

# Linters, types, layers and tests.
test: .venv/dev
	$(BIN)/ruff check checker tests
	$(BIN)/mypy --strict checker
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/lockstep: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ .venv/lockstep

clean:
	rm -rf .venv
