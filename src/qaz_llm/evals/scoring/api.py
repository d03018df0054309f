"""Requests to an OpenAI-compatible server: one at a time, tried again where that may help.

Tried again: 408, 425, 429, 500 and above, a lost connection, silence beyond the timeout, an answer cut off. Waited before the n-th try: between half and
the whole of 2ⁿ seconds by chance, so that many clients do not come back at once, and at least what Retry-After says (RFC 9110, 10.2.3). Everything else is final.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from qaz_llm.errors import InputError, WorkError
from qaz_llm.evals.config import ServerConfig
from qaz_llm.progress import get_logger

_logger = get_logger("eval")

KEY_VARIABLES = ("QAZ_API_KEY", "OPENAI_API_KEY")
AGAIN = frozenset((408, 425, 429))
MOVED = frozenset((301, 302, 303, 307, 308))
"""Not followed: a key would go to an address that nobody wrote."""
LONGEST_WAIT_S = 60.0
LONGEST_TOLD_WAIT_S = 600.0
"""A server that says to come back later than that is not waited for."""
MAX_ANSWER_BYTES = 32 << 20


class RefusedError(WorkError):
    """The server will not answer this one request (400, 413, 422), whatever it does with others."""


class Api:
    """A server's address with its key. Once `halt` is set nothing is tried again. `sleep` and `chance` are those of tests."""

    def __init__(
        self,
        config: ServerConfig,
        *,
        sleep: Callable[[float], object] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.halt = threading.Event()
        self.config, self._sleep, self._chance = config, sleep or self.halt.wait, chance
        self._parts, self._key = _address(config.url), _key()

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that the server answers with.

        Raises:
            InputError: no such address or model, or the key is refused.
            RefusedError: this one request is refused.
            WorkError: the server still fails after all tries.
        """
        sent = json.dumps({key: value for key, value in body.items() if value is not None}).encode()
        for tried in range(self.config.retries + 1):
            try:
                status, headers, content = self._send(path, sent)
                problem = f"status {status}: {_told(content)}"
                if status == 200:
                    return _object(content)
                if status in MOVED:
                    problem = f"status {status}, sends on to {headers.get('location', 'nowhere')[:200]}"
                if status not in AGAIN and status < 500:
                    raise self._final(status, problem, path)
            except (OSError, http.client.HTTPException, ValueError) as error:
                problem, headers = f"{type(error).__name__}: {str(error)[:200]}", {}
            if tried == self.config.retries or self.halt.is_set():
                break
            wait_s = self._wait_s(tried, headers)
            _logger.warning("%s: %s; try %d in %.1f s", self._parts.hostname, problem, tried + 2, wait_s)
            self._sleep(wait_s)
        raise WorkError(
            f"{self._parts.hostname} fails after {tried + 1} {'try' if tried == 0 else 'tries'}: {problem}",
            hint="what was answered so far is kept: the same command goes on with the rest",
        )

    def _send(self, path: str, sent: bytes) -> tuple[int, Mapping[str, str], bytes]:
        parts, timeout = self._parts, self.config.timeout_s
        assert parts.hostname is not None
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        bearer = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        query = f"?{parts.query}" if parts.query else ""
        try:
            connection.request(
                "POST", parts.path.rstrip("/") + path + query, sent, {"Content-Type": "application/json", **bearer}
            )
            response = connection.getresponse()
            content = response.read(MAX_ANSWER_BYTES + 1)
            if len(content) > MAX_ANSWER_BYTES:
                raise WorkError(f"{parts.hostname} answers with more than {MAX_ANSWER_BYTES >> 20} MiB")
            return response.status, {name.lower(): value for name, value in response.getheaders()}, content
        finally:
            connection.close()

    def _final(self, status: int, problem: str, path: str) -> InputError | RefusedError:
        where = f"{self._parts.hostname}{self._parts.path}{path}"
        if status in (400, 413, 422):
            return RefusedError(f"{where} refuses a request, {problem}")
        if status in (401, 403):
            return InputError(f"{where} refuses the key, {problem}", hint=f"set the key as ${KEY_VARIABLES[0]}")
        if status in MOVED:
            return InputError(
                f"{where}: {problem}",
                hint="it is not followed; write that address as server.url if it is the right one",
            )
        return InputError(
            f"{where}: {problem}", hint="look at server.url (it ends in /v1), at --model and at server.api"
        )

    def _wait_s(self, tried: int, headers: Mapping[str, str]) -> float:
        own = min(2.0**tried, LONGEST_WAIT_S) * (0.5 + 0.5 * self._chance())
        told = _retry_after_s(headers.get("retry-after", ""))
        if told > LONGEST_TOLD_WAIT_S:
            raise WorkError(
                f"{self._parts.hostname} is to be asked again in {told:.0f} s only",
                hint="what was answered so far is kept: the same command goes on with the rest",
            )
        return max(own, told)


def _address(url: str) -> SplitResult:
    """The parts of a server's address. Raises InputError where it is none; what may be a password in it is not shown."""
    hint = f"write it like http://localhost:8000/v1; a key goes into ${KEY_VARIABLES[0]}"
    try:
        parts = urlsplit(url)
        known = (parts.hostname or "", parts.port)
    except ValueError as error:
        raise InputError(f"server.url is no address of a server: {error}", hint=hint) from error
    is_plain = url.isascii() and not any(letter.isspace() for letter in url)
    if parts.scheme not in ("http", "https") or not known[0] or parts.username or parts.password or not is_plain:
        raise InputError(f"server.url: {parts.scheme}://{known[0]} is no address of a server", hint=hint)
    return parts


def _key() -> str | None:
    """The key from the environment, without blanks around it. Raises InputError, which does not show it, where no header can hold it."""
    name, value = next(((n, v.strip()) for n in KEY_VARIABLES if (v := os.environ.get(n, "").strip())), ("", ""))
    if not all("!" <= letter <= "~" for letter in value):
        raise InputError(
            f"${name} holds a blank, a line end or a letter that is not Latin, which no key has",
            hint="set it again, without quotes or line ends",
        )
    return value or None


def _retry_after_s(value: str) -> float:
    """Seconds, or until a date; 0 where neither is said."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"expected JSON, found {' '.join(content[:80].decode(errors='replace').split())!r}") from error
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, found {type(found).__name__}")
    return found


def _told(content: bytes) -> str:
    """What a server says of its error, on one line."""
    try:
        error = json.loads(content)["error"]
        said = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError):
        said = content[:300].decode(errors="replace")
    return " ".join(str(said).split())[:300]
