"""The licence ledger of a build, `licences.json`: what came from where, under which licence, and what that asks for.

Every kept document names its source and licence, its url where it has one, and the SHA-256 of its text in
`meta.hash`; the ledger holds the fingerprints of the source's files. So a document is traced to a row of a file, and
`sha256sum` over its text says whether it is still the one that was written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from qaz_llm.data.licences import alternatives, demands, rank
from qaz_llm.io import write_json

LEDGER = "licences.json"
KIND = "qaz licence ledger"
SIZES = ("documents", "conversations", "words", "bytes")

DEMAND_TEXTS: Mapping[str, str] = {
    "attribution": "name the source and its licence wherever the text is passed on",
    "share_alike": "pass on what is made from the text under the same licence",
    "non_commercial": "no commercial use",
    "no_derivatives": "do not pass on changed versions; a cleaned text is one",
    "unknown": "nobody has given leave to pass the text on; ask, or keep it to yourself",
}


def content_hash(text: str | bytes) -> str:
    """The SHA-256 of the UTF-8 bytes of a text, as hex; bytes are taken for these.

    Not the faster XXH3: a hash that is to prove where a text comes from has to withstand forgery, and `sha256sum` is
    everywhere. A microsecond per kilobyte on a processor with SHA instructions, beside two to encode the text.

    >>> content_hash("Сәлем!")[:16]
    '8806611968fcd70b'
    """
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()


def write_ledger(folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Write the ledger of a build beside its shards."""
    path = folder / LEDGER
    write_json(path, make_ledger(manifest))
    return path


def make_ledger(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The ledger of a manifest.

    A source whose rows have licences of their own carries them in its manifest entry as `licences`, a mapping from
    licence to `{documents, words, bytes}`; any other has all its text under its one `licence`. Sources that left nothing
    are listed, but no licence of theirs counts.
    """
    sources = {
        **{name: _source(entry, "documents") for name, entry in manifest["sources"].items()},
        **{
            _free_name(name, manifest["sources"]): _source(entry, "conversations")
            for name, entry in manifest["conversations"]["sources"].items()
        },
    }
    licences: dict[str, dict[str, Any]] = {}
    for name, source in sources.items():
        for licence, sizes in source["licences"].items():
            total = licences.setdefault(licence, {"demands": list(demands(licence).names()), "sources": []})
            total["sources"].append(name)
            for key, size in sizes.items():
                total[key] = total.get(key, 0) + size
    ordered = dict(sorted(licences.items(), key=lambda pair: (-pair[1].get("bytes", 0), pair[0])))
    return {
        "kind": KIND,
        "sources": sources,
        "licences": ordered,
        "obligations": {
            demand: {"means": text, "licences": [name for name, entry in ordered.items() if demand in entry["demands"]]}
            for demand, text in DEMAND_TEXTS.items()
            if any(demand in entry["demands"] for entry in ordered.values())
        },
        "strictest": max(ordered, key=lambda name: (rank(name), name), default=None),
        "conflicts": [{"licences": [one, other], "reason": reason} for one, other, reason in conflicts(ordered)],
        "refused_sources": dict(manifest.get("refused_sources", {})),
    }


def _free_name(name: str, taken: Iterable[str]) -> str:
    """Documents and conversations may be made from sources of one name."""
    return f"{name} (conversations)" if name in taken else name


def _source(entry: Mapping[str, Any], unit: str) -> dict[str, Any]:
    whole = {unit: entry["out"], "words": entry.get("words_out"), "bytes": entry.get("bytes_out")}
    sizes = {key: value for key, value in whole.items() if value is not None}
    known = {key: entry[key] for key in ("homepage", "citation") if entry.get(key)}
    return {
        "licence": entry["licence"],
        "demands": list(demands(entry["licence"]).names()),
        **sizes,
        **known,
        "licences": entry.get("licences") or ({entry["licence"]: sizes} if entry["out"] else {}),
        "files": dict(entry.get("fingerprints", {})),
    }


# ---------------------------------------------------------------------------------------------------- combinations

_FLOWS_INTO: Mapping[str, tuple[str, ...]] = {
    "CC-BY-SA-2.0": ("CC-BY-SA-3.0",),
    "CC-BY-SA-2.5": ("CC-BY-SA-3.0",),
    "CC-BY-SA-3.0": ("CC-BY-SA-4.0",),
    "CC-BY-SA-4.0": ("GPL-3.0-only",),
    "CC-BY-NC-SA-2.0": ("CC-BY-NC-SA-3.0",),
    "CC-BY-NC-SA-2.5": ("CC-BY-NC-SA-3.0",),
    "CC-BY-NC-SA-3.0": ("CC-BY-NC-SA-4.0",),
    "MPL-2.0": ("GPL-2.0-or-later", "LGPL-2.1-or-later", "AGPL-3.0-or-later"),
    "LGPL-2.1-only": ("GPL-2.0-or-later",),
    "LGPL-2.1-or-later": ("LGPL-2.1-only", "LGPL-3.0-or-later"),
    "LGPL-3.0-or-later": ("LGPL-3.0-only", "GPL-3.0-or-later"),
    "LGPL-3.0-only": ("GPL-3.0-only",),
    "GPL-2.0-or-later": ("GPL-2.0-only", "GPL-3.0-or-later"),
    "GPL-3.0-or-later": ("GPL-3.0-only",),
    "GPL-3.0-only": ("AGPL-3.0-only",),
    "AGPL-3.0-or-later": ("AGPL-3.0-only",),
}
"""Under which other licence a work made from the text may be passed on: the "later version" clauses; CC BY-SA 4.0 into
GPLv3 (https://creativecommons.org/compatiblelicenses); MPL-2.0 section 3.3; LGPL-2.1 section 3; GPL-3.0 section 13."""


def conflicts(licences: Iterable[str]) -> list[tuple[str, str, str]]:
    """Pairs of licences whose texts no single work can join, with the reason.

    A corpus whose documents each keep their licence is a collection and may hold both; one text made from both may not be
    passed on.

    >>> conflicts(["CC-BY-SA-4.0", "GPL-3.0-only", "CC-BY-4.0"])
    []
    >>> [pair[:2] for pair in conflicts(["GPL-2.0-only", "CC-BY-SA-4.0"])]
    [('CC-BY-SA-4.0', 'GPL-2.0-only')]
    """
    found = []
    for one, other in combinations(sorted(set(licences)), 2):
        reason = _conflict(one, other)
        if reason is not None:
            found.append((one, other, reason))
    return found


def _conflict(one: str, other: str) -> str | None:
    asked = demands(one), demands(other)
    if any(d.unknown or d.no_derivatives for d in asked) or not any(d.share_alike for d in asked):
        return None  # what is unknown or not to be changed is a matter of its own, not of the pair
    if all(d.share_alike for d in asked):
        common = set.intersection(
            *(
                {end for parts in alternatives(name) for part in parts for end in _reachable(part)}
                for name in (one, other)
            )
        )
        return None if common else "each asks that the whole be passed on under its own terms"
    free, bound = (0, 1) if asked[1].share_alike else (1, 0)
    if asked[free].non_commercial and not asked[bound].non_commercial:
        return "one forbids commercial use, the other forbids adding that restriction"
    return None


def _reachable(licence: str) -> set[str]:
    found = {licence}
    waiting = [licence]
    while waiting:
        new = set(_FLOWS_INTO.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found
