"""The keys of a watermark in the choice of tokens: SynthID-Text (Dathathri et al., Nature 634, 2024), as transformers computes it.

    secret → `keys`    a number for each round of the tournament between tokens
           → `table`   what a token wins in a round, 0 or 1, looked up by a hash of it, the four before it and the round's key

transformers draws the table with torch's generator, whose numbers differ between a processor and a GPU. Here both come out of the
secret by SHAKE-256, so that marks made on one kind of machine are found on another, and nothing of either can be guessed. Exactly
half of the table wins: of a drawn one some hundred more or fewer do, and in a text of 100,000 tokens that alone would look like a mark.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
from dataclasses import dataclass, field
from hashlib import shake_256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from qaz_llm.config import StrictModel
from qaz_llm.errors import InputError
from qaz_llm.io import atomic_path, check_output_file

if TYPE_CHECKING:
    import numpy as np

SCHEME = "synthid-text"
DEPTH = 30
"""Rounds of the tournament, as in the reference implementation."""
NGRAM_TOKENS = 5
"""A token and the four before it decide together."""
TABLE_SIZE = 1 << 16
SECRET_BYTES = 32
MAX_FILE_BYTES = 4096
_MAKE = "make one: qaz label watermark --out FILE"


class _File(StrictModel):
    scheme: str
    secret: str


@dataclass(frozen=True, slots=True, eq=False)
class WatermarkKeys:
    """What marks are made and found by. Whoever has it can find them, and write text that has them."""

    keys: tuple[int, ...] = field(repr=False)
    """DEPTH numbers below TABLE_SIZE, all different: a lookup sees no more of them than that, and equal ones would count twice."""
    table: np.ndarray = field(repr=False)
    """TABLE_SIZE times 0 or 1, as bytes; half of them 1."""


def keys_of(secret: bytes) -> WatermarkKeys:
    """The keys that a secret stands for."""
    import numpy as np

    drawn = shake_256(b"keys" + secret).digest(DEPTH * 8)
    numbers = [int.from_bytes(drawn[place : place + 2]) for place in range(0, len(drawn), 2)]
    ranks = np.frombuffer(shake_256(b"table" + secret).digest(4 * TABLE_SIZE), dtype="<u4")
    table = np.zeros(TABLE_SIZE, np.uint8)
    table[ranks.argsort(kind="stable")[: TABLE_SIZE // 2]] = 1
    return WatermarkKeys(tuple(dict.fromkeys(numbers))[:DEPTH], table)


def make_watermark_keys(out: Path) -> None:
    """Write a new secret to the file `out`, which nobody else can read. Raises InputError where there is something already, or it cannot be
    written."""
    check_output_file(out, replaces=False, why="marks made with it need it")
    value = {"scheme": SCHEME, "secret": secrets.token_hex(SECRET_BYTES)}
    with (
        atomic_path(out) as temporary,
        os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file,
    ):
        file.write(json.dumps(value, indent=2) + "\n")


def read_watermark_keys(path: Path) -> WatermarkKeys:
    """The keys in a file of `make_watermark_keys`.

    Raises InputError where there is none, where it holds something else, or where others can read it; what it holds is never shown.
    """
    secret = _secret_in(path)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise InputError(f"{path}: others can read these watermark keys", hint=f"chmod 600 {shlex.quote(str(path))}")
    return keys_of(secret)


def _secret_in(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path}: a folder, not a file of watermark keys", hint=f"name the file; or {_MAKE}")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file", hint=_MAKE)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", hint="check its permissions") from error
    try:
        found = _File.model_validate(_object_of(data))
        secret = bytes.fromhex(found.secret)
    except (ValueError, ValidationError, RecursionError):  # their messages would show what was read
        raise InputError(f"{path}: not a file of watermark keys", hint=_MAKE) from None
    if found.scheme != SCHEME:
        raise InputError(f"{path}: keys of another watermark than {SCHEME}", hint=_MAKE)
    if len(secret) != SECRET_BYTES:
        raise InputError(f"{path}: a secret of {len(secret)} bytes, expected {SECRET_BYTES}", hint=_MAKE)
    return secret


def _object_of(data: bytes) -> Any:
    if len(data) > MAX_FILE_BYTES:
        raise ValueError
    return json.loads(data)
