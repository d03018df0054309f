#!/usr/bin/env python3
"""What the gateway costs: time to the first token and tokens a second, beside the bare engine in the same run.

    python scripts/bench_serve.py MODEL [--rounds 40] [--at-once 4] [--json FILE]

One `transformers serve` is started; a gateway with keys and labels is put before it (`--upstream`). Requests go to both in turn, so that other
work on the machine strikes both. What is compared: the median over pairs of the difference in time to the first token, one request at a
time; and tokens a second with several at once, in turn as well. `--fake` asks an engine that answers at once: what the gateway alone takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2

sys.path.insert(0, str(Path(__file__).parent / "bench"))
from answering import wait_until_well

from qaz_llm.cluster.environment import free_port
from qaz_llm.io import write_json
from qaz_llm.labels.keys import make_keys

KEY = "bench-bench-bench-bench"
START_S = 600
MESSAGES = [{"role": "user", "content": "Сәлем! Қазақстанның астанасы туралы қысқаша айтып бер."}]
FAKE = """
import asyncio, json, sys, uvicorn
from fastapi import FastAPI
from fastapi.responses import Response, StreamingResponse
app = FastAPI()
@app.get("/health")
def health():
    return Response()
@app.post("/v1/chat/completions")
async def chat(body: dict):
    async def pieces():
        for n in range(json.loads(body["generation_config"])["max_new_tokens"] if "generation_config" in body else body["max_tokens"]):
            yield 'data: {"choices":[{"index":0,"delta":{"content":"сөз "}}]}\\n\\n'
            await asyncio.sleep(0.002)
        yield 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\\n\\n'
    return StreamingResponse(pieces(), media_type="text/event-stream")
uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--fake", action="store_true")
    parser.add_argument(
        "--concurrency", type=int, help="requests at the engine at a time; the gateway's own where not given"
    )
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine_port, port = free_port(), free_port()
        stack.enter_context(_started(_engine(arguments, engine_port), engine_port, folder / "engine.log"))
        make_keys(folder / "keys")
        command = [
            sys.executable,
            "-m",
            "qaz_llm",
            "serve",
            str(arguments.model),
            "--port",
            str(port),
            "--name",
            "bench",
        ]
        command += ["--upstream", f"http://127.0.0.1:{engine_port}", "--label-keys", str(folder / "keys")]
        command += ["--requests-per-minute", "0"]
        command += ["--concurrency", str(arguments.concurrency)] if arguments.concurrency else []
        stack.enter_context(_started(command, port, folder / "gateway.log"))
        made = asyncio.run(measure(arguments, f"http://127.0.0.1:{engine_port}", f"http://127.0.0.1:{port}"))
    for name, value in made.items():
        print(f"{name:34}{value}")
    if arguments.json:
        write_json(arguments.json, made)
    return 0


async def measure(arguments: argparse.Namespace, bare: str, gateway: str) -> dict[str, Any]:
    """Pairs of single requests, then rounds of several at once, the two in turn."""
    model = str(arguments.model.absolute())
    async with httpx2.AsyncClient(timeout=600, headers={"authorization": f"Bearer {KEY}"}, trust_env=False) as client:

        async def ask(url: str) -> tuple[float, float]:
            body = {"model": model if url == bare else "bench", "messages": MESSAGES, "stream": True}
            return await _ask(client, url, {**body, "max_tokens": arguments.max_tokens, "temperature": 0})

        for url in (bare, gateway, bare, gateway):
            await ask(url)
        firsts: dict[str, list[float]] = {bare: [], gateway: []}
        for number in range(arguments.rounds):
            for url in (bare, gateway) if number % 2 else (gateway, bare):
                firsts[url].append((await ask(url))[0])
        rates: dict[str, list[float]] = {bare: [], gateway: []}
        for number in range(max(4, arguments.rounds // 5)):
            for url in (bare, gateway) if number % 2 else (gateway, bare):
                began = time.perf_counter()
                await asyncio.gather(*(ask(url) for _ in range(2 * arguments.at_once)))
                rates[url].append(2 * arguments.at_once * arguments.max_tokens / (time.perf_counter() - began))
    differences = [1000 * (g - b) for b, g in zip(firsts[bare], firsts[gateway], strict=True)]
    ratios = [g / b for b, g in zip(rates[bare], rates[gateway], strict=True)]
    return {
        "pairs": len(differences),
        "first_token_ms_bare": round(1000 * statistics.median(firsts[bare]), 1),
        "first_token_ms_gateway": round(1000 * statistics.median(firsts[gateway]), 1),
        "first_token_ms_added": round(statistics.median(differences), 1),
        "first_token_ms_added_quartiles": [round(q, 1) for q in statistics.quantiles(differences, n=4)],
        "tokens_per_s_bare": round(statistics.median(rates[bare]), 1),
        "tokens_per_s_gateway": round(statistics.median(rates[gateway]), 1),
        "tokens_per_s_ratio": round(statistics.median(ratios), 3),
        "tokens_per_s_ratios": [round(ratio, 3) for ratio in ratios],
    }


async def _ask(client: httpx2.AsyncClient, url: str, body: dict[str, Any]) -> tuple[float, float]:
    """Seconds to the first text, and to the end, of a streamed answer."""
    began, first = time.perf_counter(), 0.0
    async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not first and line.startswith("data: {"):
                choices = json.loads(line[6:]).get("choices")
                if choices and choices[0]["delta"].get("content"):
                    first = time.perf_counter() - began
    return first, time.perf_counter() - began


def _engine(arguments: argparse.Namespace, port: int) -> list[str]:
    if arguments.fake:
        return [sys.executable, "-c", FAKE, str(port)]
    main_of = "from transformers.cli.transformers import main; import sys; sys.argv[0] = 'transformers'; main()"
    return [sys.executable, "-c", main_of, "serve", str(arguments.model.absolute()), "--port", str(port)]


@contextmanager
def _started(command: list[str], port: int, log: Path) -> Iterator[None]:
    """The program while the block runs, once it answers."""
    with log.open("wb") as file:
        environment = {**os.environ, "QAZ_API_KEYS": KEY, "HF_HUB_OFFLINE": "1"}
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
    try:
        wait_until_well(f"http://127.0.0.1:{port}", process, log, within_s=START_S)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


if __name__ == "__main__":
    sys.exit(main())
