"""Files of tensors copied into host memory now and written later, so that training goes on while they are.

Trainer, PEFT and DeepSpeed write tensors by two functions alone, `torch.save` and safetensors' `save_file`. Inside
`deferred_writes` these copy what they are given and note where it is to go; all else that a save does (which tensors
belong in a file, tied ones left out, names, configs) happens at once and in the same way as without.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 64 << 20
_SAFETENSORS_NAMES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip


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
        pending.append(PendingWrite(path, copied, True, lambda: write_safetensors(copied, path, metadata)))

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


def write_safetensors(tensors: Mapping[str, Any], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors on the CPU as a safetensors file, other threads running meanwhile.

    The library's own `save_file` holds the interpreter from the first byte to the last, and training with it. The
    format: 8 bytes with the length of the header, the header as JSON padded by spaces to a multiple of 8, the bytes of
    the tensors (https://huggingface.co/docs/safetensors). Kinds of numbers not known here go to the library.
    """
    names = {name: _SAFETENSORS_NAMES.get(str(t.dtype).removeprefix("torch.")) for name, t in tensors.items()}
    if None in names.values():
        from safetensors.torch import save_file

        save_file(dict(tensors), path, metadata=dict(metadata) if metadata else None)
        return
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))  # wide ones first keeps all aligned
    end = 0
    for name in order:
        start, end = end, end + tensors[name].numel() * tensors[name].element_size()
        header[name] = {"dtype": names[name], "shape": list(tensors[name].shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb", buffering=0) as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            _write_all(stream, tensors[name])


def _write_all(stream: Any, tensor: Any) -> None:
    """The bytes of a tensor; a raw stream may take fewer than it is given."""
    import torch

    data = memoryview(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
    while data:
        data = data[stream.write(data[:_CHUNK_BYTES]) :]
