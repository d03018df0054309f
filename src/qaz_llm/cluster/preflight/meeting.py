"""How processes talk before there is a process group: by a TCPStore, torch's own meeting place.

A process group cannot be had first: NCCL needs the very GPUs and links that are to be looked at, and one process that
never comes makes `init_process_group` fail after ten minutes without saying which. A store needs TCP alone, and what lies in it says who
has been there. The process group is then made over the same store, so that there is one port and one first moment.

    came/<rank>       each process → the first one: where it is
    go                the first one → all: a word to read clocks and shared folders by
    <what>/<rank>     each process → the first one
    <what>            the first one → all
    end, heard/<rank> the first one → all: it ends, and why; each → the first one: it has read that
    failed            a process that ends before it comes → the first one: why; for all meetings

torchrun serves a store itself (TORCHELASTIC_USE_AGENT_STORE), at the port that it tells; else the first process does. A
process may train several times: the store lives as long as it does, and each meeting has its own names.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.job import first_said
from qaz_llm.cluster.preemption import LostError
from qaz_llm.errors import ConfigError, QazError, WorkError

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

LOOK_EVERY_S = 0.05
_END = "end"
_FAILED = "failed"
HEARD_S = 5.0
"""The first process, that may serve the store, stays so long at most until the others have read why it ends: the store goes with it."""

CONNECT_S = 5.0
"""A first process that is there answers an attempt to connect within this."""

TELL_S = 45.0
"""Who ends before it comes looks so long for the first process, to tell it: that one may be importing torch from a slow disk."""

VERDICT_FACTOR = 3
"""The others wait so many times as long for the first process as it does for them: it waits for each of them first."""


class AbsentError(WorkError):
    """Processes that did not come, or came and did not answer. `given`: what the others gave, by rank."""

    def __init__(self, message: str, given: Mapping[int, Any], ranks: Sequence[int]) -> None:
        super().__init__(message)
        self.given = given
        self.ranks = tuple(ranks)


class FollowedError(QazError):
    """Another process, most often the first, found why the run ends; this one ends with it, by the same words and exit code."""

    def __init__(self, message: str, *, hint: str | None, exit_code: int) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class Meeting:
    """One meeting of all processes of a run, as one of them."""

    def __init__(self, store: Store, environment: Environment, *, wait_s: float, lobby: Store | None = None) -> None:
        self.store = store
        self.lobby = store if lobby is None else lobby
        self.rank = environment.rank
        self.world_size = environment.world_size
        self.first_place = f"{environment.master_addr}:{environment.master_port}"
        self.wait_s = wait_s

    def give(self, what: str, value: Any) -> None:
        """Tell the first process a JSON value."""
        self.store.set(f"{what}/{self.rank}", json.dumps(value))

    def gather(self, what: str) -> list[Any]:
        """What each process gave, in the order of ranks; for the first process.

        Raises AbsentError with those that have given nothing after `wait_s`; FollowedError where one of them says that it ended.
        """
        keys = [f"{what}/{rank}" for rank in range(self.world_size)]
        is_there = self._wait(lambda: self.store.check(keys) or self.lobby.check([_FAILED]), self.wait_s)
        if self.lobby.check([_FAILED]):
            place, message, hint, code = json.loads(self.lobby.get(_FAILED))
            raise FollowedError(f"{place}: {message}", hint=hint, exit_code=code)
        if not is_there:
            there = [rank for rank, key in enumerate(keys) if self.store.check([key])]
            given = {rank: json.loads(self.store.get(keys[rank])) for rank in there}
            if absent := [rank for rank in range(self.world_size) if rank not in given]:
                raise AbsentError(f"nothing from {len(absent)} of {self.world_size} processes", given, absent)
        return [json.loads(self.store.get(key)) for key in keys]

    def tell(self, what: str, value: Any) -> None:
        """Tell all processes a JSON value; for the first process."""
        self.store.set(what, json.dumps(value))

    def end(self, error: QazError) -> None:
        """Let the others end too, while they wait for a word, and wait until those that came have it; for the first process."""
        self.store.set(_END, json.dumps([error.message, error.hint, error.exit_code]))
        others = range(1, self.world_size)
        came = [rank for rank in others if self.store.check([f"came/{rank}"])]
        self._wait(lambda: not came or self.store.check([f"heard/{rank}" for rank in came]), min(HEARD_S, self.wait_s))

    def hear(self, what: str) -> Any:
        """What the first process tells.

        Raises FollowedError where it ends instead, LostError where it says nothing.
        """
        limit_s = VERDICT_FACTOR * self.wait_s
        try:
            is_told = self._wait(lambda: self.store.check([what]) or self.store.check([_END]), limit_s)
            if is_told and self.store.check([_END]):
                message, hint, code = json.loads(self.store.get(_END))
                with suppress(RuntimeError):  # the first process may have waited long enough
                    self.store.set(f"heard/{self.rank}", "")
                raise FollowedError(message, hint=hint, exit_code=code)
            if not is_told:
                raise LostError(
                    f"the first process, at {self.first_place}, has said nothing for {limit_s:.0f} s",
                    hint="look at its log; it may hang on a disk or a driver",
                )
            return json.loads(self.store.get(what))
        except RuntimeError as error:  # DistStoreError: the store went with the first process
            raise LostError(
                f"the first process, at {self.first_place}, was lost before all had been looked at"
            ) from error

    @staticmethod
    def _wait(is_there: Callable[[], bool], limit_s: float) -> bool:
        end = time.monotonic() + limit_s
        while not is_there():
            if time.monotonic() > end:
                return False
            time.sleep(LOOK_EVERY_S)
        return True


def open_meeting(environment: Environment, *, wait_s: float) -> Meeting:
    """Come to the meeting place.

    Raises:
        ConfigError: its port is another program's.
        LostError: the first process did not open it within `wait_s`.
    """
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]

    is_served = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    is_server = environment.is_main and not is_served
    store = _store(environment.master_addr, environment.master_port, is_server, wait_s)
    number = store.add(f"meetings/{environment.rank}", 1)
    return Meeting(PrefixStore(f"qaz/{number}", store), environment, wait_s=wait_s, lobby=store)


def tell_first(environment: Environment, error: QazError) -> None:
    """Let the first process know that this one ends before it comes to the next meeting, so that nobody waits for it.

    Does nothing where nobody listens within TELL_S: the first process has no need to be told, or ends by the same error.
    """
    address, port = environment.master_addr, environment.master_port
    if environment.is_main or _unserved(address, port, TELL_S, or_until=lambda: first_said() is not None) is not None:
        return
    place = f"rank {environment.rank} on {environment.node}"
    with suppress(QazError, RuntimeError):
        store = _store(address, port, False, TELL_S)
        store.set(_FAILED, json.dumps([place, error.message, error.hint, error.exit_code]))


def _unserved(address: str, port: int, limit_s: float, *, or_until: Callable[[], bool] = lambda: False) -> str | None:
    """Why nothing listens there within `limit_s`; None where something does. Asked of the system: torch hears no signal while it looks."""
    end = time.monotonic() + limit_s
    while True:
        try:
            with socket.create_connection((address, port), timeout=CONNECT_S):
                return None
        except OSError as error:
            if time.monotonic() > end or or_until():
                return error.strerror or str(error)
        time.sleep(LOOK_EVERY_S)


@cache
def _store(address: str, port: int, is_server: bool, wait_s: float) -> Store:
    from torch.distributed import DistError, PrefixStore, TCPStore  # type: ignore[attr-defined]

    place = f"{address}:{port}"
    if not is_server and (why := _unserved(address, port, wait_s)) is not None:
        raise _not_met(f"{place}: the first process (rank 0) was not there within {wait_s:.0f} s ({why})")
    try:
        store = TCPStore(
            address,
            port,
            is_master=is_server,
            timeout=timedelta(seconds=wait_s),
            wait_for_workers=False,
        )
    except DistError as error:
        if is_server and "EADDRINUSE" in str(error):
            raise ConfigError(
                f"{place}: the port where processes are to meet is used by another program",
                hint="set MASTER_PORT to another one; torchrun --standalone finds a free one on a single machine",
            ) from error
        who = "the meeting place could not be opened" if is_server else "no answer of the first process (rank 0)"
        raise _not_met(f"{place}: {who} within {wait_s:.0f} s ({str(error).splitlines()[0]})") from error
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"attempt/{attempt}", store)


def _not_met(message: str) -> LostError:
    hint = "is that the first node's name or address, as the others see it? MASTER_ADDR and MASTER_PORT say it"
    return LostError(message, hint=hint)


def where_absent(ranks: Sequence[int], came: Mapping[int, str], hosts: Sequence[str], per_node: int) -> dict[int, str]:
    """The node of each absent rank: by one of its neighbours that came, else by Slurm's list of the step's nodes, else none.

    >>> where_absent([1, 2, 3], {0: "a"}, ["a", "b"], 2)
    {1: 'a', 2: 'b', 3: 'b'}
    """
    places: dict[int, str] = {}
    for rank in ranks:
        number = rank // per_node
        neighbours = [came[other] for other in range(number * per_node, (number + 1) * per_node) if other in came]
        if neighbours:
            places[rank] = neighbours[0]
        elif number < len(hosts):
            places[rank] = hosts[number]
    return places
