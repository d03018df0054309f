"""The `qaz` command itself: its groups, and how errors end it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from qaz_llm.cli.audit import audit
from qaz_llm.cli.chain import chain
from qaz_llm.cli.config import config_app
from qaz_llm.cli.data import data_app
from qaz_llm.cli.doctor import doctor
from qaz_llm.cli.evals import eval_app
from qaz_llm.cli.export import export
from qaz_llm.cli.fetch import fetch
from qaz_llm.cli.labels import label_app, verify
from qaz_llm.cli.merge import merge
from qaz_llm.cli.model import chat
from qaz_llm.cli.plan import plan
from qaz_llm.cli.run import run
from qaz_llm.cli.saying import print_traceback, say_error
from qaz_llm.cli.serve import serve
from qaz_llm.cli.status import status
from qaz_llm.cli.tokenizer import tokenizer_app
from qaz_llm.cli.train import train_app
from qaz_llm.cluster.job import Said, say_first
from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.cluster.stopping import INTERRUPTED, told_behind
from qaz_llm.errors import InputError, QazError, WriteError
from qaz_llm.io.secrets import SafeRecord
from qaz_llm.progress import get_logger, is_main_process, set_up_logging

COMMANDS: Mapping[str, Mapping[str, typer.Typer | Callable[..., None]]] = {
    "Begin": {"doctor": doctor, "run": run, "chain": chain, "fetch": fetch, "status": status, "config": config_app},
    "Text and tokens": {"data": data_app, "tokenizer": tokenizer_app},
    "Training": {"plan": plan, "train": train_app, "merge": merge},
    "Measuring": {"eval": eval_app},
    "A model in use": {
        "chat": chat,
        "serve": serve,
        "label": label_app,
        "verify": verify,
        "export": export,
        "audit": audit,
    },
}
"""What `qaz --help` shows: the task, then its commands and groups of commands by name. A new one is a word in this table."""


class InTableOrder(TyperGroup):
    """Commands as COMMANDS has them; typer alone shows single commands before groups, whatever their task."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for commands in COMMANDS.values() for name in commands]


app = typer.Typer(
    name="qaz",
    cls=InTableOrder,
    help="Raw Kazakh text in, a Kazakh-capable language model and an honest kk / ru / en comparison out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Add --debug to any command for the traceback of an error. Overrides have the form section.key=value.",
)
for task, commands in COMMANDS.items():
    for name, command in commands.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=task)
        else:
            app.command(name, rich_help_panel=task)(command)


def version_callback(value: bool) -> None:
    """Print the version and end."""
    if value:
        from qaz_llm import __version__

        typer.echo(f"qaz-llm {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=version_callback, is_eager=True)] = False,
) -> None:
    """Options of all commands."""


def run_command_line() -> NoReturn:
    """Parse sys.argv and run the command; every error becomes one readable message and an exit code.

    Raises:
        SystemExit: always, but where a signal ended it, which is left to the caller: PreemptedError, Told.
    """
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    logging.setLogRecordFactory(SafeRecord)
    set_up_logging(debug=debug)
    try:
        app(args=arguments, standalone_mode=is_main_process())  # typer itself says what is wrong with a command line
    except SystemExit as end:
        if told_behind(end) is not None:
            raise
        if end.__context__ is not None and isinstance(end.__context__.__cause__, KeyboardInterrupt):
            _fail(INTERRUPTED, 1)  # typer ends without a word
        if (usage := getattr(end.__context__, "format_message", None)) is not None:  # typer itself has said it
            say_first(Said(usage(), InputError.exit_code))
        raise
    except Exception as error:
        if isinstance(error, PreemptedError) or told_behind(error) is not None:
            raise
        if isinstance(error, SystemError) and isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            _fail(INTERRUPTED, 1)  # Ctrl-C while numba was calling a kernel
        if hasattr(error, "format_message"):  # typer's, of a process that is not the first
            _fail(error.format_message(), InputError.exit_code)
        if debug:
            sys.excepthook = print_traceback
            raise
        _fail_readably(error)
    sys.exit(0)


def _fail_readably(error: Exception) -> NoReturn:
    if isinstance(error, QazError):
        get_logger("cli").debug("failed", exc_info=error)
        _fail(str(error), error.exit_code)
    if isinstance(error, OSError) and error.filename:
        _fail(f"{error.filename}: {error.strerror}", WriteError.exit_code)
    _fail(f"{type(error).__name__}: {error}\n  → this is a fault of ours; run again with --debug for the traceback", 1)


def _fail(message: str, code: int) -> NoReturn:
    say_error(message, code)
    sys.exit(code)
