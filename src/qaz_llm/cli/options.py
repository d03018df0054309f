"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qaz_llm.model.choices import Attention

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML config.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Values in place of the config's.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, on what and how big; do nothing.")]
TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code", help="Run code that the checkpoint brings; leave it off for what you have not read."
    ),
]
Attn = Annotated[
    Attention, typer.Option(metavar="NAME", help="How attention is computed; auto: sdpa where the model has it.")
]
