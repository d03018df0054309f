"""What `qaz merge` refuses before it reads a weight: nothing it is given, and nothing that lies there, is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from qaz_llm.cli.merge import _check_heldout, _check_out, _weighted, merge
from qaz_llm.errors import InputError
from qaz_llm.pipeline.merge import MergeRequest, merge_models


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "a=1"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_model_is_never_replaced_by_what_is_made_of_it(model: Path, tmp_path: Path) -> None:
    for out in (model, model / "sub", model.parent, tmp_path, model / ".." / model.name):
        with pytest.raises(InputError, match="which goes into it"):
            _check_out(out, ["hub/id", str(model)])
    link = tmp_path / "link"
    link.symlink_to(model)
    with pytest.raises(InputError, match="which goes into it"):
        _check_out(link, [str(model)])


def test_nothing_that_lies_there_is_lost(model: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    _check_out(old, [str(model)])
    _check_out(tmp_path / "new", [str(model)])
    (old / "config.json").write_text("{}")
    for out in (old, old / "config.json"):
        with pytest.raises(InputError, match="would be lost"):
            _check_out(out, [str(model)])
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    with pytest.raises(InputError, match="would be lost"):
        _check_out(tmp_path / "link", [str(model)])
    with pytest.raises(InputError, match="cannot be written to"):
        _check_out(Path("/proc/merged"), [str(model)])


def test_weights(model: Path) -> None:
    assert _weighted(str(model)) == (str(model), 1.0)
    assert _weighted(f"{model}=-0.5") == (str(model), -0.5)
    for number in ("nan", "inf", "half", ""):
        with pytest.raises(InputError, match="no number to weigh with"):
            _weighted(f"{model}={number}")
    for word in ("=0.5", "", " ", " =1"):
        with pytest.raises(InputError, match="names no model"):
            _weighted(word)


def test_held_out_texts_have_names_of_their_own_and_something_to_search() -> None:
    texts = (("kk", "a.txt"), ("en", "b.txt"))
    _check_heldout(MergeRequest("m", (("n", 1.0),), heldout=texts))
    with pytest.raises(InputError, match="two texts"):
        _check_heldout(MergeRequest("m", (("n", 1.0),), heldout=(*texts, ("kk", "c.txt"))))
    with pytest.raises(InputError, match="nothing is added"):
        _check_heldout(MergeRequest("m", revert=("mlp",), heldout=texts))


def test_a_table_with_fewer_rows_than_the_tokenizer_has_tokens_is_refused(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from qaz_llm.io import embedded_path, read_jsonl
    from qaz_llm.tokenizer.base import train_base_tokenizer

    texts = [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))]
    tokenizer: PreTrainedTokenizerFast = train_base_tokenizer(texts, vocab_size=400)
    for name, rows in (("whole", len(tokenizer)), ("cut", len(tokenizer) - 30)):
        config = LlamaConfig(
            vocab_size=rows, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
        )
        LlamaForCausalLM(config).save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    for onto, other in (("cut", "whole"), ("whole", "cut")):
        request = MergeRequest(str(tmp_path / onto), ((str(tmp_path / other), 0.5),))
        with pytest.raises(InputError, match=r"cut: the tokenizer has \d+ tokens, the model \d+ embedding rows"):
            merge_models(request, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_limit_of_the_search_is_not_ignored_where_there_is_no_search(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--heldout, and that is not given"):
        merge(str(model), tmp_path / "new", add=[str(model)], keep_within=0.1)
