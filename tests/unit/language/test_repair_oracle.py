"""Repair by flags against the same repairs done plainly: every one on every text, round after round."""

import html
import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.language.alphabet import CYRILLIC_TO_LATIN, GREEK_TO_CYRILLIC, LATIN_TO_CYRILLIC
from qaz_llm.language.legacy_fonts import undo_old_kazakh
from qaz_llm.language.lookalikes import _cyrillic_word
from qaz_llm.language.mojibake import undo_mojibake
from qaz_llm.language.presentation import base_letters
from qaz_llm.language.repair import repair_texts
from qaz_llm.language.variants import kazakh_forms

REMOVED = re.compile(
    "[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
    "|(?<=[^\\W\\d_])[\u200c\u200d](?=[^\\W\\d_])"
)
TO_CYRILLIC = {**LATIN_TO_CYRILLIC, **GREEK_TO_CYRILLIC}
TENS, ONES = ["", "X", "XX", "XXX"], ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
ROMAN = {tens + ones for tens in TENS for ones in ONES if len(tens + ones) > 1}
CYRILLIC = "\u0400-\u052f"
FOREIGN = "A-Za-zƏəƟɵËë" + "".join(GREEK_TO_CYRILLIC)
RUN = re.compile(f"[{CYRILLIC}{FOREIGN}]+")
TAG = re.compile(
    "</?(?:p|br|hr|div|span|a|b|i|u|em|strong|small|font|center|img|ul|ol|li|table|tbody|thead|tr|td|th|h[1-6]|seg|prop"
    "|tuv?)(?:\\s[^<>]{0,300})?/?>",
    re.IGNORECASE,
)
ENTITY = re.compile(r"&(?:amp;)*(?:[a-zA-Z]{2,8}|#\d{2,6}|#x[0-9a-fA-F]{2,5});")
CODE = re.compile("(^```.*?(?:^```|\\Z))", re.DOTALL | re.MULTILINE)


def plain_repair(text: str) -> str:
    for _ in range(20):
        before = text
        text = undo_old_kazakh(undo_mojibake(text)[0])[0]
        if text == before:  # words of mixed alphabets wait until the encoding is right
            text = "\n".join(plain_lookalikes(line) for line in text.split("\n"))
        text = base_letters(REMOVED.sub("", kazakh_forms(text)[0]))[0]
        text = unicodedata.normalize("NFC", text)
        text = outside_code(text, lambda part: ENTITY.sub(unescape, TAG.sub(" ", part)))
        text = re.sub("\r\n?|[\x85\u2028\u2029]", "\n", text)
        text = outside_code(text, lambda part: re.sub("(?m)^ | $", "", re.sub("[^\\S\n]+", " ", part)))
        text = re.sub("\n{3,}", "\n\n", text).strip()
        if text == before:
            break
    return text


def outside_code(text, change):
    return "".join(part if index % 2 else change(part) for index, part in enumerate(CODE.split(text)))


def unescape(match):
    escaped = match.group()
    while escaped.startswith("&amp;") and escaped != "&amp;":
        escaped = "&" + escaped.removeprefix("&amp;")
    plain = html.unescape(escaped)
    return escaped if len(plain) > 2 else plain  # `&notit;`: html.unescape reads a prefix, repair the whole name


def plain_lookalikes(line: str) -> str:
    def one(match):
        word = match.group()
        cyrillic = [c for c in word if "\u0400" <= c <= "\u052f"]
        foreign = [c for c in word if c not in cyrillic]
        if not cyrillic or not foreign or set(cyrillic) <= set("ьЬ"):
            return word
        latin = "".join(CYRILLIC_TO_LATIN.get(c, c) for c in word)
        if latin in ROMAN:
            return latin
        may_be_cyrillic = all(c in TO_CYRILLIC for c in foreign)
        may_be_latin = all(c in CYRILLIC_TO_LATIN for c in cyrillic) and not set(foreign) & set(GREEK_TO_CYRILLIC)
        if may_be_cyrillic and may_be_latin:
            if word.isupper() and len(word) <= 3:
                return word
            to_cyrillic = line_is_cyrillic
        elif may_be_cyrillic and len(cyrillic) >= len(foreign):
            to_cyrillic = True
        elif may_be_latin and len(foreign) >= len(cyrillic):
            to_cyrillic = False
        else:
            return word
        return _cyrillic_word(word) if to_cyrillic else "".join(CYRILLIC_TO_LATIN.get(c, c) for c in word)

    line_is_cyrillic = len(re.findall(f"[{CYRILLIC}]", line)) >= len(re.findall(f"[{FOREIGN}]", line))
    return RUN.sub(one, line)


KAZAKH = "аәбвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюя"
PIECES = [
    *(
        "&amp;",
        "&lt;p&gt;",
        "```",
        "\n",
        "\n\n\n",
        "<br>",
        "</td >",
        "<b",
        "\u200d",
        "Р°",
        "ÐºÐ°",
        "и\u0306",
        "\r\n",
        "\r",
    ),
    *(
        "\ud800",
        "бiр",
        "iрi",
        "ХI",
        "ΤТр",
        "фooд",
        "\u00a0",
        "\u2009",
        "\u2028",
        "\u0085",
        " ",
        "  ",
        "\t",
        "ӊ",
        "жаӊа ѳзен",
        "ﻗﺎﺯﺍﻕ",
        "ﬁ",
        "ќазаќ жјне їшін",
    ),
    *(
        "&amp;amp;quot;",
        "&foo;",
        "&#x41;",
        "&",
        "<",
        "\u00ad",
        "\u200b",
        "e\u0301",
        "ь",
        "қь",
        "c",
        "🇰🇿",
        "👨\u200d👩",
        "Yй",
        "x",
    ),
]
TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=KAZAKH + KAZAKH.upper() + "aceopxyihABTHMY" + " \n\t\u00a0\u200b&<>;/`p", max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
    st.text(alphabet=KAZAKH + " ", min_size=3, max_size=30).map(lambda t: t.encode().decode("latin-1")),
    st.text(alphabet=KAZAKH + " ", min_size=3, max_size=30).map(lambda t: t.encode().decode("koi8-r")),
    st.text(alphabet=KAZAKH + " ", min_size=3, max_size=30).map(lambda t: t.encode().decode("cp866")),
)


@given(st.lists(TEXTS, max_size=6))
@settings(max_examples=400, deadline=None)
def test_repair_by_flags_is_plain_repair(texts: list[str]) -> None:
    assert [repaired.text for repaired in repair_texts(texts)] == [plain_repair(text) for text in texts]


@given(st.lists(TEXTS, max_size=6))
@settings(max_examples=300, deadline=None)
def test_repair_is_idempotent_and_needs_no_company(texts: list[str]) -> None:
    once = [repaired.text for repaired in repair_texts(texts)]
    assert [repaired.text for repaired in repair_texts(once)] == once
    assert [repair_texts([text])[0].text for text in texts] == once


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
def test_real_text() -> None:
    import gzip
    import json

    folder = Path(os.environ["QAZ_CORPUS_DIR"])
    with gzip.open(folder / "kazqad" / "kazqad_rc_validation.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["context"] for line in lines]
    with gzip.open(folder / "apertium_kaz_rus" / "gov_corpus_kk.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line)["text"] for line in lines][:6000]
    texts += ["\n".join(rows[start : start + 10]) for start in range(0, len(rows), 10)]
    repaired = repair_texts(texts)
    assert [one.text for one in repaired] == [plain_repair(text) for text in texts]
    assert sum(one.counts.get("lookalike", 0) for one in repaired) > 100
