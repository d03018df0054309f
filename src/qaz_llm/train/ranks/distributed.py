"""Several processes as one: meeting, letting one work while the others wait, agreeing to stop."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

from qaz_llm.cluster.environment import Environment, export_variables, free_port

T = TypeVar("T")


def start_process_group(
    environment: Environment, *, on_cpu: bool, sharded: bool, timeout_minutes: int, store: Any = None
) -> None:
    """Meet the other processes. Also alone where DeepSpeed or FSDP2 runs, which know no work without a process group.

    `store`: where they have met already; else they meet where the environment says.
    """
    import torch
    import torch.distributed as dist

    export_variables(environment)
    if environment.world_size == 1 and not sharded:
        return
    if environment.launcher == "alone":
        os.environ.update({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"})
    if dist.is_initialized():
        return
    if environment.launcher == "alone":
        os.environ.update({"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())})
    if not on_cpu:
        torch.cuda.set_device(environment.local_rank)
    backend, limit = "gloo" if on_cpu else "nccl", timedelta(minutes=timeout_minutes)
    if store is None:
        dist.init_process_group(backend, timeout=limit)
    else:
        own = dist.PrefixStore("group", store)  # type: ignore[attr-defined]
        rank, world_size = environment.rank, environment.world_size
        dist.init_process_group(backend, timeout=limit, store=own, rank=rank, world_size=world_size)


def stop_process_group(*, lasting: bool = False) -> None:
    """Part from the other processes, if ever met; `lasting`: when the process ends.

    DeepSpeed keeps the groups it was first given for the life of the process, and a second training in it would use
    them: where it has been at work, they part when the process ends. So they do after FSDP2, whose device mesh keeps the
    group's connections: a second group would be given their addresses and wait at them for ever.
    """
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return
    if lasting or getattr(sys.modules.get("deepspeed.comm.comm"), "cdb", None) is not None:
        atexit.unregister(_destroy)
        atexit.register(_destroy)
    else:
        dist.destroy_process_group()


def _destroy() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()


def barrier() -> None:
    """Wait until all processes are here."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        dist.barrier()


def rank_and_size() -> tuple[int, int]:
    """Number of this process and how many there are; (0, 1) alone."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def everyone(value: T, *, group: Any = None) -> list[T]:
    """What each process gives, in the order of their ranks, on all of them. `group`: over which they talk."""
    import torch.distributed as dist

    _, world_size = rank_and_size()
    if world_size == 1:
        return [value]
    gathered: list[Any] = [None] * world_size
    dist.all_gather_object(gathered, value, group=group)
    return gathered


def gather_numbers(values: Sequence[float]) -> list[list[float]]:
    """The numbers that each process gives, as many from each, in the order of their ranks, on all of them."""
    import torch
    import torch.distributed as dist

    if rank_and_size()[1] == 1:
        return [list(values)]
    device = "cpu" if dist.get_backend() == "gloo" else "cuda"
    own = torch.tensor(values, dtype=torch.float64, device=device)
    gathered = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, own)
    return [numbers.tolist() for numbers in gathered]


def on_main(work: Callable[[], T]) -> T:
    """Let the first process do `work` while the others wait, and give all of them its result.

    What it raises is raised everywhere, so that no process waits for one that has failed.
    """
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return work()
    box: list[Any] = [None, None]
    if dist.get_rank() == 0:
        try:
            box[0] = work()
        except Exception as error:
            box[1] = error
    dist.broadcast_object_list(box, src=0)
    if box[1] is not None:
        raise box[1]
    return cast(T, box[0])


def any_process(flag: bool) -> bool:
    """True on all processes as soon as one of them says so."""
    import torch
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return flag
    device = "cpu" if dist.get_backend() == "gloo" else "cuda"
    vote = torch.tensor([int(flag)], dtype=torch.int32, device=device)
    dist.all_reduce(vote, op=dist.ReduceOp.MAX)
    return bool(vote.item())
