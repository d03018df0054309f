"""The rows of a source of conversations, and the look at the first of them that finds a wrong field before long work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from qaz_llm.data.chat.converters import MAX_LABELS, labels_of
from qaz_llm.data.chat.dialogues import what_turns_hold
from qaz_llm.data.chat.files import LOOKED_AT_ROWS, read_dialogue_rows
from qaz_llm.data.chat.shapes import DialogueFields, shape_of_rows, what_was_found
from qaz_llm.data.config import ConversationSourceConfig, DataConfig, SourceConfig
from qaz_llm.data.plan import conversation_refusal
from qaz_llm.data.readers import Row, read_hub
from qaz_llm.data.tasks import conversation_files, file_names
from qaz_llm.errors import DataError, InputError

LABELS_FROM_ROWS = 5000
"""Labels the config does not name are those of so many first rows; a later one is dropped as `unknown_label`."""


class PlacedRow(NamedTuple):
    """A row, and what tells its file from the others of the source; empty where there is one only."""

    row: Row
    file: str


def check_conversation_sources(config: DataConfig) -> None:
    """Look at the first rows of every source of conversations that is read, before anything is cleaned.

    A data set that is streamed from the hub is left to when it is read.

    Raises:
        InputError: no such file; a field of the config that none of the rows has; rows that are no dialogues, or none of
            which can be read.
    """
    for source in config.conversations:
        streamed = not conversation_files(source, root=config.root)
        if not streamed and conversation_refusal(source, config) is None:
            first_rows(rows_of_source(source, config.root), source)


def rows_of_source(
    source: ConversationSourceConfig, root: Path | None, *, stop_on_bad_row: bool = False
) -> Iterator[PlacedRow]:
    """The rows of all files; for a file without any, a row with the problem `empty_file`.

    Raises DataError for a row that cannot be read, where `stop_on_bad_row`.
    """
    for rows, file in _files(source, root):
        any_row = False
        for row in rows:
            any_row = True
            if row.problem is not None and stop_on_bad_row:
                where = f"{file}: row" if file else "row"
                raise DataError(
                    f"conversations {source.name}: {where} {row.number + 1} cannot be read ({row.problem})",
                    hint="on_bad_row: drop counts such rows and goes on",
                )
            yield PlacedRow(row, file)
        if not any_row:
            yield PlacedRow(Row(0, {}, "empty_file"), file)


def _files(source: ConversationSourceConfig, root: Path | None) -> Iterable[tuple[Iterator[Row], str]]:
    reader = SourceConfig(
        name=source.name,
        path=source.path,
        format=source.format,
        texts=source.texts if source.format in ("moses", "acts") else {},
        columns=source.columns,
        delimiter=source.delimiter,
        encoding=source.encoding,
        hub_subset=source.hub_subset,
        hub_split=source.hub_split,
    )
    files = conversation_files(source, root=root)
    if source.format == "hub":
        return [(read_hub(reader, files[0] if files else None), "")]
    names = file_names(files) if len(files) > 1 else [""]
    return ((read_dialogue_rows(file, reader), name) for file, name in zip(files, names, strict=True))


def first_rows(rows: Iterator[PlacedRow], source: ConversationSourceConfig) -> list[PlacedRow]:
    """Take and check the first rows: enough to know the labels of a classification. Raises as `check_conversation_sources`."""
    head = list(islice(rows, LABELS_FROM_ROWS if source.kind == "classification" else LOOKED_AT_ROWS))
    looked_at = [placed.row for placed in head[:LOOKED_AT_ROWS]]
    readable = [row.fields for row in looked_at if row.problem is None]
    if readable:
        _check_fields(readable, source)
    elif looked_at:
        reasons = Counter(row.problem for row in looked_at)
        raise InputError(
            f"conversations {source.name}: none of the first {len(looked_at)} rows of {source.path} can be read "
            f"({', '.join(f'{reason} {count:,}' for reason, count in reasons.most_common())})",
            hint="check the path and the format of the source",
        )
    if source.kind == "classification":
        _check_labels([placed.row.fields for placed in head], source)
    return head


def dialogue_fields(source: ConversationSourceConfig) -> DialogueFields:
    """The fields of dialogues that the config itself names: defaults are looked for in any case."""
    return DialogueFields(*(_named(source, name) for name in ("messages_field", "question_field", "answer_field")))


def _named(source: ConversationSourceConfig, name: str) -> str | None:
    """The value of a key where the config names another than the default."""
    value: str | None = getattr(source, name)
    return value if value != type(source).model_fields[name].default else None


def _check_fields(rows: Sequence[Mapping[str, Any]], source: ConversationSourceConfig) -> None:
    found = {key for row in rows for key in row}
    if source.kind == "qa" and {"data", "paragraphs", "qas"} & found:
        return  # SQuAD's nested form
    missing = next((name for name in _needed(source) if name not in found), None)
    if missing is not None:
        raise InputError(
            f"conversations {source.name}: no field {missing!r} in the first {len(rows)} rows of {source.path}",
            hint=f"the fields found are: {', '.join(sorted(found))}",
        )
    if source.kind == "chat" and shape_of_rows(rows, dialogue_fields(source)) is None:
        raise InputError(
            f"conversations {source.name}: no dialogue in the first {len(rows)} rows of {source.path}",
            hint=what_was_found(rows, dialogue_fields(source)),
        )
    if source.kind == "chat" and (held := what_turns_hold(rows, dialogue_fields(source))) is not None:
        raise InputError(
            f"conversations {source.name}: no turn with a known role and text in the first {len(rows)} rows of {source.path}",
            hint=held,
        )


def _needed(source: ConversationSourceConfig) -> list[str]:
    """The fields that a source of its kind has to have, and those that its config names itself."""
    of_kind: Mapping[str, Sequence[str]] = {
        "parallel": list(source.texts if source.format == "moses" else source.texts.values()),
        "classification": [source.text_field, source.label_field],
        "qa": [source.question_field, source.answer_field],
        "chat": [],
        "continuation": [source.text_field],
    }
    of_chat = ["messages_field", "question_field", "answer_field"] if source.kind == "chat" else []
    named = [_named(source, n) for n in ("context_field", "score_field", "licence_field", "id_field", *of_chat)]
    return [*of_kind[source.kind], *(name for name in named if name is not None)]


def _check_labels(rows: Sequence[Mapping[str, Any]], source: ConversationSourceConfig) -> None:
    labels = labels_of(rows, source)
    if len(labels) > MAX_LABELS:
        raise InputError(
            f"conversations {source.name}: {len(labels):,} labels in {source.label_field!r}, at most {MAX_LABELS} can be "
            "named in a question",
            hint="check label_field, or name the labels wanted in labels; rows with others are dropped as unknown_label",
        )
