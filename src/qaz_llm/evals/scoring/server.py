"""A model behind an OpenAI-compatible address (vLLM, llama.cpp, SGLang, hosted ones) as a `Scorer`.

/chat/completions    the prompt as one message of the user; the server puts its chat template around it
/completions         the prompt as it is; with `echo` and `logprobs` also log-probabilities of continuations, where the server has them

A prompt that the server refuses (too long, a content filter) has no answer, which is wrong and counted, unless it refuses all.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

from qaz_llm.errors import InputError, QazError, WorkError
from qaz_llm.evals.answers.limits import finish
from qaz_llm.evals.config import ServerConfig
from qaz_llm.evals.scoring.api import Api, RefusedError
from qaz_llm.evals.scoring.scorer import PartlyAnswered
from qaz_llm.progress import progress
from qaz_llm.records import Generated, Request, Scored

MAX_STOPS = 4
"""So many stop strings an OpenAI-compatible server takes; all are cut at here in any case."""

ROUNDED = 1e-3
"""So much above zero a log-probability may be said to be, by rounding."""

PROBE = "1 + 1 ="
"""Asked where all is refused, to see whether the server refuses everything."""

FILTERED = "content_filter"
CUT_OFF = ("length", "max_tokens", FILTERED, "error")
"""Reasons to end that are not the model's own."""

T = TypeVar("T", Scored, Generated)


@dataclass
class Usage:
    """What was asked of a server, by its own count; added to by many threads."""

    requests: int = 0
    uncounted: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, usage: Mapping[str, Any]) -> None:
        with self._lock:
            self.requests += 1
            self.uncounted += not all(_is_count(usage.get(key)) for key in ("prompt_tokens", "completion_tokens"))
            self.tokens_in += _count(usage.get("prompt_tokens"))
            self.tokens_out += _count(usage.get("completion_tokens"))

    def to_dict(self, config: ServerConfig) -> dict[str, Any]:
        """With the cost at the config's prices; null where none are given. `uncounted` requests came without a count of
        tokens, so that tokens and cost are more than is said."""
        prices = (config.price_in, config.price_out)
        cost = None
        if None not in prices:
            cost = round((self.tokens_in * (prices[0] or 0) + self.tokens_out * (prices[1] or 0)) / 1e6, 6)
        found = {name: getattr(self, name) for name in ("requests", "uncounted", "tokens_in", "tokens_out")}
        return {**found, "cost": cost}


class ServerScorer:
    """A server's model. Several requests are under way at once; what came before a failure is handed on with it."""

    chunk_bytes = 50_000
    """So much is asked for between two writes of what was answered."""

    def __init__(self, config: ServerConfig, model: str, *, api: Api | None = None) -> None:
        self.config, self.model = config, model
        self.api = api or Api(config)
        self.usage = Usage()

    def generate(self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]) -> list[Generated]:
        """As `Scorer.generate`.

        Raises:
            InputError: no such model or address, the key is refused, or every prompt is.
            PartlyAnswered: the server fails half way.
        """
        return self._all(
            prompts, lambda prompt: self._answer(prompt, max_bytes, tuple(stop)), Generated("", is_refused=True)
        )

    def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
        """As `Scorer.loglikelihood`, by the tokens that the server echoes.

        Raises:
            InputError: the server gives no log-probabilities, or none of a text's first token.
            PartlyAnswered: the server fails half way.
        """
        if not self.config.logprobs:
            raise InputError(
                "log-probabilities were asked of a server that is not said to have them",
                hint="set server.logprobs=true server.api=completions where it has (vLLM, llama.cpp), or formats=generate",
            )
        return self._all(requests, self._score, None)

    def ask(self, text: str, *, max_tokens: int, stop: Sequence[str] = ()) -> tuple[str, str]:
        """What the model says to a text, and why it ended. Raises as `Api.post`."""
        body: dict[str, Any] = {"model": self.model, "temperature": 0, "max_tokens": max_tokens}
        if stop:
            body["stop"] = list(stop[:MAX_STOPS])
        if self.config.api == "chat":
            body["messages"] = [{"role": "user", "content": text}]
            found = self._post("/chat/completions", body)
            message = found.get("message")
            said = _text(message.get("content") if isinstance(message, Mapping) else message)
        else:
            found = self._post("/completions", body | {"prompt": text})
            said = _text(found.get("text"))
        return said, str(found.get("finish_reason"))

    def _answers_anything(self) -> bool:
        """Whether the server answers a harmless prompt: then what it refused was refused for what it says."""
        self.api.halt.clear()
        try:
            self.ask(PROBE, max_tokens=1)
        except RefusedError:
            return False
        return True

    def _answer(self, prompt: str, max_bytes: int, stop: tuple[str, ...]) -> Generated:
        """A token has a byte at least, so `max_bytes` tokens are enough.

        An answer that begins with a stop string (a line end, say) is asked for again without: here it would not end the answer.
        """
        text, reason = self.ask(prompt, max_tokens=max_bytes, stop=stop)
        if stop and not text.strip() and reason != FILTERED:
            text, reason = self.ask(prompt, max_tokens=max_bytes)
        answer, is_unfinished = finish(text, stop, max_bytes, has_ended=reason not in CUT_OFF)
        if reason == FILTERED:  # no limit of ours ended it
            return Generated("", is_refused=True)
        return Generated(answer, is_unfinished=is_unfinished)

    def _score(self, request: Request) -> Scored:
        text = request.context + request.continuation
        body = {"model": self.model, "prompt": text, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
        found = self._post("/completions", body).get("logprobs") or {}
        return echoed_score(request, found.get("tokens") or [], found.get("token_logprobs") or [])

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The first choice of the answer. Keys of server.body come last, null takes one out."""
        answer = self.api.post(path, {**body, **self.config.body})
        usage = answer.get("usage")
        self.usage.add(usage if isinstance(usage, Mapping) else {})
        choices = answer.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise WorkError(f"the server's answer has no choices: {str(answer)[:200]}")
        return choices[0]

    def _all(self, asked: Sequence[Any], ask: Callable[[Any], T], refused: T | None) -> list[T]:
        """The answers in order. `refused`: the answer to what the server will not take; None where that is an error."""
        self.api.halt.clear()  # set where the questions before these came to their end
        with (
            ThreadPoolExecutor(self.config.concurrency) as pool,
            progress("ask", total=len(asked), unit="answers") as advance,
        ):

            def one(text: Any) -> T:
                found = ask(text)
                advance(1)
                return found

            futures = [pool.submit(one, text) for text in asked]
            try:
                _until_failure(futures)
            finally:
                self.api.halt.set()  # nothing is tried again once all came, one failed, or the user stopped it
                pool.shutdown(wait=True, cancel_futures=True)
        errors = {n: error for n, future in enumerate(futures) if (error := _error(future)) is not None}
        answers = {n: future.result() for n, future in enumerate(futures) if not future.cancelled() and n not in errors}
        final = next((error for error in errors.values() if not isinstance(error, RefusedError)), None)
        if final is None and errors and (refused is None or not (answers or self._answers_anything())):
            first = next(iter(errors.values()))
            raise InputError(str(first), hint="look at --model, server.api and server.body") from first
        if final is not None and not answers:
            raise final
        if final is not None:
            came = f"{len(answers):,} of {len(asked):,} were answered"
            raise PartlyAnswered(f"{final.message} ({came})", answers, hint=final.hint) from final
        return [answers.get(n, refused) for n in range(len(asked))]  # type: ignore[misc]


def _count(value: Any) -> int:
    return int(value) if _is_count(value) else 0


def _is_count(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


def _text(content: Any) -> str:
    """What is said: text, or the text of its parts (`[{"type": "text", "text": "Ертіс"}]`). Halves of characters become marks."""
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    text = content if isinstance(content, str) else ""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _until_failure(futures: Sequence[Future[Any]]) -> None:
    """Wait for all, or until one fails for another reason than that its own request is refused."""
    left = set(futures)
    while left:
        done, left = wait(left, return_when=FIRST_EXCEPTION)
        if any(_error(future) is not None and not isinstance(_error(future), RefusedError) for future in done):
            return


def _error(future: Future[Any]) -> QazError | None:
    if future.cancelled() or not future.done():
        return None
    error = future.exception()
    if error is not None and not isinstance(error, QazError):
        raise error
    return error


def echoed_score(request: Request, tokens: Sequence[str], logprobs: Sequence[float | None]) -> Scored:
    """The continuation's log-probability from an echoed text's tokens, the last of which the server made itself.

    A token that spans the join counts as the continuation's, as in encoding.py.

        context "Жауабы:"  continuation " Обь"     tokens  <s> · Жауабы · : · ␣Обь · .      sum of ␣Обь

    Raises InputError where tokens or values are missing, or where the tokens do not spell the text.
    """
    text = request.context + request.continuation
    _check_logprobs(tokens, logprobs, text)
    echoed = list(tokens[:-1])
    joined = "".join(echoed)
    if not echoed or not joined.endswith(text):
        raise InputError(
            f"the server echoes {joined[:60]!r} for {text[:60]!r}, which gives no log-probabilities of that text",
            hint="its /completions has no echo with logprobs, or tokens that are parts of letters; leave server.logprobs out and set formats=generate",
        )
    border, position = len(joined) - len(request.continuation), 0
    found: list[float | None] = []
    for token, logprob in zip(echoed, logprobs, strict=False):
        position += len(token)
        if position > border:
            found.append(logprob)
    values = [value for value in found if value is not None]
    if len(values) < len(found) or not values:
        raise InputError(
            f"the server gives no log-probability of the first token of {request.continuation[:60]!r}",
            hint="bits per byte need a model in memory, or a server that puts a start token before a text",
        )
    return Scored(sum(values), len(values), len(request.continuation.encode()))


def _check_logprobs(tokens: Sequence[str], logprobs: Sequence[float | None], text: str) -> None:
    """Raises InputError unless there is one number for each token, and none that no log-probability can be."""
    hint = "the server's logprobs cannot be relied on; leave server.logprobs out and set formats=generate"
    if len(tokens) != len(logprobs) or not all(isinstance(token, str) for token in tokens):
        raise InputError(
            f"the server gives {len(logprobs)} log-probabilities for {len(tokens)} tokens of {text[:60]!r}", hint=hint
        )
    for token, value in zip(tokens, logprobs, strict=True):
        if value is not None and not is_logprob(value):
            raise InputError(
                f"the server gives {value!r} for the token {token!r}, which is no log-probability", hint=hint
            )


def is_logprob(value: Any) -> bool:
    """Whether it is the logarithm of a probability: a finite number that is not above zero, but for rounding."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -math.inf < value <= ROUNDED
