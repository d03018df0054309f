"""A gateway asked by OpenAI's client, with an engine behind it that answers what it is told to."""

from __future__ import annotations

import json
import threading
import unicodedata
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from fake_engine import WINDOW, make_model_folder
from served import ASK, KEY, Kept, Start, refused

from qaz_llm.labels.reading import read_labels
from qaz_llm.serve.answers import Part
from qaz_llm.serve.config import Limits
from qaz_llm.serve.fields import Asked
from qaz_llm.serve.labelling import open_labels
from qaz_llm.serve.notices import NOTICES
from qaz_llm.serve.refusals import Refused
from qaz_llm.serve.said import Said


def test_an_answer_says_what_it_is_in_header_field_and_text(start: Start, roots: bytes) -> None:
    with start() as service:
        raw = service.client.chat.completions.with_raw_response.create(model="demo", messages=ASK)  # type: ignore[arg-type]
        made = raw.parse()
        assert raw.headers["x-ai-generated"] == "true"
        assert made.model_extra == {"qaz_label": {"ai_generated": True, "c2pa": True}}
        text = made.choices[0].message.content
        assert text.startswith("Сәлем, әлем!\ufeff")
        verdict = read_labels(text, roots=roots)
        assert (verdict.counts, verdict.segments[0].model) == ({"trusted": 1}, "demo")
        assert made.usage.completion_tokens == 3


def test_a_streamed_answer_ends_with_its_label_and_done(start: Start, roots: bytes) -> None:
    with start() as service:
        service.engine.pieces = ("Йод пен ", unicodedata.normalize("NFD", "йогурт"), " – ", "екі нәрсе.")
        text, pieces = service.text_of(stream_options={"include_usage": True})
        assert read_labels(text, roots=roots).counts == {"trusted": 1}
        assert text.startswith("Йод пен ")
        assert pieces[-1].usage.completion_tokens == 3
        last = pieces[-2]
        assert (last.choices[0].finish_reason, last.model_extra["qaz_label"]["c2pa"]) == ("stop", True)
        raw = httpx2.post(
            f"{service.url}/v1/chat/completions",
            json={"model": "demo", "messages": ASK, "stream": True},
            headers={"authorization": f"Bearer {KEY}"},
        )
        assert raw.text.endswith("data: [DONE]\n\n")
        assert raw.headers["x-ai-generated"] == "true"


def test_labels_in_the_history_do_not_reach_the_engine(start: Start, label_keys: Path) -> None:
    with start() as service:
        said = service.chat().choices[0].message.content
        history = [
            *ASK,
            {"role": "assistant", "content": said},
            {"role": "user", "content": f"«{said}» деген не? ❤\ufe0f"},
        ]
        service.chat(messages=history)
        sent = [turn["content"] for turn in service.engine.asked[-1]["messages"]]
        assert sent == ["Сәлем!", "Сәлем, әлем!", "«Сәлем, әлем!» деген не? ❤\ufe0f"]
        service.client.completions.create(model="demo", prompt=said)
        assert service.engine.asked[-1]["prompt"] == "Сәлем, әлем!"


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_notice_in_words_is_part_of_what_is_labelled(start: Start, roots: bytes, language: str, stream: bool) -> None:
    with start() as service:
        extra = {"extra_body": {"qaz_notice": language}} if stream else {"extra_headers": {"X-QAZ-Notice": language}}
        text = service.text_of(**extra)[0] if stream else service.chat(**extra).choices[0].message.content
        verdict = read_labels(text, roots=roots)
        assert verdict.counts == {"trusted": 1}
        assert text[: verdict.segments[0].end] == f"Сәлем, әлем!\n\n{NOTICES[language]}"


def test_without_keys_the_answer_says_that_it_has_no_label(start: Start) -> None:
    with start(labelled=False) as service:
        made = service.chat()
        assert made.choices[0].message.content == "Сәлем, әлем!"
        assert made.model_extra["qaz_label"] == {
            "ai_generated": True,
            "c2pa": False,
            "no_c2pa_because": "no_label_keys",
        }


def test_a_watermark_is_named_in_every_answer() -> None:
    said = Said(Asked(is_chat=True))
    said.take(Part("Сәлем"))
    assert open_labels(None, "demo", has_watermark=True).behind(said).field["watermark"] == "synthid-text"
    assert "watermark" not in open_labels(None, "demo").behind(said).field


def test_json_and_calls_are_not_free_text(start: Start) -> None:
    with start(engine="llama") as service:
        service.engine.pieces = ('{"a": ', "1}")
        made = service.chat(response_format={"type": "json_object"}, extra_body={"qaz_notice": "kk"})
        assert json.loads(made.choices[0].message.content) == {"a": 1}
        assert made.model_extra["qaz_label"]["no_c2pa_because"] == "not_free_text"
        assert made.model_extra["qaz_label"]["notice"] == NOTICES["kk"]
        text, pieces = service.text_of(response_format={"type": "json_object"})
        assert json.loads(text) == {"a": 1}
        call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "index": 0}
        service.engine.pieces, service.engine.message = ("",), {"tool_calls": [call]}
        tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
        made = service.chat(tools=tools)
        assert made.choices[0].message.tool_calls[0].function.name == "f"
        assert made.choices[0].message.content is None
        _, pieces = service.text_of(tools=tools)
        assert pieces[-1].model_extra["qaz_label"]["no_c2pa_because"] == "not_free_text"


@pytest.mark.parametrize("stream", [False, True])
def test_stop_strings_are_cut_where_the_engine_keeps_them(start: Start, stream: bool) -> None:
    with start(labelled=False) as service:
        service.engine.pieces, service.engine.finish = ("бір ST", "OP екі", " үш"), "length"
        if stream:
            text, pieces = service.text_of(stop=["STOP", "үш"])
            finish = pieces[-1].choices[0].finish_reason
        else:
            choice = service.chat(stop=["STOP", "үш"]).choices[0]
            text, finish = choice.message.content, choice.finish_reason
        assert (text, finish) == ("бір ", "stop")
        assert service.engine.asked[-1]["stop"] == ["STOP", "үш"]


def test_sampling_is_the_request_s_though_the_model_s_config_says_otherwise(start: Start) -> None:
    with start() as service:
        for values, expected in (
            ({"temperature": 0.7, "top_p": 0.9}, {"do_sample": True, "temperature": 0.7, "top_p": 0.9}),
            ({"temperature": 0}, {"do_sample": False}),
            ({}, {"do_sample": False}),
            ({"top_p": 0.5}, {"do_sample": True, "top_p": 0.5}),
        ):
            service.chat(max_tokens=5, seed=3, **values)
            sent = json.loads(service.engine.asked[-1]["generation_config"])
            assert sent.pop("max_new_tokens") == 5
            assert sent.pop("eos_token_id") == [1, 4]
            assert {
                key: value for key, value in sent.items() if value is not None and key != "pad_token_id"
            } == expected
            assert service.engine.asked[-1]["seed"] == 3


def test_answers_end_with_the_window_and_longer_prompts_are_refused(start: Start) -> None:
    with start() as service:
        tokens = len("[user]Сәлем![assistant]".encode())
        service.chat(max_tokens=10_000)
        assert json.loads(service.engine.asked[-1]["generation_config"])["max_new_tokens"] == WINDOW - tokens
        service.client.completions.create(model="demo", prompt="ә" * 90)
        assert json.loads(service.engine.asked[-1]["generation_config"])["max_new_tokens"] == WINDOW - 180
        asked = len(service.engine.asked)
        long = [{"role": "user", "content": "ә" * 100}]
        status, error, _ = refused(lambda: service.chat(messages=long))
        assert (status, error["code"]) == (400, "context_length_exceeded")
        assert f"{2 * 100 + len('[user][assistant]')} tokens" in error["message"]
        assert f"{WINDOW}" in error["message"]
        assert len(service.engine.asked) == asked


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"logprobs": True}, "logprobs"),
    ({"n": 2}, "n"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"presence_penalty": 1.0}, "presence_penalty"),
    ({"logit_bias": {"1": 5}}, "logit_bias"),
    ({"extra_body": {"watermark": False}}, "watermark"),
    ({"extra_body": {"watermarking": False}}, "watermarking"),
    ({"extra_body": {"watermarking_config": {}}}, "watermarking_config"),
    ({"extra_body": {"generation_config": "{}"}}, "generation_config"),
    ({"extra_body": {"vllm_xargs": {"watermark": "off"}}}, "vllm_xargs"),
    ({"temperature": 3}, "temperature"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"stop": [""]}, "stop"),
    ({"extra_body": {"qaz_notice": "kz"}}, "qaz_notice"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "robot", "content": "?"}]}, "messages[0].role"),
    ({"messages": [*ASK, {"role": "system", "content": "?"}]}, "messages"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "messages[0].content[0]"),
]  # fmt: skip


def test_what_an_engine_would_ignore_is_refused_by_name(start: Start) -> None:
    with start() as service:
        for values, param in REFUSED:
            status, error, headers = refused(lambda values=values: service.chat(**values))  # type: ignore[misc]
            assert (status, error["param"]) == (400, param), values
            assert headers["x-ai-generated"] == "true"
        assert service.engine.asked == []
        service.chat(n=1, logprobs=False, presence_penalty=0, user="u", response_format={"type": "text"})
        assert set(service.engine.asked[-1]) == {"model", "messages", "stream", "generation_config"}


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff", b'{"a": "\\ud800"}', b"[" * 100_000, b'{"model": "demo", "prompt": "\\udc00"}']
)
def test_a_body_that_is_no_request(start: Start, body: bytes) -> None:
    with start() as service:
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        answer = httpx2.post(f"{service.url}/v1/completions", content=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


def test_a_fault_of_ours_is_an_answer_too(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qaz_llm.serve.gateway.read_request", lambda *_, **__: 1 / 0)
    with start() as service:
        status, error, _ = refused(service.chat)
        assert (status, error["code"]) == (500, "internal_error")
        assert "division" not in str(error)


def test_who_may_ask(start: Start) -> None:
    with start() as service:
        for key in ("wrong-wrong-wrong-wrong", "abcdefghijklmnop-123", KEY + "5"):
            other = openai.OpenAI(base_url=f"{service.url}/v1", api_key=key, max_retries=0)
            for call in (
                lambda other=other: other.chat.completions.create(model="demo", messages=ASK),  # type: ignore[misc]
                lambda other=other: list(other.models.list()),  # type: ignore[misc]
            ):
                status, error, headers = refused(call)
                assert (status, error["code"], headers["www-authenticate"]) == (401, "invalid_api_key", "Bearer")
        assert httpx2.post(f"{service.url}/v1/completions", json={}).status_code == 401
        assert [model.id for model in service.client.models.list()] == ["demo"]
        assert service.engine.asked == []


def test_more_than_is_allowed(start: Start) -> None:
    with start(limits=Limits(requests_per_minute=2, body_bytes=2000)) as service:
        status, error, _ = refused(lambda: service.chat(messages=[{"role": "user", "content": "а" * 3000}]))
        assert (status, error["code"]) == (413, "body_too_large")
        service.chat()
        status, error, headers = refused(service.chat)
        assert (status, error["code"]) == (429, "rate_limit_exceeded")
        assert 1 <= int(headers["retry-after"]) <= 60


def test_who_finds_no_place_is_told_when_to_come_again(start: Start) -> None:
    limits = Limits(concurrency=1, queue=1, queue_s=30, requests_per_minute=0)
    with start(limits=limits) as service:
        service.engine.slow_s = 0.6
        results: list[str] = []

        def ask() -> None:
            try:
                service.chat()
                results.append("answered")
            except openai.APIStatusError as error:
                assert error.response.headers["retry-after"]
                results.append(f"{error.status_code} {error.body['code']}")  # type: ignore[index]

        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(set(results)) == ["503 overloaded", "answered"]
        assert results.count("answered") == 2


@pytest.mark.parametrize("stream", [False, True])
def test_an_engine_that_dies_before_it_has_said_anything_is_asked_again(start: Start, stream: bool) -> None:
    with start() as service:
        service.engine.dies_after, service.engine.deaths = 0, 1
        text = service.text_of()[0] if stream else service.chat().choices[0].message.content
        assert text.startswith("Сәлем, әлем!\ufeff")
        assert len(service.engine.asked) == 2


def test_an_engine_that_dies_amid_an_answer(start: Start, roots: bytes) -> None:
    with start() as service:
        service.engine.dies_after = 2
        text = ""
        with pytest.raises(openai.APIError, match="ended while it was answering"):
            for piece in service.chat(stream=True):
                text += piece.choices[0].delta.content or ""
        assert text.startswith("Сәлем, ")
        assert read_labels(text, roots=roots).counts == {"trusted": 1}, "what was sent is labelled, too"


def test_a_client_that_goes_away_leaves_its_place(start: Start) -> None:
    with start(limits=Limits(concurrency=1, queue=1, queue_s=5)) as service:
        service.engine.pieces, service.engine.piece_s = ("бір ",) * 400, 0.1
        stream = service.chat(stream=True)
        next(iter(stream))
        stream.close()
        service.engine.piece_s = 0.0
        service.engine.pieces = ("екі",)
        assert service.chat().choices[0].message.content.startswith("екі"), (
            "within the 5 s of the queue, not the 40 of the stream"
        )


def test_nothing_goes_out_when_the_certificate_has_ended(label_keys: Path) -> None:
    labels = open_labels(label_keys, "demo")
    labels.check(600)
    with pytest.raises(Refused) as caught:
        labels.check(366 * 24 * 3600)
    assert (caught.value.status, caught.value.code) == (503, "label_certificate_expired")


def test_an_engine_that_is_gone_or_says_no(start: Start) -> None:
    with start() as service:
        service.engine.status = 500
        assert refused(service.chat)[:2][0] == 502
        service.engine.status = 400
        status, error, _ = refused(service.chat)
        assert (status, error["code"]) == (400, "engine_refused")
        assert "the engine said no" in error["message"]
        assert httpx2.get(f"{service.url}/health").json()["status"] == "ok"


def test_nothing_of_the_engine_s_own_addresses_is_reached(start: Start) -> None:
    with start() as service:
        for path in ("/load_model", "/reset", "/docs", "/openapi.json", "/v1/responses", "/metrics", "/"):
            answer = httpx2.post(f"{service.url}{path}", json={}, headers={"authorization": f"Bearer {KEY}"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url"), path


def test_a_model_without_a_chat_template_completes_and_says_so(start: Start, tmp_path: Path) -> None:
    with start(model=make_model_folder(tmp_path / "base", template=None)) as service:
        status, error, _ = refused(service.chat)
        assert (status, error["code"]) == (400, "no_chat_template")
        assert "/v1/completions" in error["message"]
        assert (
            service.client.completions.create(model="demo", prompt="Сәлем").choices[0].text.startswith("Сәлем, әлем!")
        )


def test_the_log_has_who_and_how_much_and_not_what(start: Start, kept: Kept) -> None:
    with start() as service:
        service.chat(messages=[{"role": "user", "content": "құпия сөз"}])
        refused(lambda: service.chat(temperature=5))
    lines = kept.requests()
    assert [(line["status"], line["who"]) for line in lines] == [(200, "tester"), (400, "tester")]
    assert lines[0]["tokens_out"] == 3
    for secret in ("құпия", "әлем", KEY):
        assert secret not in "\n".join(kept.lines)
