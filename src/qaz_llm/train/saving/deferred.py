"""Files of tensors copied into host memory now and written later, so that training goes on while they are.

Trainer, PEFT and DeepSpeed write tensors by two functions alone, `torch.save` and safetensors' `save_file`. Inside
`deferred_writes` these copy what they are given and note where it is to go; all else that a save does (which tensors
belong in a file, tied ones left out, names, configs) happens at once and in the same way as without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PendingWrite:
    """A file to be, and the copy of what goes into it. `is_weights`: of the model, as safetensors."""

    path: Path
    content: Any
    is_weights: bool
    write: Callable[[], None]


@contextmanager
def deferred_writes(copy: Callable[[Any], Any]) -> Iterator[list[PendingWrite]]:
    """Let files of tensors be noted instead of written, by this process, until the block ends.

    `copy` gives the same structure with all tensors copied into host memory.
    """
    import peft.peft_model
    import torch
    import transformers.modeling_utils
    from safetensors.torch import save_file as library_save_file

    pending: list[PendingWrite] = []
    torch_save = torch.save

    def save(content: Any, file: Any, *args: Any, **named: Any) -> None:
        if not isinstance(file, str | Path):
            torch_save(content, file, *args, **named)
            return
        copied = copy(content)
        pending.append(PendingWrite(Path(file), copied, False, lambda: torch_save(copied, file, *args, **named)))

    def save_file(tensors: dict[str, Any], filename: Any, metadata: dict[str, str] | None = None) -> None:
        copied = copy(dict(tensors))
        path = Path(filename)
        pending.append(PendingWrite(path, copied, True, lambda: library_save_file(copied, path, metadata)))

    with ExitStack() as replaced:
        replaced.enter_context(_replaced(torch, "save", save))
        for module in (transformers.modeling_utils, peft.peft_model):
            replaced.enter_context(_replaced(module, "safe_save_file", save_file))
        yield pending


@contextmanager
def _replaced(module: Any, name: str, function: Callable[..., None]) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, function)
    try:
        yield
    finally:
        setattr(module, name, before)


def tensors_in(content: Any) -> Iterator[Any]:
    """All tensors in nested dicts, lists and tuples."""
    import torch

    if isinstance(content, torch.Tensor):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from tensors_in(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from tensors_in(value)
