"""One run of `qaz train`: hyperparameters, model, data and folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from qaz_llm.model.config import ModelConfig
from qaz_llm.rows.config import TrainDataConfig
from qaz_llm.train.config.settings import TrainSettings


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
        if self.method == "dpo" and self.data.recipe is not None:
            raise ValueError("data.recipe divides a corpus of text and dialogues; dpo takes its pairs from data.mix")
        if architecture is not None and architecture.max_position_embeddings < self.seq_len:
            raise ValueError(
                f"seq_len {self.seq_len} exceeds the architecture's max_position_embeddings "
                f"{architecture.max_position_embeddings}"
            )
        return self
