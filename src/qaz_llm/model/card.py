"""The model card: README.md of a model folder in the hub's form, and the facts it is made from beside it.

The facts lie in `qaz_card.json` too, so that an export of an export, or of an adapter, says all that was known. No path
of the machine it was made on goes into either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.config import dump_yaml
from qaz_llm.data.card import hub_licence
from qaz_llm.data.licence_names import UNKNOWN, spdx
from qaz_llm.data.licences import rank
from qaz_llm.io import read_json, write_json
from qaz_llm.records import LANGUAGE_NAMES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FACTS_FILE = "qaz_card.json"
FRESH = "fresh weights"

KNOWN = ("base_model", "base_licence", "languages", "datasets", "evaluation")
"""Facts with a place of their own on the card; all others are lines of "How it was made"."""

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.S)


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts beside a model or an adapter; nothing where there are none."""
    path = folder / FACTS_FILE
    return dict(read_json(path)) if path.is_file() else {}


def facts_of_base(name: str) -> dict[str, Any]:
    """`base_model` and `base_licence` of a hub id or a folder: its name without a path, and the licence its card states."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return {"base_model": name, "base_licence": UNKNOWN}
    earlier = read_facts(folder)
    shown = folder.resolve().name
    if (
        shown in ("model", "adapter") and earlier
    ):  # a run of ours: what it was made from says more than its folder's name
        return {
            "base_model": earlier.get("base_model", FRESH),
            "base_licence": licence_of(earlier),
            "datasets before": _names(earlier.get("datasets", ())),
        }
    return {"base_model": shown, "base_licence": licence_of(earlier) if earlier else stated_licence(folder)}


def licence_of(facts: Mapping[str, Any]) -> str:
    """The licence of the least freedom among base and data; unknown as soon as one of them is unknown."""
    licences: list[str] = _base_licences(facts)
    for dataset in facts.get("datasets", ()):
        licences += dataset.get("licences") or [UNKNOWN]
    return max(licences or [UNKNOWN], key=rank)


def _base_licences(facts: Mapping[str, Any]) -> list[str]:
    """The licence of the base; of fresh weights none, unless an earlier run made them from text with licences."""
    stated = [facts["base_licence"]] if "base_licence" in facts else []
    return stated or ([UNKNOWN] if facts.get("base_model", FRESH) != FRESH else [])


def write_card(folder: Path, model: PreTrainedModel, facts: Mapping[str, Any]) -> None:
    """Write README.md and the facts beside it."""
    shown = _without_paths(facts)
    (folder / "README.md").write_text(model_card(model, shown), encoding="utf-8")
    write_json(folder / FACTS_FILE, shown)


def model_card(model: PreTrainedModel, facts: Mapping[str, Any]) -> str:
    """The README of a model folder in the hub's format."""
    languages = list(facts.get("languages", ()))
    base = facts.get("base_model", FRESH)
    header = {
        **({"language": languages} if languages else {}),
        "license": hub_licence(licence_of(facts)),
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        **({"base_model": base} if base != FRESH else {}),
        **({"datasets": _names(facts["datasets"])} if facts.get("datasets") else {}),
        "tags": ["qaz-llm", *(["kazakh"] if "kk" in languages else [])],
    }
    spoken = ", ".join(LANGUAGE_NAMES.get(code, code) for code in languages) or "not stated"
    return "\n".join(
        [
            "---",
            dump_yaml(header).strip(),
            "---",
            "",
            f"# {_title(facts)}",
            "",
            f"{type(model).__name__}, vocabulary {model.config.get_text_config().vocab_size:,}, made with qaz-llm.",
            "",
            f"- base model: {base}",
            f"- languages trained on: {spoken}",
            *_licence_lines(facts),
            "",
            *_section("How it was made", [f"- {k}: {_value(v)}" for k, v in facts.items() if k not in KNOWN]),
            *_section("Data", [_dataset_line(dataset) for dataset in facts.get("datasets", ())]),
            *_section("Evaluation", [f"- {k}: {_value(v)}" for k, v in facts.get("evaluation", {}).items()]),
        ]
    )


def _title(facts: Mapping[str, Any]) -> str:
    base = facts.get("base_model", FRESH)
    if base == FRESH:
        return "A language model trained from fresh weights"
    return f"{base}, trained further" if "steps" in facts else base


def _licence_lines(facts: Mapping[str, Any]) -> list[str]:
    whole = licence_of(facts)
    parts = [f"base {licence}" for licence in _base_licences(facts)]
    parts += [f"{d['name']} {', '.join(d.get('licences') or [UNKNOWN])}" for d in facts.get("datasets", ())]
    lines = [f"- licence: {whole}" + (f", the strictest of {'; '.join(parts)}" if parts else "")]
    if whole == UNKNOWN:
        lines.append("- a part has no known licence: find it out before passing the model on")
    return lines


def _dataset_line(dataset: Mapping[str, Any]) -> str:
    sources = f"from {', '.join(dataset['sources'])}" if dataset.get("sources") else ""
    details = [
        sources,
        f"{dataset['share_frac']:.1%} of the tokens" if "share_frac" in dataset else "",
        dataset.get("language") or "",
        ", ".join(dataset.get("licences") or ["licence unknown"]),
    ]
    return f"- {dataset['name']}: {', '.join(filter(None, details))}"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""] if lines else []


def _names(datasets: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({dataset["name"] for dataset in datasets})


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_value(v)}" for k, v in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(_value, value)) if isinstance(value, list | tuple) else str(value)


def _without_paths(value: Any) -> Any:
    """The same facts; of what is a path on this machine the last part alone."""
    if isinstance(value, Mapping):
        return {key: _without_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(item) for item in value]
    if isinstance(value, Path) or (isinstance(value, str) and _is_path(value)):
        return Path(value).name
    return value


def _is_path(text: str) -> bool:
    """True for what begins as a path does, or names something here; a hub id `owner/name` does neither."""
    if "/" not in text or len(text) > 1000:
        return False
    return text.startswith(("/", "./", "../", "~")) or Path(text).exists()


def stated_licence(folder: Path) -> str:
    """What the front matter of a folder's README.md says under `license`."""
    readme = folder / "README.md"
    found = _FRONT_MATTER.match(readme.read_text(encoding="utf-8")) if readme.is_file() else None
    stated = re.search(r"^license:\s*[\"']?([^\n\"']+)", found[1], re.M) if found else None
    return spdx(stated[1].strip()) if stated else UNKNOWN
