"""What a method trains over: its trainer, its rows and how they become batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qaz_llm.train.preference.collate import PairCollator
from qaz_llm.train.preference.reference import with_reference
from qaz_llm.train.preference.trainer import PairTrainer
from qaz_llm.train.trainer import PackedTrainer

if TYPE_CHECKING:
    from qaz_llm.cluster.preemption import StopFlag
    from qaz_llm.rows.dataset import MixedDataset
    from qaz_llm.train.collate import Collator
    from qaz_llm.train.plan import TrainPlan


def training_over(
    plan: TrainPlan, rows: MixedDataset, model: Any, collator: Collator, flag: StopFlag
) -> tuple[type[PackedTrainer], Any, Any]:
    """Trainer, rows and collator. For pairs this is where the reference pass is made, over `model` as training begins.

    Raises as `with_reference`.
    """
    if plan.config.method != "dpo":
        return PackedTrainer, rows, collator
    pairs = PairCollator(collator)
    return PairTrainer, with_reference(plan, rows, model, pairs, flag), pairs
