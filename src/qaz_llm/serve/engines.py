"""The engines: how each is started, and how a request is put to it.

transformers serve takes sampling from the model's generation config and ignores the temperature of a request where that says
`do_sample: false`. Its field `generation_config` replaces the whole config for one request, so every request brings one.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qaz_llm.errors import InputError
from qaz_llm.io import read_json
from qaz_llm.labels.watermark import read_watermark_keys
from qaz_llm.model.generation import GENERATION_FILE, SAMPLING
from qaz_llm.serve.config import ServeConfig
from qaz_llm.serve.facts import ModelFacts
from qaz_llm.serve.fields import Asked

LOOPBACK = "127.0.0.1"
_TRANSFORMERS = "from transformers.cli.transformers import main; import sys; sys.argv[0] = 'transformers'; main()"


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that starts an engine, and how it is then spoken to."""

    command: tuple[str, ...]
    model: str
    """How the engine calls the model."""
    key: str | None = None
    """A key made for this start, where the engine knows keys: other users of the machine reach the loopback address, too."""
    key_variable: str | None = None
    """The variable that the engine reads the key from: what stands on a command line everyone can see."""


def check_engine(config: ServeConfig) -> None:
    """Raise InputError where what an engine needs is not there, or where it cannot do what is asked."""
    if config.watermark is not None:
        _check_watermark(config, config.watermark)
    if config.upstream:
        return
    if config.engine == "llama":
        if config.gguf is None or not config.gguf.is_file():
            raise InputError(
                f"--engine llama: {config.gguf or 'no file'} is no GGUF", hint="give one of the same model: --gguf FILE"
            )
        if shutil.which("llama-server") is None and find_spec("xllamacpp") is None:
            raise InputError(
                "--engine llama: there is neither llama-server on the PATH nor the package xllamacpp",
                hint="pip install xllamacpp, or start llama.cpp yourself and give --upstream URL --engine llama",
            )
    if config.engine == "vllm" and shutil.which("vllm") is None:
        raise InputError(
            "--engine vllm: there is no vllm on the PATH",
            hint="install vLLM, or start it yourself and give --upstream http://HOST:PORT --engine vllm",
        )


def _check_watermark(config: ServeConfig, keys_file: Path) -> None:
    if config.engine == "vllm":
        raise InputError(
            "--watermark: not for vllm, whose own watermark has other keys and takes them on the command line",
            hint="start vLLM with its --watermark-config yourself and give --upstream URL --engine vllm; requests cannot switch it off",
        )
    if config.engine == "llama" or config.upstream:
        what = "an engine that runs already" if config.upstream else "llama.cpp, which has no watermark"
        raise InputError(
            f"--watermark: not for {what}", hint="--engine transformers without --upstream can mark answers"
        )
    read_watermark_keys(keys_file)
    settings = config.model / GENERATION_FILE
    if settings.is_file() and read_json(settings).get("watermarking_config") is not None:
        raise InputError(
            f"{settings}: watermarking_config is set, and one of the two watermarks would take the other's place",
            hint="take watermarking_config out of the file, or leave --watermark out",
        )


def launch_of(config: ServeConfig, facts: ModelFacts, port: int) -> Launch:
    """How an engine is started on the loopback address. vLLM's has not been tried here."""
    at = ("--host", LOOPBACK, "--port", str(port))
    folder = str(facts.folder)
    if config.watermark is not None:
        marking = (sys.executable, "-m", "qaz_llm.serve.marking_process", folder, str(port), str(config.watermark))
        return Launch(marking, folder)
    if config.engine == "transformers":
        return Launch((sys.executable, "-c", _TRANSFORMERS, "serve", folder, *at, "--log-level", "error"), folder)
    key = secrets.token_urlsafe(32)
    if config.engine == "vllm":
        served = ("--served-model-name", config.name, "--max-model-len", str(facts.window_tokens))
        return Launch(("vllm", "serve", folder, *at, *served), config.name, key, "VLLM_API_KEY")
    slots = config.at_once
    gguf, tokens = str(config.gguf), str(facts.window_tokens * slots)
    if shutil.which("llama-server") is None:
        own = (sys.executable, "-m", "qaz_llm.serve.llama_process", gguf, str(port), tokens, str(slots), config.name)
        return Launch(own, config.name, key, "LLAMA_API_KEY")
    sizes = ("--ctx-size", tokens, "--parallel", str(slots))
    command = ("llama-server", "--model", gguf, *at, *sizes, "--alias", config.name, "--jinja")
    return Launch(command, config.name, key, "LLAMA_API_KEY")


def body_for(asked: Asked, engine: str, model: str, max_tokens: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The request as the engine understands it."""
    text: dict[str, Any] = {"messages": list(asked.messages)} if asked.is_chat else {"prompt": asked.prompt}
    body = {"model": model, **text, "stream": asked.stream, **asked.passed}
    if asked.stop:
        body["stop"] = list(asked.stop)
    if engine == "transformers":
        body["generation_config"] = json.dumps(generation_config(asked.sampling, max_tokens, settings))
        return {**body, **({"seed": asked.sampling["seed"]} if "seed" in asked.sampling else {})}
    usage = {"stream_options": {"include_usage": True}} if asked.stream else {}
    return {**body, "max_tokens": max_tokens, **asked.sampling, **usage}


def generation_config(sampling: Mapping[str, Any], max_tokens: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The model's own settings with those of the request: temperature 0 takes the likeliest token, another one samples.

    >>> generation_config({"temperature": 0.7}, 9, {"do_sample": False, "eos_token_id": 2})["do_sample"]
    True
    """
    asked = {key: value for key, value in sampling.items() if key in SAMPLING}
    made = {**settings, "max_new_tokens": max_tokens}
    made.pop("max_length", None)
    if asked:
        made["do_sample"] = asked.get("temperature", settings.get("temperature") or 1.0) > 0
        made |= asked
    if not made.get("do_sample"):
        made = {key: value for key, value in made.items() if key not in SAMPLING}
    return made
