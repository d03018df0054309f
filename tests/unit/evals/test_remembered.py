"""What was answered before an evaluation broke off is not asked again, down to the last batch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from qaz_llm.evals.scoring.remembered import RememberingScorer
from qaz_llm.records import Generated, Request, Scored

BATCH = 3


class Killed(BaseException):
    """Stands in for a signal."""


class Batchwise:
    """Gives three answers at a time, the last questions first, and breaks off after `batches` of them."""

    def __init__(self, batches: int) -> None:
        self.batches, self.asked = batches, 0

    def score_each(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Scored]]:
        self.asked += len(requests)
        numbers = list(range(len(requests)))[::-1]
        for n, start in enumerate(range(0, len(numbers), BATCH)):
            if n == self.batches:
                raise Killed
            yield {i: Scored(-float(len(requests[i].continuation)), 1, 1) for i in numbers[start : start + BATCH]}

    def answer_each(
        self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]
    ) -> Iterator[Mapping[int, Generated]]:
        yield {n: Generated(prompt.upper()) for n, prompt in enumerate(prompts)}

    def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
        raise AssertionError("asked for all at once")

    def generate(self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]) -> list[Generated]:
        raise AssertionError("asked for all at once")


def test_goes_on_behind_the_last_whole_batch(tmp_path: Path) -> None:
    questions = [Request("Сұрақ", " а" * n) for n in range(1, 21)]
    kept = tmp_path / "answers.jsonl"
    with pytest.raises(Killed):
        RememberingScorer(lambda: Batchwise(4), kept).loglikelihood(questions)
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 4 * BATCH
    rest = Batchwise(100)
    found = RememberingScorer(lambda: rest, kept).loglikelihood(questions)
    assert rest.asked == 20 - 4 * BATCH
    assert [one.logprob for one in found] == [-2.0 * n for n in range(1, 21)]
    keys = [json.loads(line)[0] for line in kept.read_text(encoding="utf-8").splitlines()]
    assert len(keys) == len(set(keys)) == 20


def test_other_processes_files_are_read_and_samples_are_not(tmp_path: Path) -> None:
    kept = tmp_path / "answers.jsonl"
    RememberingScorer(lambda: Batchwise(9), tmp_path / "answers.1.jsonl").generate(["а"], max_bytes=1, stop=())
    (tmp_path / "answers.samples-12.jsonl").write_text('{"a": 1, "b": 2}\n')
    again = RememberingScorer(lambda: pytest.fail("asked again"), kept)
    assert again.generate(["а"], max_bytes=1, stop=()) == [Generated("А")]
    assert set(again._known) and not {"a", "b"} & set(again._known)
