"""The `qaz` command: parses, calls, prints; what the commands do lies in the rooms.

Exit codes: 0 done, 2 the user's input is wrong, 1 the work failed. Rooms are imported inside the commands that need
them, so `qaz --help` answers at once.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from qaz_llm.errors import InputError, QazError, WriteError
from qaz_llm.progress import get_logger, is_main_process, set_up_logging

if TYPE_CHECKING:
    from qaz_llm.config import StrictModel
    from qaz_llm.tokenizer.curve import ModelCost
    from qaz_llm.train.plan import TrainPlan

app = typer.Typer(
    name="qaz",
    help="Raw Kazakh text in, a Kazakh-capable language model and an honest kk / ru / en comparison out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Add --debug to any command for the traceback of an error. Overrides have the form section.key=value.",
)
data_app = typer.Typer(no_args_is_help=True, help="Build a corpus, and look at what was kept and dropped.")
tokenizer_app = typer.Typer(no_args_is_help=True, help="Extend a tokenizer for Kazakh, and measure tokenizers.")
eval_app = typer.Typer(no_args_is_help=True, help="Score models in kk, ru and en, and compare them.")
config_app = typer.Typer(no_args_is_help=True, help="Check and show configs.")
app.add_typer(data_app, name="data")
app.add_typer(tokenizer_app, name="tokenizer")
app.add_typer(eval_app, name="eval")
app.add_typer(config_app, name="config")

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML config.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Values in place of the config's.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, on what and how big; do nothing.")]


# ---------------------------------------------------------------------------------------------------------- main job


@app.command()
def run(
    config: ConfigPath,
    overrides: Overrides = None,
    first: Annotated[str | None, typer.Option("--from", metavar="STAGE", help="Start at this stage.")] = None,
    last: Annotated[str | None, typer.Option("--until", metavar="STAGE", help="End after this stage.")] = None,
    force: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="Run this stage even if nothing changed.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """The main job: corpus, tokenizer, training, evaluation, report; unchanged stages are skipped."""
    from qaz_llm.config import load_config
    from qaz_llm.pipeline.config import RunConfig
    from qaz_llm.pipeline.run import plan_job, run_job

    settings = load_config(RunConfig, config, overrides or ())
    if dry_run:
        planned = plan_job(settings, first=first, last=last, forced=force or ())
        if as_json:
            _print_json([vars(stage) for stage in planned])
        else:
            _print_plan([vars(stage) for stage in planned])
        return
    result = run_job(settings, first=first, last=last, forced=force or ())
    if not is_main_process():
        return
    if as_json:
        _print_json(result.to_dict())
    elif result.report is not None:
        typer.echo(f"report: {result.report}")
        typer.echo(f"model:  {result.model}")


@app.command()
def train(config: ConfigPath, overrides: Overrides = None, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Train a model; run again with the same arguments, it goes on where it stopped."""
    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.config import load_config
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.plan import make_plan
    from qaz_llm.train.run import train as train_model

    settings = load_config(TrainConfig, config, overrides or ())
    plan = make_plan(settings, read_environment())
    if dry_run:
        _print_plan_of_training(plan, as_json)
        return
    result = train_model(plan)
    if as_json and is_main_process():
        _print_json(vars(result))


@app.command()
def plan(config: ConfigPath, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Memory, compute and time of a training config, without starting it."""
    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.config import load_config
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.plan import make_plan

    made = make_plan(load_config(TrainConfig, config, overrides or ()), read_environment())
    _print_plan_of_training(made, as_json)


# -------------------------------------------------------------------------------------------------------------- data


@data_app.command("build")
def data_build(
    config: ConfigPath,
    overrides: Overrides = None,
    dry_run: DryRun = False,
    share: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only clean part I (from 0) of N; for job arrays.")
    ] = None,
    merge_only: Annotated[bool, typer.Option(help="Fail where a part has not been cleaned by then.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read, repair, identify, filter, deduplicate and protect; writes shards, manifest, report and card to `out`."""
    from qaz_llm.config import load_config
    from qaz_llm.data.build import Share, build
    from qaz_llm.data.config import DataConfig

    result = build(
        load_config(DataConfig, config, overrides or ()),
        dry_run=dry_run,
        share=Share.parse(share) if share is not None else None,
        merge_only=merge_only,
    )
    if as_json:
        _print_json(result.to_dict())
    else:
        typer.echo(result.describe())


@data_app.command("mix")
def data_mix(config: ConfigPath, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """What a mix takes of a corpus: tokens, passes and share per language and source; nothing is written."""
    from qaz_llm.config import load_config
    from qaz_llm.data.config import MixConfig
    from qaz_llm.data.mixing.corpus_mix import describe_mix

    mix = describe_mix(load_config(MixConfig, config, overrides or ()))
    if as_json:
        _print_json(mix.to_dict())
    else:
        typer.echo("\n".join(mix.lines()))


@data_app.command("report")
def data_report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The `out` of a build.")]) -> None:
    """Write the report of a build again."""
    from qaz_llm.data.report import write_report

    typer.echo(write_report(folder))


@data_app.command("show")
def data_show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The `out` of a build.")],
    dropped: Annotated[bool, typer.Option(help="Show dropped documents instead of kept ones.")] = False,
    reason: Annotated[str | None, typer.Option(help="Only documents dropped for this reason.")] = None,
    language: Annotated[str | None, typer.Option(help="Only documents in this language.")] = None,
    source: Annotated[str | None, typer.Option(help="Only documents of this source.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 10,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Page through the documents of a build."""
    from qaz_llm.data.show import show_documents

    rows = show_documents(
        folder,
        dropped=dropped or reason is not None,
        reason=reason,
        language=language,
        source=source,
        limit=limit,
        offset=offset,
    )
    for row in rows:
        if as_json:
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            typer.secho("  ".join(f"{k}={v}" for k, v in row.items() if k not in {"text", "meta"}), bold=True)
            typer.echo(f"{row.get('text', '')}\n")


# --------------------------------------------------------------------------------------------------------- tokenizer


@tokenizer_app.command("extend")
def tokenizer_extend(
    base: Annotated[str, typer.Option(metavar="DIR_OR_HUB_ID", help="A fast BPE tokenizer.")],
    corpus: Annotated[
        list[Path], typer.Option(metavar="FILE [FILE ...]", help=".txt lines, .jsonl with `text`, or shards.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the extended tokenizer goes.")],
    more: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    num_new_tokens: Annotated[
        str, typer.Option(metavar="N|auto", help="How many tokens to add; auto takes what the gain curve suggests.")
    ] = "auto",
    max_new_tokens: Annotated[int, typer.Option(min=1, help="The most that auto may take.")] = 32_000,
    for_model: Annotated[
        str | None, typer.Option(metavar="DIR_OR_HUB_ID", help="With auto: the size with the least compute for it.")
    ] = None,
    language: Annotated[str, typer.Option(help="Rows that name another language are passed over.")] = "kk",
    min_frequency: Annotated[int, typer.Option(min=1, help="A new token joins a pair seen at least this often.")] = 2,
    planned_tokens: Annotated[
        int | None, typer.Option(min=1, help="Training tokens planned in this language: sets a least frequency.")
    ] = None,
    min_seen: Annotated[int, typer.Option(min=1, help="How often training is to see each new token.")] = 100,
    pad_to_multiple_of: Annotated[
        int | None, typer.Option(min=1, help="Rows of the model's tables: a multiple of this, such as 64 or 128.")
    ] = None,
    swap: Annotated[
        bool, typer.Option("--swap", help="Take ids of old tokens that no text of the corpus, in any language, uses.")
    ] = False,
    similar: Annotated[
        bool, typer.Option(help="Work out similar old tokens, for embedding_init blend and similar.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Add tokens learned from a corpus as new merges; no text gets longer, English stays as it is."""
    from qaz_llm.config import config_from_values
    from qaz_llm.io import check_replaceable, check_writable
    from qaz_llm.tokenizer.config import ExtensionConfig
    from qaz_llm.tokenizer.corpus import first_text
    from qaz_llm.tokenizer.extension import EXTENSION_FILE
    from qaz_llm.tokenizer.fast import load_fast_tokenizer
    from qaz_llm.tokenizer.make import make_from_files

    values = {
        "num_new_tokens": _number_or_auto(num_new_tokens), "max_new_tokens": max_new_tokens, "language": language,
        "min_frequency": min_frequency, "planned_tokens": planned_tokens, "min_seen": min_seen,
        "pad_to_multiple_of": pad_to_multiple_of, "swap": swap, "similar": similar,
    }  # fmt: skip
    config = config_from_values(ExtensionConfig, values, where="command line")
    paths = [*corpus, *(more or [])]
    for path in paths:
        first_text(path)  # a missing file is found before any work
    check_replaceable(out, marker=EXTENSION_FILE)
    check_writable(out.parent)
    cost = _cost_of(for_model) if for_model is not None else None
    extended, facts = make_from_files(load_fast_tokenizer(base), config, paths, cost=cost)
    extended.save(out)
    if as_json:
        _print_json({"tokenizer": str(out), "base_tokens": extended.base_size, **facts.to_dict()})
    else:
        typer.echo("\n".join([*facts.lines(), f"{out}: {extended.base_size:,} + {facts.new_tokens:,} tokens"]))


def _number_or_auto(value: str) -> int | str:
    if value == "auto":
        return value
    if not value.isdecimal() or not int(value):
        raise InputError(f"--num-new-tokens {value}: expected a number from 1 on, or auto")
    return int(value)


def _cost_of(checkpoint: str) -> ModelCost:
    from qaz_llm.model.architecture import model_cost
    from qaz_llm.model.load import load_config_of

    return model_cost(load_config_of(checkpoint))


@tokenizer_app.command("report")
def tokenizer_report(
    tokenizer: Annotated[list[str], typer.Option(metavar="DIR_OR_HUB_ID", help="A fast tokenizer; repeat to compare.")],
    text: Annotated[
        list[str], typer.Option(metavar="LANGUAGE=FILE[:FIELD]", help="Text to measure on, one per language.")
    ],
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The texts are parallel, line by line: compare languages too.")
    ] = False,
    morphemes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rows {text, segmented}: also measure cuts at morphemes.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where report.html, report.json and fertility.svg go.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tokens per word, bytes per token and words kept whole, over kk, ru and en."""
    from qaz_llm.io import check_replaceable, check_writable
    from qaz_llm.tokenizer import report_page
    from qaz_llm.tokenizer.report import compare_tokenizers, parse_text_options

    sources = parse_text_options(text)
    if out is not None:
        check_replaceable(out, marker=report_page.PLOT_FILE)
        check_writable(out.parent)
    measured = compare_tokenizers(tokenizer, sources, aligned=aligned, morphemes=morphemes)
    if as_json:
        _print_json({name: measures.to_dict() for name, measures in measured.items()})
    else:
        _print_table(*report_page.fertility_table(measured))
        if morphemes is not None:
            typer.echo(f"\n{report_page.corpus_note(measured)}\n")
            _print_table(*report_page.morpheme_table(measured))
    if out is not None:
        facts = {language: str(source) for language, source in sources.items()}
        facts |= {"morphemes": str(morphemes)} if morphemes is not None else {}
        page = report_page.write_report(measured, out, facts=facts)
        typer.echo(page, err=as_json)


# -------------------------------------------------------------------------------------------------------------- eval


@eval_app.command("run")
def eval_run(
    model: Annotated[str, typer.Option(metavar="DIR_OR_HUB_ID", help="A causal language model.")],
    suite: Annotated[str, typer.Option(help="A set of tasks; an unknown name lists them all.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where items.jsonl, parity.json and report.html go.")],
    overrides: Overrides = None,
    config: Annotated[Path | None, typer.Option(help="An eval config for all else.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a model on a suite in kk, ru and en."""
    from qaz_llm.config import config_from_values, load_config
    from qaz_llm.evals.config import EvalConfig
    from qaz_llm.evals.run import run_eval

    named = {"model": model, "suite": suite, "out": str(out)}
    if config is None:
        settings = config_from_values(EvalConfig, named, where="command line", overrides=overrides or ())
    else:
        settings = load_config(
            EvalConfig, config, [*(f"{k}={json.dumps(v)}" for k, v in named.items()), *(overrides or ())]
        )
    result = run_eval(settings)
    if as_json:
        _print_json(result.to_dict())
    else:
        typer.echo(result.describe())


@eval_app.command("compare")
def eval_compare(
    base: Annotated[Path, typer.Argument(metavar="BASE_DIR", help="The `out` of the model before adaptation.")],
    adapted: Annotated[Path, typer.Argument(metavar="ADAPTED_DIR", help="The `out` of the model after it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where comparison.json and report.html go.")],
) -> None:
    """What adaptation changed, item by item: gains on kk, forgetting on ru and en."""
    from qaz_llm.evals.compare import compare

    compare(base, adapted, out)
    typer.echo(out / "report.html")


@eval_app.command("report")
def eval_report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The `out` of `qaz eval run`.")]) -> None:
    """Write the report of an evaluation again."""
    from qaz_llm.evals.report import write_report

    typer.echo(write_report(folder))


# ------------------------------------------------------------------------------------------------------------ config


@config_app.command("check")
def config_check(
    config: ConfigPath,
    overrides: Overrides = None,
    kind: Annotated[
        str | None, typer.Option(help="run, data, train, eval, source or mix; by default told by the keys.")
    ] = None,
) -> None:
    """Check a config without doing any work."""
    _name, settings = _load_any(config, overrides or [], kind)
    typer.echo(f"{config}: a valid {_name} config ({type(settings).__name__})")


@config_app.command("show")
def config_show(
    config: ConfigPath,
    overrides: Overrides = None,
    kind: Annotated[
        str | None, typer.Option(help="run, data, train, eval, source or mix; by default told by the keys.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a config with its bases, overrides and defaults written out."""
    from qaz_llm.config import dump_yaml

    _name, settings = _load_any(config, overrides or [], kind)
    if as_json:
        _print_json(settings.to_dict())
    else:
        typer.echo(dump_yaml(settings.to_dict()), nl=False)


@config_app.command("schema")
def config_schema(kind: Annotated[str, typer.Argument(help="run, data, train, eval, source or mix")]) -> None:
    """Print the JSON schema that lets an editor complete and check a config."""
    kinds = _config_kinds()
    if kind not in kinds:
        raise InputError(f"{kind}: no such kind of config", hint=f"the kinds are: {', '.join(kinds)}")
    _print_json(kinds[kind].model_json_schema())


def _config_kinds() -> dict[str, type[StrictModel]]:
    from qaz_llm.data.config import DataConfig, MixConfig, SourceConfig
    from qaz_llm.evals.config import EvalConfig
    from qaz_llm.pipeline.config import RunConfig
    from qaz_llm.train.config import TrainConfig

    return {
        "run": RunConfig,
        "data": DataConfig,
        "train": TrainConfig,
        "eval": EvalConfig,
        "source": SourceConfig,
        "mix": MixConfig,
    }


def _load_any(path: Path, overrides: list[str], kind: str | None) -> tuple[str, StrictModel]:
    """Load a config of a kind that is named, or that shares the most top-level keys with it."""
    from qaz_llm.config import read_raw, validate

    kinds = _config_kinds()
    raw = read_raw(path, overrides)
    if kind is None:
        kind = max(kinds, key=lambda name: len(set(raw.values) & set(kinds[name].model_fields)))
    elif kind not in kinds:
        raise InputError(f"--kind {kind}: no such kind of config", hint=f"the kinds are: {', '.join(kinds)}")
    return kind, validate(kinds[kind], raw, str(path))


# ------------------------------------------------------------------------------------------------------------- tools


@app.command()
def export(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A model, or a folder with a LoRA adapter.")],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Where the Hugging Face folder goes.")],
    base: Annotated[
        str | None, typer.Option(metavar="DIR_OR_HUB_ID", help="The adapter's base, if it names none.")
    ] = None,
) -> None:
    """Write a model as one Hugging Face folder: adapter merged, safetensors, tokenizer, chat template, model card."""
    from qaz_llm.io import check_replaceable
    from qaz_llm.model.export import export_model

    check_replaceable(out, marker="config.json")
    typer.echo(export_model(source, out, base=base))


@app.command()
def chat(
    model: Annotated[str, typer.Argument(metavar="DIR_OR_HUB_ID")],
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 128,
) -> None:
    """Talk to a model; an empty line ends it."""
    from qaz_llm.model.chat import chat_session

    reply = chat_session(model, max_new_tokens=max_new_tokens)
    with contextlib.suppress(EOFError):  # Ctrl-D ends it as an empty line does
        while question := input("› ").strip():
            typer.echo(reply(question))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """What this machine has, and whether everything needed is installed."""
    from dataclasses import asdict

    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.provenance import package_versions

    facts: dict[str, Any] = {"environment": asdict(read_environment()), "packages": package_versions()}
    if as_json:
        _print_json(facts)
    else:
        _print_table(["what", "found"], [[k, str(v)] for part in facts.values() for k, v in part.items()])


# ---------------------------------------------------------------------------------------------------------- printing


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _print_plan_of_training(made: TrainPlan, as_json: bool) -> None:
    if as_json:
        _print_json(made.to_dict())
    else:
        typer.echo("\n".join([made.describe(), *made.mix_lines()]))


def _print_table(headers: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*headers, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _print_plan(planned: list[Mapping[str, Any]]) -> None:
    from qaz_llm.progress import format_duration

    rows = []
    for stage in planned:
        estimate = stage["estimate_s"]
        time = format_duration(estimate) if estimate is not None else "not known"
        rows.append(
            [stage["name"], stage["action"], stage["reason"], stage["size"], time if stage["action"] != "skip" else ""]
        )
    _print_table(["stage", "action", "why", "on what, how big", "time"], rows)


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


def main() -> NoReturn:
    """Run the command line; every error becomes one readable message and an exit code."""
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    set_up_logging(debug=debug)
    try:
        app(args=arguments, standalone_mode=True)
    except SystemExit as end:
        if end.__context__ is not None and isinstance(end.__context__.__cause__, KeyboardInterrupt):
            _fail("interrupted; run the same command again to go on where it stopped", 1)  # typer ends without a word
        raise
    except Exception as error:
        if debug:
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
    typer.echo(f"error: {message}", err=True)
    sys.exit(code)
