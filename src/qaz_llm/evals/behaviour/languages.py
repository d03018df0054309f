"""Which language generated answers are in, sentence by sentence, and in which script: the confusion of languages.

    observed     of the sentences whose language could be told, the share in each language
    corrected    what the shares would be without the detector's own mistakes

Rogan and Gladen (1978, American Journal of Epidemiology 107:71): with sensitivity s (share of that language's sentences that are told) and false alarm rate f
(share of other sentences that are taken for it), a share p is observed as s·p + f·(1 − p), so

    p = (observed − f) / (s − f), held to 0 … 1

s and f come from single sentences of FLORES-200 devtest (detector_error.yaml), 1,012 in each language; f is taken over the sentences of the language that was
asked for, since that is what the answers would be in else. The detector's rules were chosen while looking at samples of FLORES among others
(docs/results/language_id.md), and on answers of other kinds it does worse: the correction is a lower bound of the doubt, not all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from qaz_llm.config import read_raw
from qaz_llm.records import ItemScore

FEWEST_LETTERS = 12
"""Shorter pieces are joined to their neighbours by the detector; an answer shorter than that in all is not told."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Answers to questions in one language. `answers`: all; `untold`: those in which nothing could be told (names, numbers, a letter).

    `observed` and `corrected`: language → share of sentences; `scripts`: script → share of sentences; `wrong_answers`: answers that are mostly in another
    language than asked, with the first of their ids as `examples`.
    """

    answers: int
    untold: int
    sentences: int
    observed: Mapping[str, float]
    corrected: Mapping[str, float]
    scripts: Mapping[str, float]
    wrong_answers: int
    examples: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def confusion_of(scores: Iterable[ItemScore]) -> dict[str, dict[str, Confusion]]:
    """Task → language asked in → what came, over one row per item whose `detail` holds what was generated."""
    texts: dict[tuple[str, str], dict[str, str]] = {}
    for score in scores:
        if isinstance(text := score.detail.get("generated"), str):
            texts.setdefault((score.task, score.language), {})[score.item_id] = text
    found: dict[str, dict[str, Confusion]] = {}
    for (task, language), answers in texts.items():
        found.setdefault(task, {})[language] = confusion(language, answers)
    return found


def confusion(language: str, answers: Mapping[str, str]) -> Confusion:
    """Of answers by item id, to questions in `language`."""
    from qaz_llm.language.scripts import detect_script
    from qaz_llm.language.segment import sentences

    told: Counter[str] = Counter()
    scripts: Counter[str] = Counter()
    wrong: list[str] = []
    untold = 0
    for item_id, answer in answers.items():
        pieces = _long_enough(sentences(answer))
        languages = Counter(code for piece in pieces if (code := language_of(piece)) is not None)
        scripts.update(map(detect_script, pieces))
        told.update(languages)
        untold += not languages
        if languages and languages[language] * 2 < languages.total():
            wrong.append(item_id)
    total = told.total()
    observed = {code: count / total for code, count in told.most_common()}
    return Confusion(
        answers=len(answers),
        untold=untold,
        sentences=total,
        observed=observed,
        corrected=corrected(observed, asked=language) if total else {},
        scripts={script: count / scripts.total() for script, count in scripts.most_common()},
        wrong_answers=len(wrong),
        examples=tuple(wrong[:10]),
    )


def language_of(sentence: str) -> str | None:
    """Its language, None where nothing can be told. Kazakh in a Latin alphabet is Kazakh."""
    from qaz_llm.language.identify import UNDETERMINED, identify
    from qaz_llm.language.scripts import to_cyrillic

    found = identify(sentence).main
    if found not in ("kk", "ru", "en") and to_cyrillic(sentence) is not None:
        return "kk"
    return None if found == UNDETERMINED else found


def corrected(observed: Mapping[str, float], *, asked: str) -> dict[str, float]:
    """Shares without the detector's mistakes, for the languages that its error is known of.

    Worked: with s = 0.99 for ru and f = 0.01 of kk sentences taken for ru, 0.05 observed is (0.05 − 0.01) / (0.99 − 0.01) = 0.0408.
    """
    others = [code for code in _error() if code != asked]
    alarms = {code: told(asked, code) for code in others} | {asked: max(told(other, asked) for other in others)}
    return {
        code: rogan_gladen(observed.get(code, 0.0), sensitivity=told(code, code), false_alarms=alarms[code])
        for code in _error()
    }


def rogan_gladen(observed: float, *, sensitivity: float, false_alarms: float) -> float:
    """The true share behind an observed one, held to 0 … 1.

    Raises ValueError where the detector tells no more than chance.
    """
    if sensitivity <= false_alarms:
        raise ValueError(f"sensitivity {sensitivity} is no more than the false alarm rate {false_alarms}")
    return min(1.0, max(0.0, (observed - false_alarms) / (sensitivity - false_alarms)))


def told(true: str, code: str) -> float:
    """The share of FLORES sentences in `true` that the detector takes for `code`, of those it tells."""
    counts = _error()[true]
    return counts.get(code, 0) / sum(counts.values())


@lru_cache(maxsize=1)
def _error() -> Mapping[str, Mapping[str, int]]:
    counts: Mapping[str, Mapping[str, int]] = read_raw(Path(__file__).parent / "detector_error.yaml").values["counts"]
    return counts


def _long_enough(pieces: Sequence[str]) -> list[str]:
    """Pieces of at least FEWEST_LETTERS letters; shorter ones are joined to the one before them."""
    joined: list[str] = []
    for piece in pieces:
        if joined and _letters(joined[-1]) < FEWEST_LETTERS:
            joined[-1] += f" {piece}"
        else:
            joined.append(piece)
    if len(joined) > 1 and _letters(joined[-1]) < FEWEST_LETTERS:
        last = joined.pop()
        joined[-1] += f" {last}"
    return [piece for piece in joined if _letters(piece) >= FEWEST_LETTERS]


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))
