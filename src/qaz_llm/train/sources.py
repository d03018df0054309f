"""The training text as it lies on disk: the documents or dialogues of one part of the mix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.data.config import MixConfig
from qaz_llm.data.mixing.corpus_mix import quality_of
from qaz_llm.data.mixing.mix import plan_corpus_mix
from qaz_llm.data.mixing.parts import MixPart
from qaz_llm.errors import DataError, InputError
from qaz_llm.io import expand_paths, file_format, open_text, read_rows, resolve_path
from qaz_llm.records import Conversation
from qaz_llm.train.config import MixEntry, TrainDataConfig

TEXT_FORMATS = (".jsonl", ".parquet", ".txt")
CHAT_FORMATS = (".jsonl", ".parquet")


def declared_entries(data: TrainDataConfig) -> tuple[MixEntry, ...]:
    """The parts of a mix as the config names them; of a recipe its corpus as one part."""
    if data.recipe is not None:
        return (MixEntry(name="corpus", path=data.recipe.corpus),)
    return data.mix or ()


def recipe_entries(parts: Sequence[MixPart], recipe: MixConfig) -> tuple[MixEntry, ...]:
    """The parts that the plan of a recipe takes something of, to be tokenised each."""
    taken = {entry.name for entry in plan_corpus_mix(parts, recipe).entries if entry.tokens > 0}
    return tuple(
        MixEntry(name=p.name, path=recipe.corpus, language=p.language, source=p.source, min_quality=p.min_quality)
        for p in parts
        if p.name in taken
    )


def training_files(entry: MixEntry, *, chat: bool) -> list[Path]:
    """The files of one part of the mix. In a folder that `qaz data build` made, only the shards of the right kind.

    Raises:
        InputError: where there are none.
    """
    path = resolve_path(entry.path)
    if path.is_dir():
        shards = sorted(path.glob("conversations-*" if chat else "documents-*"))
        if shards:
            return shards
        other = sorted(path.glob("documents-*" if chat else "conversations-*"))
        if other:
            found, wanted = ("documents", "conversations") if chat else ("conversations", "documents")
            raise InputError(
                f"{path}: holds {found}-* shards, {wanted}-* were expected for data.mix '{entry.name}'",
                hint="method sft trains on conversations, cpt and pretrain on documents",
            )
    return expand_paths(path, suffixes=CHAT_FORMATS if chat else TEXT_FORMATS)


def read_texts(entry: MixEntry) -> Iterator[tuple[str, str]]:
    """(id, text) of each document of one part of the mix, empty ones left out. In a .txt file each line is one.

    Raises:
        InputError: a row without `text`, or without `language` where the mix asks for one.
    """
    for path in training_files(entry, chat=False):
        if file_format(path) == ".txt":
            with open_text(path) as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield f"{path.name}:{number}", line.rstrip("\n")
            continue
        for number, row in enumerate(read_rows(path), 1):
            if not _is_wanted(row, entry, path, number):
                continue
            text = _field(row, "text", path, number)
            if not isinstance(text, str):
                raise DataError(f"{path}, row {number}: 'text' is {type(text).__name__}, expected a string")
            if text.strip():
                yield str(row.get("id", f"{path.name}:{number}")), text


def read_conversations(entry: MixEntry) -> Iterator[Conversation]:
    """The dialogues of one part of the mix. Raises InputError for a row without `messages`, DataError for odd ones."""
    for path in training_files(entry, chat=True):
        for number, row in enumerate(read_rows(path), 1):
            if not _is_wanted(row, entry, path, number):
                continue
            _field(row, "messages", path, number)
            try:
                yield Conversation.from_row(
                    {"id": f"{path.name}:{number}", "source": entry.name, "language": "und", "licence": ""} | row
                )
            except (KeyError, TypeError) as error:
                raise DataError(
                    f"{path}, row {number}: messages are not [{{role, content}}, …] ({error})",
                    hint="convert the dialogues with `qaz data build`",
                ) from error


def _is_wanted(row: dict[str, Any], entry: MixEntry, path: Path, number: int) -> bool:
    if entry.language is not None and _field(row, "language", path, number) != entry.language:
        return False
    if entry.source is not None and _field(row, "source", path, number) != entry.source:
        return False
    return entry.min_quality is None or quality_of(row, f"{path}, row {number}") >= entry.min_quality


def _field(row: dict[str, Any], name: str, path: Path, number: int) -> Any:
    if name not in row:
        raise InputError(
            f"{path}, row {number}: no field '{name}'; its fields are {', '.join(row)}",
            hint="method sft needs 'messages', cpt and pretrain need 'text', data.mix.language needs 'language', a recipe 'source' too",
        )
    return row[name]
