"""Who may ask: keys from a file and the environment, compared in constant time, known by a hash alone."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from qaz_llm.errors import InputError
from qaz_llm.serve.refusals import Refused

VARIABLE = "QAZ_API_KEYS"
MIN_CHARS = 16
MAX_FILE_BYTES = 1 << 20
OPEN = "open"
"""Who asks where no keys are asked for."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The hashes of all keys; with none everyone may ask."""

    names: Mapping[bytes, str]
    """Hash of a key → how the log calls it."""

    def who(self, authorization: str | None) -> str:
        """Whose key a request's header holds. Raises Refused (401)."""
        if not self.names:
            return OPEN
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise Refused(401, "no key: send the header `Authorization: Bearer KEY`", code="missing_api_key")
        hashed = _hash(given.strip())
        found = None
        for known, name in self.names.items():  # all of them, so that the time does not tell which
            if hmac.compare_digest(known, hashed):
                found = name
        if found is None:
            raise Refused(401, "this key is not known here", code="invalid_api_key")
        return found


def read_keys(path: Path | None) -> Keys:
    """The keys of a file and of QAZ_API_KEYS.

    Raises InputError where the file cannot be read, can be read by others, or holds a key that is too short to be one.
    """
    lines = [key for key in os.environ.get(VARIABLE, "").split(",") if key.strip()]
    if path is not None:
        lines += _lines_of(path)
    names: dict[bytes, str] = {}
    for number, line in enumerate(lines, 1):
        name, colon, key = line.strip().rpartition(":")
        if len(key) < MIN_CHARS:
            raise InputError(
                f"key {number}: {len(key)} characters, at least {MIN_CHARS} are needed",
                hint="make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
        hashed = _hash(key)
        names[hashed] = name if colon and name else hashed.hex()[:8]
    return Keys(names)


def _lines_of(path: Path) -> list[str]:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file", hint="a line for each key, `name:key` or the key alone")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise InputError(f"{path}: others can read these keys", hint=f"chmod 600 {path}")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(f"{path}: more than {MAX_FILE_BYTES:,} bytes, which is no list of keys")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8, so no list of keys", hint="a line for each key") from error
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise InputError(f"{path}: no keys in it", hint="a line for each key, `name:key` or the key alone")
    return found


def _hash(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
