"""Licences, the ledger and the card; the hub's own libraries read what was written."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from packaging.licenses import canonicalize_license_expression

from qaz_llm.data.card import hub_licence, make_card, size_category, write_card
from qaz_llm.data.config import LicencePolicy
from qaz_llm.data.licence_ledger import conflicts, content_hash, make_ledger, write_ledger
from qaz_llm.data.licence_names import spdx
from qaz_llm.data.licences import alternatives, demands, rank, refusal
from qaz_llm.io import write_jsonl


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
        ("CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"),
        ("https://creativecommons.org/licenses/by-sa/3.0/deed.kk", "CC-BY-SA-3.0"),
        ("http://www.creativecommons.org/licenses/by/4.0", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by-nd/", "LicenseRef-CC-BY-ND"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "LicenseRef-public-domain"),
        ("GPL-3.0", "GPL-3.0-only"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("  ", "LicenseRef-unknown"),
        ("«»", "LicenseRef-unknown"),
        ("CC-BY-SA", "LicenseRef-CC-BY-SA"),
        ("LicenseRef-own", "LicenseRef-own"),
        ("own terms, 2020", "LicenseRef-unknown"),
    ],
)
def test_spdx(given: str, expected: str) -> None:
    assert spdx(given) == expected
    assert spdx(spdx(given)) == expected
    assert canonicalize_license_expression(expected) == expected  # a second opinion on the form


def test_expressions_and_precedence() -> None:
    assert alternatives("MIT OR GPL-3.0-only AND CC-BY-4.0") == (("MIT",), ("GPL-3.0-only", "CC-BY-4.0"))
    assert alternatives("(MIT OR (Apache-2.0)) AND CC-BY-4.0") == (("MIT", "CC-BY-4.0"), ("Apache-2.0", "CC-BY-4.0"))
    assert alternatives("GPL-2.0-only WITH Classpath-exception-2.0") == (
        ("GPL-2.0-only WITH Classpath-exception-2.0",),
    )


def test_freer_licences_rank_lower() -> None:
    order = ["CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "GPL-3.0-only", "CC-BY-NC-4.0", "LicenseRef-unknown"]
    assert sorted(order, key=rank) == order
    assert rank("MIT OR GPL-3.0-only") == rank("MIT")
    assert rank("MIT AND GPL-3.0-only") == rank("GPL-3.0-only")
    assert rank("(MIT OR GPL-3.0-only) AND CC-BY-4.0") == rank("CC-BY-4.0")


def test_demands() -> None:
    assert demands("CC0-1.0").names() == ()
    assert demands("CC-BY-NC-ND-4.0").names() == ("attribution", "non_commercial", "no_derivatives")
    assert demands("MIT AND CC-BY-SA-4.0").names() == ("attribution", "share_alike")
    assert demands("LicenseRef-unknown").names() == ("attribution", "unknown")


def test_policy() -> None:
    policy = LicencePolicy(non_commercial="refuse", unknown="refuse", refuse=("GPL-3.0-only",))
    assert refusal("CC-BY-NC-4.0", policy) == "non_commercial"
    assert refusal(spdx("unknown"), policy) == "unknown"
    assert refusal("GPL-3.0-only", policy) == "listed"
    assert refusal("MIT AND GPL-3.0-only", policy) == "listed"
    assert refusal("MIT OR GPL-3.0-only", policy) is None
    assert refusal("GPL-3.0-only OR MIT", policy) is None
    assert refusal("GPL-3.0-only OR CC-BY-NC-4.0", policy) == "listed"
    assert refusal("CC-BY-SA-4.0", policy) is None
    assert refusal("CC-BY-SA-4.0", LicencePolicy(share_alike="refuse")) == "share_alike"
    assert refusal("CC-BY-NC-ND-4.0", LicencePolicy(no_derivatives="refuse")) == "no_derivatives"


@pytest.mark.parametrize(
    ("one", "other", "joinable"),
    [
        ("CC-BY-SA-4.0", "GPL-3.0-or-later", True),  # one way, declared in 2015
        ("CC-BY-SA-3.0", "CC-BY-SA-4.0", True),
        ("CC-BY-SA-4.0", "GPL-2.0-only", False),
        ("GPL-2.0-only", "GPL-3.0-only", False),
        ("GPL-2.0-or-later", "AGPL-3.0-only", True),
        ("MPL-2.0", "GPL-3.0-only", True),
        ("CC-BY-NC-4.0", "CC-BY-SA-4.0", False),
        ("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", True),
        ("CC-BY-NC-SA-4.0", "CC-BY-SA-4.0", False),
        ("CC-BY-4.0", "GPL-3.0-only", True),
        ("CC-BY-NC-4.0", "CC-BY-4.0", True),
        ("ODbL-1.0", "CC-BY-SA-4.0", False),
    ],
)
def test_combinations(one: str, other: str, joinable: bool) -> None:
    assert (conflicts([one, other]) == []) == joinable
    assert conflicts([one, other]) == conflicts([other, one])


def test_content_hash_is_what_sha256sum_prints() -> None:
    text = "Қазақ тілі\n"
    assert content_hash(text) == hashlib.sha256(text.encode()).hexdigest()


# --------------------------------------------------------------------------------------------------- ledger and card


def manifest(**sources: dict[str, Any]) -> dict[str, Any]:
    made = {
        name: {"in": 10, "out": 10, "bytes_out": 1000, "words_out": 100, "dropped": {}, "fingerprints": {"f": "0a"}}
        | entry
        for name, entry in sources.items()
    }
    return {
        "documents_in": 10 * len(made),
        "documents_out": 10 * len(made),
        "bytes_out": 1000 * len(made),
        "languages": {"kk": {"documents": 10, "words": 100, "bytes": 1000}},
        "sources": made,
        "refused_sources": {"secret": "non_commercial"},
        "dropped": {},
        "repairs": {},
        "pii": {},
        "decontamination": {"texts": 3},
        "conversations": {
            "out": 4,
            "languages": {"ru": 4},
            "sources": {"wiki": {"licence": "MIT", "in": 4, "out": 4, "dropped": {}}},
        },
        "config": {"conversations": [{"name": "wiki", "kind": "qa"}]},
    }


def example() -> dict[str, Any]:
    return manifest(
        wiki={"licence": "CC-BY-SA-4.0", "homepage": "https://kk.wikipedia.org", "citation": "Wikipedia, 2026"},
        code={"licence": "GPL-2.0-only"},
        rows={
            "licence": "LicenseRef-unknown",
            "licences": {
                "CC-BY-SA-4.0": {"documents": 6, "words": 60, "bytes": 600},
                "CC0-1.0": {"documents": 4, "words": 40, "bytes": 400},
            },
        },
        empty={"licence": "CC-BY-NC-4.0", "out": 0},
    )


def test_the_ledger_adds_up(tmp_path: Path) -> None:
    path = write_ledger(tmp_path, example())
    ledger = json.loads(path.read_text())
    assert path.name == "licences.json"
    totals = {name: entry.get("documents", 0) for name, entry in ledger["licences"].items()}
    assert totals == {"CC-BY-SA-4.0": 16, "GPL-2.0-only": 10, "CC0-1.0": 4, "MIT": 0}
    assert ledger["licences"]["CC-BY-SA-4.0"]["bytes"] == 1600
    assert ledger["licences"]["MIT"]["conversations"] == 4
    assert ledger["sources"]["wiki"]["files"] == {"f": "0a"}
    assert ledger["sources"]["wiki"]["homepage"] == "https://kk.wikipedia.org"
    assert ledger["sources"]["wiki (conversations)"]["conversations"] == 4
    assert set(ledger["obligations"]) == {"attribution", "share_alike"}  # what left nothing obliges to nothing
    assert ledger["strictest"] == "GPL-2.0-only"
    assert [pair["licences"] for pair in ledger["conflicts"]] == [["CC-BY-SA-4.0", "GPL-2.0-only"]]
    assert ledger["refused_sources"] == {"secret": "non_commercial"}


def test_the_hub_reads_the_card(tmp_path: Path) -> None:
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(write_card(tmp_path, example()))
    data = card.data.to_dict()
    assert data["language"] == ["kk", "ru"]
    assert (data["license"], data["license_name"]) == ("other", "mixed")
    assert data["size_categories"] == ["n<1K"]
    assert data["task_categories"] == ["text-generation", "question-answering"]
    assert [config["config_name"] for config in data["configs"]] == ["documents", "conversations"]
    for said in ("Wikipedia, 2026", "CC-BY-SA-4.0 and GPL-2.0-only", "secret: left out", "[wiki](https://kk.wikipedia"):
        assert said in card.text
    one = manifest(wiki={"licence": "CC-BY-SA-4.0"}) | {"conversations": {"out": 0, "languages": {}, "sources": {}}}
    (tmp_path / "one.md").write_text(make_card(one))
    assert DatasetCard.load(tmp_path / "one.md").data.license == "cc-by-sa-4.0"


def test_the_data_library_loads_the_folder_by_its_card(tmp_path: Path) -> None:
    import datasets

    folder = tmp_path / "corpus"
    folder.mkdir()
    write_jsonl(folder / "documents-00000.jsonl.zst", [{"id": "a", "text": "Сәлем"}, {"id": "b", "text": "Әлем"}])
    write_jsonl(folder / "dropped-00000.jsonl.zst", [{"id": "c", "reason": "x"}])
    write_jsonl(folder / "conversations-00000.jsonl.zst", [{"id": "d", "messages": [{"role": "user", "content": "?"}]}])
    write_card(folder, example())
    loaded = {
        name: datasets.load_dataset(str(folder), *arguments, split="train", cache_dir=str(tmp_path / "cache"))
        for name, arguments in {"default": [], "conversations": ["conversations"]}.items()
    }
    assert loaded["default"]["text"] == ["Сәлем", "Әлем"]
    assert loaded["conversations"]["id"] == ["d"]


def test_names_of_the_hub() -> None:
    assert hub_licence("GPL-3.0-or-later") == "gpl-3.0"
    assert hub_licence("LicenseRef-unknown") == "unknown"
    assert hub_licence("MIT OR Apache-2.0") == "other"
    assert [size_category(n) for n in (0, 1000, 25_000_000, 10**12)] == ["n<1K", "1K<n<10K", "10M<n<100M", "n>1T"]


def test_the_ledger_names_every_source_once() -> None:
    assert len(make_ledger(example())["sources"]) == 5
