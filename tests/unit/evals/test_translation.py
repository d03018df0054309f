"""chrF++ against its formula written out here, corpus scores against sacrebleu called as its page shows."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from qaz_llm.errors import DataError, InputError
from qaz_llm.evals.asking import score_task
from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.metrics import translation
from qaz_llm.evals.metrics.translation import check_translations, corpus_scores
from qaz_llm.evals.prompts.examples import load_examples
from qaz_llm.evals.prompts.render import render_context
from qaz_llm.evals.task import load_task
from qaz_llm.records import EvalItem, Generated, Request, Scored

sacrebleu = pytest.importorskip("sacrebleu")

TASK = load_task("flores_kk_ru")
PAIRS = [
    ("Вода в реке холодная.", "Вода в реке холодная."),
    ("Вода в озере тёплая", "Вода в реке холодная."),
    ("", "Дети идут в школу утром."),
]


def chrf_plus_plus(answer: str, reference: str) -> float:
    """Popović 2017: F2 of mean precision and mean recall over n-grams of 1 to 6 characters (no spaces) and 1 to 2 words.

    An order that neither text is long enough for is left out of the mean; words and the marks at their ends stand apart.
    """
    scores = []
    for of, orders in ((lambda text: [c for c in text if not c.isspace()], 6), (_words, 2)):
        for n in range(1, orders + 1):
            mine, theirs = (
                Counter(tuple(units[i : i + n]) for i in range(len(units) - n + 1))
                for units in (of(answer), of(reference))
            )
            if mine and theirs:
                same = (mine & theirs).total()
                scores.append((same / mine.total(), same / theirs.total()))
    precision, recall = (sum(values) / len(scores) for values in zip(*scores, strict=True))
    return 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0


def _words(text: str) -> list[str]:
    words: list[str] = []
    for word in text.split():
        end = len(word) > 1 and not word[-1].isalnum()
        words += [word[:-1], word[-1]] if end else [word]
    return words


class Answering:
    def __init__(self, answers: list[Generated]) -> None:
        self.answers = answers

    def loglikelihood(self, requests: list[Request]) -> list[Scored]:
        return [Scored(-5.0, 3, len(r.continuation.encode())) for r in requests]

    def generate(self, prompts: list[str], **_options: Any) -> list[Generated]:
        return self.answers if len(prompts) == len(self.answers) else self.answers[: len(prompts)]


def scored(pairs: list[tuple[str, str]] = PAIRS) -> list[Any]:
    items = [
        EvalItem(str(n), str(n), str(n), "ru", TASK.name, "мәтін", references=(reference,))
        for n, (_answer, reference) in enumerate(pairs)
    ]
    answers = [Generated(answer, is_unfinished=n == 1) for n, (answer, _reference) in enumerate(pairs)]
    return score_task(TASK, items, Answering(answers))  # type: ignore[arg-type]


def test_each_sentence_by_the_formula() -> None:
    rows = [row for row in scored() if row.metric == "chrf"]
    assert [row.score for row in rows] == pytest.approx([1.0, chrf_plus_plus(*PAIRS[1]), 0.0], abs=1e-9)
    assert [row.detail.get("doubts") for row in rows] == [None, ["unfinished"], ["no_answer"]]
    assert {row.metric for row in scored()} == {"chrf", "bits_per_byte"}


def test_the_corpus_as_sacrebleu_has_it() -> None:
    found = corpus_scores(scored())["flores_kk_ru"]
    answers, references = ([pair[n] for pair in PAIRS] for n in (0, 1))
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(answers, [references]).score)
    assert found["chrf++"] == pytest.approx(sacrebleu.corpus_chrf(answers, [references], word_order=2).score)
    assert "tok:13a" in found["bleu_signature"] and "nw:2" in found["chrf++_signature"]
    assert (found["n"], found["empty"], found["unfinished"], found["prompt_cut"]) == (3, 1, 1, 0)
    assert corpus_scores([replace(row, metric="acc") for row in scored()]) == {}


def test_swapped_columns_are_seen_before_a_model_is_loaded() -> None:
    kk = "Балалар таңертең мектепке барады, ал кешке үйде кітап оқып, әңгіме айтады. "
    ru = "Дети утром идут в школу, а вечером дома читают книги и рассказывают истории. "
    good = [EvalItem(str(n), str(n), str(n), "ru", TASK.name, kk, references=(ru,)) for n in range(9)]
    check_translations([TASK], {TASK.name: good})
    bad = [replace(item, text=ru, references=(kk,)) for item in good]
    with pytest.raises(DataError, match="what is declared as kk reads as ru"):
        check_translations([TASK], {TASK.name: bad})


def test_without_sacrebleu_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    translation._metrics.cache_clear()
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(InputError, match=r"pip install .*\[translation\]"):
        check_translations([TASK], {TASK.name: []})
    translation._metrics.cache_clear()


def test_each_language_is_named_in_itself_and_examples_are_our_own() -> None:
    item = EvalItem("1", "1", "1", "ru", TASK.name, "Су салқын.", references=("Вода холодная.",))
    assert render_context(TASK, item) == "Қазақша: Су салқын.\nПо-русски:"
    examples = load_examples(TASK, [item], shots=1, root=None)
    assert render_context(TASK, item, examples=examples.of(item)).startswith(
        "Қазақша: Дыбыс суда ауадағыдан төрт еседен астам жылдам таралады.\nПо-русски: В воде звук"
    )


@pytest.mark.skipif(not os.environ.get("QAZ_CORPUS_DIR"), reason="needs the public evaluation sets")
@pytest.mark.parametrize("name", ["flores_kk_ru", "flores_ru_kk", "flores_en_kk", "xwmt_kk_en", "xwmt_tr_kk"])
def test_directions_read_as_they_are_declared(name: str) -> None:
    task = load_task(name)
    items = load_items(task)
    check_translations([task], {name: items})
    assert len(items) >= 500 and all(item.text and item.references for item in items)
