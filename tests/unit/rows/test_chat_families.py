"""Under the templates of each family a model learns what it has to write at inference, behind what it will see there.

Oracles: what is learned is written out by hand; what is before it is what transformers makes of the turns before for
generation; ids of messages that spell special tokens are those of transformers' own `sanitize_control_tokens`.
"""

import inspect
from typing import Any

import pytest
from chat_templates import ADDED, FAMILIES, GEMMA3, LLAMA31, MISTRAL, PHI3, QWEN3, QWEN25, R1, SPECIAL

from qaz_llm.records import IGNORE_INDEX, Message, TokenizedExample
from qaz_llm.rows.chat import ChatRenderer, DialogueError, Rendered, end_of_turn_id
from qaz_llm.tokenizer.base import train_base_tokenizer
from qaz_llm.tokenizer.chat_template import DEFAULT_CHAT_TEMPLATE

CALL = {
    "type": "function",
    "id": "abcdefghi",
    "function": {"name": "ауа_райы", "arguments": {"қала": "Астана"}},
}
TOOLS = [
    {"type": "function", "function": {"name": "ауа_райы", "parameters": {"properties": {"қала": {"type": "string"}}}}}
]
ASKED = Message("user", "Сәлем! ")
TALK = (
    Message("system", "Сен көмекшісің."),
    ASKED,
    Message("assistant", "Қалайсыз? \n"),
    Message("user", "Қалайсыз?"),
    Message("assistant", "  Жақсы.\n\nРахмет!"),
)
CALLED = (
    Message("user", "Ауа райы?"),
    Message("assistant", "", tool_calls=(CALL,)),
    Message("tool", "ашық, жылы", tool_call_id="abcdefghi", name="ауа_райы"),
    Message("assistant", "Ашық."),
)
THOUGHT = (
    ASKED,
    Message("assistant", "Қалайсыз?", reasoning="Амандасайын."),
    Message("user", "Тағы?"),
    Message("assistant", "Жақсы.", reasoning="Ойланайын."),
)


def make_tokenizer() -> Any:
    texts = [m.content for m in TALK] * 5 + ["мен сен ол біз сіз олар the a of и в не на name arguments"] * 20
    tokenizer = train_base_tokenizer(texts, vocab_size=300)
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    tokenizer.add_tokens(list(ADDED))
    return tokenizer


@pytest.fixture(scope="module")
def base() -> Any:
    return make_tokenizer()


def render(tokenizer: Any, messages: Any, *, seq_len: int = 2048, tools: Any = ()) -> Rendered:
    return ChatRenderer.of(tokenizer).render(messages, tools=tools, seq_len=seq_len, source_id="x")


def runs_of(example: TokenizedExample) -> list[tuple[int, int]]:
    """(start, end) of each stretch of labels."""
    learned = [label != IGNORE_INDEX for label in example.labels]
    edges = [
        i for i in range(len(learned) + 1) if (learned[i - 1] if i else False) != (i < len(learned) and learned[i])
    ]
    return list(zip(edges[::2], edges[1::2], strict=True))


def learned(tokenizer: Any, rendered: Rendered) -> list[list[str]]:
    """What is learned of each example, stretch by stretch, special tokens included."""
    return [
        [tokenizer.decode(example.input_ids[a:b], clean_up_tokenization_spaces=False) for a, b in runs_of(example)]
        for example in rendered.examples
    ]


def special_ids(tokenizer: Any) -> set[int]:
    return {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}


EMPTY = "<think>\n\n</think>\n\n"
CALL_JSON = '{"name": "ауа_райы", "arguments": {"қала": "Астана"}}'
WRITTEN: dict[str, list[list[str]]] = {
    "llama31": [["Қалайсыз?<|eot_id|>", "Жақсы.\n\nРахмет!<|eot_id|>"]],
    "qwen25": [["Қалайсыз? \n<|im_end|>", "  Жақсы.\n\nРахмет!<|im_end|>"]],
    "qwen3": [[f"{EMPTY}  Жақсы.\n\nРахмет!<|im_end|>"], [f"{EMPTY}Қалайсыз? \n<|im_end|>"]],
    "gemma3": [["Қалайсыз?<end_of_turn>", "Жақсы.\n\nРахмет!<end_of_turn>"]],
    "mistral": [["   Жақсы.\n\nРахмет!<|eos|>"], [" Қалайсыз? \n<|eos|>"]],  # the system turn is in the last question
    "phi3": [["Қалайсыз? \n<|end|>", "  Жақсы.\n\nРахмет!<|end|>"]],
}
CALLS: dict[str, list[list[str]]] = {
    "llama31": [['{"name": "ауа_райы", "parameters": {"қала": "Астана"}}<|eot_id|>', "Ашық.<|eot_id|>"]],
    "qwen25": [[f"\n<tool_call>\n{CALL_JSON}\n</tool_call><|im_end|>", "\nАшық.<|im_end|>"]],
    "qwen3": [[f"{EMPTY}Ашық.<|im_end|>"], [f"{EMPTY}\n<tool_call>\n{CALL_JSON}\n</tool_call><|im_end|>"]],
    "mistral": [[f'[TOOL_CALLS][{CALL_JSON[:-1]}, "id": "abcdefghi"}}]<|eos|>', " Ашық.<|eos|>"]],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_learned_as_they_are_to_be_written(base: Any, family: str) -> None:
    base.chat_template = FAMILIES[family]
    assert learned(base, render(base, TALK)) == WRITTEN[family]


@pytest.mark.parametrize("family", CALLS)
def test_calls_are_learned_and_tools_are_seen(base: Any, family: str) -> None:
    base.chat_template = FAMILIES[family]
    rendered = render(base, CALLED, tools=TOOLS)
    wanted = CALLS[family]
    if family == "qwen25":  # a line end that the prompt for generation has already
        wanted = [[text.removeprefix("\n") for text in texts] for texts in wanted]
    assert learned(base, rendered) == wanted
    assert '"properties"' in base.decode(rendered.examples[0].input_ids)
    assert "ашық, жылы" in base.decode(rendered.examples[0].input_ids)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dialogue", ["talk", "called", "thought"])
def test_before_an_answer_is_what_generation_sees(base: Any, family: str, dialogue: str) -> None:
    base.chat_template = FAMILIES[family]
    messages = {"talk": TALK, "called": CALLED, "thought": THOUGHT}[dialogue]
    tools = TOOLS if dialogue == "called" else ()
    if dialogue == "called" and family not in CALLS:
        pytest.skip("the template knows no tools")
    rows = [message.to_row() for message in messages]
    turns = [turn for turn, message in enumerate(messages) if message.role == "assistant"]
    prompts = {
        tuple(
            base.apply_chat_template(
                rows[:turn], tools=list(tools) or None, add_generation_prompt=True, return_dict=False
            )
        )
        for turn in turns
    }
    examples = render(base, messages, tools=tools).examples
    assert {e.input_ids[:start] for e in examples for start, _ in runs_of(e)} == prompts


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_stops_with_what_it_learned(base: Any, family: str) -> None:
    base.chat_template = FAMILIES[family]
    assert base.decode([end_of_turn_id(base)]) == WRITTEN[family][0][0][-len(base.decode([end_of_turn_id(base)])) :]
    assert end_of_turn_id(base) in special_ids(base)


@pytest.mark.parametrize("family", [*FAMILIES, "own"])
def test_the_tokens_are_those_of_the_template_and_begin_with_one_bos(base: Any, family: str) -> None:
    base.chat_template = FAMILIES.get(family, DEFAULT_CHAT_TEMPLATE)
    rows = [message.to_row() for message in TALK]
    ids = base.apply_chat_template(rows, return_dict=False)
    assert list(render(base, TALK).examples[0].input_ids) == ids
    assert ids.count(base.bos_token_id) == ("bos_token" in base.chat_template)


@pytest.mark.parametrize("inline", [False, True])
def test_thoughts_are_learned_in_each_turn(base: Any, inline: bool) -> None:
    base.chat_template = QWEN3
    messages = THOUGHT
    if inline:
        messages = tuple(
            Message(m.role, f"<think>\n{m.reasoning}\n</think>\n\n{m.content}" if m.reasoning else m.content)
            for m in THOUGHT
        )
    rendered = render(base, messages)
    assert learned(base, rendered) == [
        ["<think>\nОйланайын.\n</think>\n\nЖақсы.<|im_end|>"],
        ["<think>\nАмандасайын.\n</think>\n\nҚалайсыз?<|im_end|>"],
    ]
    assert rendered.notes == {"examples_more": 1}
    assert base.convert_tokens_to_ids("<think>") in rendered.examples[0].labels  # one token, not its letters


def test_thoughts_of_one_question_stay_in_one_example(base: Any) -> None:
    base.chat_template = QWEN3
    first = Message("assistant", "Қараймын.", reasoning="Құрал керек.", tool_calls=(CALL,))
    last = Message("assistant", "Ашық.", reasoning="Білдім.")
    rendered = render(base, (CALLED[0], first, CALLED[2], last), tools=TOOLS)
    assert [len(runs_of(example)) for example in rendered.examples] == [2]


def test_thoughts_that_a_template_does_not_write_are_counted(base: Any) -> None:
    base.chat_template = QWEN25
    rendered = render(base, THOUGHT)
    assert rendered.notes == {"thoughts_not_written": 2}
    assert learned(base, rendered) == [["Қалайсыз?<|im_end|>", "Жақсы.<|im_end|>"]]


def test_a_prompt_that_begins_a_thought_is_told(base: Any) -> None:
    base.chat_template = R1
    rendered = render(base, (ASKED, Message("assistant", "<think>\nОй.\n</think>\n\nЖақсы.")))
    assert rendered.notes == {"prompt_differs": 1, "thoughts_not_written": 1}
    assert learned(base, rendered) == [["Жақсы.<|eos|>"]]


# ------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("template", "messages", "reason"),
    [
        (GEMMA3, CALLED, "template_refuses"),
        (GEMMA3, TALK[2:], "template_refuses"),
        (GEMMA3, (TALK[0], *TALK[2:]), "template_refuses"),
        (LLAMA31, (CALLED[0], Message("assistant", "", tool_calls=(CALL, CALL)), *CALLED[2:]), "template_refuses"),
        (LLAMA31, (CALLED[0], Message("assistant", "Қазір.", tool_calls=(CALL,)), *CALLED[2:]), "answer_not_written"),
        (
            MISTRAL,
            (CALLED[0], Message("assistant", "", tool_calls=({**CALL, "id": "1"},)), *CALLED[2:]),
            "template_refuses",
        ),
        (PHI3, CALLED, "calls_not_written"),
        (DEFAULT_CHAT_TEMPLATE, CALLED, "calls_not_written"),
        ("{{ messages[0]['role']['x']['y'] }}", TALK, "template_refuses"),
        ("{% for m in messages %}{{ m.content + m.missing }}{% endfor %}", TALK, "template_refuses"),
        ("{% for m in messages %}{{ 1 // 0 }}{% endfor %}", TALK, "template_refuses"),
        (
            "{% for m in messages %}{% if m.role != 'system' %}{{ m.content + '<|eot_id|>' }}{% endif %}{% endfor %}",
            TALK,
            "turn_not_written",
        ),
        (QWEN25, (ASKED, Message("assistant", "а", is_learned=False)), "not_to_be_learned"),
    ],
)
def test_dialogues_that_a_template_cannot_write_have_a_reason(
    base: Any, template: str, messages: Any, reason: str
) -> None:
    base.chat_template = template
    with pytest.raises(DialogueError) as caught:
        render(base, messages)
    assert caught.value.reason == reason


def test_words_of_others_in_an_answer_are_refused(base: Any) -> None:
    """A system turn that goes into the first turn, which here is the assistant's."""
    base.chat_template = GEMMA3.replace("raise_exception('user and assistant have to take turns')", "''")
    with pytest.raises(DialogueError) as caught:
        render(base, (TALK[0], *TALK[2:]))
    assert caught.value.reason == "more_than_the_answer"


def test_tools_that_a_template_does_not_write_are_counted(base: Any) -> None:
    base.chat_template = PHI3
    assert render(base, TALK, tools=TOOLS).notes == {"tools_not_written": 1}


def test_arguments_are_text_for_templates_that_add_them(base: Any) -> None:
    base.chat_template = QWEN25.replace("call.function.arguments | tojson", "call.function.arguments")
    assert learned(base, render(base, CALLED, tools=TOOLS))[0][0].startswith(f"<tool_call>\n{CALL_JSON}")


def test_null_among_arguments_is_counted(base: Any) -> None:
    base.chat_template = QWEN25
    call = {"type": "function", "function": {"name": "f", "arguments": {"a": {"b": [1, None]}}}}
    rendered = render(base, (CALLED[0], Message("assistant", "", tool_calls=(call,)), *CALLED[2:]))
    assert rendered.notes == {"null_arguments": 1}


# --------------------------------------------------------------------------------------- weights, greetings, length


@pytest.mark.parametrize("family", ["llama31", "qwen25", "phi3"])
def test_an_answer_of_weight_0_is_seen_and_not_learned(base: Any, family: str) -> None:
    base.chat_template = FAMILIES[family]
    bad = Message("assistant", "Нашар.", is_learned=False)
    rendered = render(base, (ASKED, bad, *TALK[3:]))
    assert learned(base, rendered) == [WRITTEN[family][0][1:]]
    assert "Нашар." in base.decode(rendered.examples[0].input_ids)


@pytest.mark.parametrize("family", ["llama31", "qwen25", "phi3", "mistral"])
def test_the_assistant_may_begin(base: Any, family: str) -> None:
    base.chat_template = FAMILIES[family]
    wanted = [text for texts in reversed(WRITTEN[family]) for text in texts]
    rendered = render(base, (TALK[2], TALK[3], TALK[4]))
    got = [text for texts in learned(base, rendered) for text in texts]
    assert sorted(map(str.lstrip, got)) == sorted(map(str.lstrip, wanted))


def test_two_answers_in_a_row_are_two_answers(base: Any) -> None:
    base.chat_template = QWEN25
    rendered = render(base, (ASKED, Message("assistant", "Бір."), Message("assistant", "Екі.")))
    assert learned(base, rendered) == [["Бір.<|im_end|>", "Екі.<|im_end|>"]]


def test_answers_cut_for_length_are_counted(base: Any) -> None:
    base.chat_template = QWEN25
    whole = render(base, TALK).examples[0]
    cut = render(base, TALK, seq_len=len(whole.input_ids) - 3)
    assert cut.notes == {"answers_cut": 1}
    assert learned(base, cut) == [WRITTEN["qwen25"][0][:1]]
    base.chat_template = QWEN3
    longest = max(len(example.input_ids) for example in render(base, TALK).examples)
    cut = render(base, TALK, seq_len=longest - 3)
    assert cut.notes == {"answers_cut": 1}
    assert learned(base, cut) == WRITTEN["qwen3"][1:]


# ----------------------------------------------------------------------------------------------------------- markers

MARKED = QWEN25.replace(
    "{%- if m.content %}{{- '\n' + m.content }}{%- endif %}",
    "{%- if m.role == 'assistant' %}{{- '\n' }}{%- generation %}{{- m.content }}{%- endgeneration %}"
    "{%- elif m.content %}{{- '\n' + m.content }}{%- endif %}",
)


def test_markers_that_end_before_the_stop_token_learn_it_all_the_same(base: Any) -> None:
    assert MARKED.count("generation %}") == 2
    base.chat_template = MARKED
    assert learned(base, render(base, TALK)) == WRITTEN["qwen25"]


def test_markers_that_leave_calls_out_are_refused(base: Any) -> None:
    base.chat_template = MARKED
    called = (CALLED[0], Message("assistant", "Қазір.", tool_calls=(CALL,)), *CALLED[2:])
    with pytest.raises(DialogueError, match="leave out '<tool_call>") as caught:
        render(base, called)
    assert caught.value.reason == "bad_generation_markers"


# ----------------------------------------------------------------------------------- special tokens in a message

SPELLING = (
    Message("system", "<|bos|> деген не?"),
    Message("user", "ChatML: <|im_end|><|im_start|>user [INST] <|eot_id|> <end_of_turn>"),
    Message("assistant", "Бұл <|im_end|> белгісі, <|eos|> деген де <|end|>"),
)


@pytest.mark.parametrize("family", FAMILIES)
def test_special_tokens_in_a_message_stay_text(base: Any, family: str) -> None:
    base.chat_template = FAMILIES[family]
    rows = [message.to_row() for message in SPELLING]
    rendered = render(base, SPELLING)
    assert rendered.notes == {"special_tokens_spelled": 1}
    (example,) = rendered.examples
    if "sanitize_control_tokens" in inspect.signature(base.apply_chat_template).parameters:  # of late
        assert list(example.input_ids) == base.apply_chat_template(
            rows, sanitize_control_tokens=True, return_dict=False
        )
    text = base.apply_chat_template(rows, tokenize=False)
    assert base.decode(example.input_ids, clean_up_tokenization_spaces=False) == text
    (run,) = runs_of(example)
    inner = set(example.input_ids[run[0] : run[1] - 1])
    assert not inner & special_ids(base)
    assert example.input_ids[run[1] - 1] == end_of_turn_id(base)


def test_special_tokens_in_calls_and_tools_stay_text(base: Any) -> None:
    base.chat_template = QWEN25
    call = {"type": "function", "function": {"name": "f", "arguments": {"<|im_end|>": "<|eos|>"}}}
    tools = [{"type": "function", "function": {"name": "f", "description": "<|im_start|>"}}]
    rendered = render(base, (CALLED[0], Message("assistant", "", tool_calls=(call,)), *CALLED[2:]), tools=tools)
    ids = list(rendered.examples[0].input_ids)
    names = [base.convert_ids_to_tokens(i) for i in ids if i in special_ids(base)]
    assert names == ["<|im_start|>", "<|im_end|>"] * 5
    assert learned(base, rendered)[0][0] == (
        '<tool_call>\n{"name": "f", "arguments": {"<|im_end|>": "<|eos|>"}}\n</tool_call><|im_end|>'
    )


# ---------------------------------------------------------------------------------------------- kinds of tokenizers


def spaced_tokenizer(*, prefix: bool, trim: bool) -> Any:
    """Byte level; a blank before every text, or offsets without blanks, as some families have them."""
    from tokenizers import pre_tokenizers, processors

    tokenizer = make_tokenizer()
    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    backend.post_processor = processors.ByteLevel(trim_offsets=trim)
    return tokenizer


def metaspace_tokenizer() -> Any:
    """SentencePiece's way: blanks are ▁, letters that are not known are bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    control = ["<unk>", "<|bos|>", "<|eos|>", "<|im_start|>", "<|im_end|>", *SPECIAL]
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=[*control, *(f"<0x{n:02X}>" for n in range(256))], show_progress=False
    )
    backend.train_from_iterator([m.content for m in TALK] * 5, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|bos|>", eos_token="<|eos|>", additional_special_tokens=control[3:]
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("prefix", "trim"), [(True, False), (False, True), (True, True)])
def test_byte_level_tokenizers_with_blanks_of_their_own(family: str, prefix: bool, trim: bool) -> None:
    tokenizer = spaced_tokenizer(prefix=prefix, trim=trim)
    tokenizer.chat_template = FAMILIES[family]
    got = learned(tokenizer, render(tokenizer, TALK))
    assert [[text.replace(" ", "") for text in texts] for texts in got] == [
        [text.replace(" ", "") for text in texts] for texts in WRITTEN[family]
    ]


@pytest.mark.parametrize("family", ["llama31", "qwen25", "gemma3", "mistral", "phi3"])
def test_tokenizers_of_sentencepiece(family: str) -> None:
    tokenizer = metaspace_tokenizer()
    tokenizer.chat_template = FAMILIES[family]
    assert learned(tokenizer, render(tokenizer, TALK)) == WRITTEN[family]


def test_a_line_end_of_prompt_and_answer_is_not_one_token() -> None:
    """At inference the prompt's line end stands alone, so that the answer's is learned as a token of its own."""
    tokenizer = train_base_tokenizer(["а\n\nә"] * 50 + [m.content for m in TALK] * 3, vocab_size=290)
    tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
    assert len(tokenizer("\n\n", add_special_tokens=False)["input_ids"]) == 1
    rendered = render(tokenizer, (ASKED, Message("assistant", "\nИә")))
    assert learned(tokenizer, rendered) == [["\nИә<|im_end|>"]]
    prompt = tokenizer.apply_chat_template([ASKED.to_row()], add_generation_prompt=True, return_dict=False)
    assert list(rendered.examples[0].input_ids[: len(prompt)]) == prompt


# ------------------------------------------------------------------------------------------- beginnings and ends

ALWAYS_THINKS = DEFAULT_CHAT_TEMPLATE.replace("{%- generation -%}", "").replace("{%- endgeneration -%}", "").replace(
    "{{- message['content'] + '<|im_end|>' -}}{%- else -%}",
    "{{- '<think>\\n\\n</think>\\n\\n' + message['content'] + '<|im_end|>' -}}{%- else -%}",
)  # fmt: skip


def test_an_empty_thought_is_learned_in_a_greeting_too(base: Any) -> None:
    assert ALWAYS_THINKS.count("</think>") == 1
    base.chat_template = ALWAYS_THINKS
    rendered = render(base, (Message("assistant", "Сәлем!"), ASKED, Message("assistant", "Иә.")))
    assert learned(base, rendered) == [[f"{EMPTY}Сәлем!<|im_end|>", f"{EMPTY}Иә.<|im_end|>"]]


def test_a_prompt_that_opens_a_thought_leaves_the_rest_of_it_to_be_learned(base: Any) -> None:
    """As the thinking models of Qwen have it: the prompt ends within the thought."""
    opened = "'<|im_start|>assistant\\n<think>\\n'"
    base.chat_template = ALWAYS_THINKS.replace("'<|im_start|>assistant\\n'", opened)
    rendered = render(base, (ASKED, Message("assistant", "Иә.")))
    assert learned(base, rendered) == [["\n</think>\n\nИә.<|im_end|>"]]
    prompt = base.apply_chat_template([ASKED.to_row()], add_generation_prompt=True, return_dict=False)
    assert list(rendered.examples[0].input_ids[: len(prompt)]) == prompt


def test_the_first_token_of_a_text_has_no_label(base: Any) -> None:
    base.chat_template = "{% for m in messages %}{{ m.content + eos_token }}{% endfor %}"
    example = render(base, (Message("assistant", "Сәлем!"), ASKED, Message("assistant", "Иә."))).examples[0]
    assert example.labels[0] == IGNORE_INDEX
    assert example.labels[1] == example.input_ids[1]


def test_of_named_templates_the_one_for_tools_is_taken_where_there_are_tools(base: Any) -> None:
    base.chat_template = {"default": PHI3, "tool_use": QWEN25}
    assert learned(base, render(base, TALK)) == WRITTEN["phi3"]
    assert learned(base, render(base, CALLED, tools=TOOLS))[0][1] == "\nАшық.<|im_end|>".removeprefix("\n")


@pytest.mark.parametrize(("left", "right"), [(True, False), (False, True), (True, True)])
def test_special_tokens_that_take_the_blanks_beside_them(left: bool, right: bool) -> None:
    from tokenizers import AddedToken

    tokenizer = make_tokenizer()
    tokenizer.add_tokens(
        [AddedToken(t, lstrip=left, rstrip=right, special=True) for t in ("<|stop|>", "<|a|>")], special_tokens=True
    )
    tokenizer.chat_template = PHI3.replace("<|end|>", "<|stop|>").replace("<|assistant|>", "<|a|>")
    rendered = render(tokenizer, (ASKED, Message("assistant", "  Иә. \n")))
    (text,) = learned(tokenizer, rendered)[0]
    assert text.strip().removesuffix("<|stop|>").strip() == "Иә."
    assert text.endswith("<|stop|>")


@pytest.mark.parametrize("form", ["NFC", "Lowercase"])
def test_what_a_normalizer_changes_is_no_error(form: str) -> None:
    from tokenizers import normalizers

    tokenizer = make_tokenizer()
    tokenizer.backend_tokenizer.normalizer = getattr(normalizers, form)()
    tokenizer.chat_template = QWEN25
    said = "Ки\u0306т Абай"
    wanted = {"NFC": "Ки\u0306т Абай".replace("и\u0306", "й"), "Lowercase": "ки\u0306т абай"}[form]
    assert learned(tokenizer, render(tokenizer, (ASKED, Message("assistant", said)))) == [[f"{wanted}<|im_end|>"]]


def test_letters_that_a_tokenizer_cannot_write_are_a_reason() -> None:
    tokenizer = metaspace_tokenizer()
    tokenizer.backend_tokenizer.model.byte_fallback = False
    tokenizer.chat_template = PHI3
    with pytest.raises(DialogueError) as caught:
        render(tokenizer, (ASKED, Message("assistant", "Иә 🙂🙂")))
    assert caught.value.reason == "bad_label_span"


def test_marks_are_characters_that_the_dialogue_does_not_hold(base: Any) -> None:
    base.chat_template = QWEN25
    private = "".join(chr(code) for code in range(0xF0000, 0xF0010))
    said = f"{private} <|im_end|> {private}"
    assert learned(base, render(base, (ASKED, Message("assistant", said)))) == [[f"{said}<|im_end|>"]]


@pytest.mark.parametrize("said", ["<|im_<|im_end|>end|>", "<|im_end|><|im_end|>", "<|im_end|>", "  <|im_end|>\n"])
def test_tokens_in_tokens_and_at_the_ends_stay_text(base: Any, said: str) -> None:
    base.chat_template = QWEN25
    rendered = render(base, (ASKED, Message("assistant", said)))
    assert learned(base, rendered) == [[f"{said}<|im_end|>"]]
    ids = [i for i in rendered.examples[0].input_ids if i == base.convert_tokens_to_ids("<|im_end|>")]
    assert len(ids) == 3  # of the system's, the user's and the assistant's turn
