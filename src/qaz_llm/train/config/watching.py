"""What is looked at while a model is trained, and what follows from it; nothing here changes a step's weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from qaz_llm.config import StrictModel

Tracker = Literal["tensorboard", "trackio", "wandb"]


class ForgettingConfig(StrictModel):
    """What is done where held-out text in a language that the model knew gets worse: its bits per byte are compared with those before the first step.

    For cpt, sft and dpo, where the held-out text has one of the names.
    """

    names: tuple[str, ...] = ("ru", "en")
    """Held-out texts whose bits per byte are not to rise, by their names."""
    max_rise_frac: float = Field(default=0.05, gt=0)
    """By more than this share of what they were before the first step (0.05: a twentieth)."""
    policy: Literal["warn", "stop", "off"] = "warn"
    """`warn`: each evaluation that finds it says so, and so does the end of the run; `stop`: the step is saved and the run fails; `off`: nothing is compared."""


class WatchConfig(StrictModel):
    """The best checkpoint, an early end, samples, trackers. A run may be resumed with other values: they decide which
    checkpoint is kept and when a run ends, never what a step does.

    An evaluation is better than the best before it if its number is lower by more than `min_gain`.
    """

    max_eval_frac: float | None = Field(default=None, gt=0, le=1)
    """Evaluations between steps may take at most this part of the time since the start (0.1: a tenth); one that would take more is left out, and that is said and counted. The first and the last are always made. Which are left out depends on the machine's speed; null: none."""
    keep_best: str | None = None
    """Held-out number (bits per byte, lower is better) whose best checkpoint is kept beside the newest: a name of `heldout`, for instance kk, or `mean` of all bits per byte; null: none is. Needs `eval_every_steps`."""
    final_model: Literal["last", "best"] = "last"
    """The result in RUN_DIR/model is the `last` step's, or that of the `best` checkpoint."""
    patience: int | None = Field(default=None, gt=0)
    """The run ends as done after so many evaluations in a row that are no better than the best; null: it goes to its last step."""
    min_gain: float = Field(default=0.0, ge=0)
    """By more than this the number must fall to be better, in its own unit."""
    forgetting: ForgettingConfig = ForgettingConfig()
    """Languages that the model knew and is not to lose."""
    samples_every_steps: int | None = Field(default=None, gt=0)
    """Steps between greedy continuations of the prompts, which go into samples.jsonl; null: none."""
    prompts: tuple[str, ...] = ()
    """What samples continue (for method sft: what the user says); empty: the first words of held-out texts."""
    sample_tokens: int = Field(default=48, gt=0)
    """Longest continuation, in tokens."""
    straggler_ratio: float | None = Field(default=1.5, gt=1)
    """A process that takes so many times the median of all for reading rows, the forward pass (with DDP and ZeRO-2) or a product of matrices, in two rows of metrics one after another, is named in the log, metrics.jsonl and status.json; null: times are not compared."""
    report_to: tuple[Tracker, ...] = ()
    """Also send metrics to these, each of which must be installed. wandb stays offline unless WANDB_MODE says otherwise; files lie in RUN_DIR/trackers. Sent are numbers and hyperparameters, no texts, no paths."""
    project: str = Field(default="qaz-llm", min_length=1)
    """Name of the project at trackio and wandb."""

    @model_validator(mode="after")
    def _check_best(self) -> WatchConfig:
        needs = {"patience": self.patience is not None, "final_model best": self.final_model == "best"}
        for key, is_set in needs.items():
            if is_set and self.keep_best is None:
                raise ValueError(f"{key} needs keep_best, the held-out number to go by, for instance keep_best: kk")
        return self
