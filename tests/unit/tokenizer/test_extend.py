"""The guarantees of an extended tokenizer, over six families of base tokenizers."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from qaz_llm.errors import DataError, InputError
from qaz_llm.tokenizer import extension, merges
from qaz_llm.tokenizer.extend import extend_tokenizer
from qaz_llm.tokenizer.extension import ExtendedTokenizer
from qaz_llm.tokenizer.fast import load_fast_tokenizer, tokenizer_fingerprint

KAZAKH = "аәбвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюя"
WORDS = (
    "қала",
    "ғылым",
    "ҚАЗАҚСТАН",
    "өңір",
    "жылы",
    "school",
    "Astana",
    "город",
    "2024",
    "3,5",
    "iPhoneға",
    "naïve",
    "中文",
)
mixed_text = st.lists(
    st.one_of(
        st.sampled_from(WORDS),
        st.text(alphabet=KAZAKH + KAZAKH.upper(), max_size=12),
        st.text(alphabet="abcXYZ 0123456789 .,!?-«»“”’\n\t", max_size=8),
        st.text(max_size=6),
    ),
    max_size=12,
).map(lambda parts: random.Random(len(parts)).choice(["", " "]).join(parts))
ascii_text = st.text(alphabet=st.characters(max_codepoint=127), max_size=80)
many = settings(max_examples=40, deadline=None)


def _plain(text: str) -> bool:
    """False where the base itself cannot give a text back: its own spelling of a space, or of a byte, in the text."""
    return "▁" not in text and re.search(r"<0x[0-9A-F]{2}>|<s>|</s>|<unk>", text) is None


# ----------------------------------------------------------------------------------------------------------- guarantees


@many
@given(text=mixed_text)
def test_any_text_comes_back(family: Any, text: str) -> None:
    ids = family.ids(family.extended.tokenizer, text)
    back = family.extended.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert back == family.base.decode(family.ids(family.base, text), clean_up_tokenization_spaces=False)
    if _plain(text) and (family.byte_level or not text.startswith(" ")):  # Llama-2 itself loses a space at the start
        assert back == text


@many
@given(text=mixed_text)
def test_no_text_gets_longer(family: Any, text: str) -> None:
    assert len(family.ids(family.extended.tokenizer, text)) <= len(family.ids(family.base, text))


@many
@given(text=ascii_text)
def test_ascii_text_keeps_its_ids(family: Any, text: str) -> None:
    assert family.ids(family.extended.tokenizer, text) == family.ids(family.base, text)


@many
@given(text=mixed_text)
def test_loaded_again_it_gives_the_same_ids(family: Any, text: str) -> None:
    assert family.ids(family.reloaded, text) == family.ids(family.extended.tokenizer, text)


def test_documents_keep_english_ids_and_shorten_kazakh(
    family: Any, kk_documents: tuple[str, ...], en_documents: tuple[str, ...]
) -> None:
    for text in en_documents:
        assert family.ids(family.extended.tokenizer, text) == family.ids(family.base, text)
    base_tokens = sum(len(family.ids(family.base, text)) for text in kk_documents)
    tokens = sum(len(family.ids(family.extended.tokenizer, text)) for text in kk_documents)
    assert tokens < 0.75 * base_tokens
    for text in kk_documents:
        ids = family.ids(family.reloaded, text)
        assert ids == family.ids(family.extended.tokenizer, text)
        assert family.reloaded.decode(ids, clean_up_tokenization_spaces=False) == text


def test_old_ids_special_tokens_and_template_are_unchanged(family: Any) -> None:
    base = family.base
    for tokenizer in (family.extended.tokenizer, family.reloaded):
        vocab = tokenizer.get_vocab()
        assert {token: vocab[token] for token in base.get_vocab()} == base.get_vocab()
        assert sorted(set(vocab.values()) - set(base.get_vocab().values())) == sorted(family.extended.sub_tokens)
        assert tokenizer.special_tokens_map == base.special_tokens_map
        assert tokenizer.all_special_ids == base.all_special_ids
        assert tokenizer.chat_template == base.chat_template
        assert tokenizer("The end")["input_ids"] == base("The end")["input_ids"]  # BOS and the like included
        for token in base.all_special_tokens:
            text = f"қала{token}бала"
            assert family.ids(tokenizer, text).count(base.convert_tokens_to_ids(token)) == 1


def test_ids_are_consecutive_and_none_is_an_added_token(family: Any) -> None:
    assert list(family.extended.sub_tokens) == list(range(family.extended.base_size, len(family.base) + 400))
    assert family.extended.base_size == len(family.base)
    assert family.reloaded.added_tokens_decoder.keys() == family.base.added_tokens_decoder.keys()


PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
BYTE_OF = {chr(byte): byte for byte in PRINTABLE} | {
    chr(256 + n): byte for n, byte in enumerate(b for b in range(256) if b not in PRINTABLE)
}
"""GPT-2's table of a printable character for each byte, rebuilt here from its rule."""


def _bytes_of(family: Any, token: str) -> bytes:
    """The bytes a token stands for, by the byte-level table or the SentencePiece spelling."""
    if family.byte_level:
        return bytes(BYTE_OF[char] for char in token)
    if match := re.fullmatch("<0x(..)>", token):
        return bytes([int(match[1], 16)])
    return token.replace("▁", " ").encode()


def test_new_tokens_stand_for_the_bytes_of_their_parts(family: Any) -> None:
    spell = family.extended.tokenizer.convert_ids_to_tokens
    for new, old in family.extended.sub_tokens.items():
        assert len(old) > 1
        assert _bytes_of(family, spell(new)) == b"".join(_bytes_of(family, spell(i)) for i in old)


def test_new_tokens_hold_no_ascii_and_no_boundary(family: Any) -> None:
    for new in family.extended.sub_tokens:
        raw = _bytes_of(family, family.extended.tokenizer.convert_ids_to_tokens(new))
        body = raw.removeprefix(b" ")
        assert body
        assert all(byte >= 128 for byte in body), raw
        text = raw.decode(errors="ignore")
        assert all(char.isalpha() for char in text.removeprefix(" ")), raw
        pre_tokenizer = family.base.backend_tokenizer.pre_tokenizer
        if family.byte_level and text.encode() == raw:
            assert len(pre_tokenizer.pre_tokenize_str(text)) == 1, text


def test_the_base_itself_is_left_alone(family: Any, kk_documents: tuple[str, ...]) -> None:
    before = family.base.backend_tokenizer.to_str()
    extend_tokenizer(family.base, kk_documents[:20], num_new_tokens=20)
    assert family.base.backend_tokenizer.to_str() == before


# --------------------------------------------------------------------------------------------------------------- merges


def _brute_force_merges(words: dict[tuple[str, ...], int], pair: tuple[str, str]) -> dict[tuple[str, ...], int]:
    """The words after one merge, left to right."""
    merged: Counter[tuple[str, ...]] = Counter()
    for word, count in words.items():
        out: list[str] = []
        for piece in word:
            if out and (out[-1], piece) == pair:
                out[-1] += piece
            else:
                out.append(piece)
        merged[tuple(out)] += count
    return merged


def test_each_merge_joins_a_most_frequent_pair_of_base_tokens(families: Any) -> None:
    base = families("gpt2").base
    corpus = ["қала қалаға қаланың бала балаға баланың", "қалалар мен балалар", "далада қала бар бала бар"] * 2
    extended = extend_tokenizer(base, corpus, num_new_tokens=20)
    merges = [tuple(pair) for pair in json.loads(extended.tokenizer.backend_tokenizer.to_str())["model"]["merges"]]
    new_merges = merges[len(json.loads(base.backend_tokenizer.to_str())["model"]["merges"]) :]
    counts: Counter[tuple[str, ...]] = Counter()
    for line in corpus:
        for piece in re.findall(" ?[^ ]+", line):
            counts[tuple(base.tokenize(piece))] += 1
    words: dict[tuple[str, ...], int] = counts
    for pair in new_merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for left, right in itertools.pairwise(word):
                pairs[left, right] += count
        assert pairs[pair] == max(pairs.values()), f"{pair} is not the most frequent pair"
        words = _brute_force_merges(words, pair)


def test_pairs_below_min_frequency_are_not_joined(families: Any) -> None:
    base = families("gpt2").base
    corpus = ["құс"] * 5 + ["өрік"] * 4
    extended = extend_tokenizer(base, corpus, num_new_tokens=1, min_frequency=5)
    with pytest.raises(InputError, match="supports"):
        extend_tokenizer(base, ["өрік"] * 4, num_new_tokens=1, min_frequency=5)
    ids = extended.tokenizer("өрік", add_special_tokens=False)["input_ids"]
    assert ids == base("өрік", add_special_tokens=False)["input_ids"]


def test_byte_fallback_characters_become_tokens_first(families: Any) -> None:
    family = families("sentencepiece")
    assert "қ" not in family.base.get_vocab()
    extended = extend_tokenizer(family.base, ["қала құс қар өзен"] * 3, num_new_tokens=3)
    tokens = extended.tokenizer.convert_ids_to_tokens(list(extended.sub_tokens))
    assert tokens[0] == "қ"  # three words have it, one has ұ, one ө
    assert set(tokens[1:]) == {"ұ", "ө"}
    byte_ids = family.base.convert_tokens_to_ids([f"<0x{byte:02X}>" for byte in "қ".encode()])
    assert extended.sub_tokens[extended.base_size] == tuple(byte_ids)


def test_the_order_of_the_corpus_does_not_matter(families: Any, kk_documents: tuple[str, ...]) -> None:
    base = families("specials_first").base
    shuffled = list(kk_documents)
    random.Random(7).shuffle(shuffled)
    first = extend_tokenizer(base, kk_documents, num_new_tokens=200)
    second = extend_tokenizer(base, iter(shuffled), num_new_tokens=200)
    assert first.tokenizer.backend_tokenizer.to_str() == second.tokenizer.backend_tokenizer.to_str()
    assert tokenizer_fingerprint(first.tokenizer) == tokenizer_fingerprint(second.tokenizer)
    assert tokenizer_fingerprint(first.tokenizer) != tokenizer_fingerprint(base)


def test_thinning_keeps_the_frequent_words(
    families: Any, kk_documents: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merges, "MAX_WORD_OCCURRENCES", 2_500)  # the documents hold several thousand words
    thinned = extend_tokenizer(families("gpt2").base, kk_documents, num_new_tokens=50)
    whole = families("gpt2").extended
    spell = whole.tokenizer.convert_ids_to_tokens
    frequent = set(spell(list(whole.sub_tokens)[:20]))
    assert frequent & set(thinned.tokenizer.get_vocab()) == frequent


def test_ids_with_holes_are_not_reused() -> None:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    vocab = {char: index for index, char in enumerate(sorted(alphabet))} | {"the": 300, "th": 301}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[("t", "h"), ("th", "e")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    base = PreTrainedTokenizerFast(tokenizer_object=backend)
    extended = extend_tokenizer(base, ["қала бала"] * 3, num_new_tokens=4)
    assert min(extended.sub_tokens) == extended.base_size == 302
    assert extended.tokenizer.decode(extended.tokenizer("the қала бала")["input_ids"]) == "the қала бала"


def test_units_are_written_as_distinct_characters_that_are_no_space() -> None:
    made = [merges._character(index) for index in (0, 1, 0xFFFFF)]
    assert made == ["\U00010000", "\U00010001", "\U0010ffff"]
    assert not any(chr(point).isspace() for point in range(0x10000, 0x110000))
    with pytest.raises(DataError, match="1,048,576"):
        merges._character(0x100000)


# --------------------------------------------------------------------------------------------------- folders and errors


def test_save_and_load_keep_the_sub_tokens(families: Any) -> None:
    family = families("llama3")
    loaded = ExtendedTokenizer.load(family.folder)
    assert loaded.sub_tokens == family.extended.sub_tokens
    assert loaded.base_size == family.extended.base_size


def test_a_failed_save_leaves_the_old_folder(families: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extended = families("gpt2").extended
    extended.save(tmp_path / "tokenizer")
    before = {p.name: p.read_bytes() for p in (tmp_path / "tokenizer").iterdir()}

    def broken(*_args: object) -> None:
        raise RuntimeError("stopped")

    monkeypatch.setattr(extension, "write_text", broken)
    with pytest.raises(RuntimeError):
        extended.save(tmp_path / "tokenizer")
    assert {p.name: p.read_bytes() for p in (tmp_path / "tokenizer").iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["tokenizer"]


def test_extending_twice_builds_on_the_first(families: Any, kk_documents: tuple[str, ...]) -> None:
    family = families("llama3")
    twice = extend_tokenizer(AutoTokenizer.from_pretrained(family.folder), kk_documents, num_new_tokens=50)
    assert twice.base_size == family.extended.base_size + 400
    for text in kk_documents[:20]:
        ids = family.ids(twice.tokenizer, text)
        assert len(ids) <= len(family.ids(family.reloaded, text))
        assert twice.tokenizer.decode(ids) == text


def test_a_folder_without_extension_is_named(families: Any, tmp_path: Path) -> None:
    families("gpt2").base.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"extension\.json"):
        ExtendedTokenizer.load(tmp_path)


@pytest.mark.parametrize("corpus", [[], [""], ["The quick brown fox, 2024!"], ["123 456"], ["a b c"]])
def test_a_corpus_without_kazakh_is_refused(families: Any, corpus: list[str]) -> None:
    with pytest.raises(InputError, match="non-Latin"):
        extend_tokenizer(families("gpt2").base, corpus, num_new_tokens=10)


def test_too_many_tokens_name_the_number_that_would_do(families: Any) -> None:
    corpus = ["қала бала дала"] * 4
    with pytest.raises(InputError, match=r"supports (\d+) new tokens, 5,000 were asked for") as caught:
        extend_tokenizer(families("gpt2").base, corpus, num_new_tokens=5_000)
    most = int(re.search(r"supports (\d+)", str(caught.value))[1])  # type: ignore[index]
    assert len(extend_tokenizer(families("gpt2").base, corpus, num_new_tokens=most).sub_tokens) == most


def test_no_tokens_are_refused(families: Any) -> None:
    with pytest.raises(InputError, match="at least 1"):
        extend_tokenizer(families("gpt2").base, ["қала"], num_new_tokens=0)


@pytest.mark.parametrize("kind", ["unigram", "wordpiece", "wordlevel"])
def test_other_models_than_bpe_are_refused(kind: str) -> None:
    made: dict[str, tuple[Any, Any]] = {
        "unigram": (
            models.Unigram(),
            trainers.UnigramTrainer(vocab_size=40, unk_token="<unk>", special_tokens=["<unk>"]),
        ),
        "wordpiece": (models.WordPiece(unk_token="<unk>"), trainers.WordPieceTrainer(vocab_size=40)),
        "wordlevel": (models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(special_tokens=["<unk>"])),
    }
    model, trainer = made[kind]
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.train_from_iterator(["the cat sat on the mat", "a dog and a cat"] * 20, trainer)
    with pytest.raises(InputError, match="only BPE"):
        extend_tokenizer(PreTrainedTokenizerFast(tokenizer_object=backend), ["қала"], num_new_tokens=5)


def test_a_base_that_cannot_spell_kazakh_is_refused() -> None:
    """Without bytes to fall back to, the letters are <unk>, and a token made of it would stand for nothing."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=60, special_tokens=["<unk>"], show_progress=False)
    backend.train_from_iterator(["the cat sat on the mat"] * 5, trainer)
    base = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    with pytest.raises(InputError):
        extend_tokenizer(base, ["қала бала"] * 5, num_new_tokens=2)


def test_what_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_fast_tokenizer(str(tmp_path / "missing"))
    with pytest.raises(InputError, match="holds no tokenizer"):
        load_fast_tokenizer(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{half")
    with pytest.raises(InputError):
        load_fast_tokenizer(str(tmp_path))
