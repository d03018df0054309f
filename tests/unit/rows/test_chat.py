"""Only the assistant's words are learned, under templates of every style in use, with markers and without."""

import pytest

from qaz_llm.errors import LabelSpanError
from qaz_llm.records import IGNORE_INDEX, Message
from qaz_llm.rows.chat import AnswerTooLongError, end_of_turn_id, render_chat
from qaz_llm.tokenizer.base import train_base_tokenizer
from qaz_llm.tokenizer.chat_template import DEFAULT_CHAT_TEMPLATE

# Each in the layout of the family that it is named after; none has {% generation %} markers, as theirs have none.
HEADERS = (  # Llama-3: headers, content trimmed, BOS in front
    "{{ bos_token }}{% for m in messages %}{{ '<|start|>' + m['role'] + '<|end|>\n\n' + m['content'] | trim + '<|eot|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant<|end|>\n\n' }}{% endif %}"
)
RENAMED = (  # Gemma: the assistant is called model, the system message goes into the first user's turn
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\n\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}"
    "{% for m in rest %}{{ '<|start|>' + ('model' if m['role'] == 'assistant' else 'user') + '\n' }}"
    "{{ (first if loop.first else '') + m['content'] | trim + '<|eot|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>model\n' }}{% endif %}"
)
BRACKETS = (  # Mistral: no header before an answer, only EOS behind it
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'assistant' %}{{ ' ' + m['content'] + eos_token }}"
    "{% else %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% endif %}{% endfor %}"
)
TEMPLATES = {
    "shipped": DEFAULT_CHAT_TEMPLATE,
    "headers": HEADERS,
    "renamed": RENAMED,
    "brackets": BRACKETS,
}
DIALOGUE = (
    Message("system", "Сен көмекшісің."),
    Message("user", "Қазақстанның астанасы қай қала?"),
    Message("assistant", "Астана қаласы.\n\nОл Есіл өзенінің бойында."),
    Message("user", "Астана қаласы.  Рахмет!"),  # begins as the answer does: looking it up must not stop here
    Message("assistant", "Оқасы жоқ! 🙂"),
)
ANSWERS = [m.content for m in DIALOGUE if m.role == "assistant"]


@pytest.fixture(scope="module")
def base():
    texts = [m.content for m in DIALOGUE] * 5 + ["мен сен ол біз сіз олар the a of и в не на"] * 20
    tokenizer = train_base_tokenizer(texts, vocab_size=300)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|start|>", "<|end|>", "<|eot|>"]})
    return tokenizer


@pytest.fixture(params=sorted(TEMPLATES))
def tokenizer(request: pytest.FixtureRequest, base):
    base.chat_template = TEMPLATES[request.param]
    return base


def learned_runs(example) -> list[list[int]]:
    runs: list[list[int]] = []
    last = False
    for label in example.labels:
        if label != IGNORE_INDEX:
            runs = [*runs, [label]] if not last else [*runs[:-1], [*runs[-1], label]]
        last = label != IGNORE_INDEX
    return runs


def test_what_is_learned_decodes_to_the_answers_and_their_end(tokenizer) -> None:
    example = render_chat(DIALOGUE, tokenizer, seq_len=512)
    runs = learned_runs(example)
    assert [tokenizer.decode(run[:-1]).strip() for run in runs] == ANSWERS
    assert {run[-1] for run in runs} <= set(tokenizer.all_special_ids) | {tokenizer.convert_tokens_to_ids("<|im_end|>")}
    assert all(label in (IGNORE_INDEX, token) for token, label in zip(example.input_ids, example.labels, strict=True))


def test_the_tokens_are_those_of_the_rendered_text(tokenizer) -> None:
    rows = [{"role": m.role, "content": m.content} for m in DIALOGUE]
    text = tokenizer.apply_chat_template(rows, tokenize=False)
    wanted = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert list(render_chat(DIALOGUE, tokenizer, seq_len=512).input_ids) == wanted


def test_a_long_dialogue_is_cut_after_a_whole_answer(tokenizer) -> None:
    whole = render_chat(DIALOGUE, tokenizer, seq_len=512)
    cut = render_chat(DIALOGUE, tokenizer, seq_len=len(whole.input_ids) - 3)
    assert [tokenizer.decode(run[:-1]).strip() for run in learned_runs(cut)] == ANSWERS[:1]
    assert cut.labels[-1] != IGNORE_INDEX
    with pytest.raises(AnswerTooLongError, match="a row has 20"):
        render_chat(DIALOGUE, tokenizer, seq_len=20)


def test_the_end_of_a_turn_is_known(tokenizer) -> None:
    token = tokenizer.convert_ids_to_tokens(end_of_turn_id(tokenizer))
    assert token in ("<|im_end|>", "<|eot|>", tokenizer.eos_token)


@pytest.mark.parametrize(
    ("messages", "template", "said"),
    [
        ((Message("user", "a"),), DEFAULT_CHAT_TEMPLATE, "is missing"),
        ((Message("user", "a"), Message("assistant", "  ")), DEFAULT_CHAT_TEMPLATE, "missing or empty"),
        (DIALOGUE, "{{ raise_exception('no system turn here') }}", "no system turn here"),
        (DIALOGUE, "{% for m in messages %}{{ m['content'] | upper }}<|eot|>{% endfor %}", "is not in the text"),
        (DIALOGUE, "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}", "never learn to stop"),
        # markers around nothing, and around everything: both give a mask, both are wrong
        (
            DIALOGUE,
            "{% for m in messages %}{% generation %}{% endgeneration %}{{ m['content'] }}<|eot|>{% endfor %}",
            "leave out 'Астана қаласы.",
        ),
        (
            DIALOGUE,
            "{% for m in messages %}{{ m['content'] }}{% generation %}<|eot|>{% endgeneration %}{% endfor %}",
            "leave out 'Астана қаласы.",
        ),
        (
            DIALOGUE,
            "{% generation %}{% for m in messages %}{{ m['content'] }}<|eot|>{% endfor %}{% endgeneration %}",
            "take in 'Сен көмекшісің.",
        ),
        (
            DIALOGUE[1:3],
            "{% generation %}{% for m in messages %}{{ m['content'] }}<|eot|>{% endfor %}{% endgeneration %}",
            "take in 'Қазақстанның астанасы қай қала?",
        ),
    ],
)
def test_a_wrong_mask_is_an_error_and_never_silent(base, messages, template: str, said: str) -> None:
    base.chat_template = template
    with pytest.raises(LabelSpanError) as caught:
        render_chat(messages, base, seq_len=512)
    assert said in str(caught.value)
