"""Whether an engine can be asked, and why not; whose certificates are believed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import httpx2

CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"


@dataclass(frozen=True)
class Fault:
    """Why an engine at an address cannot be asked, and what to do."""

    what: str
    hint: str


def trusted_certificates() -> ssl.SSLContext:
    """Those that the system trusts, among them an office's own; where SSL_CERT_FILE or SSL_CERT_DIR is set, those that it names."""
    return httpx2.create_ssl_context(trust_env=True)


async def why_not(client: httpx2.AsyncClient, url: str, headers: dict[str, str], *, timeout_s: float) -> Fault | None:
    """What keeps the engine at `url` from being asked; None where its GET /health is answered with 200."""
    try:
        answer = await client.get(f"{url}/health", headers=headers, timeout=timeout_s)
    except httpx2.HTTPError as error:
        return _fault_of(error)
    if answer.status_code == 200:
        return None
    if answer.status_code in (401, 403):
        return Fault(
            f"/health is answered with {answer.status_code}: it wants a key", "an engine's /health has to need none"
        )
    return Fault(
        f"/health is answered with {answer.status_code}", "is it the engine's address, without /v1, and has it started?"
    )


def _fault_of(error: httpx2.HTTPError) -> Fault:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    if CERTIFICATE in said:
        why = said.partition(": ")[2].partition(" (_ssl")[0] or said
        return Fault(
            f"its certificate is not trusted: {why}",
            "give the one it was signed by: SSL_CERT_FILE=CA.pem; or http:// where nobody else is on the way",
        )
    if isinstance(error, httpx2.TimeoutException):
        return Fault("no answer in time", "is the engine busy loading, or another program's port?")
    return Fault(f"no engine answers there ({said})", "start it first, and check the address")
