#!/usr/bin/env bash
# Renders the manifests, validates them against Kubernetes' schemas, and checks what no schema can say. Needs no cluster.
#
#   VENV=.venv bash tests/manifests/run.sh
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Skipped tests are failures: without kubectl there is nothing to check.
SIDECAR_TEST_NO_SKIPS=1 "${VENV:-.venv}/bin/python" -m pytest -q tests/manifests tests/docs/test_k8s_readme.py
