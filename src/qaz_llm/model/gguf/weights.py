"""The weights of a GGUF file, read by transformers, beside those of the folder it was made from."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from qaz_llm.model.gguf.check import Check

MAX_ERROR: Mapping[str, float] = {"f32": 0.0, "f16": 2**-11, "bf16": 2**-8, "q8_0": 1 / 127}
"""How far a weight may be from its original, as a share of the largest of its tensor: half a step of rounding of the precision
(q8_0 scales blocks of 32 by their largest, whose step is 1/127, and rounds the scale itself to f16)."""


def compare_weights(folder: Path, file: Path, *, precision: str) -> Check:
    """Every parameter of the model, read from the folder and from the file; in a process of its own, as memory holds two models."""
    command = [sys.executable, "-m", "qaz_llm.model.gguf.weights_process", str(folder), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = next(reversed([line for line in done.stderr.splitlines() if line.strip()]), "it said nothing")
        return Check(None, f"weights: not compared, transformers does not read this file ({last[:200]})")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    allowed = MAX_ERROR[precision]
    missing = f", {found['missing']} are not in the file" if found["missing"] else ""
    said = f"weights: {found['tensors']:,} tensors{missing}, at most {found['error']:.1e} of the largest apart ({allowed:.1e} accepted)"
    return Check(not found["missing"] and found["error"] <= allowed, said)
