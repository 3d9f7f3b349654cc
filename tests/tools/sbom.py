"""Writes down what the image carries: an SBOM (CycloneDX) and the list of its licences; ``python -m tests.tools.sbom``.

It looks into the built image, not into the lock: the image's files are exported, and its Python packages are found by
their ``*.dist-info``, its Debian packages by dpkg's records. The same image gives the same two files.
"""

import argparse
import contextlib
import json
import os
import posixpath
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.spdx import fixup_id
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ROOT = Path(__file__).parents[2]
SPECIFICATION = SchemaVersion.V1_6
PYTHON_DIRECTORIES = ("app", "usr/local/lib/python3*/*-packages", "usr/lib/python3*/*-packages")
DPKG = "var/lib/dpkg"
READ = (
    *(f"{directory}/*.{kind}-info*" for directory in PYTHON_DIRECTORIES for kind in ("dist", "egg")),
    *("usr/bin/python3.*", "usr/local/bin/python3.*", "usr/lib/*/libpython3.*", "usr/local/lib/libpython3.*"),
    *(f"{DPKG}/status", f"{DPKG}/info/*.list", "usr/share/doc/*/copyright", "etc/os-release", "usr/lib/os-release"),
)
"""Patterns of the files whose contents matter."""
DOCUMENTATION = ("usr/share/doc/", "usr/share/man/", "usr/share/lintian/")
MACHINE_READABLE = re.compile(r"Format:\s*https?://www\.debian\.org/doc/packaging-manuals/copyright-format/1\.0/?\s*$")
LICENCE_NAME = re.compile(r"[A-Za-z0-9][\w.+/-]*((,? (and|or|and/or)| with) [A-Za-z0-9][\w.+/-]*)*( exception)?")
"""What DEP-5 allows as a License field's first line; some packages put a sentence there instead."""


class SbomError(Exception):
    """The documents cannot be made; the message says why and what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.sbom", description=__doc__.partition("\n")[0])
    default = os.environ.get("IMAGE") or "schema-readiness-sidecar:test"
    parser.add_argument("--image", default=default, help="the image (default: IMAGE, else %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="directory of the two files (default: build)")
    arguments = parser.parse_args()
    try:
        bom = sbom(arguments.image)
        document = make_outputter(bom, OutputFormat.JSON, SPECIFICATION).output_as_string(indent=2) + "\n"
        invalid = JsonStrictValidator(SPECIFICATION).validate_str(document)
        if invalid is not None:
            raise SbomError(f"what was made does not fit the CycloneDX schema: {invalid}")
    except SbomError as error:
        print(f"sbom: {error}", file=sys.stderr)
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, text in (("sbom.cdx.json", document), ("licences.txt", licence_list(bom))):
        path = arguments.out / name
        path.write_text(text)
        print(f"{path}: {len(bom.components)} components of {arguments.image}")
    return 0


def sbom(image: str) -> Bom:
    """Return what the image carries."""
    described = described_by_podman(image)
    root = Root()
    with exported(image) as archive:
        root.read(archive)
    with tempfile.TemporaryDirectory(prefix="sidecar-sbom-") as text:
        bom = python_packages(root, Path(text))
    labels = described["Config"].get("Labels") or {}
    version = labels.get("org.opencontainers.image.version") or "unknown"
    application = bom.metadata.component
    assert application is not None
    application.version = version
    application.purl = PackageURL("generic", name=application.name, version=version)
    release = os_release(root)
    base = (cpython(root), operating_system(release), *debian_packages(root, release))
    bom.components.update((application, *base))
    container = Component(
        type=ComponentType.CONTAINER,
        bom_ref="image",
        name=application.name,
        version=version,
        purl=PackageURL("oci", name=application.name, qualifiers={"tag": version}),
    )
    bom.metadata.component = container
    bom.register_dependency(container, (application, *base))
    bom.metadata.timestamp = datetime.fromisoformat(described["Created"][:19]).replace(tzinfo=UTC)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, described["Id"])
    return bom


class Root:
    """An image's file system: every name, and the contents that matter."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self._names: set[str] = set()
        self._links: dict[str, str] = {}

    def read(self, archive: tarfile.TarFile) -> None:
        for member in archive:
            name = member.name.removeprefix("./").strip("/")
            self._names.add(name)
            if member.issym() or member.islnk():
                beside = posixpath.dirname(name) if member.issym() else ""
                self._links[name] = posixpath.normpath(posixpath.join("/", beside, member.linkname)).strip("/")
            elif member.isfile() and any(fnmatchcase(name, pattern) for pattern in READ):
                file = archive.extractfile(member)
                assert file is not None
                self.contents[name] = file.read()

    def exists(self, path: str) -> bool:
        return self._resolved(path) in self._names

    def text(self, path: str) -> str | None:
        """Return a file's text, through symbolic links; None where it does not exist."""
        found = self.contents.get(self._resolved(path))
        return None if found is None else found.decode(errors="replace")

    def _resolved(self, path: str) -> str:
        done, todo = "", path.strip("/").split("/")
        for _ in range(256):
            if not todo:
                return done
            done = posixpath.join(done, todo.pop(0))
            if done in self._links:
                done, todo = "", [*self._links[done].split("/"), *todo]
        raise SbomError(f"symbolic links in a circle: /{path}")


def python_packages(root: Root, directory: Path) -> Bom:
    """Return the Python packages, as cyclonedx-py finds them, and the sidecar that asks for them (pyproject.toml)."""
    for name, data in root.contents.items():
        if "-info" in name:
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    # All that cyclonedx-py asks of an interpreter is where it would look for packages. The image's own cannot run here.
    paths = sorted({path for pattern in PYTHON_DIRECTORIES for path in directory.glob(pattern)})
    interpreter = directory / "python3"
    search = shlex.quote(os.pathsep.join(map(str, paths)))
    interpreter.write_text(f'#!/bin/sh\nPYTHONPATH={search} exec {shlex.quote(sys.executable)} -S "$@"\n')
    interpreter.chmod(0o755)
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--no-validate"]
    command += ["--spec-version", SPECIFICATION.to_version(), "--pyproject", str(ROOT / "pyproject.toml")]
    found = output(*command, str(interpreter))
    bom: Bom = Bom.from_json(json.loads(found))  # type: ignore[attr-defined]  # a decorator makes it
    return bom


def cpython(root: Root) -> Component:
    """Return the interpreter. Its exact version is a string in its binary or library (``PY_VERSION``)."""
    interpreters = [name for name in root.contents if re.fullmatch(r"usr/(local/)?bin/python3\.\d+", name)]
    if not interpreters:
        raise SbomError("no CPython in this image")
    # The order of PATH: /usr/local/bin comes first.
    interpreter = max(interpreters, key=lambda name: "local" in name)
    series = interpreter.rpartition("python")[2]
    # Linkers let strings share their ends, so it may also be the end of a path.
    literal = re.compile(rb"(?<![\w.])(" + re.escape(series).encode() + rb"\.\d+(?:(?:a|b|rc)\d+)?\+?)\0")
    parts = [data for name, data in root.contents.items() if name == interpreter or f"libpython{series}." in name]
    versions = {found.decode() for data in parts for found in literal.findall(data)}
    if len(versions) != 1:
        raise SbomError(f"which CPython is /{interpreter}? It names {sorted(versions)}")
    (version,) = versions
    return Component(
        type=ComponentType.PLATFORM,
        bom_ref=f"cpython=={version}",
        name="cpython",
        version=version,
        # As in CPython's own SBOMs.
        licenses=[DisjunctiveLicense(id="PSF-2.0")],
        purl=PackageURL("generic", name="cpython", version=version),
        cpe=f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
    )


def os_release(root: Root) -> dict[str, str]:
    """Return what the base says of itself (os-release(5))."""
    pairs = (line.partition("=") for line in (root.text("etc/os-release") or "").splitlines())
    return {key: "".join(shlex.split(value)) for key, equals, value in pairs if equals}


def operating_system(release: dict[str, str]) -> Component:
    name, version = release.get("ID", "linux"), release.get("VERSION_ID", "unknown")
    return Component(
        type=ComponentType.OPERATING_SYSTEM,
        bom_ref=f"os:{name}@{version}",
        name=name,
        version=version,
        description=release.get("PRETTY_NAME"),
        purl=PackageURL("generic", name=name, version=version),
    )


def debian_packages(root: Root, release: dict[str, str]) -> Iterator[Component]:
    """Give what dpkg has installed, without those whose files are gone: the Dockerfile takes pip away so."""
    for package in stanzas(root.text(f"{DPKG}/status") or ""):
        name, version = package["Package"], package["Version"]
        if not package["Status"].endswith(" installed"):
            continue
        if is_removed(root, name, package["Architecture"]):
            print(f"left out: {name} {version}: dpkg knows it, its files are gone")
            continue
        # A source package may have a version of its own, in parentheses. Advisories name sources.
        source, _, rest = package.get("Source", name).partition(" ")
        upstream = f"{source}@{rest.strip('()')}" if rest else source
        qualifiers = {
            "arch": package["Architecture"],
            "distro": f"{release.get('ID')}-{release.get('VERSION_ID')}",
            **({"upstream": upstream} if upstream != name else {}),
        }
        purl = PackageURL("deb", "debian", name, version, qualifiers)
        yield Component(
            type=ComponentType.LIBRARY,
            bom_ref=purl.to_string(),
            name=name,
            version=version,
            description=package.get("Description", "").splitlines()[0],
            licenses=debian_licences(name, root.text(f"usr/share/doc/{name}/copyright") or ""),
            purl=purl,
        )


def is_removed(root: Root, name: str, architecture: str) -> bool:
    listed = root.text(f"{DPKG}/info/{name}.list") or root.text(f"{DPKG}/info/{name}:{architecture}.list") or ""
    paths = [path.strip("/") for path in listed.splitlines() if path != "/."]
    # What is above another path is a directory, and other packages have it, too.
    directories = {posixpath.dirname(path) for path in paths}
    files = [path for path in paths if path not in directories and not path.startswith(DOCUMENTATION)]
    return bool(files) and not any(root.exists(path) for path in files)


def debian_licences(name: str, text: str) -> Iterable[DisjunctiveLicense]:
    """Return the licences that a copyright file names, if it is in the machine-readable format (DEP-5)."""
    names = set()
    if MACHINE_READABLE.match(text.partition("\n")[0]):
        for stanza in stanzas(text):
            first = " ".join(stanza.get("License", "").strip().partition("\n")[0].split())
            if LICENCE_NAME.fullmatch(first):
                names.add(first)
    factory = LicenseFactory()
    if not names:
        return (factory.make_with_name(f"see /usr/share/doc/{name}/copyright"),)
    return [factory.make_with_id(one) if fixup_id(one) else factory.make_with_name(one) for one in sorted(names)]


def stanzas(text: str) -> Iterator["Message[str, str]"]:
    """Give the stanzas of a Debian control file (deb822(5))."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        if stanza.strip():
            yield HeaderParser().parsestr(stanza.lstrip("\n"))


def licence_list(bom: Bom) -> str:
    """Return the licences as text: first what the image adds to its base."""
    root = bom.metadata.component
    assert root is not None
    lines = [
        f"What the image {root.name} {root.version} carries, and the licences that each part declares.",
        "Their texts are in the image: /app/*.dist-info/licenses and /usr/share/doc/*/copyright.",
    ]
    kinds = {"pypi": "Python packages", "generic": "The sidecar, CPython and the base", "deb": "Debian packages"}
    for kind, heading in kinds.items():
        lines += ["", heading, "-" * len(heading)]
        for component in sorted(bom.components, key=lambda one: one.name.lower()):
            if component.purl is not None and component.purl.type == kind:
                told = "; ".join(licence_names(component)) or "none declared"
                entry = f"{component.name} {component.version}: {told}"
                lines += textwrap.wrap(entry, 100, subsequent_indent="    ", break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def licence_names(component: Component) -> list[str]:
    return sorted(
        one.value if isinstance(one, LicenseExpression) else one.id or one.name or "" for one in component.licenses
    )


def described_by_podman(image: str) -> dict[str, Any]:
    if shutil.which("podman") is None:
        raise SbomError("podman is missing; apt-get install --no-install-recommends podman runc")
    if subprocess.run(["podman", "image", "exists", image], capture_output=True, check=False).returncode:
        raise SbomError(f"there is no image {image} here; make image builds it, and IMAGE=NAME takes another")
    (described,) = json.loads(output("podman", "image", "inspect", image))
    return dict(described)


@contextlib.contextmanager
def exported(image: str) -> Iterator[tarfile.TarFile]:
    """Give the image's file system as an archive that can be read once."""
    container = output("podman", "create", "--no-healthcheck", "--network", "none", image).strip()
    try:
        with subprocess.Popen(["podman", "export", container], stdout=subprocess.PIPE) as process:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                yield archive
            assert process.stdout is not None
            process.stdout.read()  # what follows the archive's end
        if process.returncode:
            raise SbomError(f"podman export: exit {process.returncode}")
    finally:
        output("podman", "rm", container)


def output(*command: str) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SbomError(f"{' '.join(command[:3])}: exit {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
