"""A folder of label keys: made once, renewed every year, opened by whoever signs.

root.pem   public: readers trust labels by it           root.key   signs new leaves; off the server, in a safe
leaf.pem   public: goes into every label                leaf.key   signs labels; on the server, mode 600
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.io import atomic_dir, check_replaceable
from qaz_llm.labels.certificates import make_leaf, make_root, name_of, organisation_of, signs_labels
from qaz_llm.labels.library import need_label_libraries
from qaz_llm.labels.names import CERTIFICATE_CHARS, check_name
from qaz_llm.labels.trust import issued

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.x509 import Certificate

ROOT, ROOT_KEY, LEAF, LEAF_KEY = "root.pem", "root.key", "leaf.pem", "leaf.key"
ROOT_DAYS = 3650
LEAF_DAYS = 365
MAX_KEY_BYTES = 1 << 20
_MAKE = "make them: qaz label keys --out DIR"


@dataclass(frozen=True, slots=True)
class LabelKeys:
    """The key that signs labels, and its certificate, which is valid at the time it was opened."""

    key: Ed25519PrivateKey
    leaf: Certificate

    @property
    def valid_until(self) -> datetime:
        """When the certificate ends: what is labelled later is refused."""
        return self.leaf.not_valid_after_utc


def make_keys(
    out: Path,
    *,
    organisation: str | None = None,
    days: int = LEAF_DAYS,
    root: Path | None = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Make a root and a leaf in the folder `out`, or with `root`, a folder with an earlier root, a new leaf of that root.

    `organisation` is who labels, as readers see it; without it the root's, of a new root `qaz-llm`. Returns what was made, with the days on
    which the certificates begin and end.

    Raises InputError where `out` holds keys already, or `root` none, and for a name that readers could not be shown as it is.
    """
    need_label_libraries()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    moment = now or datetime.now(UTC)
    if (out / ROOT).exists() or (out / LEAF_KEY).exists():
        raise InputError(
            f"{out}: there are label keys in it already, and labels made with them need their root",
            hint=f"for a new leaf of the same root: qaz label keys --root {out} --out NEW_DIR",
        )
    check_replaceable(out, marker=LEAF)
    if root is None:
        organisation = check_name(organisation or "qaz-llm", "--organisation")
        root_key = Ed25519PrivateKey.generate()
        authority = make_root(root_key, organisation, moment, max(ROOT_DAYS, days))
    else:
        root_key, authority = _read_key(root / ROOT_KEY), _read_certificate(root / ROOT)
        if root_key.public_key() != authority.public_key():
            raise InputError(f"{root}: {ROOT_KEY} is not the key of {ROOT}", hint=_MAKE)
        _check_dates(authority, root / ROOT, moment)
        organisation = check_name(organisation or organisation_of(authority), "--organisation")
    leaf_key = Ed25519PrivateKey.generate()
    leaf = make_leaf(leaf_key, authority, root_key, organisation, moment, days)
    with atomic_dir(out) as folder:
        folder.chmod(0o700)
        _write_certificate(folder / ROOT, authority)
        _write_certificate(folder / LEAF, leaf)
        _write_key(folder / LEAF_KEY, leaf_key)
        if root is None:
            _write_key(folder / ROOT_KEY, root_key)
        else:
            shutil.copyfile(root / ROOT, folder / ROOT)
    return {
        "out": str(out),
        "root": facts_of(authority),
        "leaf": facts_of(leaf),
        "root_key_here": root is None,
        "organisation_cut": len(organisation) > CERTIFICATE_CHARS,
    }


def open_keys(folder: Path, *, now: datetime | None = None) -> LabelKeys:
    """The keys that a service signs with.

    Raises InputError where they are not there, can be read by others, do not belong together, or where the certificate has
    ended or is not made out for labels.
    """
    need_label_libraries()
    key, leaf = _read_key(folder / LEAF_KEY), _read_certificate(folder / LEAF)
    if key.public_key() != leaf.public_key():
        raise InputError(f"{folder}: {LEAF_KEY} is not the key of {LEAF}", hint=_MAKE)
    if not signs_labels(leaf):
        raise InputError(f"{folder / LEAF}: not made out for signing labels (usage c2pa-kp-claimSigning)", hint=_MAKE)
    if (folder / ROOT).exists() and not issued(leaf, _read_certificate(folder / ROOT)):
        raise InputError(
            f"{folder}: {LEAF} was not issued by the {ROOT} beside it, so no reader who trusts that root would trust its labels",
            hint=f"put the {ROOT} there that belongs to {LEAF}, or {_MAKE}",
        )
    _check_dates(leaf, folder / LEAF, now or datetime.now(UTC))
    return LabelKeys(key, leaf)


def read_roots(paths: list[Path]) -> bytes:
    """The certificates of files that labels are trusted by, one after another. Raises InputError where one holds none."""
    need_label_libraries()
    from cryptography.x509 import load_pem_x509_certificates

    pems = [_read_root(path) for path in paths]
    for path, pem in zip(paths, pems, strict=True):
        try:
            load_pem_x509_certificates(pem)
        except ValueError as error:
            raise InputError(
                f"{path}: no certificate in PEM form", hint=f"name the {ROOT} of whoever labels the text"
            ) from error
    return b"\n".join(pems)


def facts_of(certificate: Certificate) -> dict[str, str]:
    """What a person checks of a certificate."""
    from cryptography.hazmat.primitives.hashes import SHA256

    return {
        "name": name_of(certificate),
        "valid_from": certificate.not_valid_before_utc.isoformat(),
        "valid_until": certificate.not_valid_after_utc.isoformat(),
        "sha256": certificate.fingerprint(SHA256()).hex(),
    }


def _check_dates(certificate: Certificate, path: Path, now: datetime) -> None:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if start <= now <= end:
        return
    state = f"ended on {end:%Y-%m-%d %H:%M} UTC" if now > end else f"begins on {start:%Y-%m-%d %H:%M} UTC only"
    raise InputError(
        f"{path}: the certificate {state}; nothing can be labelled with it",
        hint=f"a new leaf of the same root: qaz label keys --root {path.parent} --out NEW_DIR",
    )


def _read_key(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path)
    mode = path.stat().st_mode & 0o077
    if mode and os.name == "posix":
        raise InputError(
            f"{path}: others can read this private key (mode {path.stat().st_mode & 0o777:o})", hint=f"chmod 600 {path}"
        )
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: no private key in PEM form without a password", hint=_MAKE) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path}: a key of another kind, labels are signed with Ed25519", hint=_MAKE)
    return key


def _read_certificate(path: Path) -> Certificate:
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(_read(path))
    except ValueError as error:
        raise InputError(f"{path}: no certificate in PEM form", hint=_MAKE) from error


def _read_root(path: Path) -> bytes:
    """A root given by its name; it may be a pipe."""
    if path.is_dir():
        inside = path / ROOT
        hint = (
            f"name the file in it: --trust {inside}"
            if inside.is_file()
            else f"name the {ROOT} of whoever labels the text"
        )
        raise InputError(f"{path}: a folder, and not a certificate", hint=hint)
    return _read(path, hint=f"name the {ROOT} of whoever labels the text")


def _read(path: Path, *, hint: str = _MAKE) -> bytes:
    if path.is_dir():
        raise InputError(f"{path}: a folder is where a file is to be", hint=hint)
    if not path.exists():
        raise InputError(f"{path}: there is no such file", hint=hint)
    with path.open("rb") as file:
        data = file.read(MAX_KEY_BYTES + 1)
    if len(data) > MAX_KEY_BYTES:
        raise InputError(f"{path}: more than {MAX_KEY_BYTES >> 20} MiB, which is no key and no certificate", hint=hint)
    if not data:
        raise InputError(f"{path}: empty", hint=hint)
    return data


def _write_certificate(path: Path, certificate: Certificate) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    path.write_bytes(certificate.public_bytes(Encoding.PEM))


def _write_key(path: Path, key: Ed25519PrivateKey) -> None:
    """Never readable by others, not for a moment."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
