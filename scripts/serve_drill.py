#!/usr/bin/env python3
"""Many requests at once while an engine is killed: every one gets an answer with a label, or one clear error; none waits for ever.

    python scripts/serve_drill.py MODEL [--requests 200] [--workers 2] [--json FILE]

Starts `qaz serve` with engines of its own, asks by OpenAI's client, half of the requests streamed, kills an engine with SIGKILL when a
quarter is answered, and looks at the end: statuses, labels, health, and whether the engine was started again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import openai
import psutil

sys.path.insert(0, str(Path(__file__).parent / "bench"))
from answering import wait_until_well

from qaz_llm.cluster.environment import free_port
from qaz_llm.io import write_json
from qaz_llm.labels.keys import ROOT, make_keys, read_roots
from qaz_llm.labels.reading import read_labels

KEY = "drill-drill-drill-drill"
START_S = 300
REQUEST_S = 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=24)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = drill(arguments, Path(folder))
    for name, value in made.items():
        print(f"{name:28}{value}")
    if arguments.json:
        write_json(arguments.json, made)
    return 0 if made["is_well"] else 1


def drill(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Start, ask, kill, look."""
    make_keys(folder / "keys")
    port = free_port()
    command = [sys.executable, "-m", "qaz_llm", "serve", str(arguments.model), "--port", str(port), "--name", "drill"]
    command += ["--workers", str(arguments.workers), "--label-keys", str(folder / "keys"), "--requests-per-minute", "0"]
    with (folder / "log").open("wb") as log:
        environment = {**os.environ, "QAZ_API_KEYS": KEY, "OMP_NUM_THREADS": "1"}
        gateway = subprocess.Popen(command, stderr=log, env=environment)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_well(url, gateway, folder / "log", within_s=START_S)
            return asyncio.run(_ask_all(arguments, url, gateway.pid, read_roots([folder / "keys" / ROOT])))
        finally:
            gateway.send_signal(signal.SIGTERM)
            gateway.wait(30)


async def _ask_all(arguments: argparse.Namespace, url: str, gateway: int, roots: bytes) -> dict[str, Any]:
    outcomes: Counter[str] = Counter()
    killed: list[int] = []
    client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=REQUEST_S)
    began = time.monotonic()

    async def ask(number: int) -> None:
        outcomes[await _outcome(client, number, arguments.max_tokens, roots)] += 1
        if not killed and outcomes.total() >= arguments.requests // 4:
            killed.append(_an_engine_of(gateway))
            os.kill(killed[0], signal.SIGKILL)

    await asyncio.gather(*(ask(number) for number in range(arguments.requests)))
    seconds = time.monotonic() - began
    health = await _health_in_the_end(url, arguments.workers)
    odd = [outcome for outcome in outcomes if not outcome.startswith(("200 labelled", "502 ", "503 "))]
    return {
        "requests": arguments.requests,
        "engines": arguments.workers,
        "outcomes": dict(outcomes.most_common()),
        "seconds": round(seconds, 1),
        "killed": len(killed),
        "health_in_the_end": health,
        "is_well": not odd and health.get("status") == "ok" and health.get("starts") == arguments.workers + 1,
    }


async def _outcome(client: openai.AsyncOpenAI, number: int, max_tokens: int, roots: bytes) -> str:
    """`200 labelled`, or the error as `502 engine_died`."""
    asked = {
        "model": "drill",
        "messages": [{"role": "user", "content": f"Сәлем! Сұрақ {number}."}],
        "max_tokens": max_tokens,
    }
    text = ""
    try:
        if number % 2:
            async for piece in await client.chat.completions.create(**asked, stream=True):  # type: ignore[call-overload]
                text += (piece.choices[0].delta.content or "") if piece.choices else ""
        else:
            text = (await client.chat.completions.create(**asked)).choices[0].message.content  # type: ignore[call-overload]
    except openai.APIStatusError as error:
        return f"{error.status_code} {error.code}"
    except openai.APITimeoutError:
        return "no answer"
    except openai.APIError as error:  # amid a stream
        state = " labelled" if read_labels(text, roots=roots).counts.get("trusted") or not text else " unlabelled"
        return f"502 {error.code} amid the answer, what was sent{state}"
    return "200 labelled" if set(read_labels(text, roots=roots).counts) == {"trusted"} or not text else "200 unlabelled"


def _an_engine_of(gateway: int) -> int:
    """The process of an engine: a child of the gateway that listens."""
    return next(child.pid for child in psutil.Process(gateway).children() if child.net_connections())


async def _health_in_the_end(url: str, workers: int) -> dict[str, Any]:
    health: dict[str, Any] = {}
    async with httpx2.AsyncClient() as client:
        for _ in range(START_S):
            health = (await client.get(f"{url}/health")).json()
            if (
                health["up"] == workers and health.get("starts", 0) > workers
            ):  # one was killed, and that is noticed a moment later
                break
            await asyncio.sleep(1)
    return health


if __name__ == "__main__":
    sys.exit(main())
