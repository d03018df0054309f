"""Why a request gets no answer, in the form of OpenAI's errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    408: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: the HTTP status.
        message: what was found and what to do.
        code: a short name for programs.
        param: the field of the request that is at fault.
        retry_after_s: when to try again.
        said: what the log holds beside the code, for instance an engine's own words.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        retry_after_s: float | None = None,
        said: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        self.said = said

    def body(self) -> dict[str, Any]:
        """The error as JSON values."""
        kind = _TYPES.get(self.status, "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def headers(self) -> Mapping[str, str]:
        """When to try again, and how to authenticate."""
        headers = {} if self.retry_after_s is None else {"retry-after": str(max(1, round(self.retry_after_s)))}
        return {**headers, "www-authenticate": "Bearer"} if self.status == 401 else headers


def wrong_field(param: str, message: str, *, code: str = "invalid_value") -> Refused:
    """A request with a field that is not as it should be."""
    return Refused(400, f"{param}: {message}", code=code, param=param)
