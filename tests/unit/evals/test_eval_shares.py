"""An evaluation shared out by tasks: the report is that of one evaluation, and the model is asked nothing twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.data.share import Share
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.gathered import missing_shares, take_over
from qaz_llm.evals.part import Part
from qaz_llm.evals.run import run_eval
from qaz_llm.evals.scoring.local import HFScorer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({letter: n for n, letter in enumerate([*letters, "<s>"])}, []))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=257, max_position_embeddings=4096, **sizes)).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>").save_pretrained(folder)
    return folder


def config(model: Path, out: Path, **more: object) -> EvalConfig:
    values = {"model": str(model), "suite": "demo", "out": str(out), "max_items": 2, "sample_bytes": 4, "device": "cpu"}
    return config_from_values(EvalConfig, {**values, **more}, where="test")


def files(out: Path) -> dict[str, bytes]:
    made = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    return {name: data for name, data in made.items() if not name.startswith("report")}  # these name their folder


def answer(config: EvalConfig, index: int, count: int) -> None:
    run_eval(config.model_copy(update={"samples": False}), part=Part(Share(index, count)))


def test_shares_taken_over_and_then_the_evaluation_make_the_bytes_of_one(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run_eval(config(model, out))
    alone = files(out)
    out.rename(tmp_path / "alone")
    shared = config(model, out)
    assert missing_shares(shared, 2) == [0, 1]
    answer(shared, 1, 2)
    assert missing_shares(shared, 2) == [0]
    answer(shared, 0, 2)
    assert missing_shares(shared, 2) == [] and missing_shares(shared, 1) == [0]
    asked: list[int] = []
    real = HFScorer.score_each
    monkeypatch.setattr(HFScorer, "score_each", lambda self, some: asked.append(len(some)) or real(self, some))
    take_over(shared)
    run_eval(shared)
    assert asked == []  # only samples are left to make, which are generated
    assert files(out) == alone


def test_answers_of_another_model_or_other_data_are_not_taken(model: Path, tmp_path: Path) -> None:
    shared = config(model, tmp_path / "out")
    answer(shared, 0, 2)
    answer(shared, 1, 2)
    of_bits, of_questions = (tmp_path / "out" / "shares" / name / "parity.json" for name in ("0-of-2", "1-of-2"))
    values = json.loads(of_bits.read_text())
    of_bits.write_text(json.dumps(values | {"model_fingerprint": "another"}))
    assert missing_shares(shared, 2) == [0]
    told = json.loads(of_questions.read_text())
    of_questions.write_text(json.dumps(told | {"data": {"qaz_mc": {"data": "other"}}}))
    assert missing_shares(shared, 2) == [0, 1]
    take_over(shared)
    (kept,) = (tmp_path / "out" / "answers").glob("*.jsonl")
    assert 0 < len(kept.read_text().splitlines()) < 100  # those of the second share alone
    assert not (tmp_path / "out" / "shares").exists()


def test_an_answer_that_a_kill_cut_off_is_asked_for_again(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_eval(config(model, out, samples=False))
    alone = files(out)
    out.rename(tmp_path / "alone")
    shared = config(model, out, samples=False)
    answer(shared, 0, 1)
    (kept,) = (out / "shares" / "0-of-1" / "answers").glob("*.jsonl")
    kept.write_text(kept.read_text()[:-20])
    take_over(shared)
    run_eval(shared)
    assert files(out)["items.jsonl"] == alone["items.jsonl"]
