"""Everything of a run that is made from its text alone: the tokenizer where one is trained, and the packed rows.

`qaz data tokenize` makes it on machines without a GPU, in as many jobs as wished; `qaz train` makes what is missing, by the
same code. What is there is known by what it was made of, so that each process finds the same without asking another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.cluster.environment import usable_cpus
from qaz_llm.data.mixing.corpus_mix import corpus_files, count_parts
from qaz_llm.data.share import Share
from qaz_llm.errors import InputError
from qaz_llm.io import atomic_dir, check_writable, fingerprint_inputs, fingerprint_value, read_json, write_json
from qaz_llm.progress import format_duration, get_logger
from qaz_llm.rows.config import MixEntry
from qaz_llm.rows.counts import lines_of
from qaz_llm.rows.dataset import all_parts, make_rows
from qaz_llm.rows.packed import META_FILE
from qaz_llm.rows.parts import RowSet, is_part_done, row_set
from qaz_llm.rows.sources import declared_entries, read_conversations, read_texts, recipe_entries

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from qaz_llm.train.config import TrainConfig

_logger = get_logger("train")

MB_PER_SECOND = 5.0
"""Megabytes of text per second and process, from file to rows, Llama-3's tokenizer on Kazakh text (docs/results/rows.md)."""

BYTES_PER_CELL = 5
"""Of a token on disk: its id and its flags."""

BYTES_PER_TOKEN = 3.0
"""Of text, for the estimate of disk space; Kazakh under Llama-3's tokenizer, the least of the three languages."""


@dataclass(frozen=True)
class PreparedFiles:
    """Where tokenizer and rows lie; small enough to send to all processes."""

    tokenizer: str
    entries: tuple[MixEntry, ...]
    datasets: tuple[str, ...]


class Files:
    """What a config's text becomes and where it lies; looked up step by step, as each rests on the one before."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.cache = config.data.cache_dir or config.run_dir / "packed"

    @property
    def tokenizer_name(self) -> str:
        """The folder or hub id of the tokenizer; the one in run_dir/tokenizer where the config asks to train one."""
        model = self.config.model
        return model.tokenizer or model.checkpoint or str(self.config.run_dir / "tokenizer")

    @property
    def lacks_tokenizer(self) -> bool:
        """Whether one is to be trained, and has not been."""
        model = self.config.model
        is_trained = model.tokenizer is None and model.checkpoint is None
        return is_trained and not (Path(self.tokenizer_name) / "tokenizer_config.json").is_file()

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        from qaz_llm.model.load import load_tokenizer

        model = self.config.model
        return load_tokenizer(
            self.tokenizer_name, chat_template=model.chat_template, trust_remote_code=model.trust_remote_code
        )

    @cached_property
    def recipe_file(self) -> Path:
        """Where the parts of a corpus are kept once they are counted, under a name that changes with corpus and recipe."""
        recipe, chat = self.config.data.recipe, self.config.is_chat
        assert recipe is not None
        values = {k: v for k, v in recipe.to_dict().items() if k not in ("corpus", "tokenizer")}
        key = fingerprint_value([fingerprint_inputs(corpus_files(recipe, chat=chat)), values, chat])
        return self.cache / f".recipe-{key[:16]}.json"

    @property
    def lacks_entries(self) -> bool:
        """Whether the parts of a recipe have not been counted."""
        return self.config.data.recipe is not None and not self.recipe_file.is_file()

    @cached_property
    def entries(self) -> tuple[MixEntry, ...]:
        """The parts to make rows of: those the config names, or those that a recipe makes of a corpus."""
        recipe = self.config.data.recipe
        if recipe is None:
            return declared_entries(self.config.data)
        if not self.lacks_entries:
            kept = (MixEntry.model_validate(values) for values in read_json(self.recipe_file))
            return tuple(entry.model_copy(update={"path": recipe.corpus}) for entry in kept)
        entries = recipe_entries(count_parts(recipe, chat=self.config.is_chat), recipe)
        write_json(self.recipe_file, [entry.to_dict() for entry in entries])
        return entries

    @cached_property
    def sets(self) -> tuple[RowSet, ...]:
        shape = self.config.row_shape
        return tuple(row_set(entry, self.tokenizer, shape, cache=self.cache) for entry in self.entries)

    @property
    def are_there(self) -> bool:
        """Whether nothing is left to make."""
        return not self.lacks_tokenizer and not self.lacks_entries and all(rows.is_done for rows in self.sets)

    def parts_done(self) -> list[bool]:
        """Of each part, in the order that shares are dealt in, whether it is made."""
        return [rows.is_done or is_part_done(rows.part_folder(number)) for rows, number in all_parts(self.sets)]

    @property
    def workers(self) -> int:
        return self.config.data.workers or usable_cpus()

    def missing_bytes(self) -> int:
        """About so many bytes of text have yet to become rows."""
        return sum(
            part.text_bytes
            for rows in self.sets
            if not rows.is_done
            for number, part in enumerate(rows.parts)
            if not is_part_done(rows.part_folder(number))
        )

    def missing_row_bytes(self) -> int:
        """About so many bytes the rows that are missing will take."""
        return int(self.missing_bytes() / BYTES_PER_TOKEN * BYTES_PER_CELL)

    def prepared(self) -> PreparedFiles:
        return PreparedFiles(self.tokenizer_name, self.entries, tuple(str(rows.folder) for rows in self.sets))


def make_files(config: TrainConfig, *, share: Share | None = None, check: bool = True) -> PreparedFiles:
    """Make the tokenizer where one is to be trained, and the rows that are missing, or this share of them.

    `check`: compare the rows that are there with their hashes, and make damaged ones anew.

    Raises as `rows.dataset.make_rows`, and InputError where a share would have to train the tokenizer.
    """
    files = Files(config)
    if files.lacks_tokenizer:
        if share is not None:
            raise InputError(
                f"{files.tokenizer_name}: the tokenizer has not been trained, and the jobs of an array cannot share that",
                hint="train it first with one `qaz data tokenize` without --share, or name one: model.tokenizer=DIR",
            )
        _train_tokenizer(config, Path(files.tokenizer_name))
    there = [rows for rows in files.sets if rows.is_done]
    for rows in there:
        for line in lines_of(rows.entry.name, read_json(rows.folder / META_FILE)):
            _logger.info(line)
    make_rows(files.sets, files.tokenizer, workers=files.workers, share=share, check=check)
    return files.prepared()


def _train_tokenizer(config: TrainConfig, folder: Path) -> None:
    from qaz_llm.tokenizer.base import train_base_tokenizer

    size = config.model.train_vocab_size
    assert size is not None
    _logger.info("training a tokenizer of %d tokens on the training text", size)
    tokenizer = train_base_tokenizer(_all_texts(config), vocab_size=size)
    with atomic_dir(folder) as temporary:
        tokenizer.save_pretrained(temporary)


def _all_texts(config: TrainConfig) -> Iterator[str]:
    entries = declared_entries(config.data)
    if config.method == "sft":
        conversations = chain.from_iterable(read_conversations(entry) for entry in entries)
        return (message.content for conversation in conversations for message in conversation.messages)
    return (text for _, text in chain.from_iterable(read_texts(entry) for entry in entries))


# ------------------------------------------------------------------------------------------------- qaz data tokenize


@dataclass(frozen=True)
class TokenizeResult:
    """What lies on disk of the rows of a config, and what is missing."""

    cache: Path
    sets: Sequence[Mapping[str, Any]]
    """Of each part of the mix: name, folder, parts, parts_made; and its meta.json where it is whole."""
    missing_bytes: int
    workers: int

    @property
    def estimated_s(self) -> float:
        return self.missing_bytes / 1e6 / MB_PER_SECOND / self.workers

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        missing = {"missing_bytes": self.missing_bytes, "estimated_s": round(self.estimated_s, 1)}
        return {"cache": str(self.cache), **missing, "sets": list(self.sets)}

    def describe(self) -> str:
        """As a person reads it."""
        lines = [line for made in self.sets for line in _set_lines(made)]
        if self.missing_bytes:
            disk = self.missing_bytes / BYTES_PER_TOKEN * BYTES_PER_CELL
            lines.append(
                f"missing: about {self.missing_bytes / 1e6:,.1f} MB of text, {self.workers} "
                f"process{'es' if self.workers > 1 else ''}, about {format_duration(self.estimated_s)}; up to "
                f"{disk / 1e9:,.1f} GB on disk, twice that while parts are put together, in {self.cache}"
            )
        return "\n".join(lines)


def _set_lines(made: Mapping[str, Any]) -> Iterator[str]:
    name = made["name"]
    if "rows" not in made:
        yield f"{name}: {made['parts_made']:,} of {made['parts']:,} parts are made"
        return
    full = made["tokens"] / (made["rows"] * made["seq_len"])
    yield (
        f"{name}: {made['examples']:,} examples, {made['tokens']:,} tokens in {made['rows']:,} rows "
        f"({full:.1%} full), in {made['folder']}"
    )
    yield from lines_of(name, made)


def tokenize(config: TrainConfig, *, share: Share | None = None, dry_run: bool = False) -> TokenizeResult:
    """Make the rows of a training config, or a share of them, or only say what there is and what is missing.

    Raises as `make_files`.
    """
    files = Files(config)
    if dry_run and files.lacks_tokenizer:
        raise InputError(
            f"{files.tokenizer_name}: the tokenizer has not been trained, so it is not known which rows there are",
            hint="run the command without --dry-run, or name a tokenizer: model.tokenizer=DIR",
        )
    if not dry_run:
        with _nothing_empty_left(files):
            check_writable(files.cache)
            make_files(config, share=share)
    sets = [_what_is_there(rows) for rows in files.sets]
    return TokenizeResult(files.cache, sets, files.missing_bytes(), files.workers)


@contextmanager
def _nothing_empty_left(files: Files) -> Iterator[None]:
    """Where the block fails, take the folders away that it made and left empty: of a run that never began nothing stays."""
    new = [folder for folder in (files.cache, files.config.run_dir) if not folder.exists()]
    try:
        yield
    except BaseException:
        for folder in (*files.cache.glob(".*.parts"), *new):
            with suppress(OSError):  # something is in it, or another job has taken it away
                folder.rmdir()
        raise


def _what_is_there(rows: RowSet) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": rows.entry.name, "folder": str(rows.folder), "parts": len(rows.parts)}
    if rows.is_done:
        return {**facts, "parts_made": len(rows.parts), **read_json(rows.folder / META_FILE)}
    made = sum(is_part_done(rows.part_folder(number)) for number in range(len(rows.parts)))
    return {**facts, "parts_made": made}
