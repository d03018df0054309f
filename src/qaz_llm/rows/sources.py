"""The training text as it lies on disk: the documents or dialogues of one part of the mix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from qaz_llm.data.chat.dialogues import dialogue_problem, what_turns_hold, without_unanswered
from qaz_llm.data.chat.files import LOOKED_AT_ROWS
from qaz_llm.data.chat.shapes import DialogueFields, shape_of_rows, turns_of, what_was_found
from qaz_llm.data.config import MixConfig, SourceConfig
from qaz_llm.data.mixing.corpus_mix import quality_of
from qaz_llm.data.mixing.mix import plan_corpus_mix
from qaz_llm.data.mixing.parts import MixPart
from qaz_llm.data.readers import FORMAT_BY_SUFFIX, Part, Row, read_rows_of, shape_of
from qaz_llm.errors import DataError, InputError
from qaz_llm.io import expand_paths, file_format, resolve_path
from qaz_llm.progress import get_logger
from qaz_llm.records import Conversation
from qaz_llm.rows.config import MixEntry, TrainDataConfig

_logger = get_logger("rows")

TEXT_FORMATS = (".jsonl", ".parquet", ".txt")
CHAT_FORMATS = (".jsonl", ".ndjson", ".parquet")
"""What is taken out of a folder; a file that is named may be a JSON list, CSV or TSV, too."""
TEXT_READERS = ("jsonl", "parquet", "csv", "tsv", "text")
FIRST_ROWS = 1000
"""So many rows at the beginning of each file tell whether there is text in it."""


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


@dataclass(frozen=True, slots=True)
class ReadText:
    """A document of a file, or the reason why a row is none to train on; `where` is its file and row."""

    id: str
    text: str
    where: str
    reason: str | None = None
    found: str = ""
    """What was found in place of a text, for a person."""
    is_mended: bool = False
    """Half a surrogate pair in it became U+FFFD."""


def read_text_rows(entry: MixEntry, path: Path, part: Part | None = None) -> Iterator[ReadText]:
    """The rows of a file, or of a part of it, that one part of the mix takes; of a .txt file its lines.

    Reasons: those of the readers, `missing_text`, `not_text`, `empty_text`, and `missing_language`, `missing_source` or
    `missing_quality` where the mix chooses by them. Raises DamagedFileError where a file cannot be read to its end.
    """
    rows = read_rows_of(path, text_source(entry, path), part=part)
    return (read for row in rows if (read := _read_text(row, entry, path)) is not None)


def _read_text(row: Row, entry: MixEntry, path: Path) -> ReadText | None:
    """The document of a row, or what is wrong with it; None where the mix asks for others."""
    fields, number = row.fields, row.number + 1
    where = f"{path.name}, row {number}"
    if row.problem is not None:
        return ReadText("", "", where, row.problem, row.problem)
    wanted = is_wanted(fields, entry, where)
    if wanted is False:
        return None
    reason, found = wanted if wanted is not True else _text_problem(fields)
    if reason is not None:
        return ReadText("", "", where, reason, found)
    return ReadText(str(fields.get("id", f"{path.name}:{number}")), fields["text"], where, is_mended=row.is_mended)


def _text_problem(fields: Mapping[str, Any]) -> tuple[str | None, str]:
    text = fields.get("text")
    if text is None:
        if "text" in fields:
            return "missing_text", "field 'text' is null"
        return "missing_text", f"no field 'text'; its fields are {', '.join(map(str, fields))}"
    if not isinstance(text, str):
        return "not_text", f"'text' is {type(text).__name__}, expected a string"
    return ("empty_text", "'text' is empty") if not text or text.isspace() else (None, "")


def text_source(entry: MixEntry, path: Path) -> SourceConfig:
    """How the readers are to read a file: by its suffix, a line being a row of plain text; of no known suffix as JSONL."""
    known = file_format(path) in FORMAT_BY_SUFFIX and FORMAT_BY_SUFFIX[file_format(path)] in TEXT_READERS
    return SourceConfig(name=entry.name, path=str(path), rows="line", format="auto" if known else "jsonl")


def recognised_encoding(entry: MixEntry, path: Path, *, chat: bool) -> str | None:
    """The encoding that a file of text does not say of itself, as it was found out; None where it is UTF-8 or says so."""
    source = SourceConfig(name=entry.name, path=str(path)) if chat else text_source(entry, path)
    form = shape_of(path, source).form
    return str(form) if form.is_guess else None


def read_texts(entry: MixEntry) -> Iterator[tuple[str, str]]:
    """(id, text) of each document of one part of the mix that can be trained on.

    Raises:
        InputError: there are rows, and none can be trained on.
    """
    count, first = 0, None
    for path in training_files(entry, chat=False):
        for read in read_text_rows(entry, path):
            if read.reason is None:
                count += 1
                yield read.id, read.text
            first = first or (read if read.reason not in (None, "empty_text") else None)
    if not count and first is not None:
        raise unusable(first, len_looked_at=None)


def check_first_texts(entry: MixEntry) -> None:
    """Look for a document, or one that the mix does not ask for, at the beginning of each file until there is one.

    Raises InputError where there are rows, and none can be trained on: a field of another name is not found out by reading
    a terabyte.
    """
    first = None
    for path in training_files(entry, chat=False):
        for row in islice(read_rows_of(path, text_source(entry, path)), FIRST_ROWS):
            read = _read_text(row, entry, path)
            if read is None or read.reason in (None, "empty_text"):
                return
            first = first or read
    if first is not None:
        raise unusable(first, len_looked_at=FIRST_ROWS)


def unusable(read: ReadText, *, len_looked_at: int | None) -> InputError:
    """What is said where no row of any file can be trained on, one being `read`."""
    of_all = f"none of the first {len_looked_at:,} rows" if len_looked_at is not None else "no row"
    return InputError(
        f"{of_all} of its files can be trained on; {read.where}: {read.found}",
        hint="method sft needs dialogues, cpt and pretrain need 'text', data.mix.language needs 'language', a recipe 'source' too",
    )


@dataclass(frozen=True, slots=True)
class ReadDialogue:
    """A dialogue of a file, or the reason why a row is none to train on, then without turns; `where` is its file and row."""

    conversation: Conversation
    where: str
    reason: str | None = None
    is_cut: bool = False
    """What was asked after the last answer was left out."""
    is_mended: bool = False
    """Half a surrogate pair in it became U+FFFD."""
    unused: tuple[str, ...] = ()
    """Keys of the row, and as `turn.KEY` of its turns, that are used for nothing."""


def read_dialogues(entry: MixEntry) -> Iterator[ReadDialogue]:
    """All rows of one part of the mix as dialogues, in any of the shapes of data.chat.shapes; the text stays as it is.

    Raises:
        InputError: none of a file's first rows has the fields of a dialogue.
        DataError: none of a file's first rows can be read; a damaged archive.
    """
    for path in training_files(entry, chat=True):
        yield from read_dialogues_of(entry, path)


def read_dialogues_of(entry: MixEntry, path: Path, part: Part | None = None) -> Iterator[ReadDialogue]:
    """The rows of a file, or of a part of it, as `read_dialogues`."""
    rows = read_rows_of(path, SourceConfig(name=entry.name, path=str(path)), part=part)
    head = list(islice(rows, LOOKED_AT_ROWS))
    if part is None or part.start == 0:
        _check_shapes(head, path)
    for row in chain(head, rows):
        fields = dict(row.fields)
        where = f"{path.name}, row {row.number + 1}"
        wanted = is_wanted(fields, entry, where) if row.problem is None else True
        if wanted is True:
            yield _dialogue(row, fields, entry, path)
        elif wanted is not False:
            yield ReadDialogue(Conversation("", (), entry.name, "und", ""), f"{where} ({wanted[1]})", wanted[0])


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
    return ReadDialogue(conversation, f"{path.name}, row {row.number + 1}", reason, is_cut, row.is_mended, turns.unused)


def read_conversations(entry: MixEntry) -> Iterator[Conversation]:
    """The dialogues of one part of the mix that can be trained on. Raises as `read_dialogues`."""
    return (read.conversation for read in read_dialogues(entry) if read.reason is None)


def is_wanted(fields: Mapping[str, Any], entry: MixEntry, where: str) -> bool | tuple[str, str]:
    """Whether a row is one that the mix asks for; the reason and what was found where it does not say so."""
    for name, value in (("language", entry.language), ("source", entry.source)):
        if value is not None and fields.get(name) is None:
            return f"missing_{name}", f"no field '{name}'; its fields are {', '.join(map(str, fields))}"
        if value is not None and fields[name] != value:
            return False
    if entry.min_quality is None:
        return True
    try:
        return quality_of(fields, where) >= entry.min_quality
    except (InputError, AttributeError):  # the latter where meta is no object
        return "missing_quality", "no meta.quality to choose by"
