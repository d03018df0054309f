"""A checkpoint whose bytes are as they were written, and which cannot be loaded all the same: the one before it is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from qaz_llm.errors import CheckpointError, QazError
from qaz_llm.train.ranks.distributed import on_main, rank_and_size
from qaz_llm.train.saving.checkpoint import Checkpoint, set_aside

T = TypeVar("T")


class NotLoadedError(CheckpointError):
    """A checkpoint that could not be loaded. `path` is where it lies."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path}: could not be loaded ({problem})",
            hint=f"move {path.name} elsewhere, and the same command goes on from the one before it",
        )
        self.path = path
        self.problem = problem


@contextmanager
def naming_checkpoint(path: str | Path | None) -> Iterator[None]:
    """Raise NotLoadedError in place of whatever a library says of a file it cannot load. Too little memory is no fault
    of the file."""
    import torch

    try:
        yield
    except (QazError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if path is None:
            raise
        raise NotLoadedError(Path(path), f"{type(error).__name__}: {str(error).splitlines()[0][:200]}") from error


def with_older_ones(
    work: Callable[[Checkpoint | None, Callable[[], None]], T],
    newest: Checkpoint | None,
    next_older: Callable[[Mapping[Path, str]], Checkpoint | None],
) -> T:
    """`work(checkpoint, loaded)`, with the next older checkpoint where one cannot be loaded.

    `work` calls `loaded` once a checkpoint has been: the ones that could not are set aside then, for it is they that are
    at fault. Several processes cannot start over together, so there the error stands.

    Raises:
        CheckpointError: none could be loaded. Nothing is begun anew over what may be good.
    """
    failed: dict[Path, str] = {}

    def loaded() -> None:
        while failed:
            path, problem = failed.popitem()
            on_main(partial(set_aside, path, f"could not be loaded ({problem})"))

    while True:
        try:
            return work(newest, loaded)
        except NotLoadedError as error:
            if rank_and_size()[1] > 1:
                raise
            failed[error.path] = error.problem  # the error itself would keep the model alive, by its traceback
        newest = next_older(failed)
        if newest is None:
            shown = "; ".join(f"{path.name}: {problem}" for path, problem in failed.items())
            raise CheckpointError(
                f"no checkpoint in {next(iter(failed)).parent} could be loaded ({shown})",
                hint="see whether torch, transformers or deepspeed were changed since; another run_dir begins anew",
            )
