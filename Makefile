PYTHON := $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: check table tables test test-torch clean

# Check everything that ships.
check: .venv/lockstep
	$(BIN)/lockstep check spec proofs

# The tables of proofs/README.md, from a new report.
table: .venv/lockstep
	$(BIN)/lockstep check proofs --json .venv/report.json
	$(BIN)/lockstep table .venv/report.json proofs --write proofs/README.md

# The tables of the parser, after a change of grammar/lockstep.lark or of lark.
tables: .venv/lockstep
	$(BIN)/python -m checker.language.tables > .venv/tables.json
	mv .venv/tables.json grammar/tables.json

# Linters, types, layers and tests.
test: .venv/dev
	$(BIN)/ruff check checker tests
	$(BIN)/mypy --strict checker
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2

# The same with PyTorch (a large download), which the tests of exported modules need; without it they are skipped.
test-torch: .venv/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[torch]'
	$(BIN)/python -m pytest tests/test_export.py

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
