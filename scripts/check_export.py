#!/usr/bin/env python
"""Is an exported folder read alike by transformers 5 and 4.57, and what will vLLM and llama.cpp's converter say?

    .venv/bin/python scripts/check_export.py EXPORT_DIR [--env /tmp/env457]

transformers 4.57 is what many servers still ship with. It is installed into an environment of its own, once, from the
package index; both versions then read the folder, and token ids, settings of generation and logits are compared. The
demands of vLLM and llama.cpp are those of docs/export.md, as far as they can be looked up in the files of the folder.
Prints a line for each check; the exit code is 1 where one of them failed.
"""

from __future__ import annotations

import argparse
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OLD_PACKAGES = ("torch==2.13.0", "transformers==4.57.*")
TEXTS = (
    "Қазақстан — Орталық Азиядағы мемлекет. Астанасы — Астана қаласы.",
    "Привет, как дела? Сегодня хорошая погода.",
    "Hello, how are you today?  Two  spaces, 1234567 and a\nnew line.",
    "🚀 нещо на Български",
)
TURNS = [{"role": "user", "content": "Сәлем!"}]
TOLERANCE_FRAC = 1e-4
"""Largest difference of float32 logits, as a share of the largest one: rounding alone stays far below."""

Check = tuple[bool | None, str]
"""Passed, failed or not applicable; and what was looked at."""

PROBE = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import torch, transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
transformers.logging.set_verbosity_error()
folder, out, texts, turns = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:5])
found = {"version": transformers.__version__}
try:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found["ids"] = [tokenizer(text)["input_ids"] for text in texts]
    found["special"] = sorted(tokenizer.all_special_ids)
    if tokenizer.chat_template:
        found["chat"] = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    found["decoded"] = [tokenizer.decode(ids, skip_special_tokens=True) for ids in found["ids"]]
    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
    vocab = model.get_input_embeddings().weight.shape[0]
    drawn = torch.randint(0, vocab, (1, 160), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.save(model(drawn, use_cache=False).logits, out)
    generation = model.generation_config
    found["generation"] = {name: getattr(generation, name) for name in ("eos_token_id", "bos_token_id", "pad_token_id", "do_sample")}
    found["dtype"] = str(getattr(AutoConfig.from_pretrained(folder), "dtype", None) or AutoConfig.from_pretrained(folder).torch_dtype)
except Exception as error:
    found["error"] = f"{type(error).__name__}: {error}"[:300]
print(json.dumps(found))
"""


def make_environment(folder: Path) -> Path:
    """The Python of an environment with transformers 4.57, made where it is not there yet. torch goes first, so that the
    build at hand is taken."""
    python = folder / "bin/python"
    if (folder / ".ready").is_file():
        return python
    print(f"installing {' and '.join(OLD_PACKAGES)} into {folder}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    for package in OLD_PACKAGES:
        subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True, stderr=subprocess.DEVNULL)
    (folder / ".ready").touch()
    return python


def read_with(python: Path | str, folder: Path, logits: Path) -> dict[str, Any]:
    """What the transformers of an environment reads from the folder; its logits go to a file."""
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    command = [str(python), "-c", PROBE, str(folder), str(logits), json.dumps(TEXTS), json.dumps(TURNS)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:300]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def compare(new: dict[str, Any], old: dict[str, Any], logits: tuple[Path, Path]) -> Iterator[Check]:
    """The checks that need both versions."""
    for found in (new, old):
        if "error" in found:
            yield False, f"transformers {found.get('version', '?')} reads the folder: {found['error']}"
    if "error" in new or "error" in old:
        return
    yield True, f"transformers {new['version']} and {old['version']} read the folder"
    for name in ("ids", "decoded", "chat", "generation", "dtype"):
        same = new.get(name) == old.get(name)
        yield same, f"{name}: " + ("equal" if same else f"{new.get(name)} and {old.get(name)}"[:300])
    import torch

    one, other = (torch.load(path) for path in logits)
    apart, largest = float((one - other).abs().max()), float(one.abs().max())
    yield apart <= TOLERANCE_FRAC * largest, f"logits: differ by {apart:.1e}, the largest is {largest:.1e}"


def look_at(folder: Path) -> Iterator[Check]:
    """The checks that need the files alone."""
    closed = [p.name for p in folder.iterdir() if not p.stat().st_mode & stat.S_IRGRP]
    yield not closed, "files are readable by the group" + (f", but not {', '.join(closed)}" if closed else "")
    config = json.loads((folder / "config.json").read_text())
    text = config.get("text_config", config)
    rows, tokens = text["vocab_size"], _highest_id(folder)
    yield tokens < rows, f"llama.cpp and vLLM: highest token id {tokens:,}, vocab_size {rows:,}"
    generation = json.loads((folder / "generation_config.json").read_text())
    yield bool(generation.get("eos_token_id")), f"stops at {generation.get('eos_token_id')}"
    written = " ".join(p.read_text() for p in folder.glob("*.json") if p.name != "tokenizer.json")
    written += (folder / "README.md").read_text() if (folder / "README.md").is_file() else ""
    local = [
        part for part in (str(Path.home()), "/tmp/", str(folder.resolve().parent)) if len(part) > 1 and part in written
    ]
    yield not local, "no path of this machine in config, settings and card" + (f", but {local}" if local else "")
    if (folder / "extension.json").is_file() or "qaz_extension" in config:
        yield None, "llama.cpp: the vocabulary has grown, which `qaz export --to gguf` can convert (docs/export.md)"


def _highest_id(folder: Path) -> int:
    spec = json.loads((folder / "tokenizer.json").read_text())
    vocab = spec["model"]["vocab"]
    ids = vocab.values() if isinstance(vocab, dict) else range(len(vocab))
    return max([*ids, *(token["id"] for token in spec["added_tokens"])])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="EXPORT_DIR")
    parser.add_argument("--env", type=Path, default=Path("/tmp/env457"), help="where transformers 4.57 is installed")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    if not (folder / "config.json").is_file():
        print(f"{folder}: no exported model, config.json is missing", file=sys.stderr)
        return 2
    old_python = make_environment(arguments.env)
    with tempfile.TemporaryDirectory() as temporary:
        logits = (Path(temporary) / "new.pt", Path(temporary) / "old.pt")
        new, old = read_with(sys.executable, folder, logits[0]), read_with(old_python, folder, logits[1])
        checks = [*look_at(folder), *compare(new, old, logits)]
    for passed, what in checks:
        print(f"{'note' if passed is None else 'ok  ' if passed else 'FAIL'} {what}")
    return int(any(passed is False for passed, _ in checks))


if __name__ == "__main__":
    sys.exit(main())
