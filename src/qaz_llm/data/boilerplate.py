"""Lines that belong to the web page and not to its text: menus, cookie notices, calls to subscribe, copyright lines."""

from __future__ import annotations

import re
from dataclasses import dataclass

from qaz_llm.language.segment import words

MAX_LINE_WORDS = 40
"""A longer line is prose, even where it speaks of cookies."""

_PHRASES = re.compile(
    "|".join(
        (
            # Kazakh
            r"барлық құқықтар(?:ы)? қорғал",
            r"(?:бізге|арнамызға|парақшамызға|жаңалықтарға|таспаға|telegram|instagram|facebook|youtube|whatsapp)\S* (?:\S+ ){0,3}жазылыңыз",
            r"жазылыңыз(?:дар)?\b.*(?:арна|telegram|instagram|facebook|youtube|біліп отыр)",
            r"cookie[- ]?(?:файлдар|лер)",
            r"^(?:сондай-ақ|тағы да|тағы) (?:мыналарды )?оқ(?:ы|и)",
            r"^(?:оқи отырыңыз|осы тақырыпта|тақырып бойынша|ұқсас жаңалықтар|соңғы жаңалықтар|танымал жаңалықтар|көп оқылған)",
            r"^(?:бөлісу|достарыңызбен бөлісіңіз|достармен бөлісу|пікір қалдыру|пікірлер|пікір жазу|толығырақ|толық оқу|жалғасын оқу|артқа|келесі|алдыңғы)\b[^.!?]{0,40}$",
            r"(?:материалды|мақаланы|ақпаратты) (?:\S+ ){0,4}(?:көшіріп|көшіру|пайдалан)\S* (?:\S+ ){0,6}сілтеме",
            r"^(?:логин|құпия\s?сөз|кіру|тіркелу|іздеу|сайт картасы|басты бет|байланыс)(?:[\s|/·•>»:]+(?:\S+\s?){0,4})?$",
            r"қатені байқасаңыз|ctrl\s?\+\s?enter|javascript",
            # Russian
            r"все права защищены",
            r"подпи(?:шитесь|сывайтесь) на (?:наш|канал|рассылк|telegram|новости)",
            r"(?:файлы|файлов|использу\S+) cookie|cookie[- ]файл",
            r"^(?:читайте также|читать далее|поделиться|оставить комментарий|комментарии|похожие новости|главная|контакты|войти|регистрация)\b[^.!?]{0,60}$",
            r"при (?:перепечатке|использовании|копировании) материал\S+ (?:\S+ ){0,6}ссылка",
            r"нашли ошибку|выделите (?:её|ее|текст) и нажмите",
            # English
            r"all rights reserved",
            r"(?:we|this (?:web)?site) uses? cookies|accept (?:all )?cookies",
            r"subscribe to (?:our|the) (?:newsletter|channel|mailing)",
            r"^(?:read more|share this|leave a (?:comment|reply)|related (?:posts|news|articles)|sign in|log in|sign up|home|contact us)\b[^.!?]{0,40}$",
            r"^(?:©|\(c\)|copyright)",
        )
    ),
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"\s[|•·»›→/]\s|\s{2,}|\t")


@dataclass(frozen=True, slots=True)
class Stripped:
    """A text without its boilerplate lines, how many there were, and their share of the words."""

    text: str
    lines: int
    words_frac: float


def is_boilerplate(line: str) -> bool:
    """Whether a line is page furniture: a phrase of the kind, or a menu of short entries between separators.

    >>> is_boilerplate("Басты бет | Жаңалықтар | Байланыс"), is_boilerplate("Басты бетте қызық мақала шықты.")
    (True, False)
    """
    line = line.strip()
    if not line or len(line) > 400:
        return False
    if len(words(line)) <= MAX_LINE_WORDS and _PHRASES.search(line):
        return True
    entries = [entry for entry in _SEPARATORS.split(line) if entry.strip()]
    return len(entries) >= 3 and all(len(words(entry)) <= 4 for entry in entries) and not line.endswith((".", "!", "?"))


def strip_boilerplate(text: str) -> Stripped:
    """Take the boilerplate lines out of a text."""
    lines = text.split("\n")
    kept = [line for line in lines if not is_boilerplate(line)]
    if len(kept) == len(lines):
        return Stripped(text, 0, 0.0)
    total = len(words(text))
    remaining = "\n".join(kept).strip()
    return Stripped(remaining, len(lines) - len(kept), 1 - len(words(remaining)) / total if total else 0.0)
