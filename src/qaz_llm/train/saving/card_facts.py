"""What a finished run says of itself on the model's card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.io import read_json, resolve_path
from qaz_llm.model.card import FRESH, facts_of_base
from qaz_llm.train.metrics import METRICS_FILE, read_metrics

if TYPE_CHECKING:
    from qaz_llm.rows.config import MixEntry
    from qaz_llm.train.plan import TrainPlan
    from qaz_llm.train.start.prepare import PreparedRun

MANIFEST = "manifest.json"
EVALS_FILE = "evals.jsonl"


def card_facts(plan: TrainPlan, run: PreparedRun, entries: tuple[MixEntry, ...]) -> dict[str, Any]:
    """Base, data sets with their licences, and how the model was trained; see model/card.py for what is done with them."""
    config = plan.config
    datasets = [_dataset(entry, chat=config.is_chat) for entry in entries]
    shares = {entry.name: entry.share_frac for entry in run.mix.entries}
    base = config.model.checkpoint
    rows = read_metrics(config.run_dir / METRICS_FILE)
    adapter = config.adapter
    low_rank = f"{'DoRA' if adapter.weight_decomposed else 'LoRA'}, rank {adapter.r}, alpha {adapter.alpha:g}, merged"
    whole = low_rank if adapter.type == "lora" else "all weights" + "".join(f", not {part}" for part in config.freeze)
    facts = {
        **(facts_of_base(base) if base is not None else {"base_model": FRESH}),
        "languages": sorted({language for dataset in datasets for language in dataset["languages"]}),
        "datasets": [dataset | {"share_frac": shares.get(dataset["name"], 0.0)} for dataset in datasets],
        "method": config.method,
        "trained": whole,
        "parameters": f"{plan.parameters:,}",
        "steps": run.steps,
        "tokens": f"{rows[-1]['tokens']:,}" if rows else "unknown",
        "tokens per step": f"{plan.tokens_per_step:,}",
        "row length in tokens": config.seq_len,
        "learning rate": f"{config.peak_lr:g}, {config.schedule}, {config.warmup_steps} steps of warm-up",
        "precision": config.precision,
    }
    evaluation = _evaluation(config.run_dir / EVALS_FILE)
    return facts | ({"evaluation": evaluation} if evaluation else {})


def _dataset(entry: MixEntry, *, chat: bool) -> dict[str, Any]:
    """A part of the mix with the languages and licences that the corpus it is from states; empty where nothing does."""
    stated = list(_stated_sources(entry, chat=chat))
    languages = {entry.language} if entry.language else {name for source in stated for name in source["languages"]}
    licences = {name for source in stated for name in source.get("licences") or [source["licence"]]}
    sources = [source["name"] for source in stated]
    return {
        "name": entry.name,
        **({"language": entry.language} if entry.language else {}),
        "languages": sorted(languages),
        "licences": sorted(licences),
        **({"sources": sources} if sources else {}),
    }


def _stated_sources(entry: MixEntry, *, chat: bool) -> Iterator[Mapping[str, Any]]:
    """What the manifest of a built corpus says of the sources that a part of the mix takes text from."""
    path = resolve_path(entry.path)
    folder = path if path.is_dir() else path.parent
    manifest = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else {}
    for name, source in (manifest.get("conversations", {}) if chat else manifest).get("sources", {}).items():
        languages = source.get("languages", {})
        if entry.source not in (None, name) or (entry.language and languages and entry.language not in languages):
            continue
        yield {"name": name, **source, "languages": languages}


def _evaluation(path: Path) -> dict[str, str]:
    """The last row of evals.jsonl: bits per byte on text that was not trained on."""
    rows = read_metrics(path)
    if not rows:
        return {}
    last = {name: value for name, value in rows[-1].items() if name != "step" and isinstance(value, float)}
    return {f"bits per byte, {name}": f"{value:.3f} at step {rows[-1]['step']}" for name, value in last.items()}
