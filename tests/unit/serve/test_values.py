"""Fields that go to the engine as they are: only what is known passes, so that none switches a label off."""

from __future__ import annotations

import json
from typing import Any

import pytest
from served import ASK, Start

from qaz_llm.labels.reading import read_labels

TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
WRONG: list[tuple[dict[str, Any], str]] = [
    *(({"response_format": value}, "response_format") for value in (
        "json", "text", {"type": "text", "x": 1}, {}, {"type": ""}, {"x": 1}, [], "", False, 0, {"type": "TEXT"}, {"type": ["text"]},
        {"type": "json_object", "schema": {}}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": {"name": "a"}},
        {"type": "json_schema", "json_schema": {"schema": {}}}, {**SCHEMA, "x": 1}, {"type": "grammar"}, {"type": "structural_tag"},
    )),
    *(({"logit_bias": value}, "logit_bias") for value in ({"x": "y"}, {"5": "1"}, {"-1": 1}, {"5": 101}, [1], {"5": True}, {"٥": 1})),
    *(({key: value}, key) for key in ("frequency_penalty", "presence_penalty") for value in ("x", 1e9, -2.1, True, [1])),
    *(({"tools": [TOOL], "tool_choice": value}, "tool_choice") for value in (
        5, "any", {"type": "function"}, {"type": "function", "function": {"name": "g"}}, []
    )),
    ({"tool_choice": "auto"}, "tool_choice"),
    *(({"tools": value}, "tools") for value in ("x", [1], [{"type": "function"}], [{**TOOL, "type": "x"}], [TOOL] * 129)),
    ({"parallel_tool_calls": 1, "tools": [TOOL]}, "parallel_tool_calls"),
    ({"logprobs": True, "top_logprobs": 500}, "top_logprobs"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"logprobs": 3}, "logprobs"),
    ({"temperature": True}, "temperature"),
    ({"top_k": 1 << 40}, "top_k"),
    ({"stream_options": {"include_usage": "yes"}}, "include_usage"),
    ({"messages": [*ASK, {"role": "assistant", "content": None, "tool_calls": "x"}]}, "messages[1].tool_calls"),
    ({"messages": [*ASK, {"role": "tool", "content": "x", "tool_call_id": 5}]}, "messages[1].tool_call_id"),
]  # fmt: skip


def test_values_that_no_reference_knows_are_refused_by_name(start: Start) -> None:
    with start(engine="vllm") as service:
        for values, param in WRONG:
            answer = service.post(**values)
            assert answer.status_code == 400, values
            error = answer.json()["error"]
            assert (error["param"], error["code"]) == (param, "invalid_value"), values
        assert service.engine.asked == []


def test_values_that_are_known_pass(start: Start) -> None:
    named = {"type": "function", "function": {"name": "f"}}
    right: list[dict[str, Any]] = [
        {"response_format": {"type": "json_object"}},
        {"response_format": SCHEMA},
        {"tools": [TOOL], "tool_choice": "none"},
        {"tools": [TOOL], "tool_choice": named, "parallel_tool_calls": False},
        {"logit_bias": {"5": -100}, "frequency_penalty": -2, "presence_penalty": 0.5},
        {"logprobs": True, "top_logprobs": 20},
    ]
    with start(engine="vllm", labelled=False) as service:
        for values in right:
            assert service.post(**values).status_code == 200, values
            sent = service.engine.asked[-1]
            assert {key: sent[key] for key in values} == values, "none of them is left out on the way"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_json_where_it_is_and_labelled_where_it_is_not(start: Start, roots: bytes, stream: bool) -> None:
    with start(engine="llama") as service:
        for said, is_json in (
            ('{"a": [1]}', True),
            ("[]", True),
            ("Сәлем!", False),
            ('{"a": ', False),
            ('"Сәлем"', False),
        ):
            service.engine.pieces = (said,)
            if stream:
                text, pieces = service.text_of(response_format={"type": "json_object"})
                field = pieces[-1].model_extra["qaz_label"]
            else:
                made = service.chat(response_format={"type": "json_object"})
                text, field = made.choices[0].message.content, made.model_extra["qaz_label"]
            assert field["c2pa"] is not is_json
            if is_json:
                assert json.loads(text) == json.loads(said)
                assert field["no_c2pa_because"] == "not_free_text"
            else:
                assert read_labels(text, roots=roots).counts == {"trusted": 1}
