"""What every answer says of itself: that a program made it, in a header, in a field, and in its text."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from qaz_llm.errors import InputError
from qaz_llm.labels.keys import LabelKeys, open_keys
from qaz_llm.labels.making import Labeller
from qaz_llm.labels.watermark import SCHEME
from qaz_llm.serve.notices import NOTICES, with_notice
from qaz_llm.serve.refusals import Refused
from qaz_llm.serve.said import Said

FIELD = "qaz_label"
HEADERS: Mapping[str, str] = {"x-ai-generated": "true"}


@dataclass(frozen=True, slots=True)
class Behind:
    """What goes behind `content` or `text`, and behind each text beside it; and the field `qaz_label`."""

    text: str
    beside: Mapping[str, str]
    field: Mapping[str, Any]


@dataclass(frozen=True)
class AnswerLabels:
    """The labels of a service: signed where it has keys."""

    keys: LabelKeys | None = None
    labeller: Labeller | None = None
    has_watermark: bool = False
    """Whether the engine marks what it writes in its choice of tokens."""

    def check(self, within_s: float) -> None:
        """Raise Refused (503) where the certificate ends before an answer that begins now: none goes out unlabelled unsaid."""
        if self.keys is not None and datetime.now(UTC) + timedelta(seconds=within_s) > self.keys.valid_until:
            raise Refused(
                503, "the certificate that answers are labelled with has ended", code="label_certificate_expired"
            )

    def behind(self, said: Said) -> Behind:
        """What goes behind texts that have been sent as they are: the notice and the labels; and the field that says so."""
        text, asked = said.text, said.asked
        is_free = bool(text.strip()) and not (asked.wants_json and is_json(text))
        notice = with_notice(asked.notice) if is_free and not said.has_calls else ""
        why = self._why_not(said, is_free)
        label = self._label(text + notice) if why is None else ""
        if why is None and not label:
            why = "text_cannot_be_labelled"
        beside = {key: self._label(held) if held.strip() else "" for key, held in said.beside.items() if held}
        field: dict[str, Any] = {"ai_generated": True, "c2pa": bool(label)}
        if why is not None:
            field["no_c2pa_because"] = why
        if self.has_watermark:
            field["watermark"] = SCHEME
        if beside or said.has_calls:
            field["beside"] = {key: bool(own) for key, own in beside.items()}
            field["beside"] |= {"tool_calls": False} if said.has_calls else {}
        if asked.notice is not None:
            field["notice"] = NOTICES[asked.notice]
        if said.removed:
            field["removed"] = dict(said.removed)
        return Behind(notice + label, beside, field)

    def _label(self, text: str) -> str:
        if self.labeller is None:
            return ""
        try:
            return self.labeller.label_of(unicodedata.normalize("NFC", text))
        except InputError:
            return ""

    def _why_not(self, said: Said, is_free: bool) -> str | None:
        if self.labeller is None:
            return "no_label_keys"
        if is_free:
            return None
        return "not_free_text" if said.text.strip() or said.has_calls else "empty"


def is_json(text: str) -> bool:
    """Whether a text is a JSON object or list, behind which a label would break it. A lone text in quotes is prose.

    >>> is_json('{"a": 1}'), is_json('"Сәлем"'), is_json("{Сәлем}")
    (True, False, False)
    """
    try:
        return isinstance(orjson.loads(text), dict | list)
    except ValueError:
        return False


def open_labels(folder: Path | None, model: str, *, has_watermark: bool = False) -> AnswerLabels:
    """Raises InputError where the keys are not whole or their certificate has ended."""
    if folder is None:
        return AnswerLabels(has_watermark=has_watermark)
    keys = open_keys(folder)
    return AnswerLabels(keys, Labeller(keys, model=model), has_watermark)
