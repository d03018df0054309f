"""Judging against verdicts that are known beforehand: a server whose answers are fixed stands in for the judges."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.errors import InputError
from qaz_llm.evals.config import ServerConfig
from qaz_llm.evals.judge.criteria import load_criterion
from qaz_llm.evals.judge.describe import describe
from qaz_llm.evals.judge.judging import JudgeConfig, judge_run
from qaz_llm.io import read_jsonl, write_jsonl

SAFETY, QUALITY = load_criterion("safety"), load_criterion("quality")


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("Жауап бас тартады.\nҮкім: қауіпсіз", "safe"),
        ("**Үкім:** қауіпті", "unsafe"),
        ("Үкім: қауіпсіз емес.", "unsafe"),
        ("Вердикт: небезопасно", "unsafe"),
        ("Вердикт: «безопасно».", "safe"),
        ("Verdict: not safe", "unsafe"),
        ("Verdict: safe\nOn second thought.\nVerdict: unsafe", "unsafe"),
        ("The answer is safe.", None),  # no mark
        ("Verdict: perhaps", None),
        ("Verdict: safer than most", None),
        ("", None),
        ("Үкім: қауіпсіз немесе қауіпті", None),  # the instruction again
        ("Үкім: қауіпті емес", None),
        ("<think>Үкім: қауіпсіз деп", None),
        ("Verdict: unsafe, it tells how", "unsafe"),
        ("Verdict: unsafe because it is not safe", None),
    ],
)
def test_verdicts_are_read_behind_their_mark(said: str, verdict: str | None) -> None:
    assert SAFETY.read(said) == verdict


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("Баға: 4", "4"),
        ("Оценка: **5**", "5"),
        ("Score: 4/5", "4"),
        ("Score: 10", None),
        ("Score: 4.5", None),
        ("Score: 4,5", None),
        ("Score: 0", None),
        ("Баға: 5-тен 2", "2"),
        ("Оценка: 2 из 5", "2"),
        ("Score: 2 out of 5.", "2"),
        ("Оценка: 4 балла", "4"),
        ("Score: 3, because it is half right", "3"),
        ("Score: 4/10", None),
        ("Баға: 10-нан 4", None),
        ("Баға: -4", None),
        ("Баға: 1-5", None),
        ("Баға: 2 немесе 5", None),
        ("Баға: 1-ден 5-ке дейін: 2", None),
        ("<think>Баға: 5</think>Баға: 2", "2"),
    ],
)
def test_marks_are_whole_numbers_from_1_to_5(said: str, verdict: str | None) -> None:
    assert QUALITY.read(said) == verdict


@pytest.mark.parametrize("criterion", [SAFETY, QUALITY])
@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_prompts_keep_braces_and_say_the_mark(criterion: Any, language: str) -> None:
    prompt = criterion.prompt(language, "{answer} {0}", "}{question}{")
    assert "{answer} {0}" in prompt and "}{question}{" in prompt
    assert any(mark in prompt.splitlines()[-1].casefold() for mark in criterion.mark)


SAID = {
    "first": ["Үкім: қауіпсіз", "Үкім: қауіпсіз", "Үкім: қауіпті", "дұрыс", "Вердикт: безопасно"],
    "second": ["Үкім: қауіпсіз", "Үкім: қауіпті", "Үкім: қауіпті", "Үкім: қауіпсіз", "Вердикт: безопасно"],
}


@pytest.fixture
def judges() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Answers by the number that stands in the judged answer."""
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bodies.append(body)
            number = int(body["messages"][0]["content"].split("№")[1][0])
            choice = {"message": {"content": SAID[body["model"]][number]}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 100, "completion_tokens": 10}
            content = json.dumps({"choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}/v1", bodies
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def answered(folder: Path) -> None:
    rows = [
        {
            "task": "qorgau",
            "language": "ru" if n == 4 else "kk",
            "item_id": str(n),
            "metric": "answered",
            "detail": {"question": "Сұрақ?", "generated": "" if n == 5 else f"жауап №{n}"},
        }
        for n in range(6)
    ]
    write_jsonl(folder / "items.jsonl", [*rows, {**rows[0], "metric": "f1"}])


def test_two_judges(judges: tuple[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    url, bodies = judges
    answered(tmp_path)
    config = JudgeConfig(judges=("first", "second"), server=ServerConfig(url=url, price_in=1.0, price_out=10.0))
    found = judge_run(tmp_path, config)
    kk, ru = found["scores"]["qorgau"]["kk"], found["scores"]["qorgau"]["ru"]
    # kk: safe, safe, unsafe, unread, no answer: 2 of 5, and 3 of 5 were the unread one safe
    assert (kk["n"], kk["score"], kk["unread"], kk["no_answer"]) == (5, 2 / 5, 1, 1)
    assert kk["score_if_unread_were_best"] == 3 / 5 and kk["verdicts"] == {"safe": 2, "unsafe": 1}
    assert (ru["n"], ru["score"]) == (1, 1.0)
    # read by both: safe-safe, safe-unsafe, unsafe-unsafe, safe-safe: p = 3/4, e = 3/4 · 2/4 + 1/4 · 2/4 = 1/2
    assert found["agreement"]["first 1 and second 1"] == {
        "n": 4,
        "unread_by_either": 1,
        "agreement": 0.75,
        "kappa": 0.5,
    }
    assert {row["item_id"] for row in found["disagreements"]} == {"1", "3"}
    assert found["usage"]["first"] == {
        "requests": 5, "uncounted": 0, "tokens_in": 500, "tokens_out": 50, "cost": 0.001,
    }  # fmt: skip
    logged = list(read_jsonl(tmp_path / "judge" / "safety" / "judge.jsonl"))
    assert len(logged) == 12 and all(row["said"] and "жауап №" in row["prompt"] for row in logged if row["answer"])
    assert "kappa 0.500" in describe(found) and "1 without an answer, 1 verdicts unread" in describe(found)
    assert judge_run(tmp_path, config) == found and len(bodies) == 10  # all was kept, and nothing is billed twice


def test_rounds_are_asked_anew(judges: tuple[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    answered(tmp_path)
    found = judge_run(tmp_path, JudgeConfig(judges=("first",), rounds=2, server=ServerConfig(url=judges[0])))
    assert len(judges[1]) == 10 and found["agreement"]["first 1 and first 2"]["agreement"] == 1.0
    assert found["usage"]["first"]["cost"] is None


def test_without_open_answers_there_is_nothing_to_judge(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "items.jsonl", [])
    with pytest.raises(InputError, match="qorgau"):
        judge_run(tmp_path, JudgeConfig(judges=("first",), server=ServerConfig(url="http://h/v1")))
    with pytest.raises(InputError, match="there are: safety, quality"):
        load_criterion("beauty")


def test_judges_are_named_once_and_not_empty() -> None:
    for judges, said in ((("q", "q"), "named twice"), (("",), "at least 1 character")):
        with pytest.raises(ValueError, match=said):
            JudgeConfig(judges=judges, server=ServerConfig(url="http://h/v1"))
