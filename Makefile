# Everything is made in this clone: a virtual environment in .venv, the demo's map in .demo.
PYTHON ?= python3
BIN := .venv/bin
# Debian's place for Postgres 15; the same tests run on it as on the wheel's Postgres.
PG15 ?= /usr/lib/postgresql/15/bin

.PHONY: demo test test-pg15 soak runbook lint format clean help

help:
	@echo "make demo       a first map from nothing, in .demo"
	@echo "make test       the tests"
	@echo "make test-pg15  the same tests on Postgres 15 (PG15=$(PG15))"
	@echo "make soak       the fault matrices at full count"
	@echo "make runbook    what its commands print, written anew into docs/runbook.md"
	@echo "make lint       ruff, pyright, import-linter"

demo: .venv/runtime
	$(BIN)/redclust demo --output .demo

test: .venv/dev
	$(BIN)/python -m pytest -n auto

test-pg15: .venv/dev
	REDCLUST_TEST_BIN_DIR=$(PG15) $(BIN)/python -m pytest -n auto

soak: .venv/dev
	REDCLUST_SOAK=1 $(BIN)/python -m pytest -m soak

runbook: .venv/dev
	-WRITE_RUNBOOK=1 $(BIN)/python -m pytest tests/test_runbook.py
	git diff --stat docs/runbook.md

lint: .venv/dev
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/pyright
	$(BIN)/lint-imports

format: .venv/dev
	$(BIN)/ruff format src tests
	$(BIN)/ruff check --fix src tests

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "redclust needs Python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/runtime: .venv/bin/python pyproject.toml
	@echo "Installing redclust and its Postgres into .venv (about a minute, once)"
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/dev: .venv/runtime
	@echo "Installing what the tests need into .venv (once)"
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

clean:
	-$(BIN)/redclust --home .demo/home db stop
	rm -rf .venv .demo build src/*.egg-info
