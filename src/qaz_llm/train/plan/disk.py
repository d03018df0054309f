"""What run_dir will take on the disk.

a checkpoint        trained weights 4 bytes, moments 8; under DeepSpeed masters beside the weights in 2 bytes
while one is written all that are kept, and the new one: the oldest goes when it is whole
the result          the model, 2 bytes a parameter where it was trained in bf16, else 4; LoRA: the adapter beside it
"""

from __future__ import annotations

from dataclasses import dataclass

from qaz_llm.train.config import TrainSettings
from qaz_llm.train.plan.counts import CountedModel
from qaz_llm.train.plan.sharing import Sharing
from qaz_llm.train.plan.state_bytes import state_bytes


@dataclass(frozen=True)
class Disk:
    """Bytes. `checkpoints` are those that stay, `written` at once with the one being written."""

    checkpoint_bytes: int
    checkpoints: int
    written: int
    result_bytes: int

    @property
    def kept_bytes(self) -> int:
        """When the run is done."""
        return self.checkpoints * self.checkpoint_bytes + self.result_bytes

    @property
    def most_bytes(self) -> int:
        """While the last checkpoint is written beside those that are kept, or the result after them."""
        return max(self.written * self.checkpoint_bytes, self.kept_bytes)


def count_disk(settings: TrainSettings, counted: CountedModel, sharing: Sharing, *, steps: int, half: bool) -> Disk:
    """The checkpoints of a run of `steps`, and its result, in 16 bit where `half`."""
    trained, lora = counted.trainable, settings.adapter.type == "lora"
    checkpoint = (4 + state_bytes(settings)) * trained
    if sharing.keeps_masters:  # the engine's file of the weights beside the masters, and the model's own in safetensors
        checkpoint = (4 + state_bytes(settings)) * trained + 2 * 2 * (trained if lora else counted.parameters)
    every = settings.checkpoint_every_steps
    made = max(1, 0 if every is None else steps // every)  # a run told to stop writes one in any case
    kept = min(made, settings.keep_checkpoints)
    result = (2 if half else 4) * counted.parameters + (4 * trained if lora else 0)
    return Disk(round(checkpoint), kept, min(made, kept + 1), result)
