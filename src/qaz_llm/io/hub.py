"""The hub of models and data sets: whether it can be reached, asked once, and what was brought from it beforehand.

The libraries of the hub try each request to a hub that does not answer six times, half a minute for each file. So before
they are called the hub is asked for once, PROBE_S at most; where it does not answer they are told to work offline, and find
what is in their caches, or fail at once.

    HF_HOME/hub/        the cache of the hub's libraries: models and tokenizers
    HF_HOME/sets/       data sets that `qaz fetch` brought, OWNER/NAME or OWNER/NAME@REVISION
    HF_HOME/fetched.json   what it brought
"""

from __future__ import annotations

import os
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

from qaz_llm.io.paths import resolve_path
from qaz_llm.io.secrets import safe_to_show
from qaz_llm.progress import get_logger

PROBE_S = 3.0
"""How long the hub may take to answer at all."""

PUBLIC_HUB = "https://huggingface.co"
PROBLEM_VARIABLE = "QAZ_HUB_PROBLEM"
"""Why this process works offline though nobody told it to; for its messages, and for processes that it starts."""

SETS = "sets"

_TRUE = {"1", "ON", "YES", "TRUE"}
_LIBRARIES = (("huggingface_hub.constants", "HF_HUB_OFFLINE"), ("datasets.config", "HF_HUB_OFFLINE"))

_logger = get_logger("hub")


def hub_endpoint() -> str:
    """The hub's address, as its libraries take it from HF_ENDPOINT; it may hold a password: `hub_name` is for showing."""
    return os.environ.get("HF_ENDPOINT", PUBLIC_HUB).rstrip("/")


def hub_name() -> str:
    """The hub's address as it is printed and written down."""
    return safe_to_show(hub_endpoint())


def hub_home() -> Path:
    """Where the hub's libraries keep what they fetched: HF_HOME, else its default."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.path.expandvars(os.environ.get("HF_HOME") or f"{cache_home}/huggingface")).expanduser()


def is_offline() -> bool:
    """Whether the hub's libraries are told to ask no network."""
    told = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return told.upper() in _TRUE


def reach_hub() -> str | None:
    """To be called before anything is asked of the hub. Why it cannot be reached, or None.

    Where it does not answer its libraries work offline from then on, in this process and those it starts; said once.
    """
    if is_offline():
        return os.environ.get(PROBLEM_VARIABLE) or "HF_HUB_OFFLINE is set"
    problem = _asked_once(hub_endpoint())
    if problem is not None:
        _work_offline(problem)
        _logger.warning("%s; what was fetched before is looked for in %s", problem, hub_home())
    return problem


def hub_hint() -> str:
    """What to do about something that was not found on the hub."""
    if not is_offline():
        return "check the id, or name a folder"
    problem = os.environ.get(PROBLEM_VARIABLE)
    why = f"{problem}: check the network and HF_ENDPOINT" if problem else "HF_HUB_OFFLINE is set"
    return f"{why}; bring it here with `qaz fetch CONFIG` where there is a network (docs/air-gap.md), or name a folder"


def set_copy(name: str, *, root: Path | None = None, beside: str = "", revision: str | None = None) -> Path | None:
    """The folder with a copy of a data set: one's own, else what `qaz fetch` brought; None where there is none."""
    folder = set_folder(hub_home(), name, revision)
    return own_copy(name, root=root, beside=beside) or (folder if folder.is_dir() else None)


def own_copy(name: str, *, root: Path | None = None, beside: str = "") -> Path | None:
    """The folder with a copy of a data set where paths of a config start, or below it in the folder `beside`; or None."""
    folder = resolve_path(f"{beside}{name}", root=root)
    return folder if folder.is_dir() else None


def set_folder(home: Path, name: str, revision: str | None) -> Path:
    """Where `qaz fetch` puts a data set below `home`."""
    owner, slash, short = name.partition("/")
    marked = f"{short or owner}@{revision.replace('/', '--')}" if revision else short or owner
    return home / SETS / (owner if slash else "") / marked


@cache
def _asked_once(endpoint: str) -> str | None:
    return ask_hub(endpoint, PROBE_S)


def ask_hub(endpoint: str, timeout_s: float) -> str | None:
    """Ask for anything at all; what kept it from answering within `timeout_s`, or None. An error page is an answer too."""
    from huggingface_hub import get_session  # knows of proxies and certificates as the libraries do

    session = get_session()  # before the time begins: loading takes seconds from a slow disk, which are not the hub's
    found: list[str | None] = []
    asking = threading.Thread(target=lambda: found.append(_head(session, endpoint, timeout_s)), daemon=True)
    asking.start()  # of its own, since looking a name up knows no time limit
    asking.join(timeout_s)
    if not found:
        return safe_to_show(f"{endpoint} has not answered for {timeout_s:g} s")
    return None if found[0] is None else safe_to_show(f"{endpoint} cannot be reached ({found[0]})")


def _head(session: Any, endpoint: str, timeout_s: float) -> str | None:
    try:
        session.head(endpoint, timeout=timeout_s, follow_redirects=False)
    except Exception as error:  # whatever it is, the libraries would meet it too
        return str(error) or type(error).__name__
    return None


def _work_offline(problem: str) -> None:
    """As HF_HUB_OFFLINE=1 at the start would; libraries that have been imported have read it already."""
    os.environ |= {"HF_HUB_OFFLINE": "1", PROBLEM_VARIABLE: problem}
    for module, name in _LIBRARIES:
        if module in sys.modules:
            setattr(sys.modules[module], name, True)
