# The base is an argument, so that a mirror, a pinned digest or an image of your own can stand in for it. It has to have
# CPython 3.11 or newer as python3, pip for the build, and CA certificates.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build

# Wheels only: no compiler here, and no package's own build code runs. The secret is optional, for a package index of
# your own: --secret id=pip.conf,src=FILE; it lasts for this command and is in no layer.
COPY requirements.lock /build/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m pip install --require-hashes --only-binary :all: --no-compile --no-cache-dir \
        --disable-pip-version-check --root-user-action ignore --target /app --requirement /build/requirements.lock

COPY sidecar /app/sidecar

# Out goes what only compilers, type checkers and test runners read; *.dist-info stays, for scanners and licences. Debug
# information in the libraries stays, too: it is half of what this image adds to its base (5 of 9 MB, compressed), but
# without it they would not be the files that their wheels' RECORD vouches for, and stripping takes binutils. Every
# user may read the rest, whatever the umask of the checkout was. Byte-code is compiled here because a read-only root
# could not keep any, and "unchecked" spares the interpreter a look at every source file. /app is where it will run, so
# that tracebacks name files that exist.
RUN rm -rf /app/bin \
    && find /app -depth -type d \( -name tests -o -name _testbase \) -exec rm -rf {} + \
    && find /app -type f \( -name '*.py[ix]' -o -name '*.px[di]' -o -name '*.[ch]' \
        -o -name pytest_plugin.py -o -name test_utils.py -o -name '_testcapi.*' \) -delete \
    && chmod -R u=rwX,go=rX /app \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /app


FROM ${PYTHON_IMAGE}

# HOME is a directory that exists and that any user may read: certificates and passwords of a PostgreSQL client are
# looked for below it, and /root would be refused. SAFEPATH keeps modules from being imported out of the working
# directory.
ENV PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/app

COPY --from=build /app /app

# No installer in what runs: pip and its relatives go, wherever this base keeps them.
# The import proves that the parts fit together, and leaves byte-code of the standard library's modules behind: slim
# Python images ship without any, and each start and each probe would compile them anew (0.8 s instead of 0.3 s for a
# start).
RUN for library in /usr/local/lib/python3* /usr/lib/python3*; do \
        rm -rf "$library"/ensurepip; \
        for name in pip setuptools pkg_resources wheel _distutils_hack distutils-precedence.pth; do \
            rm -rf "$library"/*-packages/"$name" "$library"/*-packages/"$name"-*; \
        done; \
    done \
    && rm -rf /usr/local/bin/pip /usr/local/bin/pip3* /usr/bin/pip /usr/bin/pip3* /usr/share/python-wheels \
    && python3 -c "import encodings.idna, sidecar.daemon; from sidecar.commands import check, probe, serve"

# From here on nothing is ever written to the image's own file system.
ENV PYTHONDONTWRITEBYTECODE=1

ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="schema-readiness-sidecar" \
      org.opencontainers.image.description="Proves at boot that a PostgreSQL schema carries what an image expects" \
      org.opencontainers.image.version="${VERSION}"

# Numeric, for the kubelet cannot tell that a name is not root (runAsNonRoot). No such user needs to exist.
USER 65532:65532

# The probe listener. The admin listener is on loopback, for people and tools inside the pod.
EXPOSE 9632

# For Docker, Compose and ECS; Kubernetes has probes of its own. No shell, no curl. The start period covers the default
# SIDECAR_DEADLINE_S of 120 s, in which "not ready yet" is no failure; the timeout covers 2 s for each of IPv4 and IPv6.
HEALTHCHECK --interval=5s --timeout=5s --start-period=130s --retries=3 \
    CMD ["python3", "-m", "sidecar", "probe"]

# Exec form: Python is process 1 and gets SIGTERM itself.
ENTRYPOINT ["python3", "-m", "sidecar"]
CMD ["serve"]
