"""Hashes of all files of a folder, and a signature over them: SHA-256 as `sha256sum` writes it, Ed25519 (RFC 8032).

    sha256sum --check SHA256SUMS
    openssl pkeyutl -verify -pubin -inkey signing_key.pub.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig

A signature shows that nothing was changed since, and by whose key it was made. Whose key that is, the key cannot say.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError
from qaz_llm.installed import how_to_install
from qaz_llm.io import make_dir, sha256_of, write_text
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_logger = get_logger("audit")

SUMS, SIGNATURE, PUBLIC_KEY = "SHA256SUMS", "SHA256SUMS.sig", "signing_key.pub.pem"


def write_sums(folder: Path) -> int:
    """Write SHA256SUMS over every other file of `folder`; their number."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in (SUMS, SIGNATURE))
    write_text(folder / SUMS, "".join(f"{sha256_of(path)}  {path.relative_to(folder)}\n" for path in paths))
    return len(paths)


def sign(folder: Path, key: Ed25519PrivateKey) -> None:
    """Write the signature of SHA256SUMS beside it; the public key must be in the folder, and so in the sums, before."""
    (folder / SIGNATURE).write_bytes(key.sign((folder / SUMS).read_bytes()))


def write_public_key(folder: Path, key: Ed25519PrivateKey) -> None:
    """Write the public half of the key as PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_text(folder / PUBLIC_KEY, pem.decode())


def load_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key in a PEM file; where there is no file, a new key is written there, for its owner's eyes alone.

    Raises:
        InputError: cryptography is missing, or the file holds no such key.
    """
    if find_spec("cryptography") is None:
        raise InputError("--sign needs cryptography, which is not installed", hint=how_to_install("audit"))
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if not path.exists():
        return _new_key(path)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path}: no private key without a password, in PEM", hint="name another, or a new file"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path}: a key of another kind than Ed25519", hint="name another, or a new file")
    return key


def _new_key(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    make_dir(path.parent)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    _logger.info("%s: a new key was made; keep it, and tell its public half to those who are to trust it", path)
    return key
