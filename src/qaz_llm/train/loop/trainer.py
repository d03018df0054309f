"""The training loop: transformers.Trainer with our order of rows, our collator, our schedule and our checkpoints.

The loss of a step, over all its micro-batches m on all ranks r, with n learned tokens in all:

    loss = Σ_r Σ_m Σ_tokens nll / n

Trainer counts n before the first forward pass, loss.py divides each micro-batch's sum by it, and Trainer undoes the
averaging over ranks that gradient reduction does by multiplying with their number. So 1×8, 8×1 and 2 processes learn the
same; a mean of means would not, wherever the micro-batches have different numbers of learned tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import PrinterCallback, Trainer

from qaz_llm.model.adapters import save_adapter
from qaz_llm.progress import get_logger
from qaz_llm.records import IGNORE_INDEX
from qaz_llm.train.batches.collate import Collator
from qaz_llm.train.batches.loss import share_of_step
from qaz_llm.train.batches.loss_probe import TokenLosses
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.health.divergence import StepWatch
from qaz_llm.train.health.finite import check_weights
from qaz_llm.train.loop.between_steps import evaluating
from qaz_llm.train.loop.optimizer import has_own_groups, make_optimizer
from qaz_llm.train.loop.schedule import lr_factor
from qaz_llm.train.ranks.heartbeat import Heartbeat
from qaz_llm.train.saving.loading import naming_checkpoint
from qaz_llm.train.saving.saver import CheckpointSaver
from qaz_llm.train.watching.clock import timed

if TYPE_CHECKING:
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
        saves_beside: bool,
        on_loaded: Callable[[], None],
        watch: StepWatch,
        beat: Heartbeat,
        watching: Watch,
        token_losses: TokenLosses | None = None,
        callbacks: list[TrainerCallback],
    ) -> None:
        self.settings = config
        self.beat = beat
        self.token_losses = token_losses
        self._first_step: int | None = None
        self._newest: dict[int, dict[str, Any]] = {}
        self.watch = watch
        self.watching = watching
        self.clock = watching.clock
        self.sampler = sampler
        self.on_loaded = on_loaded
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
            compute_loss_func=watching.losses,
            callbacks=[*callbacks, watch],
        )
        self.model_accepts_loss_kwargs = False  # the model is asked for logits, the loss is ours
        self.remove_callback(PrinterCallback)  # our own lines say it
        self.saver = CheckpointSaver(
            self.checkpoints,
            identity=identity,
            keep=config.keep_checkpoints,
            spare=watching.spared_steps,
            beside=saves_beside,
        )

    def _get_train_sampler(self, train_dataset: Any = None) -> StepSampler:
        return self.sampler

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Trainer's own, unless the config asks for groups that it does not know (optimizer.py)."""
        if getattr(self, "optimizer", None) is None and has_own_groups(self.settings):
            trained = self.model if model is None else model
            adamw = self.get_optimizer_cls_and_kwargs(self.args, trained)
            self.optimizer = make_optimizer(trained, self.get_decay_parameter_names(trained), self.settings, *adamw)
        optimizer: torch.optim.Optimizer = super().create_optimizer(model)
        return optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        """The schedule of schedule.py, in place of those that transformers knows."""
        scheduler: LambdaLR | None = getattr(self, "lr_scheduler", None)
        if scheduler is None:
            factor = partial(lr_factor, settings=self.settings, total_steps=num_training_steps)
            scheduler = LambdaLR(optimizer if optimizer is not None else self.optimizer, factor)
            self.lr_scheduler = scheduler
            self._created_lr_scheduler = True
        return scheduler

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

    def _mark(self, what: str) -> None:
        """Tell the heartbeat what begins. The first step compiles and warms up, and may take long."""
        step = self.state.global_step + 1
        if self._first_step is None:
            self._first_step = step
        self.beat.mark(what, step=step, is_long=step == self._first_step)

    def get_batch_samples(self, *arguments: Any, **named: Any) -> Any:
        self._mark("reading rows")
        self.watching.times.begin_reading()
        return super().get_batch_samples(*arguments, **named)

    def _get_num_items_in_batch(self, *arguments: Any, **named: Any) -> Any:
        self.watching.times.end_reading()
        self._mark("counting tokens")
        return self.count_items(*arguments, **named)

    def count_items(self, *arguments: Any, **named: Any) -> Any:
        """What the loss of a step is divided by, over all ranks: the learned tokens, as Trainer counts them."""
        return super()._get_num_items_in_batch(*arguments, **named)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
        """`batch_loss`, told of which parts of the mix the rows are. Only within a step: all ranks make the same marks."""
        self._mark("the forward pass")
        self.watching.losses.next_batch(inputs.pop("part_B", None))
        with self.watching.times.forward():
            loss = self.batch_loss(model, inputs, *rest, **named)
        self._mark("the backward pass")
        return loss

    def batch_loss(self, model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
        """A micro-batch's share of the step's loss: Trainer's, by the loss function it was given."""
        return super().compute_loss(model, self._asked(inputs), *rest, **named)

    def _asked(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return inputs if self.token_losses is None else self.token_losses.asked(inputs)

    def training_step(self, model: Any, inputs: dict[str, Any], *rest: Any) -> torch.Tensor:
        """A micro-batch's forward and backward pass, whose loss StepWatch adds up."""
        self._remember(inputs)
        loss: torch.Tensor = super().training_step(model, inputs, *rest)
        self.watch.add(loss, self._tr_loss)
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """The gradient's norm, known just before the update: then the step is judged (divergence.py)."""
        self._mark("the update")
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        self._tr_loss = self.watch.judge(self.state.global_step + 1, norm, self.optimizer)
        return norm

    def _maybe_log_save_evaluate(self, *arguments: Any, **named: Any) -> None:
        """What Trainer does at the end of a step. Nothing is saved before the verdicts of all steps are known."""
        self.saver.poll()
        if self.args.should_save and not self.is_deepspeed_enabled:  # DeepSpeed makes its state anew at each save
            self.saver.warm(lambda: [self.optimizer.state_dict(), self._trained_state()])
        self.watch.look(at_all=self.control.should_save)
        if self.control.should_save:
            self.beat.mark("saving", step=self.state.global_step, is_long=True)
        if self.control.should_save:
            self._look_again()
        super()._maybe_log_save_evaluate(*arguments, **named)

    def _remember(self, inputs: dict[str, Any]) -> None:
        """Keep the last micro-batch of each of the newest steps, as many as can be skipped in a row and one more."""
        self._newest[self.state.global_step + 1] = dict(inputs)
        while len(self._newest) > self.watch.limits.max_skips_in_row + 1:
            del self._newest[min(self._newest)]

    def _look_again(self) -> None:
        """Ask the model for the loss of what it learned last: of the newest step that made an update. Where none did since
        the last checkpoint, the weights are those that were looked at then."""
        learned = [step for step in self._newest if step not in self.watch.skipped]
        if learned:
            inputs = self._newest[max(learned)]
            self.watch.look_again(self.loss_of(inputs, self.model_wrapped), step=max(learned))
        self._newest.clear()

    def loss_of(self, inputs: dict[str, Any], model: Any) -> float:
        """Nats per learned token of a micro-batch, by the weights as they are now.

        `model` is the wrapped one where all processes ask, and the model itself where one asks by itself.
        """
        batch = self._asked(dict(self._prepare_inputs(inputs)))
        labels_BL = batch.pop("labels")
        batch.pop("part_B", None)
        learned = (labels_BL[:, 1:] != IGNORE_INDEX).sum().clamp(min=1)
        with evaluating(model), torch.no_grad(), self.compute_loss_context_manager(), self.accelerator.autocast():
            return float(share_of_step(model(**batch), labels_BL, learned))

    def log(self, logs: dict[str, float], *arguments: Any, **named: Any) -> None:
        """The numbers of a row of metrics, with what is not a number left out and how many steps were skipped."""
        counted = {"skipped_steps": float(len(self.watch.skipped))} if self.watch.skipped else {}
        super().log({k: v for k, v in logs.items() if math.isfinite(v)} | counted, *arguments, **named)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        with naming_checkpoint(resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with naming_checkpoint(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)
            if checkpoint is not None:
                self.on_loaded()

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with naming_checkpoint(checkpoint):
            super()._load_rng_state(checkpoint)

    def _trained_state(self) -> list[Any]:
        """The weights that a save writes: of an adapter its own alone."""
        from peft import PeftModel

        model = self.accelerator.unwrap_model(self.model)
        parameters = model.parameters()
        return [p.detach() for p in parameters if p.requires_grad or not isinstance(model, PeftModel)]

    def check_weights(self) -> None:
        """Raises WorkError where what is about to be written is not all numbers."""
        check_weights(self.model, self.optimizer, step=self.state.global_step, folder=self.checkpoints)

    @timed("saving")
    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        """Let Trainer write into the staging folder on all ranks; saver.py makes that a whole checkpoint."""
        write = partial(super()._save_checkpoint, model, trial)
        self.saver.save(self.state.global_step, write, check=self.check_weights)

    def train(self, *args: Any, **named: Any) -> Any:
        """Train to the last step; returns when its save is whole too."""
        try:
            result = super().train(*args, **named)
            self.saver.wait()
            return result
        finally:
            self.saver.close()
