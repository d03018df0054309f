"""`qaz serve MODEL`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from qaz_llm.errors import InputError

Engine = Literal["transformers", "vllm", "llama"]


def serve(
    model: Annotated[Path, typer.Argument(metavar="DIR", help="A model folder, or a run.")],
    engine: Annotated[Engine, typer.Option(help="What computes; vllm has not been tried by us.")] = "transformers",
    upstream: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="An engine that runs already, of the kind --engine; may be given again."),
    ] = None,
    upstream_model: Annotated[str | None, typer.Option(metavar="NAME", help="How it calls the model.")] = None,
    gguf: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For llama: weights made of the same model.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Engines to start.")] = 1,
    name: Annotated[str | None, typer.Option(help="How requests call the model; the folder's name.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    keys_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keys of those who may ask; also the variable QAZ_API_KEYS.")
    ] = None,
    open_to_all: Annotated[bool, typer.Option("--open", help="No keys, though other machines reach it.")] = False,
    label_keys: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Label answers with the keys of `qaz label keys`.")
    ] = None,
    watermark: Annotated[
        str,
        typer.Option(
            metavar="FILE|off",
            help="Mark answers in their choice of tokens, with the keys of `qaz label watermark`; transformers alone.",
        ),
    ] = "off",
    notice: Annotated[
        Literal["kk", "ru", "en"] | None, typer.Option(help="A warning in words behind every answer.")
    ] = None,
    window: Annotated[int | None, typer.Option(min=16, help="Tokens of prompt and answer; the model's own.")] = None,
    answer_tokens: Annotated[int, typer.Option(min=1, help="Longest answer where a request does not say.")] = 1024,
    requests_per_minute: Annotated[int, typer.Option(min=0, help="By one key; 0 for no limit.")] = 120,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Requests at one engine at a time.")] = None,
    queue: Annotated[int, typer.Option(min=0, help="Requests that may wait.")] = 256,
    max_body_bytes: Annotated[int, typer.Option(min=1024, help="Of one request.")] = 1 << 20,
    request_s: Annotated[float, typer.Option(min=1, help="Longest time at the engine, in seconds.")] = 600.0,
    client_s: Annotated[
        float, typer.Option(min=1, help="Longest time to send a request, or to take a piece, in seconds.")
    ] = 60.0,
) -> None:
    """Serve a model at /v1/chat/completions and /v1/completions, as OpenAI's clients ask; answers say that they are AI-made.

    An engine computes: it is started on the loopback address, or given by --upstream. Ctrl-C or SIGTERM ends both.
    """
    from qaz_llm.model.export import model_folder
    from qaz_llm.serve.config import Limits, ServeConfig
    from qaz_llm.serve.run import serve as run
    from qaz_llm.serve.workers import addresses

    folder = model_folder(model)
    config = ServeConfig(
        model=folder,
        name=name or _name_of(folder.resolve()),
        engine=engine,
        upstream=addresses(upstream or ()),
        upstream_model=upstream_model,
        gguf=gguf,
        workers=workers,
        window_tokens=window,
        host=host,
        port=port,
        keys_file=keys_file,
        label_keys=label_keys,
        watermark=_keys_file(watermark),
        notice=notice,
        limits=Limits(
            answer_tokens=answer_tokens,
            requests_per_minute=requests_per_minute,
            concurrency=concurrency,
            queue=queue,
            body_bytes=max_body_bytes,
            request_s=request_s,
            client_s=client_s,
        ),
    )
    run(config, open_to_all=open_to_all)


def _keys_file(word: str) -> Path | None:
    """None for `off`. An empty word, of a variable that is not set, is neither a file nor off."""
    if not word:
        raise InputError("--watermark: is empty", hint="give a file of `qaz label watermark`, or --watermark off")
    return None if word == "off" else Path(word).absolute()


def _name_of(folder: Path) -> str:
    """`demo` for runs/demo/model."""
    return folder.parent.name if folder.name == "model" else folder.name
