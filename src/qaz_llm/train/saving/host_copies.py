"""Copies of a run's state in host memory, in buffers that are kept from save to save.

A buffer costs more when it is first written to, page by page, than when it is filled again (about eight times on one
machine); so they are kept, and `warm` makes them beside the first steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from qaz_llm.train.saving.deferred import tensors_in

if TYPE_CHECKING:
    import torch

Key = tuple[int, int]
"""Address and bytes of a storage: by it a buffer is found again, nothing more."""


class HostCopies:
    """Copies nested state. What shares storage shares it in the copy, as in what `torch.save` writes."""

    def __init__(self) -> None:
        self._free: dict[Key, torch.Tensor] = {}
        self._used: list[tuple[Key, torch.Tensor]] = []

    def begin(self) -> None:
        """The copies made before are no longer needed: their buffers may be filled again, others are let go."""
        if self._used:
            self._free, self._used = dict(self._used), []

    def warm(self, content: Any) -> None:
        """Make buffers for such state. What is in it may change meanwhile: nothing is read."""
        keys = {_key(tensor.untyped_storage()) for tensor in _plain(tensors_in(content))}
        self._free |= {key: _buffer(key[1]).zero_() for key in keys - self._free.keys()}

    def copy(self, content: Any) -> Any:
        """The same structure with tensors of its own. Buffers given out are not used twice before `begin`."""
        storages: dict[Key, torch.Tensor] = {}
        memo: dict[int, Any] = {id(t): self._copy_tensor(t, storages) for t in _plain(tensors_in(content))}
        return deepcopy(content, memo)

    def close(self) -> None:
        self._free, self._used = {}, []

    def _copy_tensor(self, tensor: torch.Tensor, storages: dict[Key, torch.Tensor]) -> torch.Tensor:
        import torch

        storage = tensor.untyped_storage()
        key = _key(storage)
        if key not in storages:
            buffer = self._free.pop(key, None)
            storages[key] = _buffer(key[1]) if buffer is None else buffer
            storages[key].copy_(torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(storage))
            self._used.append((key, storages[key]))
        copied = torch.empty(0, dtype=tensor.dtype)
        copied.set_(storages[key].untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())
        return copied


def _plain(tensors: Iterable[Any]) -> list[torch.Tensor]:
    """Those that are bytes in a storage and nothing more; of all others deepcopy knows."""
    import torch

    return [t for t in tensors if type(t) is torch.Tensor and t.layout == torch.strided and not t.is_quantized]


def _key(storage: torch.UntypedStorage) -> Key:
    return storage.data_ptr(), storage.nbytes()


def _buffer(size_bytes: int) -> torch.Tensor:
    """Pinned where there is a GPU: copies from it are faster."""
    import torch

    return torch.empty(size_bytes, dtype=torch.uint8, pin_memory=torch.cuda.is_available())
