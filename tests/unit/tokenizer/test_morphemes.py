"""Token boundaries against morpheme boundaries: by hand, and against decoded prefixes and byte lengths."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.morphemes import (
    MARK,
    Cut,
    SegmentedWords,
    gold_borders,
    measure_morphemes,
    read_segmented_words,
    token_cuts,
)
from qaz_llm.tokenizer.words import token_lengths_bytes

WORDS = (
    "тілдердің",
    "қала",
    "география",
    "ұлттың",
    "iPhone-ға",
    "-ақ",
    "80-нен",
    "中x",
    "ы",
    "өсімдіктер,",
    "the",
    "🙂лар",
)


def wordpiece() -> PreTrainedTokenizerFast:
    """Lower-cases, and marks the inside of words with ##."""
    pieces = ["[UNK]", "a", "тіл", "##дер", "##дің", "қ", "##ала"]
    backend = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")


def unigram() -> PreTrainedTokenizerFast:
    pieces = [("<unk>", -20.0), ("▁", -3.0), ("a", -3.0), ("▁тіл", -2.0), ("дер", -2.0), ("дің", -2.0), ("▁қ", -2.0)]
    backend = Tokenizer(models.Unigram(pieces, 0, byte_fallback=False))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")


def segmented(*words: str, skipped: int = 0) -> SegmentedWords:
    return SegmentedWords(Counter(words), rows=len(words) + skipped, skipped_rows=skipped)


class FixedCuts:
    """Stands for a tokenizer: gives the spans it was told for each word."""

    def __init__(self, spans: dict[str, list[tuple[int, int]]]) -> None:
        self.spans = spans

    def __call__(self, texts: list[str], **_options: object) -> dict[str, list[list[tuple[int, int]]]]:
        rows = []
        for text in texts:
            context = text.rindex(" ") + 1
            shifted = [(start + context, end + context) for start, end in self.spans[text[context:]]]
            rows.append([(0, context - 1), *shifted])
        return {"offset_mapping": rows}


# ---------------------------------------------------------------------------------------------------------------- cuts


def by_decoding(tokenizer: Any, word: str) -> tuple[frozenset[int], int]:
    """Where tokens end, told by decoding ever longer prefixes, and how many of these end inside a character, in U+FFFD."""
    ids = tokenizer(f"a {word}", add_special_tokens=False)["input_ids"]
    prefixes = [tokenizer.decode(ids[:count], clean_up_tokenization_spaces=False) for count in range(1, len(ids))]
    places = {len(prefix) - len("a ") for prefix in prefixes if not prefix.endswith("\ufffd")}
    return frozenset(places & set(range(1, len(word)))), sum(prefix.endswith("\ufffd") for prefix in prefixes)


def by_bytes(tokenizer: Any, word: str) -> Cut:
    """Where tokens end, told by adding up the bytes they stand for, back from the end of the word."""
    ids = tokenizer(f"a {word}", add_special_tokens=False)["input_ids"]
    lengths = token_lengths_bytes(tokenizer, set(ids))
    end_of_char = {len(word[:count].encode()): count for count in range(len(word) + 1)}
    total = sum(lengths[index] for index in ids)
    borders, broken = set(), []
    for end in itertools.accumulate(lengths[index] for index in ids[:-1]):
        place = end - (total - len(word.encode()))
        if place in end_of_char:
            borders.add(end_of_char[place])
        elif place > 0:
            broken.append(sum(border < place for border in end_of_char) - 1)
    return Cut(frozenset(borders - {0}), tuple(broken))


@pytest.mark.parametrize("which", ["base", "extended"])
def test_cuts_are_where_decoded_prefixes_and_summed_bytes_say(family: Any, which: str) -> None:
    tokenizer = family.base if which == "base" else family.extended.tokenizer
    cuts = dict(token_cuts(tokenizer, WORDS))
    assert cuts == {word: by_bytes(tokenizer, word) for word in WORDS}
    shown = {word: (cut.borders, len(cut.broken)) for word, cut in cuts.items()}
    assert shown == {word: by_decoding(tokenizer, word) for word in WORDS}
    assert any(cut.broken for cut in cuts.values())
    assert any(cut.borders for cut in cuts.values())


def test_words_are_cut_as_in_running_text(family: Any, kk_documents: tuple[str, ...]) -> None:
    """Against the byte spans of all tokens of a text of plain words; the first has no space before it."""
    words = [word for word in kk_documents[0].split() if word.isalpha()][:40]
    cuts = dict(token_cuts(family.base, words))
    text = " ".join(words)
    ids = family.base(text, add_special_tokens=False)["input_ids"]
    lengths = token_lengths_bytes(family.base, set(ids))
    ends = list(itertools.accumulate(lengths[index] for index in ids))
    shift = ends[-1] - len(text.encode())  # the space that SentencePiece puts first
    start = 0
    for number, word in enumerate(words):
        inside = [end - shift - start for end in ends if start < end - shift < start + len(word.encode())]
        if number:
            assert len(inside) == cuts[word].boundaries, word
            borders = {count for count in range(1, len(word)) if len(word[:count].encode()) in inside}
            assert borders == cuts[word].borders, word
        start += len(word.encode()) + 1
    assert len(words) > 30


def test_an_emoji_of_four_bytes_is_cut_inside_three_times(family: Any) -> None:
    ((_, cut),) = token_cuts(family.base, ["🙂лар"])
    assert cut.broken == (0, 0, 0)
    assert 1 in cut.borders


def test_word_pieces_and_pieces_of_a_unigram_model_are_placed() -> None:
    expected = {"тілдердің": Cut(frozenset({3, 6})), "тілдер": Cut(frozenset({3})), "тіл": Cut(frozenset())}
    assert dict(token_cuts(wordpiece(), list(expected))) == expected
    assert dict(token_cuts(unigram(), list(expected))) == expected
    assert dict(token_cuts(wordpiece(), ["Қала"])) == {"Қала": Cut(frozenset({1}))}


def test_many_words_are_cut_in_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["тілдердің", "тіл", "тілдер", "қала", "тілдің"]
    at_once = list(token_cuts(wordpiece(), words))
    monkeypatch.setattr("qaz_llm.tokenizer.morphemes.CHUNK_WORDS", 2)
    assert list(token_cuts(wordpiece(), words)) == at_once
    assert [word for word, _cut in at_once] == words


def test_cuts_are_shown_in_the_word() -> None:
    assert Cut(frozenset({3, 6, 8}), (8,)).show("тілдердің") == "тіл·дер·ді·⟨ң⟩"
    assert Cut(frozenset()).show("тіл") == "тіл"


# ---------------------------------------------------------------------------------------------------------------- gold


@pytest.mark.parametrize(
    ("word", "borders"),
    [("тіл·дер·дің", {3, 6}), ("тіл", set()), ("емес·", set()), ("·ақ", set()), ("а··б", {1}), ("мм-·дей", {3})],
)
def test_gold_boundaries_are_characters_from_the_start(word: str, borders: set[int]) -> None:
    assert gold_borders(word) == borders


def test_rows_that_spell_another_text_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = [
        {"text": "тілдер 1374 тілдер .", "segmented": "тіл·дер 1374 тіл·дер ."},
        {"text": "басқа сөз", "segmented": "басқа сөз·дер"},
        {"text": "жол · үй", "segmented": "жол · үй"},  # a mark that is part of the text
    ]
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    gold = read_segmented_words(path)
    assert gold == SegmentedWords({"тіл·дер": 2}, rows=3, skipped_rows=2)  # 1374 and the full stop are no words


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "тіл"}', "row 1 has no text in the field 'segmented'; it has: text"),
        ('{"text": 3, "segmented": "тіл"}', "row 1 has no text in the field 'text'"),
        ('{"text": "тіл", "segmented": "тіл"}', "no word with a morpheme boundary in 1 rows, 0 of them"),
        ('{"text": "тіл", "segmented": "тіл·дер"}', "1 of them skipped"),
        ("", "no word with a morpheme boundary in 0 rows"),
    ],
)
def test_files_without_morphemes_are_refused(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text(line + "\n" if line else "", encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_segmented_words(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl: no such file"):
        read_segmented_words(tmp_path / "none.jsonl")


# ----------------------------------------------------------------------------------------------------------- agreement


def test_agreement_by_hand() -> None:
    """Five running words:

    gold         cut              gold  predicted  right  inside characters  possible
    тіл·дер·дің  тіл дерд ің      3, 6  3, 7       3      0                  8    (twice)
    қала·да      ⟨қ⟩ала да        4     4, in қ    4      1                  5
    бала·лар     балалар          4     –          –      0                  6
    үй           үй               –     –          –      0                  1
    """
    cuts = {
        "тілдердің": [(0, 3), (3, 7), (7, 9)],
        "қалада": [(-1, 1), (0, 4), (4, 6)],
        "балалар": [(-1, 7)],
        "үй": [(0, 2)],
    }
    gold = segmented("тіл·дер·дің", "тіл·дер·дің", "қала·да", "бала·лар", "үй", skipped=2)
    m = measure_morphemes(FixedCuts(cuts), gold)  # type: ignore[arg-type]
    assert (m.rows, m.skipped_rows, m.words, m.distinct_words, m.segmented_words) == (7, 2, 5, 4, 4)
    assert (m.gold_boundaries, m.predicted_boundaries, m.right_boundaries) == (6, 6, 3)
    assert (m.boundaries_in_characters, m.possible_boundaries) == (1, 8 + 8 + 5 + 6 + 1)
    assert (m.precision, m.recall, m.f1) == (3 / 6, 3 / 6, 6 / 12)
    assert (m.chance_precision, m.chance_recall) == (6 / 28, 5 / 28)
    assert m.recall_in_cut_words == 3 / 5  # without бала·лар
    assert (m.in_characters_frac, m.whole_frac, m.cut_at_morphemes_frac) == (1 / 6, 1 / 4, 0.0)
    assert m.examples == (("тіл·дер·дің", "тіл·дерд·ің"),)
    assert json.loads(json.dumps(m.to_dict()))["precision"] == 0.5


def test_words_cut_only_at_morphemes_need_not_be_cut_at_all_of_them() -> None:
    cuts = {"тілдердің": [(0, 3), (3, 9)], "үйлер": [(0, 2), (2, 5)], "қалалар": [(0, 2), (2, 4), (4, 7)]}
    m = measure_morphemes(FixedCuts(cuts), segmented("тіл·дер·дің", "үй·лер", "қала·лар"))  # type: ignore[arg-type]
    assert (m.segmented_words_cut_at_morphemes, m.segmented_words) == (2, 3)
    assert (m.right_boundaries, m.gold_boundaries, m.predicted_boundaries) == (3, 4, 4)


def test_a_tokenizer_that_cuts_nothing_has_no_precision() -> None:
    m = measure_morphemes(FixedCuts({"үйлер": [(-1, 5)]}), segmented("үй·лер"))  # type: ignore[arg-type]
    assert (m.precision, m.recall, m.f1, m.whole_frac, m.recall_in_cut_words) == (None, 0.0, 0.0, 1.0, None)


def test_chance_is_what_random_cuts_reach() -> None:
    """Every way to cut two words at one of their borders each, averaged, against the formula."""
    words = ("тіл·дер", "қала·да")  # equally long, so each border is as likely as any other
    precisions, recalls = [], []
    for first, second in itertools.product(range(1, 6), repeat=2):
        cuts = {"тілдер": [(0, first), (first, 6)], "қалада": [(0, second), (second, 6)]}
        m = measure_morphemes(FixedCuts(cuts), segmented(*words))  # type: ignore[arg-type]
        assert m.precision is not None
        assert m.recall is not None
        precisions.append(m.precision)
        recalls.append(m.recall)
        assert (m.chance_precision, m.chance_recall) == (2 / 10, 2 / 10)
    assert sum(precisions) / len(precisions) == pytest.approx(2 / 10)
    assert sum(recalls) / len(recalls) == pytest.approx(2 / 10)


def test_cutting_between_all_characters_finds_all_and_is_right_by_chance_only() -> None:
    words = ("тіл·дер·дің", "үй·лер", "бір")
    plain = [word.replace(MARK, "") for word in words]
    cuts = {word: [(i, i + 1) for i in range(len(word))] for word in plain}
    m = measure_morphemes(FixedCuts(cuts), segmented(*words))  # type: ignore[arg-type]
    assert (m.recall, m.chance_recall) == (1.0, 1.0)
    assert m.precision == m.chance_precision == 3 / (8 + 4 + 2)
