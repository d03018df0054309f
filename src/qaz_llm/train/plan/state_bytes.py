"""What an optimizer keeps of each trained parameter, in bytes; for the estimate before a run.

AdamW 8 (in 8 bits 2), Muon 4; pull_to_base 4 more, the weight that training began with
"""

from __future__ import annotations

from qaz_llm.train.config import TrainSettings

NF4_BYTES = 0.52
"""Of a weight in NF4 (arXiv 2305.14314, section 3): 4 bits, an 8-bit scale for every 64 of them, and a float32 scale for every 256 of these: 4.127 bits."""


def state_bytes(settings: TrainSettings) -> float:
    """Beside weight and gradient."""
    moments = 2.0 if settings.optimizer.states != "fp32" else 4.0 if settings.optimizer.type == "muon" else 8.0
    return moments + (4.0 if settings.pull_to_base else 0.0)
