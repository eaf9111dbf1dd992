# `make run` and `make test` work in a clean clone: each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RATINGS ?= 1000000

.PHONY: setup run test lint format clean

setup: $(VENV)/.ready

# Constraints, not requirements: the lock pins every version, pyproject.toml says what is needed.
$(VENV)/.ready: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[pipeline,dev]'
	@touch $@

run: setup
	@test -f sample/truth.json || $(BIN)/matinee sample --out sample --ratings $(RATINGS)
	@$(BIN)/matinee retrain --ratings sample/ratings.csv --titles sample/movie_titles.csv --store store

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) sample store build dist *.egg-info src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
