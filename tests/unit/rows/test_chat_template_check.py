"""A tokenizer that dialogues cannot be trained with is refused before any work, and no template is invented for it."""

from pathlib import Path
from typing import Any

import pytest
from chat_templates import GEMMA3, PHI3
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from qaz_llm.errors import InputError
from qaz_llm.model.load import load_tokenizer
from qaz_llm.rows.chat import check_chat_template, end_of_turn_id
from qaz_llm.tokenizer.chat_template import DEFAULT_CHAT_TEMPLATE


def plain_tokenizer(*special: str) -> PreTrainedTokenizerFast:
    """Bytes and nothing else, with some special tokens; the first is the end of a text."""
    alphabet = {char: number for number, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    backend = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(special))
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=special[0])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    plain_tokenizer("<eos>", "<start_of_turn>", "<end_of_turn>").save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def test_a_base_without_a_template_has_none(saved: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(saved)
    assert tokenizer.chat_template is None
    tokenizer.save_pretrained(tmp_path / "again")
    assert not list((tmp_path / "again").glob("*.jinja"))
    with pytest.raises(InputError, match=r"no chat template, method sft needs one; ChatML's <\|im_start\|>") as caught:
        check_chat_template(tokenizer, "base")
    assert "model.chat_template=FILE.jinja" in str(caught.value.hint)
    assert "(<start_of_turn>, <end_of_turn>, <eos>)" in str(caught.value.hint)


def test_a_template_that_is_given_is_used_if_its_tokens_are_there(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "chat.jinja").write_text("{%- set bos_token = '' %}" + GEMMA3)
    tokenizer = load_tokenizer(saved, chat_template=str(tmp_path / "chat.jinja"))
    check_chat_template(tokenizer, "base")
    assert tokenizer.decode([end_of_turn_id(tokenizer)]) == "<end_of_turn>"
    with pytest.raises(InputError, match=r"the tokenizer has no token <\|im_start\|>, <\|im_end\|>"):
        check_chat_template(load_tokenizer(saved, chat_template="chatml"), "base")
    with pytest.raises(InputError, match="is no file with a chat template"):
        load_tokenizer(saved, chat_template=str(tmp_path / "none.jinja"))


def test_chatml_is_offered_where_its_tokens_are_there() -> None:
    tokenizer = plain_tokenizer("<eos>", "<|im_start|>", "<|im_end|>")
    with pytest.raises(InputError, match=r"for ChatML type model\.chat_template=chatml"):
        check_chat_template(tokenizer, "base")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for m in messages %}{{ m.content }}", "the chat template refuses"),
        ("{{ raise_exception('not today') }}", "not today"),
        ("{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}", "never learn to stop"),
        ("сәлем", "never learn to stop"),
    ],
)
def test_templates_that_teach_nothing_are_refused(template: str, said: str) -> None:
    tokenizer = plain_tokenizer("<eos>")
    tokenizer.chat_template = template
    with pytest.raises(InputError, match=said):
        check_chat_template(tokenizer, "base")


@pytest.mark.parametrize(
    ("special", "template", "stop"),
    [
        (("<eos>", "<|end|>"), PHI3, "<|end|>"),
        (("<eos>",), "{% for m in messages %}{{ m.role + ': ' + m.content + eos_token }}{% endfor %}", "<eos>"),
        (("<eos>", "<|im_end|>"), DEFAULT_CHAT_TEMPLATE, "<|im_end|>"),
    ],
)
def test_the_stop_token_is_a_token(special: Any, template: str, stop: str) -> None:
    tokenizer = plain_tokenizer(*special)
    tokenizer.chat_template = template
    assert tokenizer.decode([end_of_turn_id(tokenizer)]) == stop


def test_a_stop_token_may_be_one_that_is_added_and_not_special() -> None:
    tokenizer = plain_tokenizer("<eos>")
    tokenizer.add_tokens(["<|im_end|>"])
    tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
    assert tokenizer.decode([end_of_turn_id(tokenizer)]) == "<|im_end|>"


def test_of_several_templates_the_one_for_tools_writes_tools() -> None:
    tokenizer = plain_tokenizer("<eos>", "<|im_end|>")
    tokenizer.chat_template = {"default": DEFAULT_CHAT_TEMPLATE, "tool_use": DEFAULT_CHAT_TEMPLATE}
    check_chat_template(tokenizer, "base")
    tokenizer.chat_template = {"rag": DEFAULT_CHAT_TEMPLATE}
    with pytest.raises(InputError, match="no chat template"):
        check_chat_template(tokenizer, "base")
