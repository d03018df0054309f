"""The eval stage: the whole suite before and after adaptation, bits per byte at every step between.

eval/base      the base model with its own tokenizer          eval/extended   new tokens, not trained yet (bits only)
eval/cpt       after continued pretraining (bits only)        eval/sft        after instruction tuning, where preferences follow
eval/adapted   the final model
eval/comparison/   adapted against base, item by item         eval/summary.json   all figures of the report
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.evals.comparing.compare import compare
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.gathered import take_over
from qaz_llm.evals.identity import model_identity
from qaz_llm.evals.run import EvalResult, run_eval
from qaz_llm.evals.scoring.local import HFScorer, choose_device
from qaz_llm.evals.task import load_suite
from qaz_llm.io import fingerprint_paths, fingerprint_value, read_jsonl, write_json, write_jsonl
from qaz_llm.pipeline.config import RunConfig, training_stages
from qaz_llm.pipeline.layout import Layout
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_logger = get_logger("eval")


def evaluate_models(config: RunConfig, layout: Layout, *, base: str) -> dict[str, Any]:
    """Evaluate every step of the adaptation, compare its ends, and write eval/summary.json and eval/samples.jsonl."""
    out = layout.evaluation
    results = {"base": _evaluate_whole(eval_config(config, out / "base", base))}
    if config.tokenizer.num_new_tokens:
        results["extended"] = _evaluate_extended(config, layout, base)
    for name in steps_between(config):
        model = str(layout.trained_model(name))
        results[name] = run_eval(eval_config(config, out / name, model, bits_only=True))
    adapted = str(layout.trained_model(training_stages(config)[-1]))
    results["adapted"] = _evaluate_whole(eval_config(config, out / "adapted", adapted))
    comparison = compare([out / "base", out / "adapted"], out / "comparison")
    write_jsonl(out / "samples.jsonl", _samples(out))
    summary = summarise(results, comparison["versus"]["adapted"])
    write_json(out / "summary.json", summary)
    before, after = (summary["bits_per_byte"][name]["kk"] for name in ("base", "adapted"))
    return {"kk_bits_per_byte": f"{before:.3f} → {after:.3f}", "bits_per_byte": summary["bits_per_byte"]}


def _evaluate_whole(config: EvalConfig) -> EvalResult:
    """The whole suite; what jobs of an array answered before is not asked again."""
    take_over(config)
    return run_eval(config)


def steps_between(config: RunConfig) -> tuple[str, ...]:
    """The training stages between the base and the adapted model."""
    stages = training_stages(config)
    return stages[stages.index("cpt") : -1]


def summarise(results: Mapping[str, EvalResult], comparison: Mapping[str, Any]) -> dict[str, Any]:
    """What the report shows: bits of every model, scores and gaps of the two ends, and what changed between them."""
    return {
        "bits_per_byte": {name: result.parity["bits_per_byte"] for name, result in results.items()},
        "bits_per_sentence": {name: result.parity["bits_per_sentence"] for name, result in results.items()},
        "parity": {
            **_scores_and_gaps(results["adapted"]),
            "base": _scores_and_gaps(results["base"]),
            "adapted": _scores_and_gaps(results["adapted"]),
        },
        "adaptation": comparison["changes"],
        "difference_of_differences": comparison["difference_of_differences"],
        "forgetting": comparison["forgetting"],
        "tasks": results["adapted"].parity["tasks"],
        "data": results["adapted"].parity["data"],
    }


def _scores_and_gaps(result: EvalResult) -> dict[str, Any]:
    return {key: result.parity[key] for key in ("scores", "gaps")}


def eval_config(config: RunConfig, out: Path, model: str, *, bits_only: bool = False) -> EvalConfig:
    """What `qaz eval run` would be given for a model of the run; `bits_only`: to measure its bits per byte alone."""
    settings = {key: value for key, value in config.eval if key != "quick_items"}
    settings["root"] = config.eval.root or config.data.root
    if config.device != "auto":
        settings["device"] = config.device
    if bits_only:
        settings |= {"tasks": _bits_tasks(config.eval.suite), "samples": False, "family": None}
    return EvalConfig(**settings, model=model, out=out)


def _bits_tasks(suite: str) -> tuple[str, ...]:
    return tuple(task.name for task in load_suite(suite) if task.kind == "bits_per_byte")[:1]


def _evaluate_extended(config: RunConfig, layout: Layout, base: str) -> EvalResult:
    """Bits per byte right after the vocabulary grew: what the new rows cost before anything was trained."""
    scorer, _tokenizer = extended_scorer(config, layout, base)
    asked = eval_config(config, layout.evaluation / "extended", base, bits_only=True)
    made_of = [model_identity(asked), fingerprint_paths([layout.extended_tokenizer]), config.model.embedding_init]
    return run_eval(asked, scorer=scorer, identity=f"in memory {fingerprint_value(made_of)}")


def extended_scorer(config: RunConfig, layout: Layout, base: str) -> tuple[HFScorer, PreTrainedTokenizerFast]:
    """The base model with rows for the new tokens, in memory."""
    from qaz_llm.model.embeddings import resize_embeddings
    from qaz_llm.model.fit import fit_new_rows
    from qaz_llm.model.fit_samples import text_samples
    from qaz_llm.model.load import load_model
    from qaz_llm.tokenizer.corpus import read_texts
    from qaz_llm.tokenizer.extension import ExtendedTokenizer

    extended = ExtendedTokenizer.load(layout.extended_tokenizer)
    model = load_model(
        base,
        dtype=config.eval.dtype,
        attn_implementation=config.model.attn_implementation,
        trust_remote_code=config.model.trust_remote_code,
    )
    resize_embeddings(model, extended, init=config.model.embedding_init)
    if config.model.embedding_init == "fitted":
        texts = (read_texts(layout.corpus, language=language) for language in config.cpt.mix)
        fit_new_rows(model, extended, text_samples(extended.tokenizer, texts))
    device = choose_device(config.device if config.device != "auto" else config.eval.device)
    scorer = HFScorer(model.to(device), extended.tokenizer, batch_tokens=config.eval.batch_tokens)
    return scorer, extended.tokenizer


def _samples(out: Path) -> list[dict[str, Any]]:
    """The samples of both ends, beginning by beginning, so that a reader sees them side by side."""
    rows = []
    for name in ("base", "adapted"):
        path = out / name / "samples.jsonl"
        rows += [{**row, "model": name} for row in read_jsonl(path)] if path.is_file() else []
    # The base model was never taught to answer, so questions are shown for the adapted one alone.
    rows = [row for row in rows if row["model"] == "adapted" or row["kind"] == "continue"]
    return sorted(rows, key=lambda row: (row["kind"] == "chat", row["prompt_id"], row["model"] == "adapted"))
