# Everything here needs CPython 3.11 or newer with venv, and nothing else. README.md says what to do without make.
PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python

.PHONY: demo test lint schema lock clean

demo: $(VENV)/ready
	$(RUN) -m sidecar demo

test: $(VENV)/ready
	$(RUN) -m pytest

lint: $(VENV)/ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports
	$(RUN) -m tests.tools.schema --check

schema: $(VENV)/ready
	$(RUN) -m tests.tools.schema

$(VENV)/ready: requirements-dev.lock
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
