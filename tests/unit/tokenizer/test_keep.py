"""What an extension does to the words of languages that are to be kept: counted, shown, asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.config import ExtensionConfig
from qaz_llm.tokenizer.fast import backend_spec, with_backend
from qaz_llm.tokenizer.fertility import measure_fertility
from qaz_llm.tokenizer.keep import KeptFacts, kept_facts, parse_keep_options
from qaz_llm.tokenizer.make import make_from_files
from qaz_llm.tokenizer.words import count_chunks


def write_rows(path: Path, texts: tuple[str, ...], language: str) -> Path:
    path.write_text("".join(json.dumps({"text": t, "language": language}) + "\n" for t in texts), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["gpt2", "gemma"])
def test_words_cut_anew_are_those_whose_pieces_differ(
    families: Any, ru_documents: tuple[str, ...], en_documents: tuple[str, ...], name: str
) -> None:
    """Beside each running word tokenised by itself, one after the other."""
    family = families(name)
    for texts in (ru_documents, en_documents):
        chunks = count_chunks(texts)
        running = [chunk for chunk, count in chunks.items() for _ in range(count)]
        cuts = [[t.backend_tokenizer.encode(w, add_special_tokens=False).tokens for w in running]
                for t in (family.base, family.extended.tokenizer)]  # fmt: skip
        facts = kept_facts(family.base, family.extended.tokenizer, chunks)
        assert facts.words == len(running) == sum(len(text.split()) for text in texts)
        assert facts.words_cut_anew == sum(old != new for old, new in zip(*cuts, strict=True))
        assert (facts.tokens_before, facts.tokens_after) == tuple(sum(map(len, rows)) for rows in cuts)
    assert facts.words_cut_anew == 0  # English


def test_pieces_are_compared_not_their_ids(families: Any) -> None:
    """Swapping gives ids another meaning; a word that is spelled by the same pieces is cut as before."""
    base = families("gpt2").base
    spec = backend_spec(base)
    vocab = spec["model"]["vocab"]
    vocab["Ġthe"], vocab["Ġof"] = vocab["Ġof"], vocab["Ġthe"]
    facts = kept_facts(base, with_backend(base, spec), {" the": 2, " of": 3})
    assert (facts.words, facts.words_cut_anew) == (5, 0)


def test_files_to_keep_are_learned_with_and_reported(
    families: Any, kk_documents: tuple[str, ...], ru_documents: tuple[str, ...], tmp_path: Path
) -> None:
    base = families("gpt2").base
    kk, ru = (
        write_rows(tmp_path / "kk.jsonl", kk_documents, "kk"),
        write_rows(tmp_path / "ru.jsonl", ru_documents, "ru"),
    )
    made = {
        weight: make_from_files(
            base, ExtensionConfig(num_new_tokens=300, similar=False, keep_weight=weight), [kk], keep={"ru": ru}
        )
        for weight in (0.0, 2.0)
    }
    for extended, facts in made.values():
        assert facts.kept["ru"] == kept_facts(base, extended.tokenizer, count_chunks(ru_documents))
        assert any(line.startswith("ru: ") and "cut anew" in line for line in facts.lines())
        assert json.loads(json.dumps(facts.to_dict()))["kept"]["ru"]["words"] == facts.kept["ru"].words
    assert made[2.0][1].kept["ru"].words_cut_anew < made[0.0][1].kept["ru"].words_cut_anew
    before = measure_fertility(base, kk_documents).tokens_per_word
    assert measure_fertility(made[2.0][0].tokenizer, kk_documents).tokens_per_word < 0.8 * before


def test_a_line_says_words_tokens_and_bits() -> None:
    facts = KeptFacts(200, 3, 400, 390, ("бар", "мен"), {"before": 1.6, "after": 1.8})
    assert facts.line("ru") == (
        "ru: 1.5% of its 200 words are cut anew (бар, мен, …), 2.00 → 1.95 tokens per word; "
        "before any training 1.600 → 1.800 bits per byte (+12.5%)"
    )
    assert KeptFacts(200, 0, 400, 400).line("en") == (
        "en: 0.0% of its 200 words are cut anew, 2.00 → 2.00 tokens per word"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("ru",), "expected LANGUAGE=FILE"),
        (("RU=x",), "--keep RU=x"),
        (("kk={ru}",), "the language that tokens are added for"),
        (("ru={ru}", "ru={ru}"), "already"),
        (("ru={none}",), "none.jsonl"),
        (("en={ru}",), "holds no en text"),
    ],
)
def test_what_is_refused(options: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    ru = write_rows(tmp_path / "ru.jsonl", ("Привет",), "ru")
    with pytest.raises(InputError, match=expected):
        parse_keep_options([o.format(ru=ru, none=tmp_path / "none.jsonl") for o in options], language="kk")
