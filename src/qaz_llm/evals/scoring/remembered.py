"""Answers that are kept: an evaluation that was killed goes on with the next texts, and one that is done needs no model.

A file holds an answer per line, found by what was asked (the text itself, with where the question begins), so one changed prompt asks anew for
its own items alone, and another way of counting asks for nothing. It belongs to one model in one precision: see `identity.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import xxhash

from qaz_llm.evals.scoring.scorer import PartlyAnswered, Scorer
from qaz_llm.io import open_text
from qaz_llm.records import Generated, Request, Scored

CHUNK_BYTES = 500_000
"""So much text is asked about between two writes: enough for batches of like length, a minute or two for a small model on a CPU."""

T = TypeVar("T")


class RememberingScorer:
    """A `Scorer` that asks the real one only about what it has not answered yet. `make` is called at the first such question."""

    def __init__(self, make: Callable[[], Scorer], path: Path | None) -> None:
        self._make, self._path = make, path
        self._scorer: Scorer | None = None
        self._known: dict[str, Any] = dict(_read(path)) if path is not None and path.is_file() else {}
        self.asked = 0

    @property
    def scorer(self) -> Scorer:
        """The real one, made where it was not yet."""
        if self._scorer is None:
            self._scorer = self._make()
        return self._scorer

    def knows(self, requests: Sequence[Request]) -> bool:
        return all(_key("score", r.context, r.continuation) in self._known for r in requests)

    def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
        """As `Scorer.loglikelihood`."""
        keys = [_key("score", r.context, r.continuation) for r in requests]
        sizes = [len((r.context + r.continuation).encode()) for r in requests]
        return self._answered(keys, requests, sizes, lambda some: self.scorer.loglikelihood(some), Scored)

    def generate(self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]) -> list[Generated]:
        """As `Scorer.generate`."""
        keys = [_key("generate", prompt, f"{max_bytes} bytes", *stop) for prompt in prompts]
        sizes = [len(prompt.encode()) + 2 * max_bytes for prompt in prompts]

        def ask(some: Sequence[str]) -> list[Generated]:
            return self.scorer.generate(some, max_bytes=max_bytes, stop=stop)

        return self._answered(keys, prompts, sizes, ask, Generated)

    def _answered(
        self,
        keys: Sequence[str],
        questions: Sequence[Any],
        sizes: Sequence[int],
        ask: Callable[[Sequence[Any]], Sequence[T]],
        kind: type[T],
    ) -> list[T]:
        missing = list({key: n for n, key in enumerate(keys) if key not in self._known}.values())  # each once
        size = getattr(self.scorer, "chunk_bytes", CHUNK_BYTES) if missing else CHUNK_BYTES
        for chunk in _chunks(missing, sizes, size):
            try:
                answers = ask([questions[n] for n in chunk])
            except PartlyAnswered as error:  # a server that fails at its last text has been paid for all before it
                self._keep({keys[chunk[n]]: asdict(answer) for n, answer in error.answers.items()})
                raise
            self.asked += len(chunk)
            self._keep({keys[n]: asdict(answer) for n, answer in zip(chunk, answers, strict=True)})  # type: ignore[call-overload]
        return [kind(**self._known[key]) for key in keys]

    def _keep(self, answers: dict[str, Any]) -> None:
        self._known |= answers
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps([key, answer], ensure_ascii=False) + "\n" for key, answer in answers.items())


def _chunks(numbers: Sequence[int], sizes: Sequence[int], chunk_bytes: int) -> Iterator[list[int]]:
    chunk: list[int] = []
    total = 0
    for number in numbers:
        chunk.append(number)
        total += sizes[number]
        if total >= chunk_bytes:
            yield chunk
            chunk, total = [], 0
    if chunk:
        yield chunk


def _key(*parts: str) -> str:
    return xxhash.xxh3_128_hexdigest("\x00".join(parts).encode())


def _read(path: Path) -> Iterator[tuple[str, Any]]:
    """The answers of a file; a line that was cut off by a kill is left out, and asked for again."""
    with open_text(path) as lines:
        for line in lines:
            try:
                key, answer = json.loads(line)
            except ValueError:
                continue
            yield key, answer
