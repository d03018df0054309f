"""The training loop over a model that FSDP2 shares out, with checkpoints by torch's distributed checkpoint (DCP).

checkpoints/step-<n>/shards/    weights that are trained, their moments, the optimizer's groups: each process its part

DCP puts the parts together by the names of the tensors, so that another number of processes may go on from them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

from transformers.trainer import SCHEDULER_NAME

from qaz_llm.train.loop.trainer import PackedTrainer
from qaz_llm.train.ranks.sharding import reshard
from qaz_llm.train.saving.loading import naming_checkpoint

SHARDS_FOLDER = "shards"


class ShardedTrainer(PackedTrainer):
    """PackedTrainer for a model that is shared out already, as transformers calls it: neither moved nor wrapped again."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.is_distributed_loading_by_transformers = True  # of the model it would mean that nothing can be resumed

    def _move_model_to_device(self, model: Any, device: Any) -> None:
        """Nothing: the parts are where they belong."""

    def _defer_fsdp_gradient_reduction(self) -> AbstractContextManager[None]:
        """Gradients are reduced at each micro-batch: held back to the last one, they would be held whole."""
        return nullcontext()

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Nothing: the weights are among the shards."""

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        import torch
        from torch.distributed.checkpoint.api import CheckpointException
        from torch.distributed.checkpoint.state_dict_saver import save

        try:
            save(self._state(), checkpoint_id=Path(output_dir) / SHARDS_FOLDER)
        except CheckpointException as error:  # no Exception by its class, and raised on all processes alike
            raise OSError(str(error)) from error
        if self.args.should_save:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Nothing: the weights come with the optimizer, once there is one."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        import torch
        from torch.distributed.checkpoint.api import CheckpointException
        from torch.distributed.checkpoint.state_dict import StateDictOptions, set_state_dict
        from torch.distributed.checkpoint.state_dict_loader import load

        with naming_checkpoint(checkpoint):
            state = self._state()
            try:
                load(state, checkpoint_id=Path(checkpoint) / SHARDS_FOLDER)
            except CheckpointException as error:  # no Exception by its class
                raise OSError(str(error)) from error
            set_state_dict(
                self.model,
                self._inner_optimizer,
                model_state_dict=state["model"],
                optim_state_dict=state["optimizer"],
                options=StateDictOptions(ignore_frozen_params=True, strict=False),
            )
            self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER_NAME, weights_only=True))
            self.on_loaded()

    @property
    def _inner_optimizer(self) -> Any:
        """Torch's own, within accelerate's."""
        return cast(Any, self.optimizer).optimizer

    def _state(self) -> dict[str, Any]:
        """Weights that are trained and all of the optimizer, by the names of the tensors, as this process holds them."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict

        reshard(self.model)
        options = StateDictOptions(ignore_frozen_params=True)
        weights, moments = get_state_dict(self.model, self._inner_optimizer, options=options)
        return {"model": weights, "optimizer": moments}
