from pathlib import Path

import numpy as np
import pytest
from dedup_corpus import CONFIG, corpus, document, make_part

from qaz_llm.data.config import DedupConfig
from qaz_llm.data.duplicates.features import Features, FeatureWriter, Part, read_ids
from qaz_llm.data.duplicates.minhash import MinHasher, text_hashes
from qaz_llm.data.licences import rank
from qaz_llm.errors import DataError
from qaz_llm.language.buffer import encode_texts, scan_texts, scan_words
from qaz_llm.records import Document

TEXTS = corpus(0, families=10)
DOCUMENTS = [
    document(number, text, licence=licence, quality=number / 40)
    for number, (text, licence) in enumerate(
        zip(TEXTS, ["CC0-1.0", "CC-BY-SA-4.0", "LicenseRef-unknown"] * 10, strict=True)
    )
]


def test_columns_of_parts_are_those_of_all_documents(tmp_path: Path) -> None:
    cuts = [(0, 11), (11, 11), (11, 30)]
    parts = [make_part(tmp_path / str(i), DOCUMENTS[a:b], batch=4) for i, (a, b) in enumerate(cuts)]
    features = Features(parts, CONFIG)
    words = scan_words(encode_texts(TEXTS))
    assert len(features) == 30
    assert np.stack(features.halves("text_hashes"), axis=1).tolist() == text_hashes(words).tolist()
    assert features.column("licences").tolist() == [rank(one.licence) for one in DOCUMENTS]
    assert features.column("qualities").tolist() == pytest.approx([number / 40 for number in range(30)])
    assert features.column("num_words").tolist() == [120] * 30
    keys = MinHasher(CONFIG, 0).band_keys(words)
    for band in range(CONFIG.bands):
        assert features.band(band).tolist() == keys[:, band].tolist()
    numbers = np.array([2, 10, 11, 12, 29])
    assert list(features.texts(numbers)) == [TEXTS[number] for number in numbers]


def test_ids_come_back(tmp_path: Path) -> None:
    ids = ["", "құжат", "a" * 300, "\ud800", "https://a.kz/?x=1\n2"]
    documents = [Document(one, "мәтін", "s", "kk", "Cyrl", "CC0-1.0") for one in ids]
    parts = [make_part(tmp_path / "a", documents[:2]), make_part(tmp_path / "b", documents[2:])]
    assert read_ids(parts, np.array([4, -1, 0, 3, 4, 1])) == {0: ids[0], 1: ids[1], 3: ids[3], 4: ids[4]}
    assert read_ids(parts, np.array([-1])) == {}


def test_half_a_part_is_no_part(tmp_path: Path) -> None:
    writer = FeatureWriter(tmp_path, CONFIG, 0)
    writer.add(DOCUMENTS, scan_texts(TEXTS))
    with pytest.raises(DataError, match="broken off"):
        Features([Part(tmp_path, 30, lambda rows: iter(()))], CONFIG)
    writer.close()
    assert len(Features([Part(tmp_path, 30, lambda rows: iter(()))], CONFIG)) == 30


@pytest.mark.parametrize("other", [{"bands": 10}, {"shingle_words": 4}, {"line_min_words": 5}])
def test_parts_made_with_other_settings_are_refused(other: dict[str, int], tmp_path: Path) -> None:
    part = make_part(tmp_path / "part", DOCUMENTS)
    ((name, value),) = other.items()
    with pytest.raises(DataError, match=f"{name} is .*, not {value}"):
        Features([part], DedupConfig(**other))


def test_settings_that_change_no_column_may_change(tmp_path: Path) -> None:
    part = make_part(tmp_path / "part", DOCUMENTS)
    assert len(Features([part], DedupConfig(min_jaccard=0.9, line_max_documents=9, exact=False))) == 30


def test_parts_of_two_seeds_are_refused(tmp_path: Path) -> None:
    parts = [make_part(tmp_path / str(seed), DOCUMENTS, seed=seed) for seed in (0, 1)]
    with pytest.raises(DataError, match="seeds 0, 1"):
        Features(parts, CONFIG)


def test_a_part_with_another_number_of_documents_is_refused(tmp_path: Path) -> None:
    part = make_part(tmp_path / "part", DOCUMENTS)
    with pytest.raises(DataError, match="num_documents is 30, not 29"):
        Features([Part(part.folder, 29, part.read_texts)], CONFIG)


def test_documents_and_texts_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 documents, but 3"):
        FeatureWriter(tmp_path, CONFIG, 0).add(DOCUMENTS[:2], scan_texts(TEXTS[:3]))
