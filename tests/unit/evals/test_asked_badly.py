"""Prompts that ask nothing, addresses and keys that are none, and what a server's JSON may hold instead of an answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError, DataError, InputError
from qaz_llm.evals import run
from qaz_llm.evals.config import EvalConfig, ServerConfig
from qaz_llm.evals.scoring.api import Api
from qaz_llm.evals.scoring.remembered import RememberingScorer
from qaz_llm.evals.scoring.server import ServerScorer
from qaz_llm.evals.task import TaskConfig
from qaz_llm.io import write_jsonl
from qaz_llm.records import Generated

TASK: dict[str, Any] = {
    "name": "own", "version": 1, "kind": "multiple_choice", "description": "d", "licence": "MIT", "citation": "c",
    "files": {"kk": "a.jsonl"}, "fields": {"id": "id", "question": "q", "choices": "c", "answer": "a"}, "metric": "acc",
    "scoring": "letters",
}  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Жауабы:", "neither {text} nor {question}"),
        ("Сұрақ: {question}\nЖауабы: ", "ends in a blank"),
        ("Сұрақ: {question}\nЖауабы:\n", "ends in a blank"),
        ("{text}\n{question}:", "fields.text does not say"),
        ("{question!r}:", "with ! or :"),
        ("{question:d}:", "with ! or :"),
        ("{}\n{question}:", "has {}"),
        ("{questions}:", "has {questions}"),
        ("{question}: {", "cannot be read"),
    ],
)
def test_a_prompt_that_asks_badly_is_refused(prompt: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config_from_values(TaskConfig, TASK | {"prompts": {"kk": prompt}}, where="own.yaml")
    assert said in str(raised.value)
    config_from_values(TaskConfig, TASK | {"prompts": {"kk": "Сұрақ: {question}\nЖауабы:"}}, where="own.yaml")


@pytest.mark.parametrize(("choices", "scoring", "formats", "is_refused"), [
    (10, "letters", "both", False), (11, "letters", "primary", True), (11, "letters", "generate", True),
    (11, "text", "both", True), (11, "text", "primary", False),
])  # fmt: skip
def test_more_choices_than_letters_are_refused_before_a_model_is_there(
    tmp_path: Path, choices: int, scoring: str, formats: Any, is_refused: bool
) -> None:
    row = {"id": "1", "q": "Қайсысы?", "c": [f"таңдау {n}" for n in range(choices)], "a": choices - 1}
    write_jsonl(tmp_path / "a.jsonl", [row])
    own = TASK | {"scoring": scoring, "prompts": {"kk": "Сұрақ: {question}\nЖауабы:"}}
    (tmp_path / "own.yaml").write_text(json.dumps(own))
    config = EvalConfig(
        suite="own",
        tasks=(str(tmp_path / "own.yaml"),),
        formats=formats,
        root=tmp_path,
        model="none",
        out=tmp_path / "out",
    )
    if is_refused:
        with pytest.raises(DataError, match=r"item 1 has 11 choices, and letters are there for 10 \(A to J\)"):
            run._what_is_asked(config)
    else:
        assert len(run._what_is_asked(config).items["own"][0].choices) == choices


@pytest.mark.parametrize(
    ("body", "said"),
    [({"stream": True}, "one answer is read"), ({"n": 2}, "one answer is read"), ({"best_of": 3}, "one answer is read"),
     ({"messages": []}, "messages is what"), ({"prompt": "x"}, "prompt is what"), ({"model": "other"}, "model is what")],
)  # fmt: skip
def test_what_a_request_is_made_of_is_not_changed(body: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ServerConfig(url="http://localhost:1/v1", body=body)
    ServerConfig(url="http://localhost:1/v1", body={"n": 1, "stream": False, "top_k": 1, "model": None})


@pytest.mark.parametrize("url", ["http://a:port/v1", "http://[::1/v1", "http://a b/v1", "http://қаз/v1", "ftp://a/v1"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(InputError, match=r"server\.url"):
        Api(ServerConfig(url=url))


def test_a_key_that_no_header_holds_is_refused_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QAZ_API_KEY", "sk-12\n34")
    with pytest.raises(InputError) as raised:
        Api(ServerConfig(url="http://localhost:1/v1"))
    assert "QAZ_API_KEY" in str(raised.value) and "12" not in str(raised.value) and "34" not in str(raised.value)
    monkeypatch.setenv("QAZ_API_KEY", "sk-1234\n")  # as `$(cat file)` in other shells leaves it
    assert Api(ServerConfig(url="http://localhost:1/v1"))._key == "sk-1234"


class Says:
    """Stands in for an address: gives one answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer

    def post(self, _path: str, _body: Any) -> dict[str, Any]:
        return self.answer


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"message": {"content": "Ертіс"}, "finish_reason": "stop"}, ("Ертіс", "stop")),
        ({"message": {"content": [{"type": "text", "text": "Ер"}, {"text": "тіс"}, 5]}}, ("Ертіс", "None")),
        ({"message": {"content": "Ер"}, "finish_reason": "content_filter"}, ("Ер", "content_filter")),
        ({"message": {"content": "Ер"}, "finish_reason": "length"}, ("Ер", "length")),
        ({"message": None}, ("", "None")),
        ({"message": "Ертіс"}, ("Ертіс", "None")),
        ({"message": {"content": {"a": 1}}}, ("", "None")),
        ({"message": {"content": "а\ud83d"}}, ("а?", "None")),
    ],
)
def test_what_a_server_may_put_in_the_place_of_an_answer(choice: dict[str, Any], expected: tuple[str, str]) -> None:
    for usage in (None, "much", {"prompt_tokens": "x", "completion_tokens": 3}):
        api: Any = Says({"choices": [choice], "usage": usage})
        scorer = ServerScorer(ServerConfig(url="http://localhost:1/v1"), "m", api=api)
        assert scorer.ask("Сұрақ", max_tokens=5) == expected


class Upper:
    """Answers in capitals, and counts."""

    asked = 0

    def loglikelihood(self, requests: Any) -> Any:
        raise AssertionError

    def generate(self, prompts: Any, *, max_bytes: int, stop: Any) -> list[Generated]:
        self.asked += len(prompts)
        return [Generated(prompt.upper()) for prompt in prompts]


def test_a_file_that_was_cut_within_a_letter_costs_one_answer(tmp_path: Path) -> None:
    kept, prompts = tmp_path / "answers.jsonl", ["а", "ә", "қ"]
    RememberingScorer(Upper, kept).generate(prompts, max_bytes=9, stop=())
    whole = kept.read_bytes()
    cut = whole[: whole.rindex("Қ".encode()) + 1]
    kept.write_bytes(b'5\n["a"]\n' + cut)
    for asked in (1, 0):
        scorer = Upper()
        found = RememberingScorer(lambda: scorer, kept).generate(prompts, max_bytes=9, stop=())  # noqa: B023
        assert [one.text for one in found] == ["А", "Ә", "Қ"] and scorer.asked == asked
