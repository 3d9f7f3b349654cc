"""A certificate authority for tests, made with the openssl program: certificates of every kind, right and wrong."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

OPENSSL = shutil.which("openssl")

_CONFIG = """
[ca]
default_ca = ours
[ours]
database = {directory}/index
new_certs_dir = {directory}
serial = {directory}/serial
crlnumber = {directory}/crlnumber
certificate = {directory}/ca.pem
private_key = {directory}/ca.key
default_md = sha256
default_days = 2
default_crl_days = 2
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""


class Certificate(NamedTuple):
    """Files in PEM form."""

    certificate: Path
    key: Path


class Authority:
    """A root that signs what it is asked to."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        (directory / "openssl.cnf").write_text(_CONFIG.format(directory=directory))
        (directory / "index").touch()
        for name in ("serial", "crlnumber"):
            (directory / name).write_text("01\n")
        self.root = directory / "ca.pem"
        key = directory / "ca.key"
        subject = f"/CN={directory.name}"
        self._run(
            "req", "-x509", *_NEW_KEY, "-nodes", "-keyout", key, "-out", self.root, "-subj", subject, "-days", "2"
        )

    def issue(self, name: str, *, alternatives: str = "", expired: bool = False, password: str = "") -> Certificate:
        """Issue a certificate to ``name``.

        Args:
            name: its common name.
            alternatives: what it is valid for besides, ``DNS:localhost,IP:127.0.0.1``.
            expired: true for one whose time is over.
            password: encrypts the key.
        """
        path = self._directory / f"{name}{'-expired' * expired}{'-encrypted' * bool(password)}"
        made = Certificate(path.with_suffix(".pem"), path.with_suffix(".key"))
        request = path.with_suffix(".csr")
        protection = ["-passout", f"pass:{password}"] if password else ["-nodes"]
        extension = ["-addext", f"subjectAltName={alternatives}"] if alternatives else []
        subject = f"/CN={name}"
        self._run("req", *_NEW_KEY, *protection, "-keyout", made.key, "-out", request, "-subj", subject, *extension)
        dates = ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"] if expired else []
        self._run("ca", "-batch", "-notext", "-in", request, "-out", made.certificate, *dates)
        return made

    def revoke(self, certificate: Certificate) -> None:
        """Take a certificate back."""
        self._run("ca", "-revoke", certificate.certificate)

    def revocations(self, name: str) -> Path:
        """Write the list of what has been taken back so far."""
        path = self._directory / f"{name}.crl"
        self._run("ca", "-gencrl", "-out", path)
        return path

    def _run(self, command: str, *arguments: str | Path) -> None:
        assert OPENSSL is not None
        config: list[str | Path] = ["-config", self._directory / "openssl.cnf"] if command == "ca" else []
        subprocess.run(
            [OPENSSL, command, *config, *arguments],
            env={k: v for k, v in os.environ.items() if not k.startswith(("SSL_", "OPENSSL"))},
            check=True,
            capture_output=True,
        )


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
