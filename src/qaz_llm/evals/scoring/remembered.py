"""Answers that are kept: an evaluation that was killed goes on with the next texts, and one that is done needs no model.

A file holds an answer per line, found by what was asked (the text itself, with where the question begins), so one changed prompt asks anew for
its own items alone, and another way of counting asks for nothing. It belongs to one model in one precision: see `identity.py`. Of several
processes each writes a file of its own beside it, and all are read; so are those that `also` names.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import xxhash

from qaz_llm.cluster.job import note_progress
from qaz_llm.evals.scoring.processes import ALONE, Processes
from qaz_llm.evals.scoring.scorer import PartlyAnswered, Scorer, Streaming
from qaz_llm.progress import format_duration, get_logger
from qaz_llm.records import Generated, Request, Scored

_logger = get_logger("eval")

CHUNK_BYTES = 500_000
"""A scorer that gives all its answers at once is asked about so much text between two writes."""
FIRST_CHUNK_FRAC = 0.04
"""The first of those is smaller, so that it tells how long all will take."""
ESTIMATE_S = 3.0
"""How long all will take is said once so much time, and FIRST_CHUNK_FRAC of the text, has passed."""

T = TypeVar("T")


class RememberingScorer:
    """A `Scorer` that asks the real one only about what it has not answered yet. `make` is called at the first such question."""

    def __init__(
        self,
        make: Callable[[], Scorer],
        path: Path | None,
        processes: Processes = ALONE,
        *,
        also: Sequence[Path] = (),
    ) -> None:
        self._make, self._path, self._processes = make, path, processes
        self._scorer: Scorer | None = None
        files = [*also, *_files(path)] if path is not None and processes.is_first else []
        kept = {key: answer for file in files for key, answer in _read(file)}
        self._known: dict[str, Any] = processes.of_first(kept)
        self.asked = 0

    @property
    def scorer(self) -> Scorer:
        """The real one, made where it was not yet."""
        if self._scorer is None:
            self._scorer = self._make()
        return self._scorer

    def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
        """As `Scorer.loglikelihood`."""
        keys = [_key("score", r.context, r.continuation) for r in requests]
        sizes = [len((r.context + r.continuation).encode()) for r in requests]

        def ask(some: Sequence[Request]) -> Iterable[Mapping[int, Scored]]:
            scorer = self.scorer
            if isinstance(scorer, Streaming):
                return scorer.score_each(some)
            return [dict(enumerate(scorer.loglikelihood(some)))]

        return self._answered(keys, requests, sizes, ask, Scored)

    def generate(self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]) -> list[Generated]:
        """As `Scorer.generate`."""
        keys = [_key("generate", prompt, f"{max_bytes} bytes", *stop) for prompt in prompts]
        sizes = [len(prompt.encode()) + 2 * max_bytes for prompt in prompts]

        def ask(some: Sequence[str]) -> Iterable[Mapping[int, Generated]]:
            scorer = self.scorer
            if isinstance(scorer, Streaming):
                return scorer.answer_each(some, max_bytes=max_bytes, stop=stop)
            return [dict(enumerate(scorer.generate(some, max_bytes=max_bytes, stop=stop)))]

        return self._answered(keys, prompts, sizes, ask, Generated)

    def _answered(
        self,
        keys: Sequence[str],
        questions: Sequence[Any],
        sizes: Sequence[int],
        ask: Callable[[Sequence[Any]], Iterable[Mapping[int, T]]],
        kind: type[T],
    ) -> list[T]:
        missing = list({key: n for n, key in enumerate(keys) if key not in self._known}.values())  # each once
        if missing:
            self.asked += len(missing)
            is_streaming = isinstance(self.scorer, Streaming)
            most = getattr(self.scorer, "chunk_bytes", CHUNK_BYTES)
            chunks = [missing] if is_streaming else list(_chunks(missing, sizes, most))
            new: dict[str, Any] = {}
            said = _Estimate(len(missing), sum(sizes[n] for n in missing) / self._processes.count)
            with _Kept(self._path_of_own()) as kept:
                for chunk in chunks:
                    for answers in _all_that_come(ask, [questions[n] for n in chunk], kept, [keys[n] for n in chunk]):
                        new |= {keys[chunk[n]]: answer for n, answer in answers.items()}
                        said.advance(sum(sizes[chunk[n]] for n in answers))
            for others in self._processes.gathered(new):
                self._known |= others
            if self._processes.is_first:
                note_progress(f"{len(self._known)} answers")
        return [kind(**self._known[key]) for key in keys]

    def _path_of_own(self) -> Path | None:
        if self._path is None or self._processes.is_first:
            return self._path
        return self._path.with_suffix(f".{self._processes.rank}{self._path.suffix}")


class _Kept:
    """A file that answers are added to as soon as they are known; none where there is no path."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("a", encoding="utf-8") if path is not None else None
        if path is not None and self._stream is not None and _ends_within_a_line(path):
            self._stream.write("\n")  # what a kill cut off is a line of its own, and the next answer another

    def __enter__(self) -> _Kept:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def write(self, answers: Mapping[str, Any]) -> None:
        if self._stream is not None:
            self._stream.writelines(json.dumps(pair, ensure_ascii=False) + "\n" for pair in answers.items())
            self._stream.flush()


def _all_that_come(
    ask: Callable[[Sequence[Any]], Iterable[Mapping[int, T]]], some: Sequence[Any], kept: _Kept, keys: Sequence[str]
) -> Iterator[Mapping[int, dict[str, Any]]]:
    """The answers as they are kept, as they come; of a backend that fails half way those that came before are kept, too."""

    def keep(answers: Mapping[int, Any]) -> dict[int, dict[str, Any]]:
        found = {n: asdict(answer) for n, answer in answers.items()}
        kept.write({keys[n]: answer for n, answer in found.items()})
        return found

    try:
        for answers in ask(some):
            yield keep(answers)
    except PartlyAnswered as error:  # a server that fails at its last text has been paid for all before it
        keep(error.answers)
        raise


class _Estimate:
    """Says once how long all texts will take, when a few have been answered; of short work nothing."""

    def __init__(self, texts: int, size: float) -> None:
        self._texts, self._size = texts, size
        self._done, self._started, self._is_said = 0, time.monotonic(), False

    def advance(self, size: int) -> None:
        self._done += size
        elapsed_s = time.monotonic() - self._started
        is_early = elapsed_s < ESTIMATE_S or self._done < FIRST_CHUNK_FRAC * self._size
        if self._is_said or is_early or self._done > self._size / 2:
            return
        self._is_said = True
        _logger.info("%d texts, about %s", self._texts, format_duration(elapsed_s * self._size / self._done))


def _chunks(numbers: Sequence[int], sizes: Sequence[int], chunk_bytes: int) -> Iterator[list[int]]:
    """The numbers in their order, so many as make up `chunk_bytes`; fewer at first."""
    most = min(chunk_bytes, FIRST_CHUNK_FRAC * sum(sizes[n] for n in numbers))
    chunk: list[int] = []
    total = 0
    for number in numbers:
        chunk.append(number)
        total += sizes[number]
        if total >= most:
            yield chunk
            chunk, total, most = [], 0, chunk_bytes
    if chunk:
        yield chunk


def _key(*parts: str) -> str:
    return xxhash.xxh3_128_hexdigest("\x00".join(parts).encode())


def _files(path: Path) -> list[Path]:
    """The files of all processes that there are."""
    return [one for one in (path, *sorted(path.parent.glob(f"{path.stem}.[0-9]*{path.suffix}"))) if one.is_file()]


def _read(path: Path) -> Iterator[tuple[str, Any]]:
    """The answers of a file; a line that was cut off by a kill, in the midst of a letter too, is left out and asked for again."""
    left_out = 0
    with path.open("rb") as lines:
        for line in lines:
            try:
                key, answer = json.loads(line)
                is_pair = isinstance(key, str) and isinstance(answer, dict)
            except (ValueError, TypeError):
                is_pair = False
            if is_pair:
                yield key, answer
            left_out += not is_pair and bool(line.strip())
    if left_out:
        _logger.warning("%s: %d lines are no whole answers; they are asked for again", path, left_out)


def _ends_within_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if not size:
            return False
        file.seek(size - 1)
        return file.read(1) != b"\n"
