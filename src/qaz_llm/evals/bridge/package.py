"""Tasks written out for lm-evaluation-harness (https://github.com/EleutherAI/lm-evaluation-harness), a folder for its `--include_path`.

Each of our tasks becomes one of its tasks per language and way of asking. What is asked is rendered here and stored, so that both harnesses ask the
same bytes; the YAML files only say which field is which:

    OUT/qaz_sib200_kk_text.yaml     output_type: multiple_choice, doc_to_text: context, doc_to_choice: choices, doc_to_target: answer
    OUT/data/….jsonl                {"item_id": "1", "context": "Мәтін: …\\nТақырыбы:", "choices": [" ғылым", " саяхат"], "answer": 1}
    OUT/package.json                our tasks and settings, which `samples.py` needs to read the answers back

A choice keeps its space, and target_delimiter is empty. Solved examples stand in the context, so its own --num_fewshot stays 0.

A text alone is asked as one continuation of nothing (`loglikelihood`): its `loglikelihood_rolling` scores a start token that a tokenizer adds by itself as
part of the text, after another start token. What it prints of a text is whether each token was the likeliest; bits per byte come with `samples.py`.

It starts a text with a start token only where the tokenizer adds one by itself, and we always do; with `start_token` the contexts begin with that
token, which it sees and adds none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qaz_llm.evals.answers.ask import stop_strings
from qaz_llm.evals.answers.limits import bytes_in
from qaz_llm.evals.config import EvalSettings
from qaz_llm.evals.items.load import load_items, task_fingerprints
from qaz_llm.evals.prompts.examples import Examples, load_examples
from qaz_llm.evals.prompts.render import check_letters, render_context, render_requests
from qaz_llm.evals.task import Scoring, TaskConfig, as_generated, choose_tasks
from qaz_llm.io import check_writable, fingerprint_value, make_dir, write_json, write_jsonl, write_text
from qaz_llm.records import EvalItem
from qaz_llm.tokenizer.start import start_id_of

MANIFEST = "package.json"


@dataclass(frozen=True)
class Part:
    """One task of theirs: one of ours in one language, by letters or by words where it is a multiple choice."""

    name: str
    task: str
    language: str
    scoring: Scoring | None
    file: str = ""


def write_package(settings: EvalSettings, out: Path, *, start_token: str = "") -> tuple[Part, ...]:
    """Write the tasks of the settings as a folder for `--include_path`.

    Raises:
        InputError: as an evaluation does, for tasks and data; or `out` cannot be written.
    """
    tasks = (
        tuple(map(as_generated, choose_tasks(settings))) if settings.formats == "generate" else choose_tasks(settings)
    )
    check_writable(out)
    make_dir(out / "data")
    parts: list[Part] = []
    for task in tasks:
        items = load_items(task, root=settings.root, max_items=settings.max_items)
        check_letters(task, items, both=settings.formats == "both")
        examples = load_examples(task, items, shots=settings.shots, root=settings.root)
        for part in _parts(task, both=settings.formats == "both"):
            own = [item for item in items if item.language == part.language]
            rows = [_row(task, part, item, examples, start_token) for item in own]
            name = f"data/{part.name}-{fingerprint_value(rows)[:8]}.jsonl"  # a library that keeps what it read goes by names
            write_jsonl(out / name, rows)
            write_text(out / f"{part.name}.yaml", _as_yaml(_task_of(task, part, out / name, settings)))
            parts.append(Part(part.name, part.task, part.language, part.scoring, name))
    manifest = {
        "settings": settings.to_dict(),
        "start_token": start_token,
        "tasks": {task.name: task.to_dict() for task in tasks},
        "data": {task.name: task_fingerprints(task, settings.root) for task in tasks},
        "parts": [asdict(part) for part in parts],
    }
    write_json(out / MANIFEST, manifest)
    return tuple(parts)


def start_token_of(model: str) -> str:
    """The text of the token that we start with, where the model's tokenizer adds none by itself; else nothing."""
    from qaz_llm.model.load import load_tokenizer

    tokenizer = load_tokenizer(model)
    start = start_id_of(tokenizer)
    ids = tokenizer("a")["input_ids"]
    return "" if start is None or (ids and ids[0] == start) else str(tokenizer.convert_ids_to_tokens(int(start)))


def is_written(task: TaskConfig) -> bool:
    """Whether answers are generated."""
    return task.is_generated or task.kind in ("qa", "translation")


def requests_of(task: TaskConfig, part: Part, item: EvalItem, examples: Examples) -> tuple[str, tuple[str, ...]]:
    """The context that stands before the answer, and the continuations that are scored (none where it is generated)."""
    shown = examples.of(item)
    if is_written(task):
        way: Scoring = "letters" if task.scoring == "generate" else task.scoring
        return render_context(task, item, scoring=way, examples=shown), ()
    requests = render_requests(task, item, scoring=part.scoring, examples=shown)
    return requests[0].context, tuple(request.continuation for request in requests)


def _parts(task: TaskConfig, *, both: bool) -> Iterator[Part]:
    """The task's own way of asking first."""
    ways: tuple[Scoring | None, ...] = (None,)
    if task.kind == "multiple_choice" and not task.is_generated:
        ways = (task.scoring, *(("text" if task.scoring == "letters" else "letters",) if both else ()))
    for language in task.languages:
        for way in ways:
            yield Part("_".join(filter(None, ("qaz", task.name, language, way))), task.name, language, way)


def _row(task: TaskConfig, part: Part, item: EvalItem, examples: Examples, start_token: str) -> dict[str, Any]:
    context, continuations = requests_of(task, part, item, examples)
    row: dict[str, Any] = asdict(item)
    row = {**row, "item_choices": row.pop("choices")}
    if task.kind == "bits_per_byte":
        return {**row, "text": continuations[0]}
    row["context"] = start_token + context if context else ""  # before a text alone it puts its own
    return (
        {**row, "choices": list(continuations)}
        if continuations
        else {**row, "target": item.references[0] if item.references else ""}
    )


def _task_of(task: TaskConfig, part: Part, data: Path, settings: EvalSettings) -> dict[str, Any]:
    values: dict[str, Any] = {
        "task": part.name,
        "tag": [f"qaz_{settings.suite}"],
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data.resolve())}},
        "test_split": "test",
        "num_fewshot": 0,
        "metadata": {"version": task.version},
    }
    if task.kind == "bits_per_byte":
        asked: dict[str, Any] = {"output_type": "loglikelihood", "doc_to_text": "", "doc_to_target": "text"}
        metrics = ["acc"]  # its perplexity, an exponential of whole texts, overflows and takes the run with it
    elif is_written(task):
        limit = bytes_in(part.language, task.answer_bytes)  # a token has a byte at least; `samples.py` cuts to bytes
        options = {"until": list(stop_strings(task, part.language)), "max_gen_toks": limit, "do_sample": False}
        asked = {"output_type": "generate_until", "doc_to_text": "context", "doc_to_target": "target"}
        asked |= {"generation_kwargs": options}
        metrics = ["exact_match"]
    else:
        asked = {"output_type": "multiple_choice", "doc_to_text": "context", "doc_to_choice": "choices"}
        asked |= {"doc_to_target": "answer", "target_delimiter": ""}
        metrics = ["acc", "acc_norm"]
    return {**values, **asked, "metric_list": [{"metric": name} for name in metrics]}


def _as_yaml(values: Mapping[str, Any]) -> str:
    import io

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.allow_unicode, yaml.width = False, True, 10_000
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = io.StringIO()
    yaml.dump(dict(values), stream)
    return stream.getvalue()


def read_parts(manifest: Mapping[str, Any]) -> Sequence[Part]:
    """The parts of a package, as its manifest lists them."""
    return tuple(Part(**values) for values in manifest["parts"])
