"""What the hub's libraries keep for themselves in a folder that they fill, as huggingface_hub 2.4 does; told by its place alone.

    hub/CACHEDIR.TAG, hub/version.txt, hub/.locks/…         of the cache
    hub/models--…/refs/…, .no_exist/…, trees/COMMIT.json    of a model: names, what it has not, what the hub lists
    sets/…/.cache/huggingface/…                             of a data set: the same listing, times and locks of downloads
    xet/…, .check_for_update_done, …                        of HF_HOME

What a killed download leaves (`.incomplete`, `.tmp`), and `token`, are none of these: they are not to be carried.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from qaz_llm.fetch.folder import HUB
from qaz_llm.io.hub import SETS

_LISTING = r"trees/[0-9a-f]{40}\.json"
_OF_HOME = re.compile(
    rf"{HUB}/(?:CACHEDIR\.TAG|version\.txt|\.locks/.+)"
    r"|\.check_for_(?:skill_)?update_done|\.agent_harnesses\.json|xet/.+",
    re.DOTALL,
)
_OF_MODEL = re.compile(rf"(?:refs|\.no_exist)/.+|{_LISTING}", re.DOTALL)
_OF_SET = re.compile(
    rf"{SETS}/.+/\.cache/huggingface/(?:CACHEDIR\.TAG|\.gitignore(?:\.lock)?|{_LISTING}|download/.+\.(?:lock|metadata))",
    re.DOTALL,
)


def is_kept_by_libraries(path: str, models: Collection[str]) -> bool:
    """Whether a file, by its path below the folder, is the libraries' own; `models` are the folders of models that were fetched.

    >>> is_kept_by_libraries("hub/models--a--b/refs/main", {"hub/models--a--b"})
    True
    """
    if _OF_HOME.fullmatch(path) or _OF_SET.fullmatch(path):
        return True
    folder, inner = "/".join(path.split("/")[:2]), "/".join(path.split("/")[2:])
    return folder in models and _OF_MODEL.fullmatch(inner) is not None
