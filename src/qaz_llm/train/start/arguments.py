"""What a config means to transformers.Trainer."""

from __future__ import annotations

from typing import Any

from transformers import TrainingArguments

from qaz_llm.train.config import TrainConfig
from qaz_llm.train.loop.optimizer import TRAINER_NAMES
from qaz_llm.train.saving.checkpoint import staging_folder


def training_arguments(
    config: TrainConfig, *, total_steps: int, on_cpu: bool, world_size: int, deepspeed: str | dict[str, Any] | None
) -> TrainingArguments:
    """Trainer's arguments for a run. One epoch of exactly `total_steps` steps: the sampler knows the passes."""
    return TrainingArguments(
        output_dir=str(staging_folder(config.run_dir / "checkpoints")),
        per_device_train_batch_size=config.micro_batch_size,
        gradient_accumulation_steps=config.grad_accum_steps,
        max_steps=total_steps,
        learning_rate=config.peak_lr,
        weight_decay=config.weight_decay,
        adam_beta1=config.adam_beta1,
        adam_beta2=config.adam_beta2,
        adam_epsilon=config.adam_eps,
        max_grad_norm=config.max_grad_norm,
        optim=TRAINER_NAMES[config.optimizer.states],
        bf16=config.precision == "bf16",
        seed=config.seed,
        data_seed=config.seed,
        logging_strategy="steps",
        logging_steps=config.log_every_steps,
        logging_nan_inf_filter=False,
        save_strategy="no" if config.checkpoint_every_steps is None else "steps",
        save_steps=config.checkpoint_every_steps or total_steps,
        save_total_limit=None,
        average_tokens_across_devices=True,
        remove_unused_columns=False,
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and world_size > 1 else None,
        ddp_timeout=config.distributed.timeout_minutes * 60,
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,  # rotary tables, the same on all: sending them would make each forward pass wait
        dataloader_pin_memory=not on_cpu,
        dataloader_num_workers=0,
        deepspeed=deepspeed,
        disable_tqdm=True,
        report_to=[],
    )
