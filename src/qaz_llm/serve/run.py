"""The gateway as a process: all that can be wrong is looked at before an engine is started."""

from __future__ import annotations

import ipaddress
import signal
import socket
from contextlib import suppress
from importlib.util import find_spec
from types import FrameType

from qaz_llm.errors import InputError
from qaz_llm.installed import how_to_install
from qaz_llm.labels.watermark import SCHEME
from qaz_llm.model.folder import check_model_folder
from qaz_llm.progress import get_logger
from qaz_llm.serve.config import ServeConfig
from qaz_llm.serve.engines import check_engine
from qaz_llm.serve.keys import read_keys

NEEDED = ("fastapi", "uvicorn", "httpx2")
BACKLOG = 2048
_logger = get_logger("serve")


def serve(config: ServeConfig, *, open_to_all: bool = False) -> None:
    """Answer requests until a signal ends it.

    Raises InputError for what is wrong with the model, the keys, the certificate, the engine or the port; WorkError where an
    engine does not start.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if config.engine == "transformers" and not config.upstream and find_spec("openai") is None:
        missing.append("openai")
    if missing:
        raise InputError(f"serving needs {', '.join(missing)}", hint=how_to_install("serve"))
    keys = read_keys(config.keys_file)
    if not keys.names and not open_to_all and not _is_loopback(config.host):
        raise InputError(
            f"--host {config.host}: reached from other machines, and no keys are asked for",
            hint="give keys: --keys-file FILE or QAZ_API_KEYS; or --open where everyone may ask",
        )
    check_model_folder(config.model, needs_weights=config.engine != "llama" and not config.upstream)
    check_engine(config)
    from qaz_llm.serve.labelling import open_labels

    labels = open_labels(config.label_keys, config.name, has_watermark=config.watermark is not None)
    with _listening(config.host, config.port) as listening:
        from qaz_llm.serve.app import make_app
        from qaz_llm.serve.facts import read_facts

        facts = read_facts(config.model, config.window_tokens)
        host, port = listening.getsockname()[:2]
        _logger.info(
            "%s at http://%s:%d/v1, window %s tokens, engine %s, keys: %s, label: %s, watermark: %s, chat: %s",
            config.name, host, port, f"{facts.window_tokens:,}", config.engine, len(keys.names) or "none asked for",
            f"until {labels.keys.valid_until:%Y-%m-%d}" if labels.keys else "none (no --label-keys)",
            SCHEME if config.watermark is not None else "none",
            "yes" if facts.has_template else "no, the model has no chat template",
        )  # fmt: skip
        _run(make_app(config, facts, keys, labels), listening)


def _run(app: object, listening: socket.socket) -> None:
    """Answer on a socket that is bound already until a signal comes; what ends an engine's start ends it with that error."""
    from qaz_llm.serve.ending import EndingServer

    server = EndingServer(app)
    before = signal.signal(signal.SIGTERM, _ended)  # uvicorn raises it again when it is done
    try:
        with suppress(KeyboardInterrupt, SystemExit):
            server.run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)
    if server.failed is not None:
        raise server.failed


def _ended(_number: int, _frame: FrameType | None) -> None:
    """Told to end, and it did."""


def _listening(host: str, port: int) -> socket.socket:
    """A socket on the address. Raises InputError where the port is taken or the address is none of this machine's."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # named TCP: asyncio turns Nagle's delay off for such sockets alone, and pieces would wait 40 ms for one another
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise InputError(
            f"{host}:{port}: cannot listen there ({error.strerror or error})",
            hint="another program has the port? choose another: --port N",
        ) from error
    listening.set_inheritable(False)
    return listening


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
