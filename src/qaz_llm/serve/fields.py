"""The fields of a request: what each engine does with them, and 400 for what it would silently leave undone.

    transformers serve 5.23   no logprobs, n, JSON mode, tools, penalties, logit_bias: accepted by it and ignored
    llama.cpp's server        JSON mode, tools, penalties, logit_bias
    vLLM                      all of them

A field that no table names is refused as well, so that nothing a request asks for is dropped without a word; that holds for fields that
would switch a watermark off, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qaz_llm.language.selectors import remove_labels
from qaz_llm.serve.messages import messages_of
from qaz_llm.serve.notices import NOTICES
from qaz_llm.serve.refusals import Refused, wrong_field
from qaz_llm.serve.values import TEXT_FORMAT, check_passed, is_number, is_whole

NOTICE = "qaz_notice"
MAX_STOPS = 4
MAX_STOP_CHARS = 200
MAX_WHOLE, MAX_SEED = (1 << 31) - 1, (1 << 63) - 1
"""What engines can hold."""
PENALTIES = frozenset({"frequency_penalty", "presence_penalty", "logit_bias"})
FORMATS = frozenset({"response_format", "tools", "tool_choice", "parallel_tool_calls"})
DONE_BY: Mapping[str, frozenset[str]] = {
    "transformers": frozenset(),
    "llama": PENALTIES | FORMATS,
    "vllm": PENALTIES | FORMATS | {"logprobs", "top_logprobs"},
}
"""Fields beyond those of every engine that an engine does."""

_NOTHING: Mapping[str, Callable[[Any], bool]] = {
    "n": lambda value: value == 1,
    "best_of": lambda value: value == 1,
    "logprobs": lambda value: value is False,
    "echo": lambda value: value is False,
    "store": lambda value: value is False,
    "frequency_penalty": lambda value: value == 0,
    "presence_penalty": lambda value: value == 0,
    "logit_bias": lambda value: value == {},
    "metadata": lambda value: value == {},
    "tools": lambda value: value == [],
    "tool_choice": lambda value: value == "none",
    "parallel_tool_calls": lambda value: isinstance(value, bool),
    "response_format": lambda value: value == TEXT_FORMAT,
    "service_tier": lambda value: value == "auto",
    "suffix": lambda value: value == "",
    "user": lambda value: isinstance(value, str),
}
"""Values that ask for nothing, which clients send; `user` is for the service, and is neither used nor logged."""
_OF_TOOLS = frozenset({"tool_choice", "parallel_tool_calls"})
"""Beside tools these ask for something, whatever their value."""
_SAMPLING: Mapping[str, tuple[float, float]] = {"temperature": (0, 2), "top_p": (0, 1)}
_OWN = frozenset(
    {"model", "messages", "prompt", "stream", "stream_options", "stop", "seed", "top_k", NOTICE}
    | {"max_tokens", "max_completion_tokens", *_SAMPLING}
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that can be answered."""

    is_chat: bool
    messages: tuple[Mapping[str, Any], ...] = ()
    prompt: str = ""
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    wants_usage: bool = False
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """temperature, top_p, top_k, seed, as far as the request has them."""
    passed: Mapping[str, Any] = field(default_factory=dict)
    """Fields for engines that do them."""
    notice: str | None = None
    labels_removed: int = 0

    @property
    def wants_json(self) -> bool:
        """Whether the answer is to be JSON, which a label behind it would break; what it is shows when it is there."""
        return "response_format" in self.passed


def read_request(
    body: Any, *, is_chat: bool, engine: str, name: str, notice: str | None, default_notice: str | None
) -> Asked:
    """What is asked for. `notice` is the language that a header names.

    Raises Refused (400, or 404 for another model), naming the field.
    """
    if not isinstance(body, dict):
        raise Refused(400, "the body is to be a JSON object", code="invalid_json")
    check_model(body.get("model"), name)
    given = {key: value for key, value in body.items() if value is not None}
    passed = _passed(given, engine, is_chat)
    labels = 0
    messages: tuple[Mapping[str, Any], ...] = ()
    prompt = ""
    if is_chat:
        messages, labels = messages_of(given.get("messages"), has_tools="tools" in DONE_BY[engine])
    else:
        prompt, labels = _prompt(given.get("prompt"))
    options = given.get("stream_options", {})
    if not isinstance(options, dict) or set(options) - {"include_usage"}:
        raise wrong_field("stream_options", "only include_usage is known")
    return Asked(
        is_chat,
        messages,
        prompt,
        _whole(given, "max_completion_tokens", 1) or _whole(given, "max_tokens", 1),
        _stops(given.get("stop")),
        _flag(given, "stream"),
        _flag(options, "include_usage"),
        _sampling(given),
        passed,
        _notice(given.get(NOTICE, notice if notice is not None else default_notice)),
        labels,
    )


def check_model(model: Any, name: str) -> None:
    """Raise Refused (404) where a request names another model, or none."""
    if model != name:
        asked = "no model is named" if model is None else f"there is no model {str(model)[:100]!r}"
        raise Refused(404, f"{asked} here; it is {name!r}", code="model_not_found", param="model")


def _passed(given: Mapping[str, Any], engine: str, is_chat: bool) -> dict[str, Any]:
    """What goes to the engine as it is; raises for what it would leave undone."""
    passed = {}
    for key, value in given.items():
        if key in _OWN:
            if key == ("prompt" if is_chat else "messages"):
                raise wrong_field(key, f"belongs to {'/v1/completions' if is_chat else '/v1/chat/completions'}")
            continue
        if key in _NOTHING and _NOTHING[key](value) and not (key in _OF_TOOLS and given.get("tools")):
            continue
        if key not in DONE_BY[engine]:
            known = (
                "is not done" if key in _NOTHING or any(key in done for done in DONE_BY.values()) else "is not known"
            )
            raise wrong_field(
                str(key)[:100],
                f"{known} by this service ({engine}), which would ignore it",
                code="unsupported_parameter",
            )
        passed[key] = value
    check_passed(passed, is_chat=is_chat)
    return passed


def _prompt(value: Any) -> tuple[str, int]:
    if not isinstance(value, str):
        raise wrong_field("prompt", "is to be one text; lists of texts or of tokens are not taken")
    counts: Counter[str] = Counter()
    return remove_labels(value, counts), counts["label"]


def _sampling(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, (least, most) in _SAMPLING.items():
        if key in given:
            value = given[key]
            if not is_number(value, least, most):
                raise wrong_field(key, f"is to be a number from {least:g} to {most:g}")
            found[key] = float(value)
    for key, most in (("top_k", MAX_WHOLE), ("seed", MAX_SEED)):
        if (value := _whole(given, key, 0, most)) is not None:
            found[key] = value
    return found


def _whole(given: Mapping[str, Any], key: str, least: int, most: int = MAX_WHOLE) -> int | None:
    value = given.get(key)
    if value is None:
        return None
    if not is_whole(value, least, most):
        raise wrong_field(key, f"is to be a whole number from {least} to {most:,}")
    return int(value)


def _flag(given: Mapping[str, Any], key: str) -> bool:
    value = given.get(key)
    if not isinstance(value, bool | None):
        raise wrong_field(key, "is to be true or false")
    return bool(value)


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value if value is not None else []
    if not isinstance(stops, list) or len(stops) > MAX_STOPS:
        raise wrong_field("stop", f"is to be a text or a list of at most {MAX_STOPS}")
    if any(not isinstance(stop, str) or not 0 < len(stop) <= MAX_STOP_CHARS for stop in stops):
        raise wrong_field("stop", f"each is to be a text of 1 to {MAX_STOP_CHARS} characters")
    return tuple(dict.fromkeys(stops))


def _notice(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value in NOTICES):
        return value
    raise wrong_field(NOTICE, f"is to be one of {', '.join(NOTICES)}")
