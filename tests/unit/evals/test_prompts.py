"""What the model reads, written out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from qaz_llm.evals.prompts.render import render_context, render_requests, render_unconditional
from qaz_llm.evals.task import load_suite, load_task
from qaz_llm.records import EvalItem, Request


def item(language: str = "kk", **values: Any) -> EvalItem:
    return EvalItem("i", "g", "c", language, "t", **{"text": "Ертіс ұзын.", "question": "Қай өзен?"} | values)


def test_the_words_of_a_choice_follow_the_prompt() -> None:
    asked = item(choices=("Обь", "Еділ"), answer=0)
    context = "Сұрақ: Қай өзен?\nЖауабы:"
    assert render_requests(load_task("qaz_mc"), asked) == (Request(context, " Обь"), Request(context, " Еділ"))
    english = item("en", question="Which?", choices=("Ob", "Volga"), answer=0)
    assert render_context(load_task("qaz_mc"), english) == "Question: Which?\nAnswer:"


def test_letters_list_the_choices() -> None:
    asked = item(choices=("Обь", "Еділ", "Лена", "Іле"), answer=2)
    requests = render_requests(load_task("belebele_kk"), asked)
    assert {r.context for r in requests} == {
        "Мәтін: Ертіс ұзын.\nСұрақ: Қай өзен?\nA. Обь\nB. Еділ\nC. Лена\nD. Іле\nДұрыс жауап:"
    }
    assert [r.continuation for r in requests] == [" A", " B", " C", " D"]


def test_labels_are_words_of_the_language() -> None:
    task = load_task("sib200")
    for language, sport in (("kk", " спорт"), ("ru", " спорт"), ("en", " sports")):
        requests = render_requests(task, item(language, choices=tuple(task.labels[language].values())))
        assert requests[3].continuation == sport
        assert len({r.continuation for r in requests}) == 7


def test_questions_and_whole_texts() -> None:
    asked = item(references=("өзен", "ағын"))
    assert render_requests(load_task("kazqad"), asked) == (
        Request("Мәтін: Ертіс ұзын.\nСұрақ: Қай өзен?\nҚысқа жауап:", " өзен"),
    )
    assert render_requests(load_task("qaz_bpb"), item()) == (Request("", "Ертіс ұзын."),)


def test_braces_in_the_data_stay() -> None:
    asked = item(question="{text} мен {0} деген не?", choices=("{question}", "б"), answer=0)
    requests = render_requests(load_task("qaz_mc"), asked)
    assert requests[0] == Request("Сұрақ: {text} мен {0} деген не?\nЖауабы:", " {question}")


@pytest.mark.parametrize("task", load_suite("all"), ids=lambda t: t.name)
def test_the_space_stands_before_the_answer_once(task: Any) -> None:
    for language in task.languages:
        values = {"choices": ("а", "ә"), "answer": 0, "references": ("а",)}
        for request in render_requests(task, item(language, **values)):
            if request.context:
                assert not request.context[-1].isspace()
                assert request.continuation[0] == " " and request.continuation[1] != " "


def test_the_other_way_of_asking_is_made_from_the_template() -> None:
    asked = item(choices=("Обь", "Еділ"), answer=1)
    letters = render_requests(load_task("qaz_mc"), asked, scoring="letters")
    assert letters == tuple(Request("Сұрақ: Қай өзен?\nA. Обь\nB. Еділ\nЖауабы:", f" {letter}") for letter in "AB")
    words = render_requests(load_task("belebele_kk"), asked, scoring="text")
    assert words[1] == Request("Мәтін: Ертіс ұзын.\nСұрақ: Қай өзен?\nДұрыс жауап:", " Еділ")
    assert render_unconditional(load_task("qaz_mc"), asked) == (Request("Жауабы:", " Обь"), Request("Жауабы:", " Еділ"))


def test_solved_examples_stand_before_the_question() -> None:
    solved = [
        item(question="2 + 2?", choices=("3", "4"), answer=1),
        item(question="1 + 1?", choices=("2", "5"), answer=0),
    ]
    asked = item(question="3 + 3?", choices=("6", "7"), answer=0)
    words, letters = (
        render_context(load_task("qaz_mc"), asked, scoring=scoring, examples=solved) for scoring in ("text", "letters")
    )
    assert words == "Сұрақ: 2 + 2?\nЖауабы: 4\n\nСұрақ: 1 + 1?\nЖауабы: 2\n\nСұрақ: 3 + 3?\nЖауабы:"
    assert letters.startswith("Сұрақ: 2 + 2?\nA. 3\nB. 4\nЖауабы: B\n\nСұрақ: 1 + 1?\nA. 2\nB. 5\nЖауабы: A\n\n")
