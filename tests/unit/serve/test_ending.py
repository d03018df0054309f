"""A gateway that is told to end: while an engine starts, and while a request is under way that never ends. Nothing here ends by itself."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, logging, socket, sys
from contextlib import asynccontextmanager
from fastapi import FastAPI
from fastapi.responses import Response
from qaz_llm.progress import set_up_logging
from qaz_llm.serve import ending, run
from qaz_llm.serve.outgoing import WrittenBy

ending.GRACE_S = 1
set_up_logging()

@asynccontextmanager
async def lifespan(app):
    try:
        if sys.argv[1] == "starting":
            print("waits", flush=True)
            await asyncio.Event().wait()
        yield
    finally:
        print("engines end", flush=True)

app = FastAPI(lifespan=lifespan)

@app.get("/")
async def ask():
    async def work(out):
        print("waits", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            print("cut off" if out.is_ended else "client gone", flush=True)
    return WrittenBy(work, 60)

listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen()
if sys.argv[1] != "starting":
    client = socket.create_connection(listening.getsockname())
    client.sendall(b"GET / HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n")
run._run(app, listening)
print("ended", flush=True)
"""
LIMIT_S = 60
"""A gateway that waits for ever fails; how long one takes does not matter."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("what", "said", "logged"),
    [
        ("starting", ["engines end", "ended"], "the start is broken off"),
        ("serving", ["cut off", "engines end", "ended"], "requests under way (1) have up to 1 s"),
    ],
)
def test_a_signal_ends_it_and_what_is_waited_for_is_said(
    what: str, said: list[str], logged: str, number: signal.Signals
) -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, what], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with started as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "waits\n"
            process.send_signal(number)
            out, err = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    assert (sorted(out.split("\n")[:-1]), process.returncode) == (sorted(said), 0)
    assert f"ending: {logged}" in err and "Traceback" not in err
