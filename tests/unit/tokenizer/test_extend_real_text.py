"""The guarantees again, on parallel sentences of a real benchmark, which the new tokens were not learned from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.io import read_jsonl

CORPUS_DIR = os.environ.get("QAZ_CORPUS_DIR", "")
FLORES = Path(CORPUS_DIR) / "flores200" / "flores200_devtest_kk_ru_en.jsonl"
pytestmark = pytest.mark.skipif(not CORPUS_DIR or not FLORES.is_file(), reason="QAZ_CORPUS_DIR names no FLORES")


@pytest.mark.parametrize("name", ["llama3", "sentencepiece", "llama2_class"])
def test_flores(families: Any, name: str) -> None:
    family = families(name)
    rows = list(read_jsonl(FLORES))
    tokens = {}
    for language in ("kk", "ru", "en"):
        texts = [row[language] for row in rows]
        base = family.base(texts, add_special_tokens=False)["input_ids"]
        extended = family.reloaded(texts, add_special_tokens=False)["input_ids"]
        assert all(len(new) <= len(old) for old, new in zip(base, extended, strict=True))
        assert family.reloaded.batch_decode(extended) == family.base.batch_decode(base) == texts
        tokens[language] = (sum(map(len, base)), sum(map(len, extended)))
        if language == "en":
            assert extended == base
    assert tokens["kk"][1] < 0.75 * tokens["kk"][0]
