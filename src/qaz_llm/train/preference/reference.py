"""How likely the model that training began with finds each answer, computed once and kept.

    CACHE/reference-FINGERPRINT/00000.npy …     float32, rows × sequences of a row, NaN where a row has fewer

Each file holds CHUNK_ROWS rows, in the order of the rows on disk, and is renamed into place when whole, so that what ends the pass
leaves the files that are there. The name changes with the weights, the rows and how it is computed. Processes share the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.errors import WorkError
from qaz_llm.io import fingerprint_value, make_dir
from qaz_llm.progress import get_logger, progress
from qaz_llm.rows.dataset import MixedDataset
from qaz_llm.train.preference.collate import PairCollator, count_sequences
from qaz_llm.train.preference.losses import sequence_logps
from qaz_llm.train.ranks.distributed import any_process, on_main

if TYPE_CHECKING:
    from qaz_llm.cluster.stopping import Stop
    from qaz_llm.train.plan import TrainPlan

_logger = get_logger("train")

CHUNK_ROWS = 256
FORMAT_VERSION = 1
Numbers = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class RowsWithReference:
    """The rows of a dataset, each with `reference` (sequences of the row,): log-probabilities in nats."""

    rows: MixedDataset
    chunks: Sequence[Numbers]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        values = self.chunks[row // CHUNK_ROWS][row % CHUNK_ROWS]
        return {**self.rows[row], "reference": np.asarray(values[~np.isnan(values)])}


def with_reference(
    plan: TrainPlan, rows: MixedDataset, model: Any, collator: PairCollator, flag: Stop
) -> RowsWithReference:
    """The rows with what `model`, which stands as training begins, says of them. Called on every rank.

    Raises:
        PreemptedError: told to stop; what is there stays.
        WorkError: a log-probability is no number.
    """
    config = plan.config
    folder = (config.data.cache_dir or config.run_dir / "packed") / f"reference-{_fingerprint(plan, rows, model)[:16]}"
    paths = [folder / f"{number:05d}.npy" for number in range(-(-len(rows) // CHUNK_ROWS))]
    missing = on_main(lambda: _missing(folder, paths))
    if missing:
        _compute(plan, rows, model, collator, flag, paths, missing)
    else:
        _logger.info("reference: log-probabilities of %s rows are in %s", f"{len(rows):,}", folder)
    return RowsWithReference(rows, [np.load(path, mmap_mode="r") for path in paths])


def _missing(folder: Path, paths: Sequence[Path]) -> list[int]:
    make_dir(folder)
    return [number for number, path in enumerate(paths) if not path.is_file()]


def _compute(
    plan: TrainPlan,
    rows: MixedDataset,
    model: Any,
    collator: PairCollator,
    flag: Stop,
    paths: Sequence[Path],
    missing: Sequence[int],
) -> None:
    """Make what is missing, file by file, each process its own; all of them look together whether to stop."""
    environment = plan.environment
    device = "cpu" if plan.device == "cpu" else f"cuda:{environment.local_rank}"
    _logger.info("reference: log-probabilities of %s rows, %d of %d files", f"{len(rows):,}", len(missing), len(paths))
    model.to(device).eval()
    with progress("reference", total=len(missing), unit="files") as advance:
        for start in range(0, len(missing), environment.world_size):
            mine = missing[start + environment.rank : start + environment.rank + 1]
            for number in mine:
                chunk = range(number * CHUNK_ROWS, min((number + 1) * CHUNK_ROWS, len(rows)))
                _write(paths[number], list(_logps(plan, [rows[row] for row in chunk], model, collator, device)))
            advance(min(environment.world_size, len(missing) - start))
            if any_process(flag.signal_name is not None):
                raise PreemptedError(
                    f"told to stop ({flag.signal_name or 'other rank'}) in the reference pass; the files made are in {paths[0].parent}",
                    hint="the same command goes on from there",
                )
    model.train()
    if plan.zero_stage:
        model.to("cpu")  # where the engine that is made next expects it


def _logps(
    plan: TrainPlan, rows: Sequence[Mapping[str, Any]], model: Any, collator: PairCollator, device: str
) -> Iterator[Numbers]:
    """Of each row, the log-probabilities of its sequences. In the precision that training computes in."""
    size = plan.config.micro_batch_size
    half = plan.config.precision == "bf16"
    for start in range(0, len(rows), size):
        batch = collator(rows[start : start + size])
        labels_BL, sequences_BL = batch.pop("labels"), batch.pop("sequences")
        counts = [count_sequences(row) for row in rows[start : start + size]]
        inputs = {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}
        with torch.no_grad(), torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=half):
            logits_BLV = model(**inputs).logits
        logps_S, _ = sequence_logps(logits_BLV, labels_BL.to(device), sequences_BL.to(device), sum(counts))
        if not bool(torch.isfinite(logps_S).all()):
            raise WorkError(
                "the reference model finds an answer's log-probability to be no number",
                hint="look at the checkpoint with `qaz chat`; in bf16 try precision=fp32",
            )
        yield from np.split(logps_S.cpu().numpy(), np.cumsum(counts)[:-1])


def _write(path: Path, values: Sequence[Numbers]) -> None:
    table = np.full((len(values), max(map(len, values))), np.nan, np.float32)
    for row, logps in zip(table, values, strict=True):
        row[: len(logps)] = logps
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as stream:
        np.save(stream, table)
    temporary.replace(path)


def _fingerprint(plan: TrainPlan, rows: MixedDataset, model: Any) -> str:
    """What the numbers depend on: the weights to the last bit, the rows, precision and attention."""
    return fingerprint_value(
        {
            "format": FORMAT_VERSION,
            "weights": fingerprint_weights(model),
            "rows": [part.meta["fingerprint"] for part in rows.parts],
            "precision": plan.config.precision,
            "quantised": plan.config.adapter.quantised,
            "attention": plan.attn_implementation,
        }
    )


def fingerprint_weights(model: Any) -> str:
    """Of all weights to the last bit, adapters that start as nothing left out."""
    digest = hashlib.blake2b(digest_size=16)
    for name, parameter in sorted(model.named_parameters()):
        if "lora_" not in name:
            digest.update(name.replace("base_model.model.", "").replace(".base_layer", "").encode())
            digest.update(parameter.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
