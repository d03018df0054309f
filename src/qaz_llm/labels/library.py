"""The libraries that labels stand on, asked for when the first label is made or read."""

from __future__ import annotations

from importlib.util import find_spec

from qaz_llm.errors import InputError
from qaz_llm.installed import how_to_install

EXTRA = "serve"


def need_label_libraries() -> None:
    """Raise InputError, with what to install, where c2patxt or cryptography is not there."""
    missing = [name for name in ("c2patxt", "cryptography") if find_spec(name) is None]
    if missing:
        raise InputError(f"labels need {' and '.join(missing)}, which is not installed", hint=how_to_install(EXTRA))
