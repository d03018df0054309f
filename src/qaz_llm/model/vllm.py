"""`qaz export --to vllm`: a folder with the model and what starts vLLM on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qaz_llm.config import dump_yaml
from qaz_llm.errors import InputError, WorkError
from qaz_llm.io import atomic_dir, check_replaceable, read_json
from qaz_llm.model.export import export_model, name_of

MODEL, SETTINGS, START = "model", "vllm.yaml", "serve.sh"
PORT = 8000

NOTE = """\
# Settings of `vllm serve`; serve.sh beside this file starts it. Change them here, or name others after ./serve.sh.
#
# It listens on this machine alone. What a model writes is passed on with a label that machines read and a notice that
# people see (Republic of Kazakhstan, law 230-VIII, art. 21); vLLM writes neither. Put the project's gateway in front of
# it, which does, and let no one past it. A watermark in the choice of words is set by vLLM's own options; a single
# request may switch it off unless the gateway forbids that. Measured by the project is the folder, not this server.
"""

SCRIPT = """\
#!/bin/sh
# Starts vLLM on the model beside this file: OpenAI's protocol on http://127.0.0.1:{port}/v1. VLLM_API_KEY asks for a key.
cd "$(dirname "$0")" || exit 1
exec vllm serve ./{model} --config {settings} "$@"
"""


def export_vllm(source: Path, out: Path, *, base: str | None = None, served_name: str | None = None) -> Path:
    """Write `out` with `model/` (an adapter is merged), `vllm.yaml` and `serve.sh`; read back before it gets its name.

    `served_name` is what requests call the model; else the name of its folder or run.

    Raises:
        InputError: `source` is no model, or `out` holds other files.
        WorkError: what was written does not load.
    """
    check_replaceable(out, marker=SETTINGS)
    with atomic_dir(out) as temporary:
        folder = export_model(source, temporary / MODEL, base=base)
        settings = settings_of(folder, served_name or name_of(source))
        (temporary / SETTINGS).write_text(NOTE + dump_yaml(settings), encoding="utf-8")
        start = temporary / START
        start.write_text(SCRIPT.format(port=PORT, model=MODEL, settings=SETTINGS), encoding="utf-8")
        start.chmod(0o755 & (start.stat().st_mode | 0o111))
        check_loads(folder)
    return out


def settings_of(folder: Path, served_name: str) -> dict[str, Any]:
    """What `vllm serve` is told of a model: by its config.json.

    Raises:
        InputError: the config does not say how long a text may be.
    """
    config = read_json(folder / "config.json")
    config = {**config, **config.get("text_config", {})}
    longest = config.get("max_position_embeddings")
    if not isinstance(longest, int):
        raise InputError(
            f"{folder / 'config.json'}: no max_position_embeddings", hint="write the longest text in tokens into it"
        )
    return {
        "served-model-name": served_name,
        "dtype": config.get("dtype") or config.get("torch_dtype") or "auto",
        "max-model-len": longest,
        "generation-config": f"./{MODEL}",
        "host": "127.0.0.1",
        "port": PORT,
    }


def check_loads(folder: Path) -> None:
    """See that config, tokenizer and settings of generation load, and fit each other.

    Raises:
        WorkError: they do not.
    """
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    try:
        config = AutoConfig.from_pretrained(folder).get_text_config()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        generation = GenerationConfig.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise WorkError(f"{folder.name}: does not load after writing ({str(error).splitlines()[0][:300]})") from error
    highest = max(tokenizer.get_vocab().values())
    if highest >= config.vocab_size:
        raise WorkError(f"{folder.name}: token {highest:,} has no row, the model has {config.vocab_size:,}")
    if not generation.eos_token_id:
        raise WorkError(f"{folder.name}: names no token that ends an answer")
