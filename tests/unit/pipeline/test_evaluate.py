"""Which parts of the evaluation go where: figures of the report, samples side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import load_config
from qaz_llm.errors import InputError
from qaz_llm.evals.run import EvalResult
from qaz_llm.io import write_jsonl
from qaz_llm.pipeline import evaluate, job
from qaz_llm.pipeline.config import RunConfig

ROOT = Path(__file__).parents[3]


def result(kk: float) -> EvalResult:
    parity: dict[str, Any] = {
        "bits_per_byte": {"kk": kk},
        "bits_per_sentence": {"kk": 100 * kk},
        "scores": {"t": {"kk": kk}},
        "gaps": {"t": {}},
        "tasks": {"t": {"items": kk}},
        "data": {"t": {"data": str(kk)}},
    }
    return EvalResult(Path("out"), parity)


def test_the_summary_takes_bits_of_every_model_and_scores_of_the_two_ends() -> None:
    comparison = {"changes": {"t": 1}, "difference_of_differences": {"t": 2}, "forgetting": {"t": 3}, "other": 4}
    results = {"base": result(4.0), "extended": result(3.0), "cpt": result(2.0), "adapted": result(1.0)}
    summary = evaluate.summarise(results, comparison)
    assert summary["bits_per_byte"] == {
        "base": {"kk": 4.0}, "extended": {"kk": 3.0}, "cpt": {"kk": 2.0}, "adapted": {"kk": 1.0},
    }  # fmt: skip
    assert summary["bits_per_sentence"]["cpt"] == {"kk": 200.0}
    assert summary["parity"] == {
        "scores": {"t": {"kk": 1.0}},  # the adapted model's, as `qaz eval run` writes them
        "gaps": {"t": {}},
        "base": {"scores": {"t": {"kk": 4.0}}, "gaps": {"t": {}}},
        "adapted": {"scores": {"t": {"kk": 1.0}}, "gaps": {"t": {}}},
    }
    assert (summary["adaptation"], summary["forgetting"]) == ({"t": 1}, {"t": 3})
    assert summary["tasks"] == {"t": {"items": 1.0}}


def test_bits_are_measured_after_each_training_between_the_two_ends() -> None:
    def between(name: str, *overrides: str) -> tuple[str, ...]:
        return evaluate.steps_between(load_config(RunConfig, ROOT / "configs" / name, overrides))

    assert between("demo_preference.yaml") == ("cpt", "sft")
    assert between("demo.yaml") == ("cpt",)
    assert between("demo.yaml", "sft=null") == ()


def test_samples_stand_side_by_side_and_only_the_adapted_model_is_asked_questions(tmp_path: Path) -> None:
    rows = [
        {"prompt_id": "b", "kind": "continue", "text": "2"},
        {"prompt_id": "a", "kind": "chat", "text": "3"},
        {"prompt_id": "a", "kind": "continue", "text": "1"},
    ]
    for name in ("base", "adapted"):
        write_jsonl(tmp_path / name / "samples.jsonl", rows)
    shown = [(row["kind"], row["prompt_id"], row["model"]) for row in evaluate._samples(tmp_path)]
    assert shown == [
        ("continue", "a", "base"),
        ("continue", "a", "adapted"),
        ("continue", "b", "base"),
        ("continue", "b", "adapted"),
        ("chat", "a", "adapted"),
    ]
    assert evaluate._samples(tmp_path / "nowhere") == []


def test_evaluation_is_told_what_the_run_is_told(tmp_path: Path) -> None:
    overrides = ["eval.max_items=3", "device=cpu", f"data.root={tmp_path}"]
    config = load_config(RunConfig, ROOT / "configs" / "demo.yaml", overrides)
    whole = evaluate.eval_config(config, tmp_path / "out", "a/model")
    assert (whole.suite, whole.max_items, whole.batch_tokens) == ("demo", 3, config.eval.batch_tokens)
    assert (whole.device, whole.root, whole.model, whole.out) == ("cpu", tmp_path, "a/model", tmp_path / "out")
    assert whole.tasks is None and whole.samples
    bits = evaluate.eval_config(config, tmp_path / "out", "a/model", bits_only=True)
    assert bits.tasks == ("qaz_bpb",) and not bits.samples


def test_declared_gaps_are_known_before_the_run_and_asked_of_whole_evaluations_only() -> None:
    config = load_config(RunConfig, ROOT / "configs" / "demo.yaml", ["eval.family=[qaz_mc.kk-ru]"])
    assert evaluate.eval_config(config, Path("out"), "m").family == ("qaz_mc.kk-ru",)
    assert evaluate.eval_config(config, Path("out"), "m", bits_only=True).family is None
    wrong = load_config(RunConfig, ROOT / "configs" / "demo.yaml", ["eval.family=[qaz_mc.kk-de]"])
    with pytest.raises(InputError, match=r"family names qaz_mc.kk-de"):
        job._eval_files(wrong)
