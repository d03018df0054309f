"""What lm-evaluation-harness logged of a package (`--log_samples`), read as an evaluation of ours: items.jsonl, parity.json, report.html.

    samples_qaz_sib200_kk_text_2026-…jsonl   {"doc_id": 0, "arguments": {"gen_args_0": {"arg_0": context, "arg_1": " ғылым"}, …},
                                              "resps": [[["-3.2", "False"]], …]}

The items, choices and right answers are those of the package, and what was asked has to be what the package has, to the byte: a chat template, a
system prompt or solved examples that were put around it are refused. Its files hold no number of tokens, so there is no acc_per_token; where that is a
task's metric, acc_per_byte stands for it, which is said. Nor do they say whether the limit of its length ended an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from qaz_llm.config import config_from_values
from qaz_llm.errors import InputError, RowError
from qaz_llm.evals.answers.ask import stop_strings
from qaz_llm.evals.answers.limits import bytes_in, finish
from qaz_llm.evals.answers.score import score_generated, score_words
from qaz_llm.evals.asking import PREFIXES
from qaz_llm.evals.bridge.package import MANIFEST, Part, is_written, read_parts
from qaz_llm.evals.metrics.choices import score_choices, score_text
from qaz_llm.evals.metrics.minimal_pairs import score_pair
from qaz_llm.evals.metrics.similarity import score_similarity
from qaz_llm.evals.metrics.translation import corpus_scores, score_translation
from qaz_llm.evals.report import write_report
from qaz_llm.evals.scoring.server import is_logprob
from qaz_llm.evals.summary import doubts
from qaz_llm.evals.summary.breakdown import other_scores
from qaz_llm.evals.summary.parity import parity_report
from qaz_llm.evals.task import TaskConfig, chance_level
from qaz_llm.io import check_writable, read_json, read_jsonl, write_json, write_jsonl
from qaz_llm.records import EvalItem, Generated, ItemScore, Scored

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Answered:
    """A part of the package with the rows that were answered: (row of the package, sample of the log)."""

    part: Part
    task: TaskConfig
    pairs: tuple[tuple[Row, Row], ...]
    left: int

    @property
    def items(self) -> list[EvalItem]:
        return [_item(row) for row, _sample in self.pairs]


def import_samples(package: Path, results: Path, out: Path, *, model: str) -> dict[str, Any]:
    """Write an evaluation to `out` from the samples below `results`; returns the values of its parity.json.

    Raises:
        InputError: no package, no samples of it, or samples of two runs in one folder.
        RowError: something else was asked than the package has, or an answer is no log-probability.
    """
    if not (package / MANIFEST).is_file():
        raise InputError(f"{package}: no {MANIFEST} there", hint="name the folder that `qaz eval bridge` wrote")
    manifest: Row = read_json(package / MANIFEST)
    answered = list(_answered(package, manifest, results))
    if not answered:
        raise InputError(f"{results}: no samples of the tasks in {package}", hint="run lm_eval with --log_samples")
    check_writable(out)
    scores = [pair for one in answered for pair in _scores(one)]
    write_jsonl(out / "items.jsonl", ({**asdict(score), "primary": primary} for score, primary in scores))
    (out / "samples.jsonl").unlink(missing_ok=True)  # those of another evaluation
    parity = _summary(manifest, answered, scores, _facts(results), model)
    write_json(out / "parity.json", parity)
    write_report(out)
    return parity


def _answered(package: Path, manifest: Row, results: Path) -> Iterator[Answered]:
    for part in read_parts(manifest):
        logs = sorted(results.rglob(f"samples_{part.name}_2*.jsonl"))  # a date follows
        if len(logs) > 1:
            raise InputError(
                f"{results}: samples of {len(logs)} runs of {part.name}", hint="name the folder of one run"
            )
        if not logs:
            continue
        task = config_from_values(TaskConfig, dict(manifest["tasks"][part.task]), where=str(package / MANIFEST))
        rows = list(read_jsonl(package / part.file))
        samples = _samples(logs[0])
        pairs = tuple((rows[n], samples[n]) for n in sorted(samples) if n < len(rows))
        for row, sample in pairs:
            _check_asked(part, row, sample, logs[0])
        yield Answered(part, task, pairs, len(rows) - len(pairs))


def _samples(path: Path) -> dict[int, Row]:
    """What was logged, by document. It logs a line per filter, with the same answers. Raises RowError where a line is no sample."""
    samples: dict[int, Row] = {}
    for number, logged in enumerate(read_jsonl(path), 1):
        doc, arguments, answers = (logged.get(key) for key in ("doc_id", "arguments", "resps"))
        if not isinstance(doc, int) or not isinstance(arguments, Mapping) or not isinstance(answers, list):
            raise RowError(f"{path}:{number}: no sample of lm_eval: doc_id, arguments or resps are missing")
        before = samples.setdefault(doc, logged)
        if before["resps"] != answers:
            raise RowError(
                f"{path}:{number}: document {doc} is logged with two different answers",
                hint="name the folder of one run",
            )
    return samples


def _check_asked(part: Part, row: Row, sample: Row, path: Path) -> None:
    if "context" not in row:  # a text alone
        wanted: list[list[str]] = [["", row["text"]]]
    else:
        wanted = [[row["context"], choice] for choice in row.get("choices", [])] or [[row["context"]]]
    asked = [
        [arguments.get(f"arg_{n}") for n in range(len(wanted[0]))]
        for arguments in sample["arguments"].values()
        if isinstance(arguments, Mapping)
    ]
    if asked != wanted:
        first = str(asked[0][0])[:80] if asked else "nothing"
        raise RowError(
            f"{path}: of item {row['item_id']} something else was asked than {part.name} has: {first!r}",
            hint="run lm_eval without --apply_chat_template, --system_instruction and --num_fewshot, on this package",
        )


def _item(row: Row) -> EvalItem:
    values = {field.name: row[field.name] for field in fields(EvalItem) if field.name != "choices"}
    return EvalItem(**values | {"choices": tuple(row["item_choices"]), "references": tuple(row["references"])})


def _scores(answered: Answered) -> Iterator[tuple[ItemScore, bool]]:
    """The rows of each item, and whether it is the task's own metric."""
    part, task = answered.part, answered.task
    own = part.scoring is None or part.scoring == task.scoring
    metric = "acc_per_byte" if task.metric == "acc_per_token" else task.metric
    rows = zip(answered.pairs, answered.items, strict=True)
    if task.kind == "similarity":  # a score of all items together
        scored = [_scored(row, sample, item) for (row, sample), item in rows]
        yield from ((s, s.metric == metric) for s in score_similarity(task, answered.items, scored))
        return
    for (row, sample), item in rows:
        for score in _score(part, task, item, row, sample):
            if not score.metric.endswith("acc_per_token"):
                yield score, own and score.metric == metric


def _score(part: Part, task: TaskConfig, item: EvalItem, row: Row, sample: Row) -> list[ItemScore]:
    if is_written(task):
        text, is_long = finish(
            str(_first(sample["resps"])),
            stop_strings(task, item.language),
            bytes_in(item.language, task.answer_bytes),
            has_ended=True,
        )
        answer = Generated(text, is_unfinished=is_long)
        if task.is_generated:
            return score_generated(task, item, answer)
        return (
            score_translation(task, item, answer, None)
            if task.kind == "translation"
            else score_words(task, item, answer, None)
        )
    scored = _scored(row, sample, item)
    if task.kind == "bits_per_byte":
        return [score_text(task, item, scored[0])]
    if task.kind == "minimal_pairs":
        return score_pair(task, item, scored)
    prefix = "" if part.scoring == task.scoring or part.scoring is None else PREFIXES[part.scoring]
    return score_choices(task, item, scored, prefix=prefix, is_letters=part.scoring == "letters")


def _scored(row: Row, sample: Row, item: EvalItem) -> list[Scored]:
    continuations = row.get("choices") or [row["text"]]
    if len(sample["resps"]) != len(continuations):
        raise RowError(
            f"item {item.item_id} of {item.task}: {len(sample['resps'])} answers for {len(continuations)} questions",
            hint="the log is not whole; run lm_eval again",
        )
    return [
        Scored(_number(response, item), 0, len(text.encode()))
        for response, text in zip(sample["resps"], continuations, strict=True)
    ]


def _first(value: Any) -> Any:
    """What stands first in lists of lists: a log-probability before whether it is the greedy choice, or a text."""
    while isinstance(value, list):
        value = value[0] if value else ""
    return value


def _number(response: Any, item: EvalItem) -> float:
    found = _first(response)
    with suppress(TypeError, ValueError):
        if is_logprob(value := float(found)):
            return value
    raise RowError(f"item {item.item_id} of {item.task}: {found!r} is no log-probability")


def _facts(results: Path) -> Row:
    """The last of its results files, for versions and the model's arguments."""
    found = sorted(results.rglob("results_*.json"))
    facts: Row = read_json(found[-1]) if found else {}
    return facts


def _summary(
    manifest: Row,
    answered: Sequence[Answered],
    scores: Sequence[tuple[ItemScore, bool]],
    facts: Row,
    model: str,
) -> dict[str, Any]:
    primary = [score for score, is_primary in scores if is_primary]
    tasks = {one.task.name: one.task for one in answered}
    items = {name: _items_of(answered, name) for name in tasks}
    found = doubts.merged(*(doubts.of_items(tasks[name], items[name]) for name in tasks), doubts.of_scores(scores))
    settings, version = manifest["settings"], facts.get("lm_eval_version", "unknown")
    return {
        "model": model,
        "model_fingerprint": f"as lm-eval was given it: {facts.get('config', {}).get('model_args', 'not known')}",
        "suite": settings["suite"],
        **parity_report(primary, seed=settings["seed"]).to_dict(),
        "other_scores": other_scores([score for score, is_primary in scores if not is_primary]),
        "bits_per_byte": _bits(primary, by_bytes=True),
        "bits_per_sentence": _bits(primary, by_bytes=False),
        "translation": corpus_scores(score for score, _primary in scores),
        "tasks": {name: _describe(task, items[name], primary) for name, task in tasks.items()},
        "data": {name: manifest["data"][name] for name in tasks},
        "versions": {"lm_eval": version, "transformers": facts.get("transformers_version", "unknown")},
        "git_commit": None,
        "setting": {
            "harness": f"lm-eval {version}",
            "scoring_version": f"lm-eval {version}",
            "start_token": manifest["start_token"] or "as the tokenizer adds it",
            "chat_template": "none",
            **{key: settings[key] for key in ("max_items", "shots", "seed")},
        },
        "doubts": found,
        "warnings": [*_warnings(read_parts(manifest), answered), *doubts.lines(found)],
    }


def _items_of(answered: Sequence[Answered], name: str) -> list[EvalItem]:
    """Each item of a task once, though it was asked in two ways."""
    items = {(item.item_id, item.language): item for one in answered if one.task.name == name for item in one.items}
    return list(items.values())


def _bits(scores: Sequence[ItemScore], *, by_bytes: bool) -> dict[str, float]:
    """Of the first task of texts, as in an evaluation of ours."""
    rows = [score for score in scores if score.metric == "bits_per_byte"]
    rows = [score for score in rows if score.task == rows[0].task]
    by_language: dict[str, list[ItemScore]] = {}
    for score in rows:
        by_language.setdefault(score.language, []).append(score)
    return {
        code: sum(s.score for s in own) / (sum(s.weight for s in own) if by_bytes else len(own))
        for code, own in by_language.items()
    }


def _describe(task: TaskConfig, items: Sequence[EvalItem], scores: Sequence[ItemScore]) -> dict[str, Any]:
    return {
        "kind": task.kind,
        "metric": next((score.metric for score in scores if score.task == task.name), task.metric),
        "description": task.description,
        "licence": task.licence,
        "citation": task.citation,
        "prompt_version": task.version,
        "provenance": dict(task.provenance),
        "languages": list(dict.fromkeys(item.language for item in items)),
        "items": sum(score.task == task.name for score in scores),
        "chance": chance_level(task, items),
    }


def _warnings(parts: Sequence[Part], answered: Sequence[Answered]) -> Iterator[str]:
    there = {one.part.name for one in answered}
    if missing := [part.name for part in parts if part.name not in there]:
        yield f"of {len(missing)} of the package's {len(parts)} parts there are no samples, and they are in no score: {', '.join(missing)}"
    yield "asked by lm-evaluation-harness: contexts that it cut are not known, nor answers that the limit of their length ended"
    for one in answered:
        if one.left:
            yield f"{one.part.name}: {one.left:,} of {one.left + len(one.pairs):,} items have no answer there, and are in no score"
    for name in sorted({one.task.name for one in answered if one.task.metric == "acc_per_token"}):
        yield f"{name} is scored by acc_per_byte: the samples hold no number of tokens for acc_per_token"
