"""How a checkpoint comes to be: written by all ranks, checked, hashed, committed; at once, or beside training.

Beside training (`async_save`) the steps wait for a copy into host memory alone. A thread on each rank then looks for
values that are no numbers, writes, flushes and hashes, and the first rank's commits and prunes. One save is under way at
most: the next waits for it, which is counted and said. What goes wrong in the thread is raised at the next step, on all
ranks at the same one, in the words that it would have had at once.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from qaz_llm.cluster.job import note_progress
from qaz_llm.errors import QazError, WorkError, WriteError
from qaz_llm.model.finite import LARGEST_WEIGHT, count_bad
from qaz_llm.progress import get_logger
from qaz_llm.train.health.finite import describe_bad, diverged
from qaz_llm.train.ranks.distributed import any_process, everyone, on_main, rank_and_size
from qaz_llm.train.ranks.sharding import uses_fsdp2
from qaz_llm.train.saving import checkpoint as checkpoints
from qaz_llm.train.saving.deferred import PendingWrite, deferred_writes, tensors_in
from qaz_llm.train.saving.host_copies import HostCopies
from qaz_llm.train.saving.marker import FileFacts

if TYPE_CHECKING:
    from qaz_llm.train.plan import TrainPlan

_logger = get_logger("train")

ROOM_FRAC = 0.8
"""Share of a host's memory that training and the copy of a save may take together where `async_save` is auto."""

_SAID_BY_TORCH = ("PytorchStreamWriter", "Parent directory", "cannot be opened")
"""By what a RuntimeError of `torch.save` is known as one of writing: a full disk, a folder that is gone, no permission."""


def saves_beside(plan: TrainPlan) -> bool:
    """What `async_save` comes to on this machine; said in the log with the memory that it takes.

    The copy holds 12 bytes per trained parameter: the weight and Adam's two moments, in float32.
    """
    config = plan.config
    if config.async_save == "off" or config.checkpoint_every_steps is None:
        return False
    if uses_fsdp2(config):
        _logger.info("async_save %s: not under FSDP2, checkpoints are written while training waits", config.async_save)
        return False
    copy_bytes = 12 * plan.trainable_parameters // (plan.environment.world_size if plan.zero_stage else 1)
    host_bytes = plan.environment.memory_bytes // plan.environment.local_world_size
    used_bytes = plan.memory_bytes if plan.device == "cpu" else 0
    fits = not host_bytes or used_bytes + copy_bytes <= ROOM_FRAC * host_bytes
    beside = fits or config.async_save == "on"
    _logger.info(
        "async_save %s: checkpoints are written %s; a copy takes about %.2f GiB of host memory per process%s",
        config.async_save,
        "beside training" if beside else "while training waits",
        copy_bytes / 2**30,
        "" if fits else f", too much beside {used_bytes / 2**30:.2f} of {host_bytes / 2**30:.1f} GiB",
    )
    return beside


class CheckpointSaver:
    """Saves whole checkpoints of one run into `folder`. All its methods are called on all ranks."""

    def __init__(
        self,
        folder: Path,
        *,
        identity: Mapping[str, Any],
        keep: int,
        beside: bool,
        spare: Callable[[], Collection[int]] = lambda: (),
    ) -> None:
        self.folder = folder
        self.identity = identity
        self.keep = keep
        self.spare = spare
        self.beside = not any_process(not beside)
        self.waits = 0
        self._thread: Thread | None = None
        self._error: Exception | None = None
        self._group: Any = _own_group() if self.beside else None
        self._copies = HostCopies() if self.beside else None
        self._warming: Thread | None = None

    def save(self, step: int, write: Callable[[], None], *, check: Callable[[], None]) -> None:
        """Save the step that `write` writes into the staging folder.

        `check` raises on all ranks where a weight or moment is no number; beside training the copies are looked at.

        Raises:
            WriteError: something could not be written, in this save or in the one before it.
            WorkError: training has diverged; nothing was committed.
        """
        self.wait()
        started = time.monotonic()
        on_main(partial(shutil.rmtree, checkpoints.staging_folder(self.folder), ignore_errors=True))
        if self._copies is None:
            check()
            _agree(self._attempt(step, write))
            self._complete(step)
            _say_saved(step, started, waited_s=time.monotonic() - started)
            return
        if self._warming is not None:
            self._warming.join()
        self._copies.begin()
        with deferred_writes(self._copies.copy) as pending:
            error = self._attempt(step, write)
        _agree(error)
        waited_s = time.monotonic() - started
        self._thread = Thread(target=self._beside, args=(step, pending, started, waited_s), daemon=True)
        self._thread.start()

    def warm(self, state: Callable[[], Any]) -> None:
        """Make the buffers for such a state beside the steps, once, so that the first save finds them."""
        if self._copies is not None and self._warming is None:
            self._warming = Thread(target=self._copies.warm, args=(state(),), daemon=True)
            self._warming.start()

    def poll(self) -> None:
        """Raise what has gone wrong beside training, as soon as all ranks know. Called after every step."""
        if self._thread is not None and not any_process(self._thread.is_alive()):
            self._end()

    def wait(self) -> None:
        """Wait for the save that is under way, and raise what has gone wrong in it."""
        if self._thread is None:
            return
        started = time.monotonic()
        was_alive = self._thread.is_alive()
        self._thread.join()
        if was_alive:
            self.waits += 1
            _logger.info(
                "waited %.1f s for the save under way (%d times so far)", time.monotonic() - started, self.waits
            )
        self._end()

    def close(self) -> None:
        """Let the save under way come to its end, whatever else has happened, and free the copies."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            _logger.error("the last save was not written: %s", self._error)
        if self._warming is not None:
            self._warming.join()
        if self._copies is not None:
            self._copies.close()

    def _end(self) -> None:
        error, self._thread, self._error = self._error, None, None
        if error is not None:
            raise error

    def _beside(self, step: int, pending: Sequence[PendingWrite], started: float, waited_s: float) -> None:
        """What the thread does."""
        try:
            self._complete(step, pending, self._group)
        except Exception as error:
            self._error = error
        else:
            _say_saved(step, started, waited_s=waited_s)

    def _complete(self, step: int, pending: Sequence[PendingWrite] = (), group: Any = None) -> None:
        """Write what is pending, agree that all have, hash, commit and prune."""
        staged = checkpoints.staging_folder(self.folder) / f"checkpoint-{step}"
        found = _count_bad(pending)
        if any(any(part.values()) for part in everyone(found, group=group)):
            raise diverged(describe_bad({kind: count for kind, count in found.items() if count}), step, self.folder)
        _agree(self._attempt(step, partial(_write, pending)), group)
        files: dict[str, FileFacts] = {}
        _agree(self._attempt(step, lambda: files.update(checkpoints.hash_share(staged, group=group))), group)
        files = {name: facts for part in everyone(files, group=group) for name, facts in part.items()}
        is_main = rank_and_size()[0] == 0
        _agree(self._attempt(step, partial(self._commit, step, staged, files)) if is_main else None, group)

    def _commit(self, step: int, staged: Path, files: Mapping[str, FileFacts]) -> None:
        checkpoints.commit(
            staged, self.folder, step=step, identity=self.identity, world_size=rank_and_size()[1], files=files
        )
        note_progress(f"step {step}")
        checkpoints.prune(self.folder, keep=self.keep, spare=self.spare())

    def _attempt(self, step: int, work: Callable[[], Any]) -> Exception | None:
        """Do it, and give what it raised."""
        try:
            with _as_write_errors(checkpoints.staging_folder(self.folder), step):
                work()
        except Exception as error:
            return error
        return None


def _write(pending: Sequence[PendingWrite]) -> None:
    for item in pending:
        item.write()


def _agree(error: Exception | None, group: Any = None) -> None:
    """Raise on all ranks what any of them has met: its own error where it has one, the first other one elsewhere."""
    shown = error if error is None or isinstance(error, QazError) else WorkError(f"{type(error).__name__}: {error}")
    errors = everyone(shown, group=group)
    if error is not None:
        raise error
    first = next((e for e in errors if e is not None), None)
    if first is not None:
        raise first


@contextmanager
def _as_write_errors(staging: Path, step: int) -> Iterator[None]:
    """Raise as WriteError what the libraries raise where a file cannot be written."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(words in str(error) for words in _SAID_BY_TORCH):
            raise
        raise WriteError(
            f"{staging}: the checkpoint of step {step} could not be written ({error})",
            hint="free some space or choose another run_dir; older checkpoints are whole",
        ) from error


def _count_bad(pending: Sequence[PendingWrite]) -> dict[str, int]:
    """How many values of the copies are no numbers, by what they are."""
    weights = (tensor for item in pending if item.is_weights for tensor in tensors_in(item.content))
    others = (tensor for item in pending if not item.is_weights for tensor in tensors_in(item.content))
    return {
        "weights": count_bad(weights, limit=LARGEST_WEIGHT),
        "moments of the optimizer": count_bad(others),
    }


def _say_saved(step: int, started: float, *, waited_s: float) -> None:
    if rank_and_size()[0] == 0:
        _logger.info("step %d saved in %.1f s; training waited %.2f s", step, time.monotonic() - started, waited_s)


def _own_group() -> Any:
    """A group of all processes over which the threads talk, apart from what training says over its own."""
    import torch.distributed as dist

    return dist.new_group(backend="gloo") if rank_and_size()[1] > 1 else None
