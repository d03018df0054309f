"""`qaz tokenizer`: tokenizers extended and measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qaz_llm.cli.options import AsJson
from qaz_llm.cli.printing import print_json, print_table
from qaz_llm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from qaz_llm.tokenizer.curve import ModelCost
    from qaz_llm.tokenizer.make import ExtensionFacts

tokenizer_app = typer.Typer(no_args_is_help=True, help="Extend a tokenizer for Kazakh, and measure tokenizers.")


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
        str | None,
        typer.Option(
            metavar="DIR_OR_HUB_ID",
            help="With auto: the size with the least compute for it. With --keep: also what its bits per byte become.",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="LANGUAGE=FILE", help="Text in a language that is to lose little by it; repeatable."),
    ] = None,
    keep_weight: Annotated[
        float, typer.Option(min=0, help="How much a merge's use in the kept languages counts against it.")
    ] = 10.0,
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
        bool, typer.Option(help="Work out similar old tokens, for embedding_init fitted, blend and similar.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Add tokens learned from a corpus as new merges; no text gets longer, English stays as it is."""
    from qaz_llm.config import config_from_values
    from qaz_llm.io import check_replaceable
    from qaz_llm.tokenizer.config import ExtensionConfig
    from qaz_llm.tokenizer.corpus import corpus_texts, first_text
    from qaz_llm.tokenizer.extension import EXTENSION_FILE
    from qaz_llm.tokenizer.fast import load_fast_tokenizer
    from qaz_llm.tokenizer.keep import parse_keep_options
    from qaz_llm.tokenizer.make import make_from_files

    values = {
        "num_new_tokens": _number_or_auto(num_new_tokens), "max_new_tokens": max_new_tokens, "language": language,
        "min_frequency": min_frequency, "planned_tokens": planned_tokens, "min_seen": min_seen, "keep_weight": keep_weight,
        "pad_to_multiple_of": pad_to_multiple_of, "swap": swap, "similar": similar,
    }  # fmt: skip
    config = config_from_values(ExtensionConfig, values, where="command line")
    paths = [*corpus, *(more or [])]
    for path in paths:
        first_text(path)  # a missing file is found before any work
    kept = parse_keep_options(keep or (), language=language)
    check_replaceable(out, marker=EXTENSION_FILE)
    cost = _cost_of(for_model) if for_model is not None else None
    extended, facts = make_from_files(load_fast_tokenizer(base), config, paths, keep=kept, cost=cost)
    extended.save(out)
    if for_model is not None and kept:
        facts = _with_bits(facts, for_model, base, out, corpus_texts(paths, language=language), kept)
    if as_json:
        print_json({"tokenizer": str(out), "base_tokens": extended.base_size, **facts.to_dict()})
    else:
        typer.echo("\n".join([*facts.lines(), f"{out}: {extended.base_size:,} + {facts.new_tokens:,} tokens"]))


def _number_or_auto(value: str) -> int | str:
    if value == "auto":
        return value
    if not value.isdecimal() or not int(value):
        raise InputError(f"--num-new-tokens {value}: expected a number from 1 on, or auto")
    return int(value)


def _with_bits(
    facts: ExtensionFacts, checkpoint: str, base: str, extended: Path, added: Iterable[str], kept: Mapping[str, Path]
) -> ExtensionFacts:
    """The facts with each kept language's bits per byte before and after, no training between."""
    from dataclasses import replace

    from qaz_llm.evals.growing import price_of_growing

    bits = price_of_growing(checkpoint, base, extended, added=added, kept=kept)
    return replace(facts, kept={code: replace(one, bits_per_byte=bits[code]) for code, one in facts.kept.items()})


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
    from qaz_llm.io import check_replaceable
    from qaz_llm.tokenizer import report_page
    from qaz_llm.tokenizer.report import compare_tokenizers, parse_text_options

    sources = parse_text_options(text)
    if out is not None:
        check_replaceable(out, marker=report_page.PLOT_FILE)
    measured = compare_tokenizers(tokenizer, sources, aligned=aligned, morphemes=morphemes)
    if as_json:
        print_json({name: measures.to_dict() for name, measures in measured.items()})
    else:
        print_table(*report_page.fertility_table(measured))
        if morphemes is not None:
            typer.echo(f"\n{report_page.corpus_note(measured)}\n")
            print_table(*report_page.morpheme_table(measured))
    if out is not None:
        facts = {language: str(source) for language, source in sources.items()}
        facts |= {"morphemes": str(morphemes)} if morphemes is not None else {}
        page = report_page.write_report(measured, out, facts=facts)
        typer.echo(page, err=as_json)
