"""What an engine says when it refuses or fails: which of it a client hears, and which the log alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from qaz_llm.serve.answers import BadAnswer, words_of
from qaz_llm.serve.refusals import Refused

MAX_SAID = 300
LONGEST_RETRY_S = 3600
_SECRETS = re.compile(
    r"(?i)\b(?:bearer\s+|(?:api[_-]?)?(?:key|token|secret|password|passwd)\S{0,3}\s*[=:]\s*['\"]?)\S+"
    r"|\b(?:sk|hf|ghp|gho|github_pat|xox[abp])[-_]\S+|\bAKIA\w+|(?<=://)[^/\s@]+(?=@)|\b[\w+/=-]{32,}"
)
"""Words that are keys by their name, their first letters, their place in an address, or their length."""


def masked(said: str) -> str:
    """An engine's words in one line, cut, without what looks like a key.

    >>> masked("refused: token=sk-12345678 at\\n http://a:b@host/")
    'refused: *** at http://***@host/'
    """
    return " ".join(_SECRETS.sub("***", said[: 4 * MAX_SAID]).split())[:MAX_SAID]


def refusal_of(status: int, body: bytes, headers: Mapping[str, str]) -> Refused:
    """What a client is told of an engine's status other than 200.

    Of 400 and 422 the words, for they are about the request; of others the status alone, for they are about the machine: those are for
    the log. 429 and 503 are passed on with their time to come again.
    """
    said = masked(_words(body))
    if status in (400, 422):
        return Refused(400, f"the engine refuses the request: {said}", code="engine_refused")
    if status in (429, 503):
        again = headers.get("retry-after", "")
        wait = min(int(again), LONGEST_RETRY_S) if re.fullmatch("[0-9]{1,9}", again) else 5
        return Refused(status, "the engine is busy", code="engine_busy", retry_after_s=wait, said=said)
    return Refused(502, f"the engine answered with status {status}", code="engine_error", retry_after_s=5, said=said)


def refusal_for(error: BadAnswer) -> Refused:
    """What a client is told of an answer that is none."""
    said = None if error.said is None else masked(error.said)
    return Refused(502, str(error), code="engine_error", retry_after_s=5, said=said)


def died() -> Refused:
    """The engine ended before its answer did."""
    return Refused(502, "the engine ended while it was answering; ask again", code="engine_died", retry_after_s=5)


def _words(body: bytes) -> str:
    try:
        return words_of(json.loads(body))
    except (ValueError, RecursionError):
        return "no JSON"
