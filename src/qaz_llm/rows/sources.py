"""The training text as it lies on disk: the documents or dialogues of one part of the mix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from qaz_llm.data.chat.dialogues import dialogue_problem, what_turns_hold, without_unanswered
from qaz_llm.data.chat.files import LOOKED_AT_ROWS, read_dialogue_rows
from qaz_llm.data.chat.shapes import DialogueFields, shape_of_rows, turns_of, what_was_found
from qaz_llm.data.config import MixConfig, SourceConfig
from qaz_llm.data.mixing.corpus_mix import quality_of
from qaz_llm.data.mixing.mix import plan_corpus_mix
from qaz_llm.data.mixing.parts import MixPart
from qaz_llm.data.readers import Row
from qaz_llm.errors import DataError, InputError
from qaz_llm.io import expand_paths, file_format, open_text, read_rows, resolve_path
from qaz_llm.progress import get_logger
from qaz_llm.records import Conversation
from qaz_llm.rows.config import MixEntry, TrainDataConfig

_logger = get_logger("rows")

TEXT_FORMATS = (".jsonl", ".parquet", ".txt")
CHAT_FORMATS = (".jsonl", ".ndjson", ".parquet")
"""What is taken out of a folder; a file that is named may be a JSON list, CSV or TSV, too."""


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
    if chat:
        return expand_paths(path, suffixes=CHAT_FORMATS if path.is_dir() else None)
    return expand_paths(path, suffixes=TEXT_FORMATS)


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


@dataclass(frozen=True, slots=True)
class ReadDialogue:
    """A dialogue of a file, or the reason why a row is none to train on, then without turns; `where` is its file and row."""

    conversation: Conversation
    where: str
    reason: str | None = None
    is_cut: bool = False
    """What was asked after the last answer was left out."""
    unused: tuple[str, ...] = ()
    """Keys of the row, and as `turn.KEY` of its turns, that are used for nothing."""


def read_dialogues(entry: MixEntry) -> Iterator[ReadDialogue]:
    """All rows of one part of the mix as dialogues, in any of the shapes of data.chat.shapes; the text stays as it is.

    Raises:
        InputError: none of a file's first rows has the fields of a dialogue; a row has no `language` or `source` where the
            mix asks for one.
        DataError: none of a file's first rows can be read; a damaged archive.
    """
    for path in training_files(entry, chat=True):
        rows = read_dialogue_rows(path, SourceConfig(name=entry.name, path=str(path)))
        head = list(islice(rows, LOOKED_AT_ROWS))
        _check_shapes(head, path)
        for row in chain(head, rows):
            fields, number = dict(row.fields), row.number + 1
            if row.problem is not None or _is_wanted(fields, entry, path, number):
                yield _dialogue(row, fields, entry, path)


def _check_shapes(head: Sequence[Row], path: Path) -> None:
    readable = [row.fields for row in head if row.problem is None]
    if head and not readable:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in Counter(row.problem for row in head).items())
        raise DataError(f"{path}: none of the first {len(head)} rows can be read ({reasons})", hint="check the file")
    if not readable:
        return
    shape = shape_of_rows(readable)
    if shape is None:
        raise InputError(
            f"{path}: no field 'messages' or of another shape of dialogues in the first {len(readable)} rows",
            hint=what_was_found(readable),
        )
    if (held := what_turns_hold(readable, DialogueFields())) is not None:
        raise InputError(f"{path}: no turn with a known role and text in the first {len(readable)} rows", hint=held)
    if shape != "messages":
        _logger.info("%s: dialogues are read from %s", path.name, shape)


def _dialogue(row: Row, fields: Mapping[str, Any], entry: MixEntry, path: Path) -> ReadDialogue:
    turns = turns_of(fields)
    messages = without_unanswered(turns.messages)
    reason = row.problem or turns.problem or dialogue_problem(messages)
    conversation = Conversation(
        str(fields.get("id", f"{path.name}:{row.number + 1}")),
        messages if reason is None else (),
        str(fields.get("source", entry.name)),
        str(fields.get("language", "und")),
        str(fields.get("licence", "")),
        turns.tools,
    )
    is_cut = reason is None and len(messages) < len(turns.messages)
    return ReadDialogue(conversation, f"{path.name}, row {row.number + 1}", reason, is_cut, turns.unused)


def read_conversations(entry: MixEntry) -> Iterator[Conversation]:
    """The dialogues of one part of the mix that can be trained on. Raises as `read_dialogues`."""
    return (read.conversation for read in read_dialogues(entry) if read.reason is None)


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
            hint="method sft needs dialogues, cpt and pretrain need 'text', data.mix.language needs 'language', a recipe 'source' too",
        )
    return row[name]
