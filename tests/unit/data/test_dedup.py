import random
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from dedup_corpus import CONFIG, corpus, document, edited, make_part, similarity

from qaz_llm.data.config import DedupConfig
from qaz_llm.data.duplicates.dedup import (
    REASONS,
    Decisions,
    find_duplicates,
    near_duplicates_of_texts,
    read_ids,
)
from qaz_llm.data.duplicates.features import Part
from qaz_llm.data.duplicates.minhash import MinHasher
from qaz_llm.data.licences import rank
from qaz_llm.errors import DataError
from qaz_llm.language.buffer import encode_texts, scan_words
from qaz_llm.records import Document

MANY_BYTES = 1 << 30


def search(parts: list[Part], work: Path, config: DedupConfig = CONFIG, memory_bytes: int = MANY_BYTES) -> Decisions:
    work.mkdir(parents=True, exist_ok=True)
    return find_duplicates(parts, config, work=work, memory_bytes=memory_bytes)


def verdicts(
    documents: list[Document], folder: Path, config: DedupConfig = CONFIG
) -> dict[str, tuple[str, str | None]]:
    """Reason and id of the copy that stays, by id."""
    decisions = search([make_part(folder / "part", documents, config)], folder / "work", config)
    kept = [documents[k].id if k >= 0 else None for k in decisions.kept_N.tolist()]
    reasons = [REASONS[code] for code in decisions.reasons_N.tolist()]
    return {one.id: (reason, of) for one, reason, of in zip(documents, reasons, kept, strict=True)}


def preference(one: Document) -> tuple[int, float, int, str]:
    return (rank(one.licence), -np.float32(one.meta["quality"]), -len(one.text.split()), one.id)


def mixed_documents(seed: int, *, families: int = 60) -> list[Document]:
    """Texts and near copies of several licences and qualities, some of them equal but for case and punctuation."""
    rng = random.Random(seed)
    texts = corpus(seed, families=families)
    texts += [text.upper().replace(" ", ", ", 3) for text in rng.sample(texts, families // 2)]
    rng.shuffle(texts)
    licences = ["CC0-1.0", "CC-BY-4.0", "CC-BY-NC-4.0", "LicenseRef-unknown"]
    return [
        document(number, text, licence=rng.choice(licences), quality=rng.choice([0.25, 0.5, 0.7]))
        for number, text in enumerate(texts)
    ]


def share_a_band(texts: list[str]) -> set[tuple[int, int]]:
    keys = MinHasher(CONFIG, 0).band_keys(scan_words(encode_texts(texts)))
    return {(i, j) for i, j in combinations(range(len(texts)), 2) if (keys[i] == keys[j]).any()}


def by_hand(documents: list[Document]) -> dict[str, str]:
    """The rule in plain Python: preferred documents first; a pair counts where it shares a band and is alike enough."""
    texts = [one.text.lower().replace(",", "") for one in documents]
    order = sorted(range(len(documents)), key=lambda number: preference(documents[number]))
    reasons: dict[str, str] = {}
    seen: set[str] = set()
    for number in order:
        if texts[number] in seen:
            reasons[documents[number].id] = "exact_duplicate"
        seen.add(texts[number])
    proposed = share_a_band(texts)
    kept: list[int] = []
    for number in order:
        if documents[number].id in reasons:
            continue
        rivals = [other for other in kept if (min(number, other), max(number, other)) in proposed]
        if any(similarity(texts[number], texts[other]) >= CONFIG.min_jaccard for other in rivals):
            reasons[documents[number].id] = "near_duplicate"
        else:
            kept.append(number)
    return reasons


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_against_plain_python(seed: int, tmp_path: Path) -> None:
    documents = mixed_documents(seed)
    found = verdicts(documents, tmp_path)
    assert {name: reason for name, (reason, _) in found.items() if reason} == by_hand(documents)


def test_each_is_dropped_for_a_copy_that_stays_and_is_alike(tmp_path: Path) -> None:
    documents = mixed_documents(3)
    found = verdicts(documents, tmp_path)
    by_id = {one.id: one for one in documents}
    reasons = [reason for reason, _ in found.values()]
    assert reasons.count("near_duplicate") > 20
    assert reasons.count("exact_duplicate") > 20
    for name, (reason, of) in found.items():
        if not reason:
            assert of is None
            continue
        assert of is not None
        assert found[of][0] == ""
        if reason == "near_duplicate":
            one, other = (by_id[key].text.lower().replace(",", "") for key in (name, of))
            assert similarity(one, other) >= CONFIG.min_jaccard
            assert preference(by_id[of]) < preference(by_id[name])


def test_few_pairs_are_missed(tmp_path: Path) -> None:
    texts = corpus(4, families=150, most_changes=3)
    documents = [document(number, text) for number, text in enumerate(texts)]
    found = verdicts(documents, tmp_path)
    families = (combinations(range(first, first + 3), 2) for first in range(0, len(texts), 3))
    alike = [(i, j) for pairs in families for i, j in pairs if similarity(texts[i], texts[j]) >= 0.8]
    both_stay = sum(not found[documents[i].id][0] and not found[documents[j].id][0] for i, j in alike)
    assert len(alike) > 100
    assert both_stay <= 0.01 * len(alike)  # 1 - (1 - .8⁶)²⁰ = .998


def test_neither_the_order_nor_the_cut_into_parts_matters(tmp_path: Path) -> None:
    documents = mixed_documents(5)
    expected = verdicts(documents, tmp_path / "one")
    rng = random.Random(0)
    for attempt in range(2):
        shuffled = rng.sample(documents, len(documents))
        cuts = [0, 40, 40, 41, 130, len(documents)]  # one part is empty
        pieces = [shuffled[a:b] for a, b in pairwise(cuts)]
        parts = [make_part(tmp_path / f"{attempt}-{i}", piece) for i, piece in enumerate(pieces)]
        decisions = search(parts, tmp_path / "work")
        kept = read_ids(parts, decisions.kept_N)
        found = {
            one.id: (REASONS[code], kept.get(number))
            for one, code, number in zip(shuffled, decisions.reasons_N, decisions.kept_N.tolist(), strict=True)
        }
        assert found == expected


def test_a_new_source_joins_the_parts_of_old_ones(tmp_path: Path) -> None:
    documents = mixed_documents(6)
    old = make_part(tmp_path / "old", documents[:120])
    before = {path: path.read_bytes() for path in (tmp_path / "old").iterdir()}
    search([old], tmp_path / "work")
    joined = search([old, make_part(tmp_path / "new", documents[120:])], tmp_path / "work")
    assert {path: path.read_bytes() for path in (tmp_path / "old").iterdir()} == before
    scratch = search([make_part(tmp_path / "all", documents)], tmp_path / "work")
    assert joined.reasons_N.tolist() == scratch.reasons_N.tolist()
    assert joined.kept_N.tolist() == scratch.kept_N.tolist()


def test_tables_that_do_not_fit_go_to_files(tmp_path: Path) -> None:
    part = make_part(tmp_path / "part", mixed_documents(7))
    in_memory = search([part], tmp_path / "a")
    on_disk = search([part], tmp_path / "b", memory_bytes=1)
    assert (tmp_path / "b" / "buckets.i32").exists()
    assert not (tmp_path / "a" / "buckets.i32").exists()
    assert in_memory.reasons_N.tolist() == on_disk.reasons_N.tolist()
    assert in_memory.kept_N.tolist() == on_disk.kept_N.tolist()


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ({"licence": "LicenseRef-unknown", "quality": 0.9}, {"licence": "CC-BY-NC-4.0", "quality": 0.1}),
        ({"quality": 0.2}, {"quality": 0.9}),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_better_copy_stays(
    worse: dict[str, object], better: dict[str, object], turned: bool, tmp_path: Path
) -> None:
    text = corpus(8, families=1)[0]
    documents = [document(0, text, **worse), document(1, text.upper(), **better)]  # type: ignore[arg-type]
    found = verdicts(documents[::-1] if turned else documents, tmp_path)
    assert found == {"құжат-00000": ("exact_duplicate", "құжат-00001"), "құжат-00001": ("", None)}


def test_of_equal_copies_the_smaller_id_stays(tmp_path: Path) -> None:
    text = corpus(8, families=1)[0]
    ids = ["ә", "z", "б", "a1", "a", "\U0001f600", "A", "￿"]
    documents = [Document(one, text, "s", "kk", "Cyrl", "CC0-1.0") for one in ids]
    found = verdicts(documents, tmp_path)
    assert [one for one in ids if not found[one][0]] == [min(ids)]
    order = []
    while documents:
        (best,) = [one for one in documents if not verdicts(documents, tmp_path / str(len(order)))[one.id][0]]
        order.append(best.id)
        documents.remove(best)
    assert order == sorted(ids)


def test_the_longer_of_near_copies_stays(tmp_path: Path) -> None:
    text = corpus(9, families=1)[0]
    documents = [document(0, text), document(1, text + " тағы бір сөйлем"), document(2, text + " тағы")]
    found = verdicts(documents, tmp_path)
    assert found == {
        "құжат-00000": ("near_duplicate", "құжат-00001"),
        "құжат-00001": ("", None),
        "құжат-00002": ("near_duplicate", "құжат-00001"),
    }


def test_copies_of_a_near_duplicate_are_told_of_the_one_that_stays(tmp_path: Path) -> None:
    words = corpus(10, families=1)[0].split()
    near = " ".join(edited(words, 2, random.Random(0)))
    documents = [
        document(0, near, quality=0.1),
        document(1, near, quality=0.2),
        document(2, " ".join(words), quality=0.9),
    ]
    found = verdicts(documents, tmp_path)
    assert found["құжат-00000"] == ("exact_duplicate", "құжат-00002")
    assert found["құжат-00001"] == ("near_duplicate", "құжат-00002")


def test_no_chains(tmp_path: Path) -> None:
    """The second is like the first and the third like the second, but not like the first: it stays."""
    words = corpus(11, families=1)[0].split()
    changed = [" ".join([*(f"жаңа{i}" for i in range(count)), *words[count:]]) for count in (0, 12, 24)]
    near, near_too, far = (similarity(changed[i], changed[j]) for i, j in ((0, 1), (1, 2), (0, 2)))
    assert min(near, near_too) >= CONFIG.min_jaccard > far
    documents = [document(i, text, quality=0.9 - i / 10) for i, text in enumerate(changed)]
    sure = CONFIG.model_copy(update={"bands": 40, "rows": 3})
    assert [reason for reason, _ in verdicts(documents, tmp_path, sure).values()] == ["", "near_duplicate", ""]


def test_later_documents_of_an_id_are_dropped_only_where_they_say_the_same(tmp_path: Path) -> None:
    texts = corpus(12, families=3)
    documents = [
        document(0, texts[0], quality=0.1),
        document(0, texts[3], quality=0.9),
        document(1, texts[3]),
        document(0, texts[0]),
    ]
    decisions = search([make_part(tmp_path / "part", documents)], tmp_path / "work")
    assert [REASONS[code] for code in decisions.reasons_N] == ["", "", "exact_duplicate", "duplicate_id"]
    assert decisions.kept_N.tolist() == [-1, -1, 1, 0]
    assert decisions.renamed_N.tolist() == [False, True, False, True]


def test_a_copy_by_id_is_told_of_the_document_that_stays_in_the_end(tmp_path: Path) -> None:
    """0 and 1 are one row twice; 2 says the same under another id and is preferred, so both are copies of it."""
    text = corpus(12, families=1)[0]
    documents = [document(0, text, quality=0.1), document(0, text), document(1, text, quality=0.9)]
    decisions = search([make_part(tmp_path / "part", documents)], tmp_path / "work")
    assert [REASONS[code] for code in decisions.reasons_N] == ["exact_duplicate", "duplicate_id", ""]
    assert decisions.kept_N.tolist() == [2, 2, -1]


def test_what_is_switched_off_is_not_looked_for(tmp_path: Path) -> None:
    documents = mixed_documents(13)
    for name, reason in (("exact", "exact_duplicate"), ("near", "near_duplicate")):
        config = CONFIG.model_copy(update={name: False})
        assert reason not in {verdict for verdict, _ in verdicts(documents, tmp_path / name, config).values()}
    assert not (tmp_path / "near" / "part" / "bands.u64").stat().st_size


def test_short_texts(tmp_path: Path) -> None:
    texts = ["екі сөз", "Екі сөз!", "сөз екі", "сөз", "екі сөз тағы", "!", "?"]
    found = verdicts([document(i, text) for i, text in enumerate(texts)], tmp_path)
    assert [reason for reason, _ in found.values()] == ["", "exact_duplicate", "", "", "", "", "exact_duplicate"]


def test_nothing_at_all(tmp_path: Path) -> None:
    assert len(search([], tmp_path / "work").reasons_N) == 0
    assert len(search([make_part(tmp_path / "part", [])], tmp_path / "work").reasons_N) == 0
    assert near_duplicates_of_texts([], CONFIG, 0) == []


def test_a_part_that_reads_too_few_texts(tmp_path: Path) -> None:
    part = make_part(tmp_path / "part", mixed_documents(14))
    short = Part(part.folder, part.num_documents, lambda rows: part.read_texts(rows[1:]))
    with pytest.raises(DataError, match="texts were asked for"):
        search([short], tmp_path / "work")


def test_texts_in_memory_have_the_verdicts_of_documents(tmp_path: Path) -> None:
    texts = corpus(15)
    found = verdicts([document(i, text, quality=1 - i / 1000) for i, text in enumerate(texts)], tmp_path)
    expected = [int(of.removeprefix("құжат-")) if of else None for _, of in found.values()]
    assert near_duplicates_of_texts(texts, CONFIG, seed=0) == expected
