"""The result of a run as a model folder, from whatever holds the weights: one process, DDP, ZeRO or FSDP2."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import LabelSpanError
from qaz_llm.io import atomic_dir, write_json
from qaz_llm.model.card import write_card
from qaz_llm.model.compat import open_to_readers
from qaz_llm.model.export import ADAPTER_FACTS, export_model, write_model
from qaz_llm.model.generation import extended_generation_config
from qaz_llm.rows.chat import end_of_turn_id
from qaz_llm.tokenizer.extension import EXTENSION_FILE
from qaz_llm.train.ranks.distributed import on_main
from qaz_llm.train.ranks.sharding import whole_weights
from qaz_llm.train.saving.card_facts import card_facts

if TYPE_CHECKING:
    from qaz_llm.train.loop.trainer import PackedTrainer
    from qaz_llm.train.plan import TrainPlan
    from qaz_llm.train.start.prepare import PreparedRun


def save_result(plan: TrainPlan, run: PreparedRun, trainer: PackedTrainer) -> None:
    """Write `model/`, and for LoRA `adapter/` before it. Called on every rank: ZeRO-3 and FSDP2 gather from all of them."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    state_dict = gather_weights(trainer)
    unset_hf_deepspeed_config()  # else the base that an adapter is merged into would be sharded too, by one rank alone
    on_main(lambda: _write(plan, run, trainer, state_dict))


def gather_weights(trainer: PackedTrainer) -> dict[str, Any] | None:
    """The whole weights on the first rank where DeepSpeed or FSDP2 holds them; None where the model itself does."""
    if trainer.settings.distributed.backend == "fsdp2":
        return whole_weights(trainer.model, trained_only=trainer.settings.adapter.type == "lora")
    if not trainer.is_deepspeed_enabled:
        return None
    adapter_only = trainer.settings.adapter.type == "lora" and trainer.deepspeed.zero_optimization_stage() == 3
    gathered: dict[str, Any] = (
        trainer.deepspeed._zero3_consolidated_16bit_state_dict(exclude_frozen_parameters=True)
        if adapter_only
        else trainer.accelerator.get_state_dict(trainer.deepspeed)
    )
    return gathered


def _write(plan: TrainPlan, run: PreparedRun, trainer: PackedTrainer, state_dict: dict[str, Any] | None) -> None:
    config = plan.config
    facts = card_facts(plan, run, run.entries)
    end_of_turn = _end_of_turn(plan, run)
    model = trainer.accelerator.unwrap_model(trainer.model)
    out = config.run_dir / "model"
    if config.adapter.type == "full":
        if plan.stores_bf16:
            model, state_dict = _to_bf16(model, state_dict)
        write_model(model, run.tokenizer, out, facts=facts, state_dict=state_dict, end_of_turn=end_of_turn)
        return
    adapter = config.run_dir / "adapter"
    _write_adapter(plan, run, trainer, adapter, state_dict)
    _write_beside(adapter, model.get_base_model(), run, facts, end_of_turn)
    export_model(adapter, out, trust_remote_code=config.model.trust_remote_code)


def _write_beside(folder: Path, model: Any, run: PreparedRun, facts: dict[str, Any], end_of_turn: int | None) -> None:
    """Beside an adapter what its base does not know: where to stop, and what the card says."""
    extended_generation_config(model, run.tokenizer, end_of_turn=end_of_turn).save_pretrained(folder)
    write_card(folder, model, facts)
    open_to_readers(folder)


def _write_adapter(
    plan: TrainPlan, run: PreparedRun, trainer: PackedTrainer, folder: Path, state_dict: dict[str, Any] | None
) -> None:
    """The adapter with all that is needed to make its base again: tokenizer, extension, initialisation, seed."""
    config = plan.config
    checkpoint = config.model.checkpoint or ""
    base = str(Path(checkpoint).resolve()) if Path(checkpoint).is_dir() else checkpoint
    with atomic_dir(folder) as temporary:
        trainer._save(str(temporary), state_dict)
        run.tokenizer.save_pretrained(temporary)
        extension = Path(run.tokenizer_name) / EXTENSION_FILE
        if extension.is_file():
            shutil.copy(extension, temporary / EXTENSION_FILE)
        facts = {"base": base, "embedding_init": config.model.embedding_init, "seed": config.seed}
        facts["new_rows"] = config.model.new_rows
        write_json(temporary / ADAPTER_FACTS, facts)


def _end_of_turn(plan: TrainPlan, run: PreparedRun) -> int | None:
    """The token that ends an answer, for a model that answers."""
    if not plan.config.is_chat:
        return None
    try:
        return end_of_turn_id(run.tokenizer)
    except LabelSpanError:
        return None


def _to_bf16(model: Any, state_dict: dict[str, Any] | None) -> tuple[Any, dict[str, Any] | None]:
    """Weights trained under bf16 are stored as such: half the size, and the precision they were used in."""
    import torch

    if state_dict is None:
        return model.to(torch.bfloat16), None
    model.config.dtype = torch.bfloat16
    return model, {k: v.to(torch.bfloat16) if v.is_floating_point() else v for k, v in state_dict.items()}
