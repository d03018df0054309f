"""Run in a process of its own, `python -m qaz_llm.model.gguf.weights_process FOLDER FILE`: how far two sets of weights are apart."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    """Print one line of JSON: tensors compared, tensors missing, largest difference as a share of its tensor's largest value."""
    folder, file = map(Path, sys.argv[1:3])
    import torch
    from transformers import AutoModelForCausalLM, modeling_gguf_pytorch_utils

    from qaz_llm.model.load import load_model

    # The `gguf` at hand may be the converter's own copy, which states no version that could be compared.
    modeling_gguf_pytorch_utils.is_gguf_available = lambda: True
    original = dict(load_model(folder, dtype="float32").named_parameters())
    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    there = dict(read.named_parameters())
    error = 0.0
    for name, weight in original.items():
        if name in there:
            scale = float(weight.detach().abs().max()) or 1.0
            error = max(error, float((weight - there[name]).detach().abs().max()) / scale)
    print(
        json.dumps({"tensors": len(original), "missing": len(original.keys() - there.keys()), "error": error}),
        flush=True,
    )


if __name__ == "__main__":
    main()
