"""What a training run is told. The hyperparameters alone (`TrainSettings`) are what a pipeline's stage takes too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from qaz_llm.config import StrictModel
from qaz_llm.model.config import ModelConfig
from qaz_llm.rows.config import RowShape, TrainDataConfig

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class AdapterConfig(StrictModel):
    """Train all weights (`full`) or low-rank adapters beside frozen ones (`lora`, arXiv 2106.09685).

    `new_embeddings` says what happens to the rows of an extended vocabulary under LoRA: only those rows are trained
    (`trainable_token_indices`), whole tables are (`modules_to_save`), or they stay as initialised (`frozen`).
    """

    type: Literal["full", "lora"] = "full"
    """`full` trains all weights, `lora` low-rank matrices beside frozen ones."""
    r: int = Field(default=16, gt=0)
    """Rank of the matrices."""
    alpha: float = Field(default=32.0, gt=0)
    """Their product is scaled by alpha / r."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of inputs of the matrices that are zeroed in training, 0 to below 1."""
    target_modules: Literal["auto"] | tuple[str, ...] = "auto"
    """Linear layers that get matrices, by the end of their names; `auto`: all projections of the blocks."""
    rank_stabilised: bool = False
    """Scale by alpha / √r instead (arXiv 2312.03732)."""
    new_embeddings: Literal["trainable_token_indices", "modules_to_save", "frozen"] = "trainable_token_indices"
    """Rows of new tokens under LoRA: trained alone (`trainable_token_indices`), as whole tables (`modules_to_save`), or left as they start (`frozen`)."""

    @property
    def lora_options(self) -> dict[str, Any]:
        """What `add_lora` takes of it."""
        names = ("r", "alpha", "dropout", "target_modules", "rank_stabilised", "new_embeddings")
        return {name: getattr(self, name) for name in names}

    @model_validator(mode="after")
    def _check_targets(self) -> AdapterConfig:
        if self.type == "lora" and not self.target_modules:
            raise ValueError("adapter.type lora needs target_modules, for instance [q_proj, v_proj]")
        return self


class DistributedConfig(StrictModel):
    """How several processes share the work. `deepspeed` is the path of a DeepSpeed JSON; null means DDP."""

    backend: Literal["auto", "ddp"] = "auto"
    """`auto` takes DeepSpeed where `deepspeed` names a config and DDP otherwise; `ddp` refuses such a config."""
    deepspeed: str | None = None
    """Path of a DeepSpeed JSON, for instance configs/deepspeed/zero3.json; null: none."""
    timeout_minutes: int = Field(default=360, gt=0)
    """After so many minutes without an answer from the other processes a run fails."""

    @model_validator(mode="after")
    def _check_backend(self) -> DistributedConfig:
        if self.backend == "ddp" and self.deepspeed is not None:
            raise ValueError("backend ddp and a deepspeed config exclude each other; leave one of them out")
        return self


class TrainSettings(StrictModel):
    """The hyperparameters of one training run. tokens per step = seq_len × micro_batch_size × grad_accum_steps × processes.

    `method`: `pretrain` (fresh weights, plain text), `cpt` (continued pretraining, plain text) or `sft` (dialogues, only
    the assistant's words are learned). `max_steps` wins over `epochs` where both are given.
    """

    method: Literal["pretrain", "cpt", "sft"]
    """`pretrain`: fresh weights on plain text; `cpt`: a checkpoint on plain text; `sft`: a checkpoint on dialogues, where only the assistant's words are learned."""
    seq_len: int = Field(default=1024, ge=8)
    """Tokens of one packed row."""
    micro_batch_size: int = Field(default=8, gt=0)
    """Rows that one process computes at once."""
    grad_accum_steps: int = Field(default=1, gt=0)
    """Micro-batches whose gradients are summed into one step."""
    epochs: float = Field(default=1.0, gt=0)
    """Traversals of the data; `max_steps` wins where it is given."""
    max_steps: int | None = Field(default=None, gt=0)
    """Optimizer steps in all; null: as many as `epochs` makes."""
    packing: Literal["on", "off"] = "on"
    """`on`: several documents share a row and do not see each other, which is proven before the first step; `off`: each has a row of its own, padded, for models that cannot keep them apart (recurrences and convolutions run over a whole row)."""
    overflow: Literal["split", "drop"] | None = None
    """What is longer than a row is cut and continued in the next (`split`) or left out and counted (`drop`); null: split for text, drop for dialogues."""

    lr: float = Field(default=3e-4, gt=0)
    """Highest learning rate."""
    min_lr_frac: Fraction = 0.1
    """Where the schedule ends, as a share of `lr`."""
    schedule: Literal["cosine", "linear", "constant", "wsd"] = "cosine"
    """How the learning rate falls after warmup; `wsd` stays level and falls over the last `decay_frac`."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises from 0."""
    warm_rows_steps: int = Field(default=0, ge=0)
    """The first so many steps train the rows of new tokens alone, all else frozen; 0: none. Not with DeepSpeed."""
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

    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the forward and backward pass; weights are kept in float32 beside bf16."""
    gradient_checkpointing: bool = False
    """Compute activations twice and keep few: less memory, about a third more time."""
    adapter: AdapterConfig = AdapterConfig()
    """All weights, or LoRA."""
    distributed: DistributedConfig = DistributedConfig()
    """How several processes share the work."""
    seed: int = Field(default=0, ge=0)
    """Of the order of the data, of fresh weights and of dropout."""

    log_every_steps: int = Field(default=10, gt=0)
    """Steps between rows of metrics.jsonl."""
    checkpoint_every_steps: int | None = Field(default=500, gt=0)
    """Steps between checkpoints; null: one at the end."""
    keep_checkpoints: int = Field(default=2, gt=0)
    """So many of the newest are kept."""
    eval_every_steps: int | None = Field(default=None, gt=0)
    """Steps between evaluations on held-out text (`heldout` in `qaz train`, the suite's sentences in `qaz run`); null: `heldout` is scored once, at the end."""

    @property
    def row_shape(self) -> RowShape:
        """Long examples are cut and continued in the next row in plain text, and dropped in dialogues, unless `overflow` says so."""
        chat = self.method == "sft"
        splits = (self.overflow or ("drop" if chat else "split")) == "split"
        return RowShape(self.seq_len, chat, splits, packs=self.packing == "on")

    @model_validator(mode="after")
    def _check_method(self) -> TrainSettings:
        if self.method == "sft" and self.overflow == "split":
            raise ValueError(
                "overflow split would cut dialogues in the middle of an answer; sft needs drop (the default)"
            )
        if self.method == "pretrain" and self.adapter.type == "lora":
            raise ValueError("pretrain starts from fresh weights, LoRA needs trained ones; use adapter.type full")
        if self.warm_rows_steps and self.method == "pretrain":
            raise ValueError("pretrain starts from fresh weights: all rows are new; leave out warm_rows_steps")
        if self.warm_rows_steps and self.distributed.deepspeed is not None:
            raise ValueError(
                "warm_rows_steps needs gradients by tensor, which DeepSpeed does not show; leave one of the two out"
            )
        return self


class TrainConfig(TrainSettings):
    """One run of `qaz train`: the hyperparameters, the model, the data and the folder that everything goes to."""

    run_dir: Path
    """Everything of the run goes into this folder."""
    model: ModelConfig
    """What to start from."""
    data: TrainDataConfig
    """What to train on."""
    heldout: dict[Annotated[str, Field(min_length=1)], str] | None = None
    """Text that is not trained on, a file for each name (`{kk: FILE, ru: FILE}`; lines of .txt, `text` of .jsonl): bits per byte of its first 64 texts go into evals.jsonl each `eval_every_steps` and at the end."""
    resume: bool = True
    """Go on from the newest whole checkpoint in `run_dir`; false begins anew."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""

    @model_validator(mode="after")
    def _check_model(self) -> TrainConfig:
        architecture = self.model.architecture
        if self.method == "pretrain" and architecture is None:
            raise ValueError("pretrain starts from model.architecture; to go on from a checkpoint use method cpt")
        if self.method != "pretrain" and architecture is not None:
            raise ValueError(
                f"method {self.method} goes on from model.checkpoint; an architecture is trained with pretrain"
            )
        if architecture is not None and architecture.max_position_embeddings < self.seq_len:
            raise ValueError(
                f"seq_len {self.seq_len} exceeds the architecture's max_position_embeddings "
                f"{architecture.max_position_embeddings}"
            )
        return self
