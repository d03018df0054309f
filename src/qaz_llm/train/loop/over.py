"""What a method trains over: its trainer, its rows and how they become batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qaz_llm.train.loop.sharded_trainer import ShardedTrainer
from qaz_llm.train.loop.trainer import PackedTrainer
from qaz_llm.train.preference.collate import PairCollator
from qaz_llm.train.preference.reference import with_reference
from qaz_llm.train.preference.trainer import PairTrainer
from qaz_llm.train.ranks.sharding import uses_fsdp2

if TYPE_CHECKING:
    from qaz_llm.cluster.stopping import Stop
    from qaz_llm.rows.dataset import MixedDataset
    from qaz_llm.train.batches.collate import Collator
    from qaz_llm.train.plan import TrainPlan


def training_over(
    plan: TrainPlan, rows: MixedDataset, model: Any, collator: Collator, flag: Stop
) -> tuple[type[PackedTrainer], Any, Any]:
    """Trainer, rows and collator. For pairs this is where the reference pass is made, over `model` as training begins.

    Raises as `with_reference`.
    """
    if uses_fsdp2(plan.config):
        return ShardedTrainer, rows, collator
    if plan.config.method != "dpo":
        return PackedTrainer, rows, collator
    pairs = PairCollator(collator)
    return PairTrainer, with_reference(plan, rows, model, pairs, flag), pairs
