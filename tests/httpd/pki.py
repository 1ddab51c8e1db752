"""Certificates for tests, in the files that a web configuration names."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import trustme

SERVER_NAME = "localhost"


class Pki:
    """One authority; its certificates are files in a folder, as an operator has them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.place("ca.crt", self.ca.cert_pem)

    def issue(self, name: str, *identities: str) -> trustme.LeafCert:
        """Write ``name.crt`` and ``name.key``."""
        certificate = self.ca.issue_cert(*identities, common_name=identities[0])
        self.place(f"{name}.crt", *certificate.cert_chain_pems)
        self.place(f"{name}.key", certificate.private_key_pem)
        return certificate

    def place(self, name: str, *blobs: trustme.Blob) -> None:
        """Replace a file by another, atomically."""
        new = write(self.folder / f"{name}.new", b"".join(blob.bytes() for blob in blobs).decode())
        new.replace(self.folder / name)

    def client(self, certificate: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """Return the certificates that a client trusts and presents."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        if certificate is not None:
            certificate.configure_cert(context)
        return context


def write(file: Path, text: str, seconds_ago: float = 60) -> Path:
    """Write a file with an earlier time, because a file that was just written is not read yet."""
    file.write_text(text)
    found = file.stat()
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns - int(seconds_ago * 1e9)))
    return file
