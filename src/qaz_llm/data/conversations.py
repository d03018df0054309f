"""Instruction data: parallel pairs, labelled texts, questions with answers and ready dialogues as conversations.

    {"kk": "Есікті жап.", "ru": "Закрой дверь."}   kind parallel
    → user "Переведи на русский:\\nЕсікті жап."   assistant "Закрой дверь."      and the other way round

Every conversation passes the same gates as documents: repair, personal data, evaluation items, equal texts; every one that
does not pass has a named reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import xxhash

from qaz_llm.data import phrasings
from qaz_llm.data.config import ConversationSourceConfig, SourceConfig
from qaz_llm.data.licences import spdx
from qaz_llm.data.readers import read_rows_of
from qaz_llm.errors import InputError
from qaz_llm.io import expand_paths, resolve_path
from qaz_llm.language.identify import UNDETERMINED, identify
from qaz_llm.language.repair import detokenise, repair
from qaz_llm.language.segment import words
from qaz_llm.records import LANGUAGES, Conversation, Message, Role

ROLE_NAMES: Mapping[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
}
_MARKUP = re.compile(r"[{}<>\\]|%\d|%[sd]\b|\$\d|&\w+;")
_NUMBER = re.compile(r"\d+")
"""A translation has the numbers of its original; pairs that do not are misaligned more often than not."""

MAX_LABELS = 30


@dataclass(frozen=True, slots=True)
class Made:
    """A conversation made from a row, or why there is none (`reason`), then with what there was to see of it."""

    conversation: Conversation
    reason: str | None = None


def make_conversations(source: ConversationSourceConfig, *, root: Path | None, seed: int) -> list[Made]:
    """All conversations of a source, and the rows none could be made of; at most max_items of the former.

    Where there are more, those with the smallest hash of seed and id are taken, in the order of the file.

    Raises InputError where there is no such file or no row has the fields its kind needs.
    """
    rows = list(_rows(source, root))
    _check_fields(rows, source)
    made = [item for number, row in enumerate(rows) for item in _of_row(row, number, rows, source, seed)]
    if source.max_items is not None:
        good = [item for item in made if item.reason is None]
        chosen = sorted(good, key=lambda item: _draw(seed, item.conversation.id))[: source.max_items]
        ids = {item.conversation.id for item in chosen}
        made = [item for item in made if item.reason is not None or item.conversation.id in ids]
    return made


def _rows(source: ConversationSourceConfig, root: Path | None) -> Iterator[Mapping[str, Any]]:
    reader = SourceConfig(name=source.name, path=source.path)
    for path in expand_paths(resolve_path(source.path, root=root)):
        for row in read_rows_of(path, reader):
            if row.problem is None:
                yield row.fields


def _check_fields(rows: Sequence[Mapping[str, Any]], source: ConversationSourceConfig) -> None:
    needed: Mapping[str, Sequence[str]] = {
        "parallel": list(source.texts.values()),
        "classification": [source.text_field, source.label_field],
        "qa": [source.question_field, source.answer_field],
        "chat": [],
    }
    found = sorted({key for row in rows[:100] for key in row})
    missing = [field for field in needed[source.kind] if rows and field not in found]
    if missing:
        raise InputError(
            f"conversations {source.name}: no field {missing[0]!r} in {source.path}",
            hint=f"the fields found are: {', '.join(found)}",
        )


def _of_row(
    row: Mapping[str, Any], number: int, rows: Sequence[Mapping[str, Any]], source: ConversationSourceConfig, seed: int
) -> Iterator[Made]:
    own = row.get(source.id_field or "id")
    row_id = f"{source.name}/{own if own is not None else f'{number:07d}'}"
    match source.kind:
        case "parallel":
            yield from _of_pair(row, row_id, source, seed)
        case "classification":
            yield _of_label(row, row_id, _labels(rows, source), source, seed)
        case "qa":
            yield _of_question(row, row_id, source, seed)
        case "chat":
            yield _of_dialogue(row, row_id, source)


def _draw(seed: int, key: str) -> int:
    return xxhash.xxh3_64_intdigest(f"{seed}:{key}".encode())


def _conversation(
    row_id: str, user: str, assistant: str, language: str, source: ConversationSourceConfig
) -> Conversation:
    messages = (Message("user", user), Message("assistant", assistant))
    return Conversation(row_id, messages, source.name, language, spdx(source.licence))


# --------------------------------------------------------------------------------------------------------- parallel


def _of_pair(row: Mapping[str, Any], row_id: str, source: ConversationSourceConfig, seed: int) -> Iterator[Made]:
    """Both directions of every pair; of pairs with Kazakh only, where there is Kazakh."""
    texts = {language: _clean(row.get(field), source) for language, field in source.texts.items()}
    low = source.score_field is not None and _number(row.get(source.score_field)) < source.min_score
    for pair in combinations(texts, 2):
        if "kk" in texts and "kk" not in pair:
            continue
        reason = "low_score" if low else _pair_problem({language: texts[language] for language in pair}, source)
        for first, second in (pair, pair[::-1]):
            pair_id = f"{row_id}/{first}-{second}"
            user = _translation_request(texts[first], first, second, _draw(seed, pair_id))
            yield Made(_conversation(pair_id, user, texts[second], second, source), reason)


def _translation_request(text: str, first: str, second: str, draw: int) -> str:
    """Asked for in one of the two languages, in one of its wordings."""
    asked_in = (first, second)[draw % 2]
    wordings = phrasings.TRANSLATE[asked_in]
    return wordings[(draw >> 8) % len(wordings)].format(
        text=text,
        source=phrasings.FROM[asked_in][first],
        into=phrasings.INTO[asked_in][second],
        adverb=phrasings.ADVERB[asked_in][second],
    )


def _pair_problem(texts: Mapping[str, str], source: ConversationSourceConfig) -> str | None:
    """Why the two texts are no pair to learn translation from; costly questions last."""
    one, other = texts.values()
    if not one or not other:
        return "missing_text"
    if one == other:
        return "not_translated"
    if min(len(words(one)), len(words(other))) < source.min_words:
        return "too_few_words"
    if max(len(one), len(other)) > source.max_length_ratio * min(len(one), len(other)):
        return "length_ratio"
    if one.endswith(("…", "...")) or other.endswith(("…", "...")):
        return "cut_off"
    if sorted(_NUMBER.findall(one)) != sorted(_NUMBER.findall(other)):
        return "numbers_differ"
    if _MARKUP.search(one) or _MARKUP.search(other):
        return "markup"
    if any(identify(text).main not in {language, UNDETERMINED} for language, text in texts.items()):
        return "wrong_language"
    return None


def _number(value: Any) -> float:
    """A score that may be written `0,02`; what is no number scores nothing."""
    try:
        return float(str(value).replace(",", "."))
    except ValueError:
        return float("-inf")


# --------------------------------------------------------------------------------------- classification, questions


def _labels(rows: Sequence[Mapping[str, Any]], source: ConversationSourceConfig) -> tuple[str, ...]:
    if source.labels:
        return tuple(source.labels)
    return tuple(sorted({str(row[source.label_field]) for row in rows[:5000] if row.get(source.label_field)}))


def _of_label(
    row: Mapping[str, Any], row_id: str, labels: Sequence[str], source: ConversationSourceConfig, seed: int
) -> Made:
    text = _clean(row.get(source.text_field), source)
    language = _language(row, text, source)
    label = row.get(source.label_field)
    names = {name: source.labels.get(name, {}).get(language, name) for name in labels}
    template = phrasings.CLASSIFY[language][_draw(seed, row_id) % len(phrasings.CLASSIFY[language])]
    user = template.format(text=text, labels=", ".join(names.values()))
    problem = "missing_text" if not text else None if label in names and len(names) <= MAX_LABELS else "unknown_label"
    return Made(_conversation(row_id, user, names.get(str(label), str(label)), language, source), problem)


def _of_question(row: Mapping[str, Any], row_id: str, source: ConversationSourceConfig, seed: int) -> Made:
    question = _clean(row.get(source.question_field), source)
    answer = _clean(_first_string(row.get(source.answer_field)), source)
    context = _clean(row.get(source.context_field), source) if source.context_field else ""
    language = _language(row, question, source)
    template = phrasings.ASK[language][_draw(seed, row_id) % len(phrasings.ASK[language])]
    user = template.format(context=context, question=question) if context else question
    return Made(_conversation(row_id, user, answer, language, source), None if question and answer else "missing_text")


def _first_string(value: Any) -> str | None:
    """The first answer of `"a"`, `["a", "b"]`, `{"text": ["a"]}` or `[{"text": "a"}]`."""
    if isinstance(value, Mapping):
        value = value.get("text")
    if isinstance(value, list):
        return _first_string(value[0]) if value else None
    return value if isinstance(value, str) else None


# ----------------------------------------------------------------------------------------------------------- dialogues


def _of_dialogue(row: Mapping[str, Any], row_id: str, source: ConversationSourceConfig) -> Made:
    messages = _turns(row, source)
    language = _language(row, " ".join(m.content for m in messages if m.role == "assistant"), source)
    conversation = Conversation(row_id, tuple(messages), source.name, language, spdx(source.licence))
    return Made(conversation, dialogue_problem(conversation.messages))


def _turns(row: Mapping[str, Any], source: ConversationSourceConfig) -> list[Message]:
    """The turns of an OpenAI (`role`, `content`), ShareGPT (`from`, `value`) or Alpaca (`instruction`, `output`) row."""
    turns = row.get(source.messages_field) or row.get("conversations")
    if isinstance(turns, list):
        found = []
        for turn in turns:
            name = str(turn.get("role") or turn.get("from") or "") if isinstance(turn, Mapping) else ""
            content = (turn.get("content") or turn.get("value")) if isinstance(turn, Mapping) else None
            found.append(Message(cast(Role, ROLE_NAMES.get(name.lower(), name)), _clean(content, source)))
        return found
    if "instruction" in row:
        given = _clean(row.get("input"), source)
        instruction = _clean(row.get("instruction"), source)
        user = f"{instruction}\n\n{given}" if given else instruction
        return [Message("user", user), Message("assistant", _clean(row.get("output"), source))]
    return []


def dialogue_problem(messages: Sequence[Message]) -> str | None:
    """What is wrong with the turns: an optional system turn, then user and assistant by turns, an assistant's last."""
    if not messages:
        return "no_messages"
    if any(not message.content for message in messages):
        return "empty_turn"
    roles = [message.role for message in messages]
    if roles[0] == "system":
        roles = roles[1:]
    if any(role not in {"user", "assistant"} for role in roles):
        return "unknown_role"
    if not roles or roles[-1] != "assistant":
        return "no_answer"
    if any(role != ("user", "assistant")[index % 2] for index, role in enumerate(roles)):
        return "roles_out_of_turn"
    return None


def _language(row: Mapping[str, Any], text: str, source: ConversationSourceConfig) -> str:
    if source.language != "auto":
        return source.language
    said = row.get("language")
    if said in LANGUAGES:
        return str(said)
    main = identify(text).main
    return main if main in LANGUAGES else "kk"


def _clean(value: Any, source: ConversationSourceConfig) -> str:
    if not isinstance(value, str):
        return ""
    text = repair(value).text
    return detokenise(text) if source.detokenise else text


def with_messages(conversation: Conversation, contents: Sequence[str]) -> Conversation:
    """The conversation with other contents in its turns."""
    messages = tuple(replace(m, content=c) for m, c in zip(conversation.messages, contents, strict=True))
    return replace(conversation, messages=messages)
