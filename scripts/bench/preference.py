"""Losses and gradients of preference pairs against TRL's, on packed rows of ours and padded batches of theirs.

    python scripts/bench/preference.py MODEL

MODEL is any causal language model with a chat template; the reference is the model, the policy the model with noise on its weights.
Needs trl. Token ids are the same on both sides: those of our rows, a sequence at a time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from qaz_llm.model.load import load_model, load_tokenizer
from qaz_llm.records import IGNORE_INDEX
from qaz_llm.rows.config import MixEntry, RowShape
from qaz_llm.rows.dataset import build_dataset
from qaz_llm.train.batches.collate import Collator
from qaz_llm.train.config.preference import SMOOTHED, PreferenceConfig
from qaz_llm.train.preference.collate import PairCollator
from qaz_llm.train.preference.losses import Ratios, pair_losses, sequence_logps

LOSSES = (
    "sigmoid", "sigmoid_norm", "hinge", "ipo", "robust", "exo_pair", "nca_pair", "sppo_hard", "apo_zero", "apo_down",
)  # fmt: skip
SEQ_LEN, NOISE = 1024, 0.02


def main(name: str) -> None:
    reference, policy = load_model(name, dtype="float32"), load_model(name, dtype="float32")
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.randn_like(parameter) * NOISE * parameter.std().nan_to_num(0.0))
    with tempfile.TemporaryDirectory() as cache:
        tokenizer = load_tokenizer(name)
        entry = MixEntry(name="pairs", path="embedded:preferences.jsonl")
        data = build_dataset(entry, tokenizer, RowShape(SEQ_LEN, True, False, pairs=True), cache=Path(cache))
        ours = PairCollator(Collator())([data[n] for n in range(len(data))])
        theirs = padded(PairCollator(Collator(packs=False))([data[n] for n in range(len(data))]))
        trainer = trl_trainer(policy, load_model(name, dtype="float32"), tokenizer, cache)
    count = int(ours["sequences"].max()) + 1
    print(f"{count // 2} pairs in {len(data)} packed rows, {sum(p.numel() for p in policy.parameters()):,} parameters")
    with torch.no_grad():
        reference_S = our_logps(reference, ours, count)[0]
    for loss in LOSSES:
        one = our_loss(policy, ours, reference_S, count, loss)
        grads = gradients(policy, one)
        other = trl_loss(trainer, policy, theirs, reference_S, loss)
        apart = torch.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(grads, gradients(policy, other), strict=True)))
        norm = torch.sqrt(sum((a**2).sum() for a in grads))
        print(
            f"{loss:14} ours {one.item():.7f}  TRL {other.item():.7f}  gradients apart {(apart / norm).item():.1e} of their norm"
        )


def our_logps(model: Any, batch: dict[str, Any], count: int) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = {key: value for key, value in batch.items() if key not in ("labels", "sequences")}
    return sequence_logps(model(**inputs).logits, batch["labels"], batch["sequences"], count)


def our_loss(model: Any, batch: dict[str, Any], reference_S: torch.Tensor, count: int, loss: str) -> torch.Tensor:
    logps_S, tokens_S = our_logps(model, batch, count)
    apart_S = logps_S - reference_S
    config = PreferenceConfig(loss=loss, label_smoothing=0.1 if loss in SMOOTHED else 0.0)  # type: ignore[arg-type]
    return pair_losses(Ratios(apart_S[::2], apart_S[1::2], tokens_S[::2], tokens_S[1::2]), config).mean()


def padded(batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    """A batch as TRL takes it: all chosen sequences, then all rejected ones."""
    order = [*range(0, len(batch["input_ids"]), 2), *range(1, len(batch["input_ids"]), 2)]
    mask = (batch["labels"] != IGNORE_INDEX).long()
    return {"input_ids": batch["input_ids"][order], "attention_mask": batch["attention_mask"][order],
            "completion_mask": mask[order]}  # fmt: skip


def trl_trainer(model: Any, reference: Any, tokenizer: Any, folder: str) -> Any:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    row = {"prompt": "Сәлем", "chosen": " иә", "rejected": " жоқ"}
    arguments = DPOConfig(output_dir=folder, use_cpu=True, report_to=[], bf16=False, gradient_checkpointing=False)
    return DPOTrainer(
        model=model,
        ref_model=reference,
        args=arguments,
        train_dataset=Dataset.from_list([row] * 4),
        processing_class=tokenizer,
    )


def trl_loss(
    trainer: Any, model: Any, batch: dict[str, torch.Tensor], reference_S: torch.Tensor, loss: str
) -> torch.Tensor:
    trainer.loss_types, trainer.loss_weights = [loss], [1.0]
    trainer.label_smoothing, trainer.precompute_ref_logps = 0.1, True
    return trainer._compute_loss(
        model, batch | {"ref_chosen_logps": reference_S[::2], "ref_rejected_logps": reference_S[1::2]}, False
    )


def gradients(model: Any, loss: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, list(present(model))))


def present(model: Any) -> Iterator[torch.Tensor]:
    return (parameter for parameter in model.parameters() if parameter.requires_grad)


if __name__ == "__main__":
    main(sys.argv[1])
