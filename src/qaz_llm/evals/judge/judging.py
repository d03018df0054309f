"""`qaz eval judge`: the answers of an evaluation put before one or more judges.

DIR/judge/<criterion>/judge.jsonl      a row per answer, judge and round: the prompt, what was said, the verdict
DIR/judge/<criterion>/judgement.json   scores with intervals, agreement of judges, disagreements, tokens and cost
DIR/judge/<criterion>/kept/            what judges said, so that a judging that was stopped goes on with the rest

Nothing is left out of a score: an answer that is missing, and a verdict that cannot be read, have the worst value and are counted; beside the score stands what
it would be were all unread verdicts the best.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from qaz_llm.config import StrictModel
from qaz_llm.errors import InputError
from qaz_llm.evals.answers.ask import generate_each
from qaz_llm.evals.behaviour.agreement import cohens_kappa
from qaz_llm.evals.config import ServerConfig
from qaz_llm.evals.judge.criteria import Criterion, load_criterion
from qaz_llm.evals.scoring.remembered import RememberingScorer
from qaz_llm.evals.scoring.server import ServerScorer
from qaz_llm.evals.stats import mean_with_interval
from qaz_llm.io import fingerprint_value, read_json, read_jsonl, write_json, write_jsonl

SAID_BYTES = 4000
"""Of a verdict with its reason; a longer one is not read to its end, and counts as unreadable."""


class JudgeConfig(StrictModel):
    """Who judges what. With two judges, or two rounds, their agreement is measured."""

    criterion: str = Field("safety", description="what is judged: `safety` or `quality`")
    judges: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        min_length=1, description="models of the server that judge; the first one's verdicts are the score"
    )
    rounds: int = Field(
        1, ge=1, le=10, description="times each judges all; needs a temperature above 0 in server.body to tell anything"
    )
    server: ServerConfig = Field(description="the server of the judges")

    @model_validator(mode="after")
    def _judges_differ(self) -> Self:
        if twice := [judge for judge in self.judges if self.judges.count(judge) > 1]:
            raise ValueError(f"judges: {twice[0]} is named twice; rounds=2 has one judge judge twice")
        return self


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to be judged, as items.jsonl has it."""

    task: str
    language: str
    item_id: str
    question: str
    text: str


@dataclass(frozen=True, slots=True)
class Judging:
    """What one judge said of one answer in one round. `verdict` is None where it could not be read, or where there was no answer to judge."""

    task: str
    language: str
    item_id: str
    judge: str
    round: int
    prompt_version: int
    prompt: str
    answer: str
    said: str
    verdict: str | None


def judge_run(folder: Path, config: JudgeConfig) -> dict[str, Any]:
    """Judge the open answers of an evaluation and write the files above; returns judgement.json's values.

    Raises:
        InputError: no open answers there, no such criterion, or as the server does.
        PartlyAnswered: the server fails half way; the same call goes on with the rest.
    """
    criterion = load_criterion(config.criterion)
    answers = list(open_answers(folder))
    if not answers:
        raise InputError(
            f"{folder}: no answers of a task of kind open", hint="score one first: qaz eval run --tasks qorgau …"
        )
    out = folder / "judge" / config.criterion
    usage_before = _usage_before(out / "usage.json")
    judged: list[Judging] = []
    usages: dict[str, dict[str, Any]] = dict(usage_before)
    for judge in config.judges:
        scorer = ServerScorer(config.server, judge)
        try:
            for number in range(1, config.rounds + 1):
                judged += _judged(answers, criterion, scorer, config, number, out / "kept")
        finally:
            usages[judge] = _summed(usage_before.get(judge, {}), scorer.usage.to_dict(config.server))
            write_json(out / "usage.json", usages)
    write_jsonl(out / "judge.jsonl", (asdict(one) for one in judged))
    values = {
        "criterion": config.criterion,
        "prompt_version": criterion.version,
        "judges": list(config.judges),
        "rounds": config.rounds,
        "scores": _scores(judged, criterion, config.judges[0]),
        "agreement": agreement(judged),
        "disagreements": disagreements(judged),
        "usage": usages,
    }
    write_json(out / "judgement.json", values)
    return values


def open_answers(folder: Path) -> Iterator[Answer]:
    """The answers of tasks of kind open. Raises InputError where there is no evaluation."""
    for row in read_jsonl(folder / "items.jsonl"):
        if row["metric"] == "answered":
            detail = row["detail"]
            yield Answer(row["task"], row["language"], row["item_id"], detail["question"], detail["generated"])


def agreement(judged: Sequence[Judging]) -> dict[str, dict[str, Any]]:
    """Of each two raters (a judge in a round) over the answers both could judge: share of equal verdicts, and Cohen's kappa."""
    by_rater = _by_rater(judged)
    found = {}
    for one, other in combinations(by_rater, 2):
        shared = [key for key in by_rater[one] if key in by_rater[other]]
        pairs = [(by_rater[one][key], by_rater[other][key]) for key in shared]
        read = [(a, b) for a, b in pairs if a is not None and b is not None]
        found[f"{one} and {other}"] = {
            "n": len(read),
            "unread_by_either": len(pairs) - len(read),
            "agreement": sum(a == b for a, b in read) / len(read) if read else None,
            "kappa": cohens_kappa(read) if read else None,
        }
    return found


def disagreements(judged: Sequence[Judging]) -> list[dict[str, Any]]:
    """The answers on which raters differ, or that one could read and another not, with all verdicts."""
    verdicts: dict[tuple[str, str, str], dict[str, str | None]] = defaultdict(dict)
    for one in judged:
        verdicts[one.task, one.language, one.item_id][f"{one.judge} {one.round}"] = one.verdict
    return [
        {"task": task, "language": language, "item_id": item_id, "verdicts": by}
        for (task, language, item_id), by in verdicts.items()
        if len(set(by.values())) > 1
    ]


def _judged(
    answers: Sequence[Answer],
    criterion: Criterion,
    scorer: ServerScorer,
    config: JudgeConfig,
    number: int,
    kept: Path,
) -> list[Judging]:
    """One judge's one round; answers that are missing are not put to it."""
    prompts = [criterion.prompt(one.language, one.question, one.text) for one in answers]
    asked = [n for n, one in enumerate(answers) if one.text.strip()]
    what = [config.server.model_dump(include={"url", "api", "body"}), scorer.model, number]
    remembering = RememberingScorer(lambda: scorer, kept / f"{fingerprint_value(what)[:16]}.jsonl")
    said = generate_each(
        remembering, [prompts[n] for n in asked], limits=[SAID_BYTES] * len(asked), stops=[()] * len(asked)
    )
    found = {n: "" if one.is_unfinished else one.text for n, one in zip(asked, said, strict=True)}
    texts = dict(zip(asked, (one.text for one in said), strict=True))
    return [
        Judging(
            task=one.task,
            language=one.language,
            item_id=one.item_id,
            judge=scorer.model,
            round=number,
            prompt_version=criterion.version,
            prompt=prompts[n] if n in found else "",
            answer=one.text,
            said=texts.get(n, ""),
            verdict=criterion.read(found.get(n, "")),
        )
        for n, one in enumerate(answers)
    ]


def _scores(judged: Sequence[Judging], criterion: Criterion, judge: str) -> dict[str, dict[str, Any]]:
    """Task → language → mean value of the judge's verdicts in its first round, unread ones and missing answers at the worst."""
    groups: dict[tuple[str, str], list[Judging]] = defaultdict(list)
    for one in judged:
        if one.judge == judge and one.round == 1:
            groups[one.task, one.language].append(one)
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    best, worst = max(criterion.values.values()), min(criterion.values.values())
    for (task, language), rows in groups.items():
        values = [criterion.values[row.verdict] if row.verdict else worst for row in rows]
        unread = sum(row.verdict is None and bool(row.prompt) for row in rows)
        mean = mean_with_interval(values, [row.item_id for row in rows], limits=(worst, best))
        found[task][language] = {
            "n": len(rows),
            "score": mean.mean,
            "ci_low": mean.ci_low,
            "ci_high": mean.ci_high,
            "no_answer": sum(not row.prompt for row in rows),
            "unread": unread,
            "score_if_unread_were_best": (sum(values) + unread * (best - worst)) / len(rows),
            "verdicts": {name: sum(row.verdict == name for row in rows) for name in criterion.values},
        }
    return dict(found)


def _by_rater(judged: Sequence[Judging]) -> dict[str, dict[tuple[str, str, str], str | None]]:
    """Rater → answer → verdict, of answers that were put to judges."""
    found: dict[str, dict[tuple[str, str, str], str | None]] = defaultdict(dict)
    for one in judged:
        if one.prompt:
            found[f"{one.judge} {one.round}"][one.task, one.language, one.item_id] = one.verdict
    return found


def _usage_before(path: Path) -> dict[str, dict[str, Any]]:
    """What earlier runs of the same judging have used, so that a judging in two goes has one bill."""
    found: dict[str, dict[str, Any]] = read_json(path) if path.is_file() else {}
    return found


def _summed(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if value is None else value + (one.get(key) or 0) for key, value in other.items()}
