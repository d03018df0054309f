"""Answers in words from prompt to score: where they end, how long they may be, and that what is unread or unended is wrong and counted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError, DataError
from qaz_llm.evals.answers.ask import generate_each, stop_strings
from qaz_llm.evals.answers.limits import BYTES_PER_LETTER, bytes_in, cut_to_bytes, finish
from qaz_llm.evals.answers.score import score_generated, score_words
from qaz_llm.evals.asking import score_task
from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.items.tables import read_task_rows
from qaz_llm.evals.scoring.local import HFScorer
from qaz_llm.evals.summary import doubts
from qaz_llm.evals.task import TaskConfig, as_generated, load_task
from qaz_llm.io import read_rows
from qaz_llm.records import EvalItem, Generated, Request, Scored

MC, NUMBER, QA, OPEN = as_generated(load_task("qaz_mc")), load_task("mgsm"), load_task("kazqad"), load_task("qorgau")


def item(**values: Any) -> EvalItem:
    own = {"item_id": "i", "group_id": "g", "cluster_id": "c", "language": "kk", "task": "t", "text": ""}
    return EvalItem(**own | values)


def scores(task: TaskConfig, one: EvalItem, answer: Generated) -> dict[str, float]:
    return {row.metric: row.score for row in score_generated(task, one, answer)}


RIVERS = item(choices=("Іле", "Ертіс", "Шу"), answer=1)


def test_a_choice_is_read_and_an_unended_one_is_wrong() -> None:
    assert scores(MC, RIVERS, Generated("Жауап: B) Ертіс")) == {"acc": 1.0, "acc_read": 1.0}
    assert scores(MC, RIVERS, Generated("Жауап: A) Іле")) == {"acc": 0.0, "acc_read": 0.0}
    assert scores(MC, RIVERS, Generated("Жауап: B) Ертіс, себебі", is_unfinished=True)) == {"acc": 0.0, "acc_read": 1.0}
    assert scores(MC, RIVERS, Generated("Білмеймін.")) == {"acc": 0.0, "acc_read": 0.0}
    assert scores(MC, RIVERS, Generated("")) == {"acc": 0.0, "acc_read": 0.0}
    row, _ = score_generated(MC, RIVERS, Generated("Жауап: B) Ертіс"))
    assert row.detail == {"generated": "Жауап: B) Ертіс", "answer": 1, "prediction": 1, "read": 1, "rule": "said"}


def test_each_kind_of_failure_is_counted_by_its_name() -> None:
    answers = [
        Generated("Білмеймін."),
        Generated(""),
        Generated("", is_refused=True),
        Generated("Жауап: B", is_unfinished=True, is_cut=True),
        Generated("Жауап: B"),
    ]
    rows = [score_generated(MC, RIVERS, answer)[0] for answer in answers]
    found = doubts.of_scores((row, True) for row in rows)["qaz_mc"]["kk"]
    counted = {name: kind["items"] for name, kind in found.items()}
    assert counted == {"unread": 1, "no_answer": 1, "refused": 1, "unfinished": 1, "prompt_cut": 1}
    assert all(kind["of"] == 5 for kind in found.values())
    assert sum(row.score for row in rows) == 1.0


@pytest.mark.parametrize(
    ("answer", "right"),
    [("… Ответ: 1 300", 1.0), ("Ответ: 1,300 долларов", 1.0), ("Ответ: 1300.", 1.0), ("Ответ: 130", 0.0), ("нет", 0.0)],
)
def test_a_number_is_compared_by_value(answer: str, right: float) -> None:
    one = item(references=("1,300",), language="ru")
    assert scores(NUMBER, one, Generated(answer)) == {"exact_number": right, "number_read": right}
    unended = scores(NUMBER, one, Generated(answer, is_unfinished=True))
    assert unended == {"exact_number": 0.0, "number_read": right}


def test_a_worked_solution_is_a_reference() -> None:
    one = item(references=("Natalia sold 48/2 = <<48/2=24>>24 clips.\n#### 72",), language="en")
    assert scores(load_task("gsm8k"), one, Generated("48 + 24 = 72\n#### 72"))["exact_number"] == 1.0
    assert scores(load_task("gsm8k"), one, Generated("#### 24"))["exact_number"] == 0.0


def test_words_that_the_limit_ended_are_wrong_and_have_no_bits_without_log_probabilities() -> None:
    one = item(references=("Алматы қаласы",))
    rows = {row.metric: row.score for row in score_words(QA, one, Generated("Алматы қаласында"), None)}
    assert rows == {"f1": 0.5, "f1_stems": 1.0, "exact_match": 0.0}
    rows = {row.metric: row.score for row in score_words(QA, one, Generated("Алматы қаласы", is_unfinished=True), None)}
    assert set(rows.values()) == {0.0}


def test_an_open_answer_is_there_or_not() -> None:
    assert scores(OPEN, item(question="Неге?"), Generated("Себебі …")) == {"answered": 1.0}
    assert scores(OPEN, item(question="Неге?"), Generated("Себебі …", is_unfinished=True)) == {"answered": 0.0}
    assert scores(OPEN, item(question="Неге?"), Generated("")) == {"answered": 0.0}


# ------------------------------------------------------------------------------------------------------------- limits


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs FLORES in QAZ_CORPUS_DIR")
def test_a_limit_holds_as_much_text_in_each_language() -> None:
    """The share of FLORES sentences that fit into 130 bytes of English, and their like, is about the same; in plain bytes it is not."""
    rows = list(read_rows(Path(os.environ["QAZ_CORPUS_DIR"]) / "flores200" / "flores200_devtest_kk_ru_en.jsonl"))
    fit = {c: sum(len(row[c].encode()) <= bytes_in(c, 130) for row in rows) / len(rows) for c in BYTES_PER_LETTER}
    assert max(fit.values()) - min(fit.values()) < 0.12
    plain = {c: sum(len(row[c].encode()) <= 130 for row in rows) / len(rows) for c in BYTES_PER_LETTER}
    assert plain["en"] - plain["kk"] > 0.4


@pytest.mark.parametrize("size", range(1, 12))
def test_no_letter_is_cut_in_two(size: int) -> None:
    found = cut_to_bytes("Обь 🙂", size)
    assert "Обь 🙂".startswith(found) and len(found.encode()) <= size < len(found.encode()) + 4


@pytest.mark.parametrize(
    ("text", "has_ended", "expected"),
    [
        ("Обь", True, ("Обь", False)),
        ("Обь", False, ("Обь", True)),  # the window was full
        ("Обь\nСұрақ", False, ("Обь", False)),
        ("Обь Обь Обь", True, ("Обь О", True)),
        ("\n\nОбь\n", False, ("Обь", False)),
        ("", True, ("", False)),
    ],
)
def test_what_ends_an_answer(text: str, has_ended: bool, expected: tuple[str, bool]) -> None:
    assert finish(text, ("\n",), 9, has_ended=has_ended) == expected


def test_a_tokenizer_that_cuts_more_gets_no_less_text(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    """The limit is the answer's, so that an answer has more than one token for each byte pair, or fewer, whatever it is made of."""
    for limit in (5, 16, 33):
        [answer] = HFScorer(model, tokenizer).generate(["Қазақстан"], max_bytes=limit, stop=())
        assert limit - 4 < len(answer.text.encode()) <= limit and answer.is_unfinished


def test_answers_keep_the_order_of_their_prompts() -> None:
    class Echo:
        def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
            raise AssertionError

        def generate(self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]) -> list[Generated]:
            return [Generated(f"{prompt} {max_bytes} {list(stop)}") for prompt in prompts]

    found = generate_each(Echo(), ["a", "b", "c"], limits=[1, 2, 1], stops=[(), ("x",), ()])
    assert [answer.text for answer in found] == ["a 1 []", "b 2 ['x']", "c 1 []"]
    assert generate_each(Echo(), [], limits=[], stops=[]) == []


def test_stop_strings() -> None:
    assert stop_strings(QA, "kk") == ("\n",)
    assert stop_strings(MC, "kk") == ("\nСұрақ:",)
    assert stop_strings(NUMBER, "ru") == ("\nЗадача:",)
    assert stop_strings(NUMBER.model_copy(update={"stop": ("###",)}), "ru") == ("###",)


# ------------------------------------------------------------------------------------------------------ tasks and data


def test_a_whole_multiple_choice_by_generation(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    items = load_items(load_task("qaz_mc"), max_items=2)
    rows = score_task(MC, items, HFScorer(model, tokenizer), both=True)
    assert len(rows) == 2 * len(items) and {row.metric for row in rows} == {"acc", "acc_read"}
    assert all(row.detail["generated"] for row in rows if row.metric == "acc")


def test_a_table_without_names(tmp_path: Path) -> None:
    table = tmp_path / "a.tsv"
    table.write_text('Ол "иә" деді, 2 + 2?\t4\n\nЕкінші\t1,000\n', encoding="utf-8")
    assert list(read_task_rows(table, ("question", "answer"))) == [
        {"row": 1, "question": 'Ол "иә" деді, 2 + 2?', "answer": "4"},
        {"row": 2, "question": "Екінші", "answer": "1,000"},
    ]
    (tmp_path / "b.csv").write_text('id,text\n7,"а, б"\n', encoding="utf-8")
    assert list(read_task_rows(tmp_path / "b.csv", None)) == [{"row": 1, "id": "7", "text": "а, б"}]
    with pytest.raises(DataError, match=r"a\.tsv:1: 2 fields, expected 3"):
        list(read_task_rows(table, ("id", "question", "answer")))


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the data in QAZ_CORPUS_DIR")
def test_real_tasks_with_written_answers() -> None:
    root = Path(os.environ["QAZ_CORPUS_DIR"])
    mgsm = load_items(NUMBER, root=root)
    assert [sum(one.language == code for one in mgsm) for code in ("ru", "en")] == [250, 250]
    right = [Generated(f"Ответ: {one.references[0]}") for one in mgsm]
    assert all(scores(NUMBER, one, answer)["exact_number"] for one, answer in zip(mgsm, right, strict=True))
    qorgau = load_items(OPEN, root=root)
    assert [sum(one.language == code for one in qorgau) for code in ("kk", "ru")] == [3786, 4382]
    assert len({one.group_id for one in qorgau}) == len(qorgau)  # not parallel: no twins
    assert "no_twin" not in str(doubts.of_items(OPEN, qorgau))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"scoring": "generate", "metric": "acc_per_byte"}, "scoring: generate"),
        ({"kind": "number", "metric": "acc"}, "exact_number"),
        ({"kind": "number", "metric": "exact_number"}, r"fields\.references"),
    ],
)
def test_tasks_that_do_not_fit(changed: dict[str, Any], said: str) -> None:
    values = load_task("qaz_mc").model_dump(mode="json", exclude_defaults=True)
    with pytest.raises(ConfigError, match=said):
        config_from_values(TaskConfig, values | changed, where="test")
