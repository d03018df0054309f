"""From what is asked for to an extended tokenizer: sizes, least frequencies, ids, and what is refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from qaz_llm.errors import InputError
from qaz_llm.tokenizer import words
from qaz_llm.tokenizer.config import ExtensionConfig
from qaz_llm.tokenizer.curve import ModelCost
from qaz_llm.tokenizer.extend import extend_tokenizer
from qaz_llm.tokenizer.extension import ExtendedTokenizer
from qaz_llm.tokenizer.make import ExtensionFacts, make_extension, make_from_files

BIG = ModelCost(body_parameters=8_000_000_000, hidden_size=64)


def make(
    base: PreTrainedTokenizerFast,
    corpus: Sequence[str],
    *,
    all_texts: Sequence[str] | None = None,
    cost: ModelCost | None = None,
    **settings: Any,
) -> tuple[ExtendedTokenizer, ExtensionFacts]:
    config = ExtensionConfig(**{"similar": False, **settings})
    texts = corpus if all_texts is None else all_texts
    return make_extension(base, config, corpus=lambda: iter(corpus), all_texts=lambda: iter(texts), cost=cost)


def _real_counts(extended: ExtendedTokenizer, texts: Sequence[str]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for text in texts:
        counts.update(extended.tokenizer(text, add_special_tokens=False)["input_ids"])
    return counts


@pytest.fixture(scope="module")
def few_documents(kk_documents: tuple[str, ...]) -> tuple[str, ...]:
    return kk_documents[:25]


# ---------------------------------------------------------------------------------------------------------------- sizes


def test_a_number_gives_what_extending_gives(family: Any, kk_documents: tuple[str, ...]) -> None:
    extended, facts = make(family.base, kk_documents, num_new_tokens=400)
    assert extended.tokenizer.backend_tokenizer.to_str() == family.extended.tokenizer.backend_tokenizer.to_str()
    assert extended.sub_tokens == family.extended.sub_tokens
    assert (facts.new_tokens, facts.swapped, facts.least_frequency, facts.curve) == (400, 0, None, None)


@pytest.mark.parametrize("name", ["llama3", "gemma"])
def test_auto_takes_what_the_curve_suggests(families: Any, few_documents: tuple[str, ...], name: str) -> None:
    extended, facts = make(families(name).base, few_documents, num_new_tokens="auto", max_new_tokens=500)
    assert facts.curve is not None
    assert facts.new_tokens == facts.curve.suggested == len(extended.sub_tokens)
    assert 0 < facts.new_tokens < 500
    assert facts.curve.points[-1].new_tokens == 500
    lines = facts.lines()
    assert len(lines) == len(facts.curve.points) + 2
    assert f"suggested: {facts.new_tokens:,}, the knee of the curve" in lines
    assert json.loads(json.dumps(facts.to_dict()))["curve"]["suggested"] == facts.new_tokens


def test_auto_learns_nothing_from_the_texts_it_measures_on(families: Any, kk_documents: tuple[str, ...]) -> None:
    """Of every 50 texts the first is measured on: two corpora that differ only there give the same tokenizer."""
    base = families("gpt2").base
    others = list(kk_documents[:51])
    for index in (0, 50):
        others[index] = "Мүлде басқа сөздер: құмырсқа, тасбақа, қарлығаш."
    first, of_first = make(base, kk_documents[:51], num_new_tokens="auto", max_new_tokens=20)
    second, of_second = make(base, others, num_new_tokens="auto", max_new_tokens=20)
    assert first.tokenizer.backend_tokenizer.to_str() == second.tokenizer.backend_tokenizer.to_str()
    assert of_first.curve is not None and of_second.curve is not None
    assert of_first.curve.points[0].tokens_per_word != of_second.curve.points[0].tokens_per_word


def test_more_than_the_corpus_supports_is_no_fault_where_auto_chooses(
    families: Any, few_documents: tuple[str, ...]
) -> None:
    _extended, facts = make(
        families("gpt2").base,
        few_documents[:12],
        num_new_tokens="auto",
        max_new_tokens=10**5,
        min_frequency=3,
        cost=BIG,
    )
    assert facts.curve is not None and facts.new_tokens <= facts.curve.points[-1].new_tokens < 10**5
    assert "of the base's" in facts.curve.reason


def test_more_than_the_corpus_supports_names_the_number_that_does(
    families: Any, few_documents: tuple[str, ...]
) -> None:
    base, texts = families("gpt2").base, few_documents[:12]
    with pytest.raises(InputError, match="supports") as caught:
        make(base, texts, num_new_tokens=10**5, min_frequency=3)
    most = int(re.search(r"at most (\d+)", str(caught.value))[1])  # type: ignore[index]
    assert make(base, texts, num_new_tokens=most, min_frequency=3)[1].new_tokens == most


def test_none_keeps_the_base_as_it_is(families: Any, few_documents: tuple[str, ...]) -> None:
    base = families("llama3").base
    extended, facts = make(base, few_documents[:10], num_new_tokens=0, similar=True, swap=True)
    assert facts.new_tokens == 0 and extended.sub_tokens == {} and extended.similar == {}
    assert extended.tokenizer.get_vocab() == base.get_vocab()


@pytest.mark.parametrize("name", ["llama3", "sentencepiece"])
def test_rows_are_filled_up_with_real_tokens(families: Any, few_documents: tuple[str, ...], name: str) -> None:
    base = families(name).base
    settings: dict[str, Any] = {"num_new_tokens": "auto", "max_new_tokens": 200}
    _plain, unfilled = make(base, few_documents, **settings)
    filled, facts = make(base, few_documents, **settings, pad_to_multiple_of=64)
    assert filled.size % 64 == 0 and filled.pad_to_multiple_of == 64
    assert unfilled.new_tokens <= facts.new_tokens < unfilled.new_tokens + 64
    assert filled.size == filled.base_size + facts.new_tokens
    asked, _facts = make(base, few_documents, num_new_tokens=50, pad_to_multiple_of=64)
    assert len(asked.sub_tokens) == 50, "a number is a number"


def test_filling_up_counts_holes_among_the_ids(few_documents: tuple[str, ...]) -> None:
    vocab = {char: index for index, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))} | {"th": 301}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[("t", "h")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    base = PreTrainedTokenizerFast(tokenizer_object=backend)
    extended, _facts = make(base, few_documents, num_new_tokens="auto", max_new_tokens=400, pad_to_multiple_of=32)
    assert len(base) == 257 and extended.base_size == 302
    assert extended.size % 32 == 0


# ------------------------------------------------------------------------------------------- tokens that training sees


@pytest.mark.parametrize("name", ["gpt2", "sentencepiece"])
def test_each_new_token_is_seen_as_often_as_asked_for(families: Any, few_documents: tuple[str, ...], name: str) -> None:
    family = families(name)
    planned, seen = 40_000, 20
    extended, facts = make(family.base, few_documents, num_new_tokens=150, planned_tokens=planned, min_seen=seen)
    counts = _real_counts(extended, few_documents)
    needed = seen * counts.total() / planned
    assert facts.least_frequency == pytest.approx(needed, abs=1 + 0.03 * needed)
    sides = {
        side for pair in json.loads(extended.tokenizer.backend_tokenizer.to_str())["model"]["merges"] for side in pair
    }
    rare = [index for index in extended.new_ids if counts[index] < facts.least_frequency]
    assert facts.rare == len(rare)
    spell = extended.tokenizer.convert_ids_to_tokens
    assert all(spell(index) in sides or len(spell(index)) == 1 for index in rare)
    assert f"at least {facts.least_frequency} times" in "\n".join(facts.lines())


@pytest.mark.parametrize("name", ["gpt2", "sentencepiece"])
def test_too_many_for_the_training_planned_name_a_number_that_works(
    families: Any, few_documents: tuple[str, ...], name: str
) -> None:
    """With fewer tokens the corpus is longer, and each token's share of it smaller: the number has to allow for that."""
    settings = {"planned_tokens": 40_000, "min_seen": 20}
    base = families(name).base
    with pytest.raises(InputError, match="20 times or more in 40,000 tokens of training") as caught:
        make(base, few_documents, num_new_tokens=500, **settings)
    most = int(re.search(r"at most (\d+)", str(caught.value))[1])  # type: ignore[index]
    assert 50 < most < 500
    assert make(base, few_documents, num_new_tokens=most, **settings)[1].new_tokens == most
    _extended, facts = make(base, few_documents, num_new_tokens="auto", max_new_tokens=500, **settings)
    assert facts.curve is not None
    assert facts.curve.points[-1].new_tokens < most + 300


@pytest.mark.parametrize("settings", [{"planned_tokens": 5}, {"min_frequency": 10**6}])
def test_auto_without_a_frequent_token_is_refused(
    families: Any, few_documents: tuple[str, ...], settings: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="frequent enough"):
        make(families("gpt2").base, few_documents, num_new_tokens="auto", **settings)


# ----------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("number", [100, "auto"])
def test_a_russian_corpus_is_no_kazakh(families: Any, ru_documents: tuple[str, ...], number: Any) -> None:
    base = families("gpt2").base
    with pytest.raises(InputError, match="letter that Russian lacks") as caught:
        make(base, ru_documents, num_new_tokens=number)
    assert "--language" in str(caught.value)
    assert make(base, ru_documents, num_new_tokens=100, language="ru")[1].new_tokens == 100


def test_kazakh_names_in_russian_text_do_not_make_it_kazakh(families: Any) -> None:
    texts = [
        "Город Алматы лежит у подножия гор, и жители его зовут так каждый день до вечера. " * 12 + "Қазақстан"
    ] * 20
    with pytest.raises(InputError, match="of 3,620 words 20 hold"):
        make(families("gpt2").base, texts, num_new_tokens=10)


@pytest.mark.parametrize("number", [10, "auto"])
@pytest.mark.parametrize("texts", [[], [""], ["The cat, 2024."] * 60, ["\u0301" * 100] * 60, ["12 345 — !"] * 60])
def test_a_corpus_without_words_to_learn_from_is_refused(families: Any, texts: list[str], number: Any) -> None:
    for name in ("gpt2", "sentencepiece"):
        with pytest.raises(InputError, match="no word with a non-Latin letter"):
            make(families(name).base, texts, num_new_tokens=number)


@pytest.mark.parametrize("first", ["", "2024", "Қала үлкен"])
def test_auto_on_too_few_texts_says_so(families: Any, few_documents: tuple[str, ...], first: str) -> None:
    """One text is measured on, and none is left to learn from; or the one measured on holds no word."""
    texts = [first] if first.startswith("Қ") else [first, *few_documents[:5]]
    with pytest.raises(InputError, match="every 50th text") as caught:
        make(families("gpt2").base, texts, num_new_tokens="auto")
    assert "number" in str(caught.value)
    assert make(families("gpt2").base, [*texts, "қала қала"], num_new_tokens=1)[1].new_tokens == 1


def test_a_base_that_lacks_the_bytes_of_the_words_is_refused(
    few_documents: tuple[str, ...], en_documents: tuple[str, ...]
) -> None:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    ascii_only = [text.encode("ascii", "ignore").decode() for text in en_documents]
    backend.train_from_iterator(ascii_only, trainers.BpeTrainer(vocab_size=300, show_progress=False))
    with pytest.raises(InputError, match="cannot spell"):
        make(PreTrainedTokenizerFast(tokenizer_object=backend), few_documents, num_new_tokens=10)


def test_too_few_tokens_to_swap_are_named(families: Any, few_documents: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="to be swapped in"):
        make(families("gpt2").base, few_documents, num_new_tokens=100, swap=True)


# ---------------------------------------------------------------------------------------------------------------- files


def _rows(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_rows_of_other_languages_are_passed_over(
    families: Any, tmp_path: Path, few_documents: tuple[str, ...], ru_documents: tuple[str, ...]
) -> None:
    base = families("gpt2").base
    rows = [{"text": text, "language": "kk"} for text in few_documents[:30]]
    mixed = [*rows[:15], *({"text": text, "language": "ru"} for text in ru_documents), *rows[15:]]
    config = ExtensionConfig(num_new_tokens=120, similar=False)
    alone, _facts = make_from_files(base, config, [_rows(tmp_path / "kk.jsonl", rows)])
    both, _facts = make_from_files(base, config, [_rows(tmp_path / "mixed.jsonl", mixed)])
    named_none = [{"text": text} for text in few_documents[:30]]
    unnamed, _facts = make_from_files(base, config, [_rows(tmp_path / "unnamed.jsonl", named_none)])
    assert alone.sub_tokens == both.sub_tokens == unnamed.sub_tokens
    assert alone.tokenizer.get_vocab() == both.tokenizer.get_vocab()
    only_russian = _rows(tmp_path / "ru.jsonl", [row for row in mixed if row["language"] == "ru"])
    with pytest.raises(InputError, match="no word with a non-Latin letter") as caught:
        make_from_files(base, config, [only_russian])
    assert "'kk'" in str(caught.value) and "passed over" in str(caught.value)


def test_similar_tokens_are_of_texts_in_all_languages(
    families: Any, tmp_path: Path, few_documents: tuple[str, ...], en_documents: tuple[str, ...]
) -> None:
    base = families("llama3").base
    rows = [{"text": text, "language": "kk"} for text in few_documents]
    rows += [{"text": text, "language": "en"} for text in en_documents]
    config = ExtensionConfig(num_new_tokens=60, similar=True)
    extended, _facts = make_from_files(base, config, [_rows(tmp_path / "all.jsonl", rows)])
    assert tuple(sorted(extended.similar)) == extended.new_ids
    old = {index for pairs in extended.similar.values() for index, _share in pairs}
    assert max(old) < extended.base_size
    extended.save(tmp_path / "saved")
    assert ExtendedTokenizer.load(tmp_path / "saved").similar == extended.similar


def test_the_same_files_give_the_same_tokenizer(families: Any, few_documents: tuple[str, ...]) -> None:
    base = families("gpt2").base
    first, facts = make(base, few_documents, num_new_tokens="auto", max_new_tokens=200)
    second, facts_again = make(base, few_documents, num_new_tokens="auto", max_new_tokens=200)
    assert first.tokenizer.backend_tokenizer.to_str() == second.tokenizer.backend_tokenizer.to_str()
    assert facts == facts_again


def test_an_extension_is_extended_again_where_there_is_more_to_learn(
    families: Any, few_documents: tuple[str, ...]
) -> None:
    once = extend_tokenizer(families("gpt2").base, few_documents, num_new_tokens=100)
    twice, _facts = make(once.tokenizer, few_documents, num_new_tokens="auto", max_new_tokens=300)
    assert twice.base_size == once.size
    assert all(max(old) < once.size for old in twice.sub_tokens.values())


# ------------------------------------------------------------------------------------------------------ spelling of bytes


def test_the_byte_of_each_character_is_that_of_the_peer_library() -> None:
    """The pre-tokenizer of tokenizers, asked about every character of two bytes, and so about each byte that text can hold."""
    spell = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    byte_of = words._bytes_by_character()
    assert sorted(byte_of) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(byte_of.values()) == list(range(256))
    seen = set()
    for point in [*range(0x2, 0x800), 0x800, 0x20AC, 0xD7FF, 0xFFFD, 0x10000, 0x4FFFF, 0x80000, 0xC0000, 0x10FFFF]:
        spelled = "".join(piece for piece, _span in spell.pre_tokenize_str(chr(point)))
        assert bytes(byte_of[char] for char in spelled) == chr(point).encode()
        seen |= set(spelled)
    unseen = {byte_of[char] for char in byte_of.keys() - seen}
    assert unseen <= {0x0, 0x1, 0xC0, 0xC1, *range(0xE0, 0x100)}, "UTF-8 has no C0, C1 or F5 to FF"
    decode = decoders.ByteLevel()
    for byte, char in ((byte, char) for char, byte in byte_of.items()):
        if byte < 0x80:
            assert decode.decode([char]) == chr(byte)
        elif byte < 0xC0:
            lead = next(c for c, b in byte_of.items() if b == 0xD0)
            assert decode.decode([lead + char]) == bytes([0xD0, byte]).decode()


def test_tokens_decode_as_the_tokenizer_decodes_them(family: Any) -> None:
    decode = words.token_decoder(family.extended.tokenizer)
    special = set(family.base.all_special_tokens)
    for token in family.extended.tokenizer.get_vocab():
        if token in special:
            continue
        text = decode(token)
        theirs = family.extended.tokenizer.backend_tokenizer.decoder.decode(["x", token])[1:]
        if text is None:
            assert "\ufffd" in theirs or re.fullmatch("<0x..>", token)
        else:
            assert text == theirs, token
    assert decode("\u4e2d") == ("\u4e2d" if not family.byte_level else None)
