"""Engines that cannot be asked: each is told apart, and a certificate of one's own is believed once it is given."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import httpx2
import pytest

from qaz_llm.serve.reaching import Fault, trusted_certificates, why_not


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "office")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1)).add_extension(
        names, critical=False
    )
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return certificate, private


@contextmanager
def server(status: int, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Answer)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        running.socket = context.wrap_socket(running.socket, server_side=True)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{running.server_address[1]}"
    finally:
        running.shutdown()
        running.server_close()


def asked(url: str) -> Fault | None:
    async def ask() -> Fault | None:
        async with httpx2.AsyncClient(trust_env=False, verify=trusted_certificates()) as client:
            return await why_not(client, url, {}, timeout_s=5)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("status", "said"), [(200, None), (401, "it wants a key"), (404, "answered with 404"), (503, "answered with 503")]
)
def test_what_is_answered_is_told_apart(status: int, said: str | None) -> None:
    with server(status) as url:
        fault = asked(url)
    assert (fault is None) == (said is None) and (fault is None or str(said) in fault.what)


def test_nobody_there() -> None:
    fault = asked("http://127.0.0.1:9")
    assert fault is not None and fault.what.startswith("no engine answers there (")


def test_a_certificate_of_ones_own_is_named_and_believed_once_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = make_certificate(tmp_path)
    with server(200, tls) as url:
        fault = asked(url)
        assert fault is not None and "certificate is not trusted" in fault.what and "self-signed" in fault.what
        assert "SSL_CERT_FILE" in fault.hint
        monkeypatch.setenv("SSL_CERT_FILE", str(tls[0]))
        assert asked(url) is None
