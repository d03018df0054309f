"""What a template leaves out is found, also where another turn says the same words.

Oracle: two dialogues that differ in what is left out alone have one text; so the template does not write it.
"""

from typing import Any

import pytest

from qaz_llm.records import Message
from qaz_llm.rows.chat import ChatRenderer, DialogueError
from qaz_llm.rows.chat.template import TODAY
from qaz_llm.tokenizer.base import train_base_tokenizer

TURN = "{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
PROMPT = "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
PLAIN = "{%- for m in messages %}" + TURN + "{%- endfor %}" + PROMPT
NO_SYSTEM = PLAIN.replace("in messages", "in messages if m.role != 'system'")
NO_TOOL = PLAIN.replace("in messages", "in messages if m.role != 'tool'")
ONE_QUESTION = PLAIN.replace("m.content", "('' if m.role == 'user' and not loop.first else m.content)")
CALL = {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Almaty"}}}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {}}}


@pytest.fixture(scope="module")
def base() -> Any:
    return train_base_tokenizer(["Сәлем! мен сен the weather in Almaty"] * 30, vocab_size=280)


def render(base: Any, template: str, *messages: Message, tools: Any = ()) -> Any:
    base.chat_template = template
    return ChatRenderer.of(base).render(messages, tools=tools, seq_len=2048)


def called(text: str, city: str) -> tuple[Message, ...]:
    call = {**CALL, "function": {"name": "get_weather", "arguments": {"city": city}}}
    return Message("user", "weather?"), Message("assistant", text, tool_calls=(call,)), Message("tool", "5")


LEFT_OUT = {
    "a system turn": (NO_SYSTEM, (Message("system", "a"), Message("user", "qa"), Message("assistant", "aa"))),
    "a tool's answer": (NO_TOOL, (*called("I ask", "x")[:1], Message("assistant", "5?"), Message("tool", "5"),
                                  Message("assistant", "it is 5"))),
    "a second question": (ONE_QUESTION, (Message("user", "q"), Message("assistant", "a"), Message("user", "q"),
                                         Message("assistant", "b"))),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_turn_whose_words_stand_elsewhere_too_is_missed(base: Any, name: str) -> None:
    template, messages = LEFT_OUT[name]
    with pytest.raises(DialogueError) as error:
        render(base, template, *messages)
    assert error.value.reason == "turn_not_written"
    render(base, PLAIN, *messages)  # and is not where the template writes it


def test_calls_that_an_answer_speaks_of_are_missed(base: Any) -> None:
    messages = called("I call get_weather for city Almaty.", "Almaty")
    with pytest.raises(DialogueError) as error:
        render(base, PLAIN, *messages, Message("assistant", "5 in Almaty"))
    assert error.value.reason == "calls_not_written"
    written = TURN + "{%- for c in m.tool_calls or [] %}{{- c.function | tojson + '<|im_end|>' }}{%- endfor %}"
    assert render(base, PLAIN.replace(TURN, written), *messages).examples


@pytest.mark.parametrize("thought", ["five", "the answer"])
def test_thoughts_that_the_answer_repeats_are_missed(base: Any, thought: str) -> None:
    messages = Message("user", "q"), Message("assistant", "the answer is five", reasoning=thought)
    assert render(base, PLAIN, *messages).notes["thoughts_not_written"] == 1
    thinking = PLAIN.replace("m.content +", "('<think>' + (m.reasoning_content or '') + '</think>' if m.role == "
                             "'assistant' else '') + m.content +")  # fmt: skip
    assert render(base, thinking, *messages).notes["thoughts_not_written"] == 0


def test_tools_that_are_asked_about_are_missed(base: Any) -> None:
    messages = Message("user", "what is get_weather?"), Message("assistant", "get_weather tells the weather")
    assert render(base, PLAIN, *messages, tools=[TOOL]).notes["tools_not_written"] == 1
    with_tools = "{%- if tools %}{{- tools | tojson }}{%- endif %}" + PLAIN
    assert render(base, with_tools, *messages, tools=[TOOL]).notes["tools_not_written"] == 0


def test_a_template_that_writes_the_time_writes_one_moment(base: Any) -> None:
    clock = "{{- strftime_now('%d %b %Y %H:%M:%S.%f') }}"
    messages = Message("user", "q"), Message("assistant", "a")
    made = [render(base, clock + PLAIN, *messages) for _ in range(2)]
    assert made[0].examples == made[1].examples
    text = base.decode(made[0].examples[0].input_ids)
    assert text.startswith("26 Jul 2024 00:00:00.000000") and TODAY.year == 2024
    assert made[0].notes["date_written"] == 1 and not render(base, PLAIN, *messages).notes["date_written"]
