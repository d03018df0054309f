"""The forms in which the texts of evaluation items are compared with documents: repaired, and in Cyrillic.

    "Qazaq handyǵynyń alǵashqy hany kim boldy?"     →     itself, and "Қазақ хандығының алғашқы ханы кім болды?"

A document is repaired and brought to Cyrillic before it is searched, so an item is as well: an item with mojibake or in
Latin letters would be found in no document, and the report would call the corpus clean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from qaz_llm.data.protect.items import EvaluationItem
from qaz_llm.language.buffer import scan_texts
from qaz_llm.language.repair import repair_texts
from qaz_llm.language.scripts import detect_scripts, may_be_converted, to_cyrillic

MAX_PAIRED_TEXTS = 12
"""A question, its choices and what is said of it; a row with more texts is a list, whose pairs would be no questions."""


def compared_texts(items: Sequence[EvaluationItem]) -> list[list[tuple[str, ...]]]:
    """Of each item, of each of its texts, the forms in which it is looked for: repaired first, then brought to Cyrillic.

    Kazakh in Latin or Arabic letters is known by a whole column of texts, since a single choice of two words tells nothing.
    """
    repaired = iter(repair_texts([text for item in items for text in item.texts]))
    forms = [[[next(repaired).text] for _ in item.texts] for item in items]
    columns: dict[tuple[str, int], list[list[str]]] = defaultdict(list)
    for item, texts in zip(items, forms, strict=True):
        for place, found in enumerate(texts):
            columns[item.file, place].append(found)
    for column in columns.values():
        _add_cyrillic(column)
    return [[tuple(dict.fromkeys(found)) for found in texts] for texts in forms]


def _add_cyrillic(column: Iterable[list[str]]) -> None:
    """Add to the forms of each text of a column its Cyrillic form, where it is Kazakh in other letters."""
    listed = list(column)
    scanned = scan_texts([forms[0] for forms in listed])
    by_script: dict[str, list[list[str]]] = defaultdict(list)
    scripts = detect_scripts(scanned)
    if all(script in ("Cyrl", "Zyyy") for script in scripts):
        return
    for forms, script in zip(listed, scripts, strict=True):
        if script not in ("Cyrl", "Zyyy"):
            by_script[script].append(forms)
    for texts in by_script.values():
        convertible = may_be_converted(scan_texts([forms[0] for forms in texts]))
        if not any(convertible):  # a column in English
            continue
        together = to_cyrillic("\n".join(" ".join(forms[0].split()) for forms in texts))
        lines = together.text.split("\n") if together is not None else []
        for place, (forms, may_be) in enumerate(zip(texts, convertible, strict=True)):
            alone = to_cyrillic(forms[0]) if may_be else None
            if len(lines) == len(texts):
                forms.append(lines[place])
            if alone is not None:
                forms.append(alone.text)


def runs_of_short_texts(texts: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """What is looked for of an item all of whose texts are too short: each two of them in their order, and all of them.

    A question of four words followed by its answer of three is enough to know it by; either alone is not.
    """
    short = [forms[-1] for forms in texts if forms[-1].strip()]
    if len(short) <= MAX_PAIRED_TEXTS:
        for place, before in enumerate(short):
            yield from (f"{before} {after}" for after in short[place + 1 :])
    if len(short) > 2:
        yield " ".join(short)
