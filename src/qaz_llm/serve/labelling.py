"""What every answer says of itself: that a program made it, in a header, in a field, and in its text."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from qaz_llm.errors import InputError
from qaz_llm.labels.keys import LabelKeys, open_keys
from qaz_llm.labels.making import Labeller
from qaz_llm.serve.fields import Asked
from qaz_llm.serve.notices import NOTICES, with_notice
from qaz_llm.serve.refusals import Refused

FIELD = "qaz_label"
HEADERS: Mapping[str, str] = {"x-ai-generated": "true"}


@dataclass(frozen=True)
class AnswerLabels:
    """The labels of a service: signed where it has keys."""

    keys: LabelKeys | None = None
    labeller: Labeller | None = None

    def check(self, within_s: float) -> None:
        """Raise Refused (503) where the certificate ends before an answer that begins now: none goes out unlabelled unsaid."""
        if self.keys is not None and datetime.now(UTC) + timedelta(seconds=within_s) > self.keys.valid_until:
            raise Refused(
                503, "the certificate that answers are labelled with has ended", code="label_certificate_expired"
            )

    def behind(self, text: str, asked: Asked, *, is_free: bool) -> tuple[str, dict[str, Any]]:
        """What goes behind a text that has been sent as it is: the notice and the label; and the field that says so."""
        notice = with_notice(asked.notice) if is_free and text else ""
        why = self._why_not(text, is_free)
        label = ""
        if self.labeller is not None and why is None:
            try:
                label = self.labeller.label_of(unicodedata.normalize("NFC", text + notice))
            except InputError:
                why = "text_cannot_be_labelled"
        field: dict[str, Any] = {"ai_generated": True, "c2pa": bool(label)}
        if why is not None:
            field["no_c2pa_because"] = why
        if asked.notice is not None:
            field["notice"] = NOTICES[asked.notice]
        return notice + label, field

    def _why_not(self, text: str, is_free: bool) -> str | None:
        if self.labeller is None:
            return "no_label_keys"
        if not is_free:
            return "not_free_text"
        return None if text.strip() else "empty"


def open_labels(folder: Path | None, model: str) -> AnswerLabels:
    """Raises InputError where the keys are not whole or their certificate has ended."""
    if folder is None:
        return AnswerLabels()
    keys = open_keys(folder)
    return AnswerLabels(keys, Labeller(keys, model=model))
