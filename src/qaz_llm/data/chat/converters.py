"""Parallel pairs, labelled texts and questions with answers as conversations of two turns.

    {"kk": "Есікті жап.", "ru": "Закрой дверь."}   kind parallel
    → user "Переведи на русский:\nЕсікті жап."   assistant "Закрой дверь."      and the other way round

How a row is asked about is drawn by the seed and its id: in one of two languages for a translation, in the language of the
text otherwise, in one of several wordings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import xxhash

from qaz_llm.data.chat import phrasings
from qaz_llm.data.chat.identity import Example
from qaz_llm.data.config import ConversationSourceConfig
from qaz_llm.data.licence_names import licence_of_row, spdx
from qaz_llm.language.detectors import UNDETERMINED
from qaz_llm.language.identify import identify
from qaz_llm.language.repair import detokenise, repair
from qaz_llm.language.segment import words
from qaz_llm.records import LANGUAGES, Conversation, Message

_MARKUP = re.compile(r"[{}\\]|</?[^\W\d_][^<>]{0,100}>|<[!?/]|%\d|%[sd]\b|\$\d|&\w+;")
"""Tags and placeholders of programs, which a pair of sentences has not; `x < 5` and `Файл > Ашу` are none."""
_NUMBER = re.compile(r"\d+")
"""A translation has the numbers of its original; pairs that do not are misaligned more often than not."""
_MNEMONIC = re.compile(r"_(?=\w)|&(?=\w)(?!\w+;)")

MAX_LABELS = 30
QUOTED_CHARS = 120
"""Longer texts, and those with quotation marks of their own, are not asked about in quotation marks."""

NOTHING = Example("")
"""What a row is compared by of which no conversation could be made."""


@dataclass(frozen=True, slots=True)
class Made:
    """A conversation made from a row, or why there is none (`reason`), then with what there was to see of it."""

    conversation: Conversation
    reason: str | None = None
    example: Example = NOTHING
    """What makes it the same as another: the texts of its row, not the words they are asked about with."""
    repairs: Mapping[str, int] = field(default_factory=dict)
    notice: str | None = None
    """What of its row was left out, as notices call it."""
    repeats_id: str | None = None
    """The id that its row shares with an earlier one, where it was given another for that."""
    question: str | None = None
    """What is asked, where the turn that asks it holds a passage too."""
    unused: tuple[str, ...] = ()
    """Keys of its row, and as `turn.KEY` of its turns, that are used for nothing."""


def draw(seed: int, key: str) -> int:
    """A number for a key that looks random and is the same in every run."""
    return xxhash.xxh3_64_intdigest(f"{seed}:{key}".encode())


def language_of(row: Mapping[str, Any], source: ConversationSourceConfig, *texts: str) -> str:
    """The language the config or the row names, else that of the first text of which it can be told; else Kazakh."""
    if source.language != "auto":
        return source.language
    said = row.get("language")
    if said in LANGUAGES:
        return str(said)
    return next((main for text in texts if (main := identify(text).main) in LANGUAGES), "kk")


def licence_of(row: Mapping[str, Any], source: ConversationSourceConfig) -> str:
    """The SPDX expression of a row."""
    own = row.get(source.licence_field) if source.licence_field else None
    return licence_of_row(own, spdx(source.licence))


def clean_text(value: Any, source: ConversationSourceConfig, repairs: Counter[str]) -> str:
    """The repaired text of a field, empty where it holds none; what was repaired goes to `repairs`.

    White space is content, in answers above all. In a segment of a translation, one line, it is evened out.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return ""
    keep_layout = source.kind != "parallel" or "\n" in value.strip()
    repaired = repair(_MNEMONIC.sub("", value) if source.mnemonics else value, keep_layout=keep_layout)
    repairs.update(repaired.counts)
    return detokenise(repaired.text) if source.detokenise else repaired.text


# --------------------------------------------------------------------------------------------------------- parallel


def of_pair(row: Mapping[str, Any], row_id: str, source: ConversationSourceConfig, seed: int) -> Iterator[Made]:
    """Both directions of every pair; of pairs with Kazakh only, where there is Kazakh."""
    fields = dict(zip(source.texts, source.texts, strict=True)) if source.format == "moses" else source.texts
    repairs: Counter[str] = Counter()
    texts = {language: clean_text(row.get(name), source, repairs) for language, name in fields.items()}
    low = source.score_field is not None and _number(row.get(source.score_field)) < source.min_score
    for pair in combinations(texts, 2):
        if "kk" in texts and "kk" not in pair:
            continue
        reason = "low_score" if low else _pair_problem({language: texts[language] for language in pair}, source)
        both = tuple(texts[language] for language in sorted(pair))
        for first, second in (pair, pair[::-1]):
            direction = f"{first}-{second}"
            pair_id = f"{row_id}/{direction}"
            user = _translation_request(texts[first], first, second, draw(seed, pair_id))
            messages = (Message("user", user), Message("assistant", texts[second]))
            conversation = Conversation(pair_id, messages, source.name, second, licence_of(row, source))
            yield Made(conversation, reason, Example(f"parallel {direction}", answered=both), repairs)


def _translation_request(text: str, first: str, second: str, number: int) -> str:
    """Asked for in one of the two languages, in one of its wordings."""
    asked_in = (first, second)[number % 2]
    fits = len(text) <= QUOTED_CHARS and "«" not in text
    wordings = [wording for wording in phrasings.TRANSLATE[asked_in] if fits or "«" not in wording]
    return wordings[(number >> 8) % len(wordings)].format(
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


# --------------------------------------------------------------------------------------------------- classification


def labels_of(rows: Sequence[Mapping[str, Any]], source: ConversationSourceConfig) -> tuple[str, ...]:
    """The labels to choose from: those the config names, else those of the rows; numbers in their order."""
    if source.labels:
        return tuple(source.labels)
    found = {str(row[source.label_field]) for row in rows if row.get(source.label_field) is not None}
    return tuple(sorted(found, key=lambda label: (_number(label), label)))


def of_label(
    row: Mapping[str, Any], row_id: str, labels: Sequence[str], source: ConversationSourceConfig, seed: int
) -> Made:
    """What label does this text have?"""
    repairs: Counter[str] = Counter()
    text = clean_text(row.get(source.text_field), source, repairs)
    language = language_of(row, source, text)
    label = str(row.get(source.label_field))
    names = {name: source.labels.get(name, {}).get(language, name) for name in labels}
    wordings = phrasings.CLASSIFY[source.asks][language]
    user = wordings[draw(seed, row_id) % len(wordings)].format(text=text, labels=", ".join(names.values()))
    messages = (Message("user", user), Message("assistant", names.get(label, label)))
    conversation = Conversation(row_id, messages, source.name, language, licence_of(row, source))
    reason = "missing_text" if not text else None if label in names else "unknown_label"
    example = Example(f"classification {source.asks}", asked=(label,), answered=(text,))
    return Made(conversation, reason, example, repairs)


# -------------------------------------------------------------------------------------------------------- questions


def questions_of(row: Mapping[str, Any], source: ConversationSourceConfig) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(suffix of the id, row) of each question: the row itself, or all that lie in SQuAD's `data` → `paragraphs` → `qas`."""
    nested = row.get("data") if isinstance(row.get("data"), list) else row.get("paragraphs")
    if isinstance(nested, list):
        for number, inner in enumerate(part for part in nested if isinstance(part, Mapping)):
            for suffix, question in questions_of(inner, source):
                yield f"/{number}{suffix}", question
    elif isinstance(row.get("qas"), list):
        for number, asked in enumerate(part for part in row["qas"] if isinstance(part, Mapping)):
            answers = asked.get("answers", asked.get("answer"))
            own = {source.question_field: asked.get("question"), source.answer_field: answers}
            context = {source.context_field or "context": row.get("context")}
            yield f"/{asked.get('id', number)}", {**row, **own, **context}
    else:
        yield "", row


def of_question(row: Mapping[str, Any], row_id: str, source: ConversationSourceConfig, seed: int) -> Made:
    """A question, with the text that answers it where there is one."""
    given = row.get(source.answer_field)
    repairs: Counter[str] = Counter()
    question = clean_text(row.get(source.question_field), source, repairs)
    answer = clean_text(_first_answer(given), source, repairs)
    context_field = source.context_field or ("context" if "qas" in row else None)
    context = clean_text(row.get(context_field), source, repairs) if context_field else ""
    language = language_of(row, source, question)
    wordings = phrasings.ASK[language]
    user = wordings[draw(seed, row_id) % len(wordings)].format(context=context, question=question)
    messages = (Message("user", user if context else question), Message("assistant", answer))
    conversation = Conversation(row_id, messages, source.name, language, licence_of(row, source))
    reason = None if question and answer else "missing_text"
    if isinstance(_first_answer(given), bool):
        reason = "not_text"
    elif question and not answer and isinstance(given, list | Mapping):
        reason = "unanswerable"  # SQuAD 2 has questions whose text does not answer them: an empty list of answers
    notice = "context_unused" if not context_field and _is_text(row.get("context")) else None
    example = Example("qa", asked=(question, context), answered=(answer,))
    return Made(conversation, reason, example, repairs, notice, question=question)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _first_answer(value: Any) -> Any:
    """The first answer of `"a"`, `["a", "b"]`, `{"text": ["a"]}` or `[{"text": "a"}]`."""
    if isinstance(value, Mapping):
        value = value.get("text")
    if isinstance(value, list):
        return _first_answer(value[0]) if value else None
    return value
