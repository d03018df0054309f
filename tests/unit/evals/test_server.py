"""A model behind a real server: its answers are those of the same model in memory, and faults of the way there lose nothing."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import ModelServer, serving
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError, InputError, WorkError
from qaz_llm.evals.config import EvalConfig, ServerConfig
from qaz_llm.evals.run import run_eval
from qaz_llm.evals.scoring.api import Api, RefusedError
from qaz_llm.evals.scoring.local import HFScorer
from qaz_llm.evals.scoring.remembered import RememberingScorer
from qaz_llm.evals.scoring.scorer import PartlyAnswered
from qaz_llm.evals.scoring.server import ServerScorer, Usage, echoed_score
from qaz_llm.records import Generated, Request

PROMPTS = ["Қазақстан – Орталық", "На юге Казахстана", "The river", "Ертіс өзені", "Мектеп"]


@pytest.fixture
def server(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> Iterator[ModelServer]:
    with serving(model, tokenizer) as served:
        yield served


def scorer_of(server: ModelServer, waits: list[float] | None = None, **settings: Any) -> ServerScorer:
    config = ServerConfig(url=server.url, **{"api": "completions", "retries": 2} | settings)
    kept = waits if waits is not None else []
    return ServerScorer(config, "tiny", api=Api(config, sleep=kept.append, chance=lambda: 0.0))


@pytest.mark.parametrize("stop", [(), ("а",), ("нет такого", "e")])
def test_answers_are_those_of_the_model_in_memory(
    server: ModelServer, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, stop: tuple[str, ...]
) -> None:
    expected = HFScorer(model, tokenizer).generate(PROMPTS, max_bytes=30, stop=stop)
    assert scorer_of(server).generate(PROMPTS, max_bytes=30, stop=stop) == expected
    assert len({answer.text for answer in expected}) > 1


def test_a_chat_gets_the_servers_template(
    server: ModelServer, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    rendered = [
        tokenizer.apply_chat_template([{"role": "user", "content": p}], tokenize=False, add_generation_prompt=True)
        for p in PROMPTS
    ]
    expected = HFScorer(model, tokenizer).generate(rendered, max_bytes=20, stop=())
    assert scorer_of(server, api="chat").generate(PROMPTS, max_bytes=20, stop=()) == expected


def test_echoed_log_probabilities_are_those_of_the_model_in_memory(
    server: ModelServer, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    requests = [Request("The answer:", " river"), Request("The answer:", " water and land"), Request("", "The river")]
    expected = HFScorer(model, tokenizer).loglikelihood(requests)
    found = scorer_of(server, logprobs=True).loglikelihood(requests)
    assert [(one.num_tokens, one.num_bytes) for one in found] == [(one.num_tokens, one.num_bytes) for one in expected]
    assert [one.logprob for one in found] == pytest.approx([one.logprob for one in expected], abs=1e-4)


def test_a_server_without_log_probabilities_is_refused_in_words(server: ModelServer) -> None:
    with pytest.raises(InputError, match=r"(?s)not said to have them.*formats=generate"):
        scorer_of(server).loglikelihood([Request("a", " b")])
    server.has_echo = False
    with pytest.raises(InputError, match="echoes"):
        scorer_of(server, logprobs=True).loglikelihood([Request("a", " b")])
    with pytest.raises(InputError, match="first token"):  # no start token before the text
        echoed_score(Request("", "The river"), ["The", " river", "x"], [None, -1.0, -2.0])
    with pytest.raises(InputError, match="parts of letters"):
        echoed_score(Request("", "Әке"), ["<s>", "\ufffd", "\ufffd", "ке", "x"], [None, -1.0, -1.0, -1.0, -2.0])


def test_faults_on_the_way_are_tried_again(
    server: ModelServer, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    server.faults = [(429, {"Retry-After": "7"}), "disconnect", None, 500, "cut", None]
    waits: list[float] = []
    found = scorer_of(server, waits, concurrency=1).generate(PROMPTS[:2], max_bytes=20, stop=())
    assert found == HFScorer(model, tokenizer).generate(PROMPTS[:2], max_bytes=20, stop=())
    assert waits == [7.0, 1.0, 0.5, 1.0]  # as told; half of 2; half of 1; half of 2
    assert len(server.bodies) == 6


def test_what_came_before_a_failure_is_kept(
    server: ModelServer, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    kept = tmp_path / "answers.jsonl"
    server.faults = [None, None, None, 503, 503, 503]
    remembering = RememberingScorer(lambda: scorer_of(server, concurrency=1), kept)
    with pytest.raises(PartlyAnswered, match=r"after 3 tries.*of \d were answered"):
        remembering.generate(PROMPTS, max_bytes=20, stop=())
    came = len(kept.read_text(encoding="utf-8").splitlines())
    assert came >= 3  # the fifth may have been under way
    asked = len(server.bodies)
    again = RememberingScorer(lambda: scorer_of(server, concurrency=1), kept)
    assert again.generate(PROMPTS, max_bytes=20, stop=()) == HFScorer(model, tokenizer).generate(
        PROMPTS, max_bytes=20, stop=()
    )
    assert len(server.bodies) - asked == 5 - came


def test_one_refused_prompt_is_wrong_and_all_refused_is_an_error(server: ModelServer) -> None:
    server.refused = ("Ертіс",)
    found = scorer_of(server).generate(PROMPTS, max_bytes=20, stop=())
    assert [answer.is_refused for answer in found] == [False, False, False, True, False]
    assert found[3] == Generated("", is_refused=True)
    server.refused = ("",)
    with pytest.raises(InputError, match="filtered"):
        scorer_of(server).generate(PROMPTS, max_bytes=20, stop=())


@pytest.mark.parametrize(
    ("status", "said"), [(401, "QAZ_API_KEY"), (403, "QAZ_API_KEY"), (404, "server.url"), (301, "sends on to nowhere")]
)
def test_what_waiting_does_not_mend_is_said_at_once(server: ModelServer, status: int, said: str) -> None:
    server.faults = [status]
    waits: list[float] = []
    with pytest.raises(InputError, match=said):
        scorer_of(server, waits, concurrency=1).generate(PROMPTS[:1], max_bytes=20, stop=())
    assert waits == []


def test_a_long_wait_is_not_waited(server: ModelServer) -> None:
    server.faults = [(429, {"Retry-After": "100000"})]
    with pytest.raises(WorkError, match="100000 s"):
        scorer_of(server, concurrency=1).generate(PROMPTS[:1], max_bytes=20, stop=())


def test_the_key_goes_in_a_header_and_nowhere_else(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    monkeypatch.setenv("QAZ_API_KEY", "secret-key")
    server.faults = [500, 401]
    with pytest.raises(InputError) as raised:
        scorer_of(server, concurrency=1).generate(PROMPTS[:1], max_bytes=20, stop=())
    assert server.keys == ["Bearer secret-key"] * 2
    assert "secret-key" not in caplog.text + str(raised.value) + json.dumps(server.bodies)
    with pytest.raises(InputError, match="no address") as raised:
        Api(ServerConfig(url="http://me:hidden@host/v1"))
    assert "hidden" not in str(raised.value)


def test_no_more_requests_at_once_than_told(server: ModelServer) -> None:
    scorer_of(server, concurrency=2).generate(PROMPTS * 3, max_bytes=20, stop=())
    assert 1 <= server.most_at_once <= 2


def test_usage_and_cost() -> None:
    usage = Usage()
    usage.add({"prompt_tokens": 2_000_000, "completion_tokens": 500_000})
    usage.add({})
    priced = ServerConfig(url="http://h/v1", price_in=0.5, price_out=2.0)
    usage.add({"prompt_tokens": "x", "completion_tokens": 3})
    assert usage.to_dict(priced) == {
        "requests": 3,
        "uncounted": 2,
        "tokens_in": 2_000_000,
        "tokens_out": 500_003,
        "cost": 2.000006,
    }
    assert usage.to_dict(ServerConfig(url="http://h/v1"))["cost"] is None


def test_a_whole_evaluation_by_a_server(server: ModelServer, tmp_path: Path) -> None:
    values = {"suite": "demo", "tasks": ["qaz_mc"], "model": "tiny", "out": str(tmp_path / "out"), "max_items": 2}
    asked = {"url": server.url, "api": "completions"}
    config = config_from_values(EvalConfig, values | {"server": asked}, where="test")
    with pytest.raises(InputError, match=r"qaz_mc needs"):
        run_eval(config)
    config = config_from_values(EvalConfig, values | {"server": asked, "formats": "generate"}, where="test")
    parity = run_eval(config).parity
    assert parity["setting"]["server"]["url"] == server.url
    assert parity["scores"]["qaz_mc"]["kk"]["n"] == 2
    assert sum(
        kinds.get("unfinished", {}).get("items", 0) + kinds.get("unread", {}).get("items", 0) > 0
        for kinds in parity["doubts"]["qaz_mc"].values()
    )
    count = len(server.bodies)
    assert run_eval(config).parity["scores"] == parity["scores"]
    assert len(server.bodies) == count  # all is remembered


def test_log_probabilities_need_completions() -> None:
    with pytest.raises(ConfigError, match="set api to completions"):
        config_from_values(ServerConfig, {"url": "http://h/v1", "logprobs": True}, where="test")


@pytest.mark.parametrize(
    ("tokens", "logprobs", "said"),
    [
        (["а", "б", "!"], [None, float("nan"), -1.0], "gives nan for the token 'б'"),
        (["а", "б", "!"], [None, 3.0, -1.0], "gives 3.0"),
        (["а", "б", "!"], [None, float("-inf"), -1.0], "gives -inf"),
        (["а", "б", "!"], [None, "-1", -1.0], "gives '-1'"),
        (["а", "б", "!"], [None, -1.0], "2 log-probabilities for 3 tokens"),
    ],
)
def test_what_is_no_log_probability_is_refused(tokens: list[str], logprobs: list[Any], said: str) -> None:
    """Compared, NaN is the largest of all; one number short, that of a token which the server made is the answer's."""
    with pytest.raises(InputError, match=re.escape(said)):
        echoed_score(Request("а", "б"), tokens, logprobs)
    assert echoed_score(Request("а", "б"), tokens, [None, 1e-6, -9.0]).logprob == 1e-6


class Refuses:
    """Stands in for an address that refuses all that has one of some words in it."""

    def __init__(self, *words: str) -> None:
        self.words, self.halt = words, threading.Event()
        self.asked: list[str] = []

    def post(self, _path: str, body: Any) -> dict[str, Any]:
        self.asked.append(body["prompt"])
        if any(word in body["prompt"] for word in self.words):
            raise RefusedError("status 400: filtered")
        return {"choices": [{"text": "7", "finish_reason": "stop"}]}


def test_the_first_question_may_be_the_one_that_is_refused() -> None:
    """Whichever comes first: a server that answers other things has refused this one for what it says."""
    config = ServerConfig(url="http://h/v1", api="completions", concurrency=1)
    some: Any = Refuses("бомба")
    scorer = ServerScorer(config, "m", api=some)
    for prompts in (["бомба?"], ["бомба?", "алма?"], ["алма?", "бомба?"]):
        found = scorer.generate(prompts, max_bytes=9, stop=())
        assert [one.is_refused for one in found] == ["бомба" in prompt for prompt in prompts]
    everything: Any = Refuses("")
    with pytest.raises(InputError, match="status 400"):
        ServerScorer(config, "m", api=everything).generate(["бомба?"], max_bytes=9, stop=())


def test_what_a_filter_ended_was_refused_and_not_too_long() -> None:
    class Filtered(Refuses):
        def post(self, _path: str, _body: Any) -> dict[str, Any]:
            return {"choices": [{"text": "Біріншіден", "finish_reason": "content_filter"}]}

    api: Any = Filtered()
    config = ServerConfig(url="http://h/v1", api="completions")
    (found,) = ServerScorer(config, "m", api=api).generate(["?"], max_bytes=99, stop=("\n",))
    assert found == Generated("", is_refused=True)
