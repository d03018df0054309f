"""The training loop: transformers.Trainer with our order of rows, our collator, our schedule and our checkpoints.

The loss of a step, over all its micro-batches m on all ranks r, with n learned tokens in all:

    loss = Σ_r Σ_m Σ_tokens nll / n

Trainer counts n before the first forward pass, loss.py divides each micro-batch's sum by it, and Trainer undoes the
averaging over ranks that gradient reduction does by multiplying with their number. So 1×8, 8×1 and 2 processes learn the
same; a mean of means would not, wherever the micro-batches have different numbers of learned tokens.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from torch.optim.lr_scheduler import LambdaLR
from transformers import PrinterCallback, Trainer

from qaz_llm.errors import WriteError
from qaz_llm.model.adapters import save_adapter
from qaz_llm.progress import get_logger
from qaz_llm.train import checkpoint as checkpoints
from qaz_llm.train.collate import Collator
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.distributed import barrier, on_main
from qaz_llm.train.health import check_step, check_weights
from qaz_llm.train.schedule import lr_factor
from qaz_llm.train.watching.clock import timed

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, TrainerCallback, TrainingArguments

    from qaz_llm.rows.dataset import MixedDataset, StepSampler
    from qaz_llm.train.watching.watch import Watch

_logger = get_logger("train")


class PackedTrainer(Trainer):  # type: ignore[misc]  # transformers is not typed
    """Trains on packed rows in the order of a StepSampler, and saves whole checkpoints only."""

    def __init__(
        self,
        model: PreTrainedModel,
        arguments: TrainingArguments,
        *,
        config: TrainConfig,
        rows: MixedDataset,
        sampler: StepSampler,
        collator: Collator,
        identity: dict[str, Any],
        callbacks: list[TrainerCallback],
        watch: Watch,
    ) -> None:
        self.settings = config
        self.watch = watch
        self.clock = watch.clock
        self.sampler = sampler
        self.identity = identity
        self.checkpoints = config.run_dir / "checkpoints"
        if (
            arguments.n_gpu > 1
        ):  # Trainer would put a batch on each of them, and the steps would not be those of the plan
            _logger.warning(
                "%d GPUs here, one is used; for all: torchrun --nproc-per-node %d -m qaz_llm train …",
                arguments.n_gpu, arguments.n_gpu,
            )  # fmt: skip
            arguments._n_gpu = 1
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=rows,
            data_collator=collator,
            compute_loss_func=watch.losses,
            callbacks=callbacks,
        )
        self.model_accepts_loss_kwargs = False  # the model is asked for logits, the loss is ours
        self.remove_callback(PrinterCallback)  # our own lines say it

    def _get_train_sampler(self, train_dataset: Any = None) -> StepSampler:
        return self.sampler

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        """The schedule of schedule.py, in place of those that transformers knows."""
        scheduler: LambdaLR | None = getattr(self, "lr_scheduler", None)
        if scheduler is None:
            factor = partial(lr_factor, settings=self.settings, total_steps=num_training_steps)
            scheduler = LambdaLR(optimizer if optimizer is not None else self.optimizer, factor)
            self.lr_scheduler = scheduler
            self._created_lr_scheduler = True
        return scheduler

    def compute_loss(self, model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
        """Trainer's, told of which parts of the mix the rows are."""
        self.watch.losses.next_batch(inputs.pop("part_B", None))
        return super().compute_loss(model, inputs, *rest, **named)

    def floating_point_ops(self, inputs: Any) -> int:
        """Nothing: FLOPs are counted by metrics.py from the tokens; Trainer's own count walks all parameters each time."""
        return 0

    def _save(self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None) -> None:
        """Write the weights: of a model all, of an adapter its own alone."""
        from peft import PeftModel

        model = self.accelerator.unwrap_model(self.model)
        if isinstance(model, PeftModel) and self.args.should_save:
            save_adapter(model, Path(output_dir or self.args.output_dir), state_dict=state_dict)
        elif self.args.should_save:
            super()._save(output_dir, state_dict)

    def _maybe_log_save_evaluate(self, tr_loss: torch.Tensor, grad_norm: Any, *rest: Any, **named: Any) -> None:
        """What Trainer does at the end of a step, if the step's loss and gradient are numbers. The losses since the last
        row of metrics are summed in `tr_loss`; both have been waited for by now."""
        norm = None if grad_norm is None else float(grad_norm)
        check_step(float(tr_loss), norm, step=self.state.global_step, folder=self.checkpoints)
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, *rest, **named)

    def check_weights(self) -> None:
        """Raises WorkError where what is about to be written is not all numbers."""
        check_weights(self.model, self.optimizer, step=self.state.global_step, folder=self.checkpoints)

    @timed("saving")
    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        """Let Trainer write into the staging folder on all ranks, then commit it as `step-<n>` on the first."""
        self.check_weights()
        staging = checkpoints.staging_folder(self.checkpoints)
        on_main(partial(shutil.rmtree, staging, ignore_errors=True))
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, SafetensorError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "PytorchStreamWriter" not in str(error):
                raise
            raise WriteError(
                f"{staging}: the checkpoint of step {self.state.global_step} could not be written ({error})",
                hint="free some space or choose another run_dir; older checkpoints are whole",
            ) from error
        barrier()
        on_main(self._commit)

    def _commit(self) -> None:
        step = self.state.global_step
        staged = checkpoints.staging_folder(self.checkpoints) / f"checkpoint-{step}"
        checkpoints.commit(staged, self.checkpoints, step=step, identity=self.identity, world_size=self.args.world_size)
        checkpoints.prune(self.checkpoints, keep=self.settings.keep_checkpoints, spare=self.watch.spared_steps())
