"""Names a user may choose among; no config is built here, so that `qaz --help` can show them at once."""

from __future__ import annotations

from typing import Literal

EmbeddingInit = Literal["fitted", "blend", "mean", "weighted_mean", "similar", "random"]
"""How the rows of new tokens start; model/embeddings.py says what each does."""

DOCUMENTS = "documents"
"""Attention within documents without a mask: model/kernels/documents.py."""

Attention = Literal["auto", "documents", "sdpa", "eager", "flash_attention_2", "flash_attention_3", "flex_attention"]
"""How attention is computed; `auto` is documents in training on packed rows where it can be had, else sdpa where the architecture
has it, else eager."""

NewRows = Literal["auto", "make", "keep"]
"""Whether a checkpoint's rows for new tokens are still to be made; `auto` finds out or refuses."""
