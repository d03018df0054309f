"""FSDP2: weights, gradients and moments shared out among the processes, tensor by tensor, by torch's own `fully_shard`.

    each decoder layer    one group: gathered before the layer runs and freed after it, forward and backward
    all else              one group: tables (a tied one once), the last norm, rows of new tokens

The model is made whole first, with its new rows and adapters, and shared out then, before Trainer sees it. accelerate
would do the same for GPUs and leaves it out on a CPU (`AcceleratorState` knows FSDP beside MULTI_GPU alone), so `fully_shard`
is called here: one way for both. Gradients are reduced in float32 at each micro-batch, so that none is held whole.

Under bf16 what is gathered and computed with is bf16; the shards that Adam moves stay float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    import torch

    from qaz_llm.train.config import TrainConfig

_logger = get_logger("train")


def uses_fsdp2(config: TrainConfig) -> bool:
    return config.distributed.backend == "fsdp2"


def sharded_identity(config: TrainConfig) -> dict[str, str]:
    """What a checkpoint's form adds to what identifies a run: nothing for the engines that were there before FSDP2."""
    return {"backend": "fsdp2"} if uses_fsdp2(config) else {}


def shard(model: Any, config: TrainConfig, device: str) -> Any:
    """The model shared out among the processes where the config asks for FSDP2, else as it is. Called on all of them."""
    if not uses_fsdp2(config):
        return model
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

    from qaz_llm.model.kernels.layers import decoder_layers

    mesh = init_device_mesh(device, (torch.distributed.get_world_size(),))
    half = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    options: dict[str, Any] = {
        "mesh": mesh,
        "reshard_after_forward": config.distributed.reshard_after_forward,
        "mp_policy": half if config.precision == "bf16" else MixedPrecisionPolicy(),
    }
    layers = list(decoder_layers(model))
    for layer in layers:
        fully_shard(layer, **options)
    fully_shard(model, **options)
    register_fsdp_forward_method(model, "generate")  # reads the tables before it calls the model
    if not layers:
        _logger.warning("%s names no layers to share out one by one: all are gathered at once", type(model).__name__)
    _logger.info("FSDP2: %d layers and the tables shared out among %d processes", len(layers), mesh.size())
    return model


def is_sharded(model: Any) -> bool:
    """Whether an engine holds the weights in parts, ZeRO-3 or FSDP2, and takes no gradients but its own."""
    from torch.distributed.tensor import DTensor

    return any(hasattr(p, "ds_id") or isinstance(p, DTensor) for p in model.parameters())


def own_part(tensor: torch.Tensor) -> torch.Tensor:
    """What this process holds of a tensor: of one that is not shared out, all of it."""
    from torch.distributed.tensor import DTensor

    part: torch.Tensor = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return part


def reshard(model: Any) -> None:
    """Free what a pass without backward left gathered, so that the parameters are those that the optimizer moves."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def whole_weights(model: Any, *, trained_only: bool) -> dict[str, torch.Tensor]:
    """The weights put together, on the CPU of the first process; empty on the others. Called on all of them.

    Tied tensors stay one tensor under their two names.
    """
    import torch.distributed as dist
    from torch.distributed.tensor import DTensor

    trained = {name for name, p in model.named_parameters(remove_duplicate=False) if p.requires_grad}
    keeps = dist.get_rank() == 0
    whole: dict[str, torch.Tensor] = {}
    seen: dict[int, torch.Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if trained_only and name not in trained:
            continue
        if id(tensor) not in seen:
            full = tensor.detach()
            full = full.full_tensor() if isinstance(full, DTensor) else full
            seen[id(tensor)] = full.cpu() if keeps else full.new_empty(0)
        if keeps:
            whole[name] = seen[id(tensor)]
    return whole
