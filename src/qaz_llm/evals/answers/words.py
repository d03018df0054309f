"""Short answers in words against a reference: F1 and exact match, as SQuAD's script but for what harms other languages and numbers."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from qaz_llm.evals.answers.endings import same_word
from qaz_llm.evals.answers.numbers import canonical

_MARKS = re.compile(r"(?<!\d)\.|\.(?!\d)|-(?!\d)|(?<=[\w-])-|[^\w\s.-]")
"""Punctuation; of a number its decimal point and its minus stay."""


def normalise_answer(text: str) -> list[str]:
    """Lower-cased words, punctuation between them left out: close to SQuAD's script (Rajpurkar et al. 2016).

    That one joins what a hyphen parts and removes English articles; here `2014-2017` and `2014 – 2017` are the same words. Numbers are
    brought to one notation first (numbers.py): `3 000` is `3000`, and `−5` is not `5`.
    """
    folded = canonical(unicodedata.normalize("NFC", text)).lower()
    return _MARKS.sub(" ", folded).split()


def token_f1(answer: str, reference: str, *, with_endings: bool = False) -> float:
    """Harmonic mean of precision and recall over words.

    Args:
        with_endings: Kazakh words are the same whatever their endings (endings.py).

    >>> round(token_f1("үлкен ақ үй", "ақ үй"), 3)
    0.8
    >>> token_f1("Алматыда", "Алматы"), token_f1("Алматыда", "Алматы", with_endings=True)
    (0.0, 1.0)
    """
    found, wanted = normalise_answer(answer), normalise_answer(reference)
    shared = _shared_stems(found, wanted) if with_endings else (Counter(found) & Counter(wanted)).total()
    return 2 * shared / (len(found) + len(wanted)) if shared else 0.0


def same_words(answer: str, reference: str) -> bool:
    """Whether both are the same words in the same order; no words are no answer."""
    words = normalise_answer(answer)
    return bool(words) and words == normalise_answer(reference)


def _shared_stems(found: Sequence[str], wanted: Sequence[str]) -> int:
    """Pairs of one word in both, each word in one pair: the equal ones first, then those that differ in endings."""
    equal = Counter(found) & Counter(wanted)
    left, right = (list((Counter(words) - equal).elements()) for words in (found, wanted))
    pairs = 0
    for word in left:
        if (match := next((other for other in right if same_word(word, other)), None)) is not None:
            right.remove(match)
            pairs += 1
    return equal.total() + pairs
