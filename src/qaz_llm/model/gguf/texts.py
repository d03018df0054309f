"""Texts that every exported vocabulary is tried on: Kazakh in three scripts, Russian, English, and what is cut oddly."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import islice

from qaz_llm.io import embedded_path, read_jsonl

PARAGRAPHS = 60
"""Of each embedded file of documents."""

LATIN = (
    "Qazaqstan — Ortalyq Aziiadağy memleket, astanasy — Astana qalasy.",
    "Barlyq adamdar tumysynan azat jäne qadır-qasietı men quqyqtary teñ bolyp düniege keledı.",
    "Bız mektepke jaiau baramyz, ükımız köldıñ jağasynda tur.",
    "Bügın aua raiy jaqsy: tañerteñ kün şyqty, tüste jel soqty.",
    "Qazaqstan Respublikasynyń Úkimeti, ǵylym jáne bilim",
)
ARABIC = (
    "بارلىق ادامدار تۋمىسىنان ازات جانە قادىر-قاسيەتى مەن قۇقىقتارى تەڭ بولىپ دۇنيەگە كەلەدى.",
    "قازاقستان — ورتالىق ازياداعى مەملەكەت.",
    "مەن مەكتەپكە بارامىن، ٴبىز كىتاپ وقيمىز.",
    "بۇگىن اۋا رايى جاقسى؛ كەشە جاڭبىر جاۋدى.",
    "٢٠٢٦ جىلى ٣ قاڭتار، ۱۲۳۴۵۶",
)
ODD = (
    "",
    " ",
    "\n",
    "\n\n\n \t\tTab\r\n  two  spaces   three    four",
    " алдында бос орын, соңында да ",
    "ҚАЗАҚСТАН РЕСПУБЛИКАСЫ ҚазМұнайГаз IT-маман COVID-19-дың",
    "1 22 333 4444 55555 666666 7777777 3.14 1,234,567.89 ²³ ½ Ⅻ ١٢٣",
    "don't I'LL we'Ve it's О'Нил «тырнақша» “quotes” ‘single’ …—–-",
    "👩‍👩‍👧‍👦 🇰🇿 🚀🚀 ✅ ☕️ 🏳️‍🌈 e\u0301 й ё",
    "def f(x: int) -> str:\n    return f'{x:>8}'  # түсініктеме\n\n\tfor i in range(10):\n\t\tprint(i)",
    '{"кілт": [1, 2.5, null, true], "url": "https://example.kz/a?b=1&c=%D2%9B"}',
    "<b>қою</b> &nbsp; [сілтеме](http://мекен.қаз) ```код``` | a | b |",
    "中文 日本語 한국어 ไทย हिन्दी ქართული հայերեն עברית",
    "\u200b\ufeff\u00a0\u2009\u3000 көрінбейтін бос орындар",
    "аааааааааааааааааааааааааааааааааааааааа " * 8,
    "сөйлем.сөйлем!сөйлем?сөйлем;сөйлем:сөйлем,сөйлем",
)


def check_texts(*, composed: bool = False) -> list[str]:
    """All of them, each once; `composed` in the Unicode form NFC."""
    texts = dict.fromkeys([*_embedded(), *LATIN, *ARABIC, *ODD])
    return list(dict.fromkeys(unicodedata.normalize("NFC", text) if composed else text for text in texts))


def _embedded() -> Iterator[str]:
    for name in ("documents_kk_a", "documents_kk_b", "documents_ru", "documents_en"):
        paragraphs = (
            part for row in read_jsonl(embedded_path(f"{name}.jsonl")) for part in str(row["text"]).split("\n\n")
        )
        yield from islice(paragraphs, PARAGRAPHS)
    for row in read_jsonl(embedded_path("parallel_sentences.jsonl")):
        yield from (str(row[language]) for language in ("kk", "ru", "en"))
