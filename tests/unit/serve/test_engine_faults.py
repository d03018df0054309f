"""Engines that cut, pack, fail, talk of secrets or never end: an error for the client, the reason in the log, never an empty answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Response
from served import Kept, Service, Start

from qaz_llm.labels.reading import read_labels
from qaz_llm.serve.faults import masked

Reply = Callable[[dict[str, Any]], Response]
BEGIN = {"choices": [{"delta": {"content": "Жарты "}}]}
END = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def events(*values: Any, done: bool = True) -> Reply:
    data = (
        "".join(f"data: {x if isinstance(x, str) else json.dumps(x)}\n\n" for x in values) + "data: [DONE]\n\n" * done
    )
    return lambda _body: Response(data, media_type="text/event-stream")


def whole(value: Any, status: int = 200, **headers: str) -> Reply:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return lambda _body: Response(data, status, media_type="application/json", headers=headers)


def message(finish: Any = "stop", **values: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", **values}, "finish_reason": finish}]}


def code_of(service: Service, **values: Any) -> tuple[int, str]:
    """The status, and the code of the error, which is the last event of a stream that has begun."""
    answer = service.post(**values)
    text = answer.text
    if "event-stream" in answer.headers["content-type"]:
        assert "[DONE]" not in text
        text = text.strip().rpartition("data: ")[2]
    return answer.status_code, json.loads(text)["error"]["code"]


CUT = [
    events(BEGIN, done=False),
    events(BEGIN),
    events(BEGIN, {"choices": [{"delta": {}, "finish_reason": None}]}),
    events(BEGIN, '{"choi', done=False),
]


@pytest.mark.parametrize("reply", CUT)
def test_a_stream_without_a_reason_to_end_was_cut(start: Start, roots: bytes, kept: Kept, reply: Reply) -> None:
    with start() as service:
        service.engine.reply = reply
        code = code_of(service, stream=True)
        assert code in ((200, "engine_died"), (200, "engine_error"))
        pieces = [json.loads(x[6:]) for x in service.post(stream=True).text.split("\n\n") if x.startswith('data: {"id')]
        text = "".join(piece["choices"][0]["delta"].get("content", "") for piece in pieces)
        assert text.startswith("Жарты ")
        assert read_labels(text, roots=roots).counts == {"trusted": 1}
        assert not [piece for piece in pieces if piece["choices"][0]["finish_reason"]]
    assert kept.requests()[-1]["refused"] == code[1]


def test_a_whole_answer_without_a_reason_to_end_was_cut_and_an_aborted_one_is_none(start: Start) -> None:
    with start() as service:
        for finish, code in (
            (None, "engine_died"),
            ("", "engine_died"),
            ("abort", "engine_error"),
            (5, "engine_error"),
        ):
            service.engine.reply = whole(message(finish, content="Жарты"))
            assert code_of(service) == (502, code)
            service.engine.reply = events(BEGIN, {"choices": [{"delta": {}, "finish_reason": finish}]})
            assert code_of(service, stream=True) == (200, code)
        service.engine.reply = events(BEGIN, END, done=False)
        assert service.post(stream=True).text.endswith("data: [DONE]\n\n"), "transformers serve sends no [DONE]"


PACKED = gzip.compress(json.dumps(message(content="Сәлем")).encode())
NO_ANSWERS: list[Reply] = [
    whole(b"<html>nginx</html>"),
    whole([1]),
    whole(None),
    whole({}),
    whole({"choices": []}),
    whole({"choices": "abc"}),
    whole({"choices": message(content="бір")["choices"] + message(content="екі")["choices"]}),
    whole({"choices": [{"text": "Сәлем", "finish_reason": "stop"}]}),
    whole({"error": {"message": "?"}}),
    whole(message()),
    whole(message(content=42)),
    whole(message(content=[{"type": "text", "text": "Сәлем"}])),
    whole(message(content="Сәлем", reasoning_content={"a": 1})),
    whole(message(content="Сәлем", tool_calls="f")),
    whole(b"[" * 100_000),
    whole(PACKED, **{"content-encoding": "gzip"}),
]


def test_what_is_no_answer_is_a_fault_of_the_engine(start: Start) -> None:
    with start() as service:
        for number, reply in enumerate(NO_ANSWERS):
            service.engine.reply = reply
            assert code_of(service) == (502, "engine_error"), number
        for reply in (
            *NO_ANSWERS,
            whole(message(content="Сәлем")),
            events(message(content="Сәлем")),
            events([]),
            events({"detail": "?"}),
            events({"choices": [{"text": "Сәлем"}]}, END),
        ):
            service.engine.reply = reply
            assert code_of(service, stream=True) == (502, "engine_error")
        service.engine.reply = whole(message(content="Сәлем"))
        assert code_of(service, path="/v1/completions") == (502, "engine_error"), "a dialogue's answer is no completion"


def test_an_answer_has_no_more_than_was_asked_for(start: Start) -> None:
    with start() as service:
        service.engine.reply = whole(message(content="а" * (1 << 20)))
        status, code = code_of(service, max_tokens=5)
        assert (status, code) == (502, "engine_error")
        service.engine.reply = events(*[{"choices": [{"delta": {"content": "а" * 1000}}]}] * 200, END)
        assert code_of(service, max_tokens=5, stream=True) == (200, "engine_error")
        service.engine.reply = whole(message(content="а" * 1000))
        answer = service.post(max_tokens=5).json()
        assert answer["usage"]["completion_tokens"] == 2000, "counted here, where the engine does not"


def test_what_an_engine_says_of_itself_is_for_the_log(start: Start, kept: Kept) -> None:
    said = "Traceback /home/secret/path token=sk-12345678 "
    with start() as service:
        for reply, stream, status in (
            (whole({"error": {"message": said}}, 500), False, 502),
            (whole({"error": {"message": said}}, 401), True, 502),
            (events(BEGIN, {"error": {"message": said}}), True, 200),
            (events({"error": said}), True, 502),
            (events(BEGIN, '{"error": "a "' + said + '"}'), True, 200),
        ):
            service.engine.reply = reply
            answer = service.post(stream=stream)
            assert answer.status_code == status
            assert '"code":"engine_error"' in answer.text
            assert "Traceback" not in answer.text
        service.engine.reply = whole({"error": {"message": "stop: too many. " + "a b " * 500}}, 422)
        error = service.post().json()["error"]
        assert error["code"] == "engine_refused"
        assert "stop: too many" in error["message"]
        assert len(error["message"]) < 400
    lines = kept.requests()
    assert len(lines) == 6
    for line in lines[:5]:
        assert "Traceback" in line["said"]
        assert "12345678" not in line["said"]


@pytest.mark.parametrize(
    "said",
    ["Bearer abc", "api_key: 'abc'", "PASSWORD=abc", "hf_abc", "ghp_abc", "AKIAABC", "http://u:abc@h/", "abc" * 11],
)
def test_keys_are_masked(said: str) -> None:
    assert "abc" not in masked(f"refused: {said} .").lower()
    assert masked("a request of 12 tokens is too long") == "a request of 12 tokens is too long"


def test_a_busy_engine_says_when_to_come_again(start: Start) -> None:
    with start() as service:
        for status, given, expected in (
            (429, "7", "7"),
            (503, "", "5"),
            (503, "Wed, 21 Oct 2026", "5"),
            (429, "9" * 9, "3600"),
        ):
            service.engine.reply = whole({"error": "busy"}, status, **{"retry-after": given})
            answer = service.post()
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, "engine_busy")
            assert answer.headers["retry-after"] == expected


def test_what_stands_beside_the_text_is_labelled_and_named(start: Start, roots: bytes) -> None:
    beside = {"reasoning_content": "Ойланайық.", "refusal": "Жоқ."}
    with start() as service:
        service.engine.message = beside
        service.engine.pieces = ("Сәлем!",)
        made = service.post().json()
        assert made["qaz_label"] == {"ai_generated": True, "c2pa": True, "beside": dict.fromkeys(beside, True)}
        _, pieces = service.text_of()
        streamed = {
            key: "".join((piece.choices[0].delta.model_extra or {}).get(key) or getattr(piece.choices[0].delta, key, None) or "" for piece in pieces)
            for key in beside
        }  # fmt: skip
        for texts in (made["choices"][0]["message"], streamed):
            for key, said in beside.items():
                assert texts[key].startswith(said)
                assert read_labels(texts[key], roots=roots).counts == {"trusted": 1}
        assert pieces[-1].model_extra["qaz_label"] == made["qaz_label"]


def test_prose_beside_a_call_is_labelled_and_the_call_is_named_as_not(start: Start, roots: bytes) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    with start(engine="vllm") as service:
        service.engine.reply = whole(message("tool_calls", content="Қарайын.", tool_calls=[call]))
        made = service.post().json()
        assert made["qaz_label"] == {"ai_generated": True, "c2pa": True, "beside": {"tool_calls": False}}
        assert made["choices"][0]["message"]["tool_calls"] == [call]
        assert read_labels(made["choices"][0]["message"]["content"], roots=roots).counts == {"trusted": 1}
