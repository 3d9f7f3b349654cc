#!/usr/bin/env bash
# Renders the manifests, validates them against Kubernetes' schemas, and checks what no schema can say. Needs no cluster.
#
#   VENV=.venv bash tests/manifests/run.sh
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
venv=${VENV:-.venv}

fail() {
    echo "tests/manifests: $*" >&2
    exit 1
}

command -v kubectl >/dev/null || fail "kubectl is missing; any version since 1.21 renders kustomizations"
[ -x "$venv/bin/kubernetes-validate" ] || fail "$venv lacks kubernetes-validate, one of the development dependencies"

rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT

for variant in classic native; do
    kubectl kustomize "k8s/$variant" >"$rendered/$variant.yaml" || fail "k8s/$variant cannot be rendered"
done

# The first version with native sidecars on by default, the first where they are stable, and the newest that the validator
# knows. Quiet means that it says nothing but warnings and errors; a kind that it does not know is only a warning to it.
newest=$("$venv/bin/python" -c 'import kubernetes_validate; print(kubernetes_validate.latest_version())')
for version in 1.29 1.33 "$newest"; do
    if ! said=$("$venv/bin/kubernetes-validate" --quiet --strict -k "$version" "$rendered"/*.yaml) || [ -n "$said" ]; then
        fail "not valid for Kubernetes $version:
$said"
    fi
    echo "ok: classic and native are valid for Kubernetes $version"
done

PYTHONPATH=. "$venv/bin/python" tests/manifests/check.py "$rendered"
echo "ok: restricted containers, nested time budgets, matching ports, a usable contract"
