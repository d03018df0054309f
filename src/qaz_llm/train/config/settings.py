"""The hyperparameters of one training, which a stage of `qaz run` takes as `qaz train` does."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.config import StrictModel
from qaz_llm.errors import ConfigError
from qaz_llm.rows.config import RowShape
from qaz_llm.train.config.adapter import AdapterConfig
from qaz_llm.train.config.distributed import DistributedConfig
from qaz_llm.train.config.divergence import DivergenceConfig
from qaz_llm.train.config.kernels import KernelsConfig
from qaz_llm.train.config.optimizer import OptimizerConfig
from qaz_llm.train.config.parts import Part, part_problems
from qaz_llm.train.config.preference import PreferenceConfig
from qaz_llm.train.config.watching import WatchConfig

MOST_EPOCHS, MOST_STEPS = 100_000, 1_000_000_000
"""Beyond any training that ends; numbers as large as these are slips."""

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


def _check_checkpointing(value: object) -> object:
    if isinstance(value, bool) or value == "auto" or (isinstance(value, int) and value >= 1):
        return value
    raise ValueError(f"takes true, false, auto, or a number of layers from 1 (found {value!r})")


Checkpointing = Annotated[bool | Literal["auto"] | int, BeforeValidator(_check_checkpointing)]


def _check_rate(value: object) -> object:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value == "auto" or (is_number and 0 < value < math.inf):  # type: ignore[operator]  # a number it is
        return value
    raise ValueError("takes a finite number above 0, or auto")


LearningRate = Annotated[float | Literal["auto"], BeforeValidator(_check_rate)]


class TrainSettings(StrictModel):
    """The hyperparameters of one training run. tokens per step = seq_len × micro_batch_size × grad_accum_steps × processes.

    `method`: `pretrain` (fresh weights, plain text), `cpt` (continued pretraining, plain text), `sft` (dialogues, only
    the assistant's words are learned) or `dpo` (pairs of answers, one of them preferred). `max_steps` wins over `epochs` where both are given.
    """

    method: Literal["pretrain", "cpt", "sft", "dpo"]
    """`pretrain`: fresh weights on plain text; `cpt`: a checkpoint on plain text; `sft`: a checkpoint on dialogues, where only the assistant's words are learned; `dpo`: a checkpoint on pairs of answers, of which one is preferred."""
    seq_len: int = Field(default=1024, ge=8)
    """Tokens of one packed row."""
    micro_batch_size: int = Field(default=8, gt=0)
    """Rows that one process computes at once."""
    grad_accum_steps: int = Field(default=1, gt=0)
    """Micro-batches whose gradients are summed into one step."""
    epochs: float = Field(default=1.0, gt=0, le=MOST_EPOCHS)
    """Traversals of the data; `max_steps` wins where it is given."""
    max_steps: int | None = Field(default=None, gt=0, le=MOST_STEPS)
    """Optimizer steps in all; null: as many as `epochs` makes."""
    packing: Literal["on", "off"] = "on"
    """`on`: several documents share a row and do not see each other, which is proven before the first step; `off`: each has a row of its own, padded, for models that cannot keep them apart (recurrences and convolutions run over a whole row)."""
    overflow: Literal["split", "drop"] | None = None
    """What is longer than a row is cut and continued in the next (`split`) or left out and counted (`drop`); null: split for text, drop for dialogues."""

    lr: LearningRate = "auto"
    """Highest learning rate. `auto`: by method, size of the model and adapter, which the plan says (cpt of all weights: 1e-4 at 135 M parameters, 2e-5 at 8 B; LoRA ten times as much); `qaz train --find-lr` tries others on the text at hand."""
    min_lr_frac: Fraction = 0.1
    """Where the schedule ends, as a share of `lr`."""
    schedule: Literal["cosine", "linear", "constant", "wsd", "range"] = "cosine"
    """How the learning rate falls after warmup; `wsd` stays level and falls over the last `decay_frac`; `range` rises by the same factor each step from `min_lr_frac` × `lr` to `lr`, which is for finding one."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises from 0."""
    warm_rows_steps: int = Field(default=0, ge=0)
    """The first so many steps train the rows of new tokens alone, all else frozen; 0: none. Not with DeepSpeed or FSDP2."""
    decay_frac: Fraction = 0.2
    """Share of the steps over which `wsd` falls."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decoupled weight decay (AdamW); biases and norms have none."""
    adam_beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the first moment."""
    adam_beta2: float = Field(default=0.95, ge=0, lt=1)
    """Decay of the second moment."""
    adam_eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
    max_grad_norm: float = Field(default=1.0, ge=0)
    """Gradients are scaled down to this norm; 0: never."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the forward and backward pass; weights are kept in float32 beside bf16. `auto` is bf16 on a GPU that has it, and on a processor where a short trial finds products in bf16 faster and the model is not tiny; else fp32. A run that goes on keeps what it began with. After `bf16` the model is written in bf16, after `auto` in the type of the base."""
    gradient_checkpointing: Checkpointing = False
    """Compute activations twice and keep few: less memory, about a third more time. A number: that of so many layers, and keep those of the rest; `auto`: as few layers as fit the memory by the plan's estimate, none where all does."""
    kernels: KernelsConfig = KernelsConfig()
    """How a step is computed."""
    adapter: AdapterConfig = AdapterConfig()
    """All weights, or LoRA."""
    freeze: tuple[Part, ...] = ()
    """Parts of a model that is trained whole which stay as they are: `embeddings`, `head`, `norms`, `layers 0-7` (also `layers 3`), or the end of a module's name, for instance `mlp` or `self_attn.k_proj`."""
    pull_to_base: float = Field(default=0.0, ge=0)
    """Each step moves all trained weights towards those that training began with, by lr × this × the distance (L2-SP, arXiv 1802.01483, decoupled as AdamW's decay is); 0: not at all. It takes 4 bytes per trained parameter and the place of `weight_decay`."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How gradients become steps."""
    preference: PreferenceConfig = PreferenceConfig()
    """Method dpo: how the answers of a pair are compared."""
    distributed: DistributedConfig = DistributedConfig()
    """How several processes share the work."""
    preflight: PreflightConfig = PreflightConfig()
    """What is asked of every node before a training of several processes begins."""
    on_divergence: Literal["stop", "skip", "rollback"] = "stop"
    """A step whose loss or gradient says that training has diverged ends the run (`stop`), is left out without an update (`skip`; not with DeepSpeed), or the run goes back to its newest checkpoint and leaves the step's rows out (`rollback`). Its rows are kept in `run_dir/diverged/`."""
    divergence: DivergenceConfig = DivergenceConfig()
    """What counts as divergence, and how often the run tries to get past it."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the order of the data, of fresh weights and of dropout."""

    log_every_steps: int = Field(default=10, gt=0)
    """Steps between rows of metrics.jsonl."""
    checkpoint_every_steps: int | None = Field(default=500, gt=0)
    """Steps between checkpoints; null: one at the end."""
    keep_checkpoints: int = Field(default=2, gt=0)
    """So many of the newest are kept."""
    async_save: Literal["auto", "on", "off"] = "auto"
    """Checkpoints are written beside training, which waits for a copy into host memory alone (12 bytes per trained parameter); `auto`: where that memory is there; `off`: training waits until all is on the disk."""
    eval_every_steps: int | None = Field(default=None, gt=0)
    """Steps between evaluations on held-out text (`heldout` in `qaz train`, the suite's sentences in `qaz run`); null: `heldout` is scored once, at the end."""

    watch: WatchConfig = WatchConfig()
    """The best checkpoint, an early end, samples, trackers."""

    @property
    def is_chat(self) -> bool:
        """Whether it learns from dialogues, not from plain text."""
        return self.method in ("sft", "dpo")

    @property
    def row_shape(self) -> RowShape:
        """Long examples are cut and continued in the next row in plain text, and dropped in dialogues, unless `overflow` says so."""
        chat = self.is_chat
        splits = (self.overflow or ("drop" if chat else "split")) == "split"
        return RowShape(self.seq_len, chat, splits, packs=self.packing == "on", pairs=self.method == "dpo")

    @property
    def peak_lr(self) -> float:
        """`lr` as a number. Raises ConfigError where it is still `auto`, which a plan settles."""
        if self.lr == "auto":
            raise ConfigError("lr is auto, which is settled with the size of the model", hint="give a number: lr=1e-4")
        return float(self.lr)

    @model_validator(mode="after")
    def _check_method(self) -> TrainSettings:
        if self.schedule == "range" and self.min_lr_frac == 0:
            raise ValueError("schedule range rises from min_lr_frac × lr, which has to be above 0; give min_lr_frac")
        if self.is_chat and self.overflow == "split":
            raise ValueError(
                f"overflow split would cut dialogues in the middle of an answer; {self.method} needs drop (the default)"
            )
        if self.watch.keep_best is not None and self.eval_every_steps is None:
            raise ValueError("watch.keep_best needs eval_every_steps: how often the held-out number is looked at")
        if self.method == "pretrain" and self.adapter.type == "lora":
            raise ValueError("pretrain starts from fresh weights, LoRA needs trained ones; use adapter.type full")
        if self.warm_rows_steps and self.method == "pretrain":
            raise ValueError("pretrain starts from fresh weights: all rows are new; leave out warm_rows_steps")
        if self.warm_rows_steps and (self.distributed.deepspeed is not None or self.distributed.backend == "fsdp2"):
            raise ValueError(
                "warm_rows_steps needs gradients by tensor, which DeepSpeed and FSDP2 do not show; leave one of the two out"
            )
        if self.on_divergence == "skip" and self.distributed.deepspeed is not None:
            raise ValueError(
                "on_divergence skip needs an update that can be withheld, and DeepSpeed makes it within the backward pass; "
                "take rollback or stop"
            )
        return self

    @model_validator(mode="after")
    def _check_parts(self) -> TrainSettings:
        sharded = self.distributed.deepspeed is not None or self.distributed.backend == "fsdp2"
        of_optimizer = self.optimizer.problems(self.adapter, sharded=sharded)
        if self.method == "dpo" and self.distributed.backend == "fsdp2":
            raise ValueError(
                "dpo makes its reference pass over a whole model, which fsdp2 shares out; take ddp or deepspeed"
            )
        if self.method == "dpo" and self.kernels.loss == "in_blocks":
            raise ValueError("dpo needs the log-probability of each answer, from full logits; leave out kernels.loss")
        if self.kernels.adapters == "on" and self.adapter.type != "lora":
            raise ValueError(
                f"kernels.adapters on: adapter.type {self.adapter.type} has no adapters to compute; leave it out, or take adapter.type=lora"
            )
        for problem in (*part_problems(self), *of_optimizer, *self.preference.problems(self.method)):
            raise ValueError(problem)
        return self
