"""New rows before and in the first steps: fitted to the mix where they are made, and then trained alone. A row that starts as a mixture of others does not drag the trained weights along.

    steps 1 … warm_rows_steps    only the rows of new tokens move
    from then on                 everything that the config trains moves

How: in the first steps the gradients of all else are set to nothing before they are clipped, and there is no weight decay, so
AdamW leaves what has no gradient exactly where it is: its moments are zero. Tensors without any new row are not even shown to it,
so their state, the count for bias correction included, begins with their own first step. The new rows go on with the state that
they have. One learning rate schedule runs over all steps.

What is frozen follows from the step alone, and what the optimizer holds is saved with it, so a run that is resumed in the first
steps, at their end or after them goes on as if it had not been interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from qaz_llm.errors import ConfigError
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    import torch

    from qaz_llm.rows.dataset import PackedDataset
    from qaz_llm.tokenizer.extension import ExtendedTokenizer
    from qaz_llm.train.config import TrainConfig

_logger = get_logger("train")

PEFT_ROWS = "trainable_tokens_delta"
"""What PEFT calls the parameters that are rows of new tokens and nothing else."""


def fit_to_mix(model: Any, extended: ExtendedTokenizer, parts: Sequence[PackedDataset], config: TrainConfig) -> None:
    """Fit the rows that were just made to the first rows of each part of the mix, where embedding_init is fitted.

    Rows that LoRA leaves frozen are made again when the adapter is exported, without any text: they stay as blend made them.
    """
    from qaz_llm.model.fit import fit_new_rows
    from qaz_llm.model.fit_samples import packed_samples

    if config.model.embedding_init != "fitted":
        return
    if config.adapter.type == "lora" and config.adapter.new_embeddings == "frozen":
        _logger.warning(
            "new rows are frozen under this adapter: they start by embedding_init blend, and are not fitted"
        )
        return
    model.to("cuda" if config.device != "cpu" and _fits_on_gpu(model) else "cpu")
    fit_new_rows(model, extended, packed_samples(parts))
    model.to("cpu")  # where the engine that is made next expects it


def _fits_on_gpu(model: Any) -> bool:
    """Whether this process has a GPU with room for the weights and half as much again."""
    import torch

    if not torch.cuda.is_available():
        return False
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    return bool(torch.cuda.mem_get_info()[0] > 1.5 * size)


def row_masks(model: Any, new_tokens: Sequence[int]) -> dict[str, torch.Tensor | None]:
    """The trained parameters that hold rows of new tokens: which of their rows those are (1.0, else 0.0), None for all.

    Of a model that is trained whole: the input table, the output table where it is its own, and the output's bias.

    Raises:
        ConfigError: where no new row is trained.
    """
    import torch

    tables = [model.get_input_embeddings(), model.get_output_embeddings()]
    held = {id(p) for table in tables if table is not None for p in table.parameters()}
    masks: dict[str, torch.Tensor | None] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if PEFT_ROWS in name:
            masks[name] = None
        elif id(parameter) in held and "lora_" not in name:
            mask_V = torch.zeros(len(parameter))
            mask_V[list(new_tokens)] = 1.0
            masks[name] = mask_V
    if not masks:
        raise ConfigError(
            "warm_rows_steps trains the rows of new tokens, and adapter.new_embeddings frozen leaves them as they start",
            hint="choose another adapter.new_embeddings, or warm_rows_steps 0",
        )
    return masks


def warm_rows(model: Any, new_tokens: Sequence[int] | None, config: TrainConfig) -> list[TrainerCallback]:
    """The callback that a config asks for, or none.

    Raises:
        ConfigError: it is asked for, and the model gets no new rows or trains none.
    """
    if not config.warm_rows_steps:
        return []
    if not new_tokens:
        raise ConfigError(
            f"warm_rows_steps is {config.warm_rows_steps}, and the model gets no new rows here",
            hint="name a tokenizer made with `qaz tokenizer extend` in model.tokenizer, or leave out warm_rows_steps",
        )
    return [WarmRowsCallback(model, new_tokens, config.warm_rows_steps)]


class WarmRowsCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Keeps all but the new rows where they are for the first `steps` steps."""

    def __init__(self, model: Any, new_tokens: Sequence[int], steps: int) -> None:
        self.steps = steps
        self._masks = row_masks(model, new_tokens)
        self._parameters: Mapping[str, Any] = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._active = False
        self._decay: list[float] = []
        for name, parameter in self._parameters.items():
            parameter.register_hook(lambda gradient, name=name: self._masked(name, gradient))
        rows = sum(int(mask.sum()) if mask is not None else len(self._parameters[n]) for n, mask in self._masks.items())
        _logger.info("the first %d steps train %s rows of new tokens alone", steps, f"{rows:,}")

    def _masked(self, name: str, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient, in the first steps without what does not belong to a new row."""
        import torch

        if not self._active:
            return gradient
        if name not in self._masks:
            return torch.zeros_like(gradient)
        mask_V = self._masks[name]
        if mask_V is None:
            return gradient
        return gradient * mask_V.to(gradient).view(-1, *[1] * (gradient.dim() - 1))

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._active = state.global_step < self.steps

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, *, optimizer: Any, **_: Any) -> None:
        if not self._active:
            return
        for name, parameter in self._parameters.items():
            if name not in self._masks:
                parameter.grad = None
        self._decay = [group["weight_decay"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["weight_decay"] = 0.0

    def on_optimizer_step(self, args: Any, state: Any, control: Any, *, optimizer: Any, **_: Any) -> None:
        """Weight decay back in place: a checkpoint is to hold what the config says."""
        for group, decay in zip(optimizer.param_groups, self._decay, strict=False):
            group["weight_decay"] = decay
        self._decay = []
