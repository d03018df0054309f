"""What people are told, in words: that a program wrote the answer, and that it may be wrong.

Article 21 of law 230-VIII of the Republic of Kazakhstan asks for a warning that people notice, and gives no wording.
"""

from __future__ import annotations

from collections.abc import Mapping

NOTICES: Mapping[str, str] = {
    "kk": "Бұл жауапты жасанды интеллект жазды. Онда қате болуы мүмкін: маңызды мәліметті тексеріп алыңыз.",
    "ru": "Этот ответ составлен искусственным интеллектом. В нём могут быть ошибки: важные сведения проверяйте.",
    "en": "This answer was written by artificial intelligence. It may be wrong: check what matters.",
}


def with_notice(language: str | None) -> str:
    """What is put behind an answer: a paragraph of its own, or nothing."""
    return f"\n\n{NOTICES[language]}" if language is not None else ""
