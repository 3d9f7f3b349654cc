"""Proves what the image carries: its size, its layers, and that the SBOM tells the whole truth. Started by run.sh."""

import json
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.image.containers import inspect, passed, podman

LOCK = Path(__file__).parents[2] / "requirements.lock"
ABOVE_BASE_BYTES = 60_000_000
EXPECTED_LICENCES = {
    "Apache-2.0": "permissive; the licence and NOTICE travel in *.dist-info",
    "Apache-2.0 AND BSD-2-Clause": "permissive, both: prometheus_client bundles decorator",
    "Apache-2.0 AND MIT": "permissive, both: aiohttp bundles llhttp",
    "BSD-3-Clause": "permissive",
    "License :: OSI Approved :: Apache Software License": "aiosignal names no version; its LICENSE is Apache-2.0",
    "MIT": "permissive",
    "MIT OR Apache-2.0": "permissive, either",
    "PSF-2.0": "permissive; CPython's own",
    "PSF-2.0, Python-2.0": "aiohappyeyeballs: PSF-2.0, and a classifier that stands for Python's licences in general",
}
"""What the Python packages may declare, and why that is fine."""

PACKAGES = """
import importlib.metadata, json, os, platform, sys
from pathlib import Path

packages, recorded = [], set()
for package in importlib.metadata.distributions():
    packages.append((package.name, package.version))
    recorded.update(os.path.realpath(package.locate_file(file)) for file in package.files or ())

def source(path):
    return path.parent.parent / f"{path.name.split('.')[0]}.py" if path.suffix == ".pyc" else path

files = (path for path in Path("/app").rglob("*") if path.is_file() and not path.is_relative_to("/app/sidecar"))
print(json.dumps({
    "packages": packages,
    "unrecorded": sorted(str(path) for path in files if str(source(path)) not in recorded),
    "markers": {"python_version": f"{sys.version_info[0]}.{sys.version_info[1]}",
                "python_full_version": platform.python_version(),
                "implementation_version": platform.python_version()},
}))
"""


def main(image: str, base: str, sbom: Path) -> None:
    """Prove everything, one line each; an AssertionError tells what does not hold."""
    adds_little_to_its_base(image, base)
    document = json.loads(sbom.read_text())
    every_part_can_be_identified(document["components"])
    python_parts_are_those_of_the_lock(image, document["components"])
    licences_are_as_expected(python_packages(document["components"]))


def adds_little_to_its_base(image: str, base: str) -> None:
    layers: list[str] = inspect("image", image)["RootFS"]["Layers"]
    below: list[str] = inspect("image", base)["RootFS"]["Layers"]
    assert layers[: len(below)] == below, "the image does not stand on this base"
    sizes = layer_sizes(image, set(layers[len(below) :]))
    made_by = layer_origins(image)
    assert len(layers) == len(made_by), made_by
    for layer, origin in zip(layers, made_by, strict=True):
        size, compressed = sizes[layer]
        shown = f"{compressed / 1e6:.1f} MB compressed" if compressed else "the base"
        print(f"layer {layer[7:19]}: {size / 1e6:6.1f} MB, {shown}: {origin}")
    above = sum(compressed for _, compressed in sizes.values())
    assert 0 < above < ABOVE_BASE_BYTES, above
    passed(
        "adds less than 60 MB to its base", f"{above / 1e6:.1f} MB with gzip, in {len(layers) - len(below)} layer(s)"
    )


def layer_sizes(image: str, measured: set[str]) -> dict[str, tuple[int, int]]:
    """Return each layer's bytes, and of those to measure what gzip makes of them: registries keep them so."""
    sizes: dict[str, tuple[int, int]] = {}
    command = ["podman", "save", "--quiet", "--format", "docker-archive", image]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                layer = f"sha256:{member.name.removesuffix('.tar')}"
                file = archive.extractfile(member) if layer in measured else None
                sizes[layer] = (member.size, compressed_size(file) if file is not None else 0)
        assert process.stdout is not None
        process.stdout.read()  # what follows the archive's end
    assert process.returncode == 0, process.returncode
    return sizes


def compressed_size(file: IO[bytes]) -> int:
    gzip = zlib.compressobj(level=6, wbits=31)
    return sum(len(gzip.compress(chunk)) for chunk in iter(lambda: file.read(1 << 20), b"")) + len(gzip.flush())


def layer_origins(image: str) -> list[str]:
    """Return what wrote each layer: with --layers=false, all the instructions above the base together."""
    origins, written = [], []
    for entry in inspect("image", image)["History"]:
        line = " ".join(entry["created_by"].removeprefix("/bin/sh -c ").split())
        instruction, _, rest = line.removeprefix("#(nop) ").partition(" ")
        if not line.startswith("#(nop)"):
            written.append(f"RUN {line}"[:60])
        elif instruction in ("ADD", "COPY"):
            # "in" stands before the place; the source is a digest.
            written.append(f"{instruction} … {rest[rest.rindex('in ') + 3 :]}")
        if not entry.get("empty_layer"):
            origins.append("; ".join(written))
            written = []
    return origins


def every_part_can_be_identified(parts: list[dict[str, Any]]) -> None:
    for part in parts:
        assert part["name"], part
        assert part["version"] not in ("", "unknown"), part
        assert part["purl"].startswith("pkg:"), part
    kinds = [part["purl"].partition("/")[0].removeprefix("pkg:") for part in parts]
    counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    assert counts["generic"] == 3, counts  # the sidecar, CPython and the base's system
    passed("the SBOM has name, version and purl of each part", f"{counts}".strip("{}").replace("'", ""))


def python_packages(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for part in parts if part["purl"].startswith("pkg:pypi/")]


def python_parts_are_those_of_the_lock(image: str, parts: list[dict[str, Any]]) -> None:
    looking = ("run", "--rm", "--no-healthcheck", "--network", "none", "--entrypoint", "python3", image)
    found = json.loads(podman(*looking, "-c", PACKAGES).stdout)
    (python,) = (part["version"] for part in parts if part["name"] == "cpython")
    assert python == found["markers"]["python_full_version"], python
    packages = python_packages(parts)
    locked = locked_packages(found["markers"])
    listed = {(canonicalize_name(part["name"]), part["version"]) for part in packages}
    installed = {(canonicalize_name(name), version) for name, version in found["packages"]}
    assert listed == locked, sorted(listed ^ locked)
    assert installed == locked, sorted(installed ^ locked)
    assert found["unrecorded"] == [], found["unrecorded"]
    assert len(packages) == len(listed) == len(found["packages"]), "a package is there twice"
    passed("its Python packages, and the SBOM's, are those of requirements.lock", f"{len(locked)} for Python {python}")


def locked_packages(markers: dict[str, str]) -> set[tuple[str, str]]:
    """Return name and version of what the lock asks for where these markers hold."""
    lines = (line.partition(" \\")[0] for line in LOCK.read_text().splitlines() if line[:1].isalnum())
    requirements = [Requirement(line) for line in lines]
    chosen = [one for one in requirements if one.marker is None or one.marker.evaluate(markers)]
    return {(canonicalize_name(one.name), str(one.specifier).removeprefix("==")) for one in chosen}


def licences_are_as_expected(packages: list[dict[str, Any]]) -> None:
    declared = {part["name"]: licences_of(part) for part in packages}
    unexpected = {name: text for name, text in declared.items() if text not in EXPECTED_LICENCES}
    assert not unexpected, f"no licence, or one to be looked at: {unexpected}"
    passed("each Python package declares a licence that is expected", f"{len(set(declared.values()))} of them")


def licences_of(part: dict[str, Any]) -> str:
    found = part.get("licenses", [])
    licences = [one.get("expression") or one["license"].get("id") or one["license"]["name"] for one in found]
    return ", ".join(sorted(licences))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
