"""The engines behind a gateway: started, watched, started again when they die, and chosen by how little they have to do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import httpx2

from qaz_llm.cluster.environment import free_port
from qaz_llm.errors import InputError, WorkError
from qaz_llm.progress import get_logger
from qaz_llm.serve.config import ServeConfig
from qaz_llm.serve.engines import LOOPBACK, Launch, launch_of
from qaz_llm.serve.facts import ModelFacts
from qaz_llm.serve.keys import VARIABLE
from qaz_llm.serve.reaching import why_not
from qaz_llm.serve.refusals import Refused

LOOK_S = 0.25
LOOK_UPSTREAM_S = 5.0
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
"""Between two starts of an engine that dies again and again: twice as long each time."""
ANSWER_S = 5.0
"""How long an engine may take to say that it is there."""
END_S = 5.0
"""How long an engine may take to end, and once more when it is killed."""
TAIL_BYTES = 4000
TAIL_LINES = 6
PORT_TAKEN = "address already in use"
MAX_STARTS = 3
_logger = get_logger("serve")


@dataclass
class Worker:
    """One engine. `is_up` says whether it can be asked."""

    number: int
    url: str
    model: str
    key: str | None = None
    process: subprocess.Popen[bytes] | None = None
    log: IO[bytes] | None = None
    is_up: bool = False
    in_flight: int = 0
    starts: int = 0
    next_start: float | None = None
    """When it is started again, where it has ended."""
    became_up: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def headers(self) -> dict[str, str]:
        """What a request to it carries."""
        return {"authorization": f"Bearer {self.key}"} if self.key else {}


class Workers:
    """All engines of a gateway, as an asynchronous context."""

    def __init__(self, config: ServeConfig, facts: ModelFacts, client: httpx2.AsyncClient) -> None:
        self._config = config
        self._facts = facts
        self._client = client
        self._watch: asyncio.Task[None] | None = None
        self._one_failed = asyncio.Event()
        self.all: list[Worker] = []

    async def start(self) -> None:
        """Start the engines, or look for those that run already, and wait until all can be asked.

        Raises WorkError with the end of an engine's log where it ends, or takes too long; InputError where there is none at
        an address.
        """
        if self._config.upstream:
            self.all = [Worker(n, url.rstrip("/"), "") for n, url in enumerate(self._config.upstream)]
            await asyncio.gather(*(self._meet(worker) for worker in self.all))
        else:
            self.all = [Worker(n, "", "") for n in range(self._config.workers)]
            for worker in self.all:
                self._launch(worker)
            await asyncio.gather(*(self._wait_for(worker) for worker in self.all))
        self._watch = asyncio.create_task(self._keep_watching())

    async def stop(self) -> None:
        """End the engines that were started."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        running = [
            worker.process for worker in self.all if worker.process is not None and worker.process.poll() is None
        ]
        if running:
            _logger.info("ending: engines (%d) have up to %g s", len(running), END_S)
        for process in running:
            process.terminate()
        end = time.monotonic() + END_S
        while any(process.poll() is None for process in running) and time.monotonic() < end:
            await asyncio.sleep(0.05)
        for process in running:
            if process.poll() is None:
                process.kill()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:  # in the kernel, of a disk or a driver that does not answer
                _logger.warning("engine process %d does not end, and is left", process.pid)

    def choose(self, *, but: int | None = None) -> Worker:
        """The engine with the least to do, another than `but` where there is one. Raises Refused (503) where none can be asked."""
        up = [worker for worker in self.all if worker.is_up]
        if not up:
            raise Refused(
                503,
                "no engine can be asked at the moment; it is being started again",
                code="engine_down",
                retry_after_s=5,
            )
        return min(up, key=lambda worker: (worker.number == but, worker.in_flight, worker.number))

    async def wait_for_one(self, seconds: float) -> None:
        """Until an engine can be asked, or the time is over."""
        if any(worker.is_up for worker in self.all):
            return
        waits = [asyncio.create_task(worker.became_up.wait()) for worker in self.all]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    def failed(self, worker: Worker) -> None:
        """Ask it no more until it answers again."""
        if worker.is_up:
            _logger.warning("engine %d does not answer", worker.number)
        _set_up(worker, False)
        self._one_failed.set()

    # ------------------------------------------------------------------------------------------------------ starting

    def _launch(self, worker: Worker) -> None:
        port = free_port()
        launch: Launch = launch_of(self._config, self._facts, port)
        worker.log = worker.log or tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the engine
        command = [sys.executable, "-m", "qaz_llm.serve.child", str(os.getpid()), *launch.command]
        worker.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=worker.log, env=_environment(launch)
        )
        worker.url, worker.model, worker.key = f"http://{LOOPBACK}:{port}", launch.model, launch.key
        worker.starts += 1

    async def _wait_for(self, worker: Worker) -> None:
        end = time.monotonic() + self._config.start_s
        while not await self._answers(worker):
            if worker.process is not None and worker.process.poll() is not None:
                if PORT_TAKEN in _tail(worker).lower() and worker.starts < MAX_STARTS:
                    self._launch(worker)  # another program took the port while the model was loaded
                    continue
                raise WorkError(
                    f"the engine ended with {worker.process.returncode} before it could be asked:\n{_tail(worker)}",
                    hint="what it says is above; with another engine: --engine, or --upstream URL",
                )
            if time.monotonic() > end:
                raise WorkError(f"the engine was not ready within {self._config.start_s:g} s:\n{_tail(worker)}")
            await asyncio.sleep(LOOK_S)
        _set_up(worker, True)

    async def _meet(self, worker: Worker) -> None:
        """Look for an engine that runs already."""
        fault = await why_not(self._client, worker.url, worker.headers, timeout_s=ANSWER_S)
        if fault is not None:
            raise InputError(f"{worker.url}: {fault.what}", hint=fault.hint)
        worker.model = self._config.upstream_model or await self._model_at(worker)
        _set_up(worker, True)

    async def _model_at(self, worker: Worker) -> str:
        """How an engine calls its model. transformers serve lists what lies in the hub's cache, not what it was started with."""
        if self._config.engine == "transformers":
            return str(self._facts.folder)
        try:
            answer = await self._client.get(f"{worker.url}/v1/models", headers=worker.headers, timeout=ANSWER_S)
            return str(answer.json()["data"][0]["id"])
        except (httpx2.HTTPError, ValueError, LookupError, TypeError) as error:
            raise InputError(
                f"{worker.url}/v1/models: does not say which model it has", hint="name it: --upstream-model NAME"
            ) from error

    async def _answers(self, worker: Worker) -> bool:
        return await why_not(self._client, worker.url, worker.headers, timeout_s=ANSWER_S) is None

    # ------------------------------------------------------------------------------------------------------ watching

    async def _keep_watching(self) -> None:
        pause = LOOK_UPSTREAM_S if self._config.upstream else LOOK_S
        while True:
            await self._pause(pause if all(worker.is_up for worker in self.all) else LOOK_S)
            for worker in self.all:
                await self._look_at(worker)

    async def _pause(self, seconds: float) -> None:
        """So long, or until an engine does not answer a request."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._one_failed.wait(), seconds)
            self._one_failed.clear()
            await asyncio.sleep(LOOK_S)

    async def _look_at(self, worker: Worker) -> None:
        if worker.process is not None and worker.process.poll() is not None:
            if worker.next_start is None:
                _set_up(worker, False)
                wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (worker.starts - 1))
                worker.next_start = time.monotonic() + wait
                _logger.warning(
                    "engine %d ended with %s, started again in %g s:\n%s",
                    worker.number, worker.process.returncode, wait, _tail(worker),
                )  # fmt: skip
            elif time.monotonic() >= worker.next_start:
                worker.next_start = None
                self._launch(worker)
        elif not worker.is_up or worker.process is None:
            _set_up(worker, await self._answers(worker))

    def state(self) -> dict[str, Any]:
        """How many engines there are, and how many can be asked."""
        return {
            "engines": len(self.all),
            "up": sum(worker.is_up for worker in self.all),
            "starts": sum(worker.starts for worker in self.all),
        }


def _set_up(worker: Worker, is_up: bool) -> None:
    worker.is_up = is_up
    (worker.became_up.set if is_up else worker.became_up.clear)()


def _environment(launch: Launch) -> dict[str, str]:
    """Without the keys of those who ask, which are no business of the engine, and with its own."""
    kept = {name: value for name, value in os.environ.items() if name != VARIABLE}
    own = {launch.key_variable: launch.key} if launch.key_variable and launch.key else {}
    return {**kept, "HF_HUB_OFFLINE": "1", **own}


def _tail(worker: Worker) -> str:
    """The end of an engine's log."""
    if worker.log is None:
        return ""
    file = worker.log.fileno()  # read by place: the engine writes where the file's own position is
    end = os.fstat(file).st_size
    text = os.pread(file, TAIL_BYTES, max(0, end - TAIL_BYTES)).decode("utf-8", "replace").strip()
    return "\n".join(text.splitlines()[-TAIL_LINES:])


def addresses(urls: Sequence[str]) -> tuple[str, ...]:
    """Addresses of engines without a path. Raises InputError where one is none."""
    for url in urls:
        if not _is_address(url):
            raise InputError(f"--upstream {url}: no address", hint="for instance http://127.0.0.1:8001")
    return tuple(url.rstrip("/").removesuffix("/v1") for url in urls)


def _is_address(url: str) -> bool:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        return False
    return parsed.scheme in ("http", "https") and bool(parsed.host)
