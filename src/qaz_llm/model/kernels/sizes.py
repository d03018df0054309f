"""How much of the logits stands at once where the loss is taken in blocks; apart, so that a plan reads it without torch."""

from __future__ import annotations

LOGITS_BYTES = {"cpu": 16 << 20, "cuda": 512 << 20}
"""Float32 logits that stand at once: on a CPU they are to stay in its last cache, on a GPU a product wants more rows."""

GRADIENT_BYTES = {"cpu": 256 << 20, "cuda": 2 << 30}
"""Gradients of logits that stand at once, in the type of the product."""
