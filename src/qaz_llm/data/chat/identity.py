"""What makes an example of instruction data the same as another.

Exact duplicates have the same content to the letter: system turn, passage, question and answer, signs and indentation too.
Near duplicates ask the same (`asked`), and are answered nearly alike (`answered`). What is asked is never weighed by shingles:
two questions about one long passage share nearly all of their words, and `5+3` shares all of its words with `5-3`. Of the
answers the words may differ a little; numbers, operators, indentation, names and negations may not.

    asked                                   what is told apart              what is not
    Қанша болады: 5+3?   Қанша болады: 5-3?   numbers, every sign in code     punctuation that ends a word, quotation marks
    print(x)             Print(x)             case of Latin words             case of Cyrillic words
    ⏎    return x        ⏎        return x    indentation                     other white space
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import xxhash

_UNTOLD = re.compile(
    r"""[.,;:!?…"'«»“”„‘’–—-]  # any of these, which costs little to look for, and then
      (?:(?<=[«»“”„‘’])  # a quotation mark
        |(?<=["'])(?<![(\[{=+*/%<>]["'])(?<!=[ ]["'])(?![)\]}=+*/%<>])  # beside a bracket or an operator it is code
        |(?<=[.,;:!?…])[.,;:!?…]*(?=[\s"'»”’)\]]|\Z)  # punctuation that ends a word; in `a.b`, `3,5` and `!x` it is a sign
        |(?<!\S[–—-])(?=[^\S\n]+[^\d\s]))  # a dash between words; before a number it may be a minus""",
    re.VERBOSE,
)
_SIGN = re.compile(r"\n[ \t]+(?=\S)|\d+|[^\w\s]|_")
_WORD = re.compile(r"[^\W_]+")
_LATIN = re.compile(r"[A-Za-z]")
_CYRILLIC = re.compile(r"[а-яёәғқңөұүһі]")
_WITHIN_SENTENCE = re.compile(r"[^\W_][,;:]? ?[«“(\"]?\Z")
"""What stands before a word that does not begin a sentence."""
NEGATIONS = frozenset(
    {"емес", "жоқ", "ешқандай", "ешкім", "ештеңе"}
    | {"не", "нет", "ни", "без", "нельзя", "никогда", "никто", "ничего"}
    | {"not", "no", "never", "without", "cannot", "nor", "none", "t"}
)
"""`t` is what stays of `n't`."""
_NEGATIVE_SUFFIX = re.compile(r"(?<=\w\w)[мбп][ае](?=\w{2}|\Z)")
"""Kazakh denies in the verb: ашыңыз, ашпаңыз; болады, болмайды; барған, бармаған."""
_LATIN_CAPITALS = re.compile(r"[A-Za-z]*[A-Z][A-Za-z]*")


@dataclass(frozen=True, slots=True)
class Example:
    """What an example is compared by: texts that have to be equal, and texts that may be nearly so, within one group."""

    group: str
    asked: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()

    @property
    def exact_key(self) -> bytes:
        """Equal for equal content."""
        return _digest(self.group, *self.asked, "\x1e", *self.answered)

    @property
    def near_key(self) -> int:
        """Equal where the same is asked and the answers have the same numbers and signs: 64 bits."""
        signs = (" ".join(signs_of(text)) for text in self.answered)
        return int.from_bytes(_digest(self.group, *map(asked_form, self.asked), "\x1e", *signs)[:8], "big")

    @property
    def alike(self) -> str:
        """The text that near duplicates have nearly in common."""
        return "\n".join(self.answered)


def asked_form(text: str) -> str:
    """A text without what does not tell questions apart; Latin words with capitals once more at the end.

    >>> asked_form("Есепте:  5−3, «ИӘ» дегенше!"), asked_form("Print(x) не шығарады?")
    ('есепте 5-3 иә дегенше', 'print(x) не шығарады | Print')
    """
    told = _without_untold(text)
    if "\n " in told or "\n\t" in told:
        lines = (line.rstrip() for line in told.splitlines())
        told = "\n".join(line[: len(line) - len(line.lstrip())] + " ".join(line.split()) for line in lines if line)
    else:
        told = " ".join(told.split())
    capitals = _LATIN_CAPITALS.findall(told)
    return " | ".join((told.lower(), " ".join(capitals))) if capitals else told.lower()


def signs_of(text: str) -> list[str]:
    """The numbers, signs and indentations of a text in order.

    >>> signs_of("Жауабы: 5−3 = 2.")
    ['5', '-', '3', '=', '2']
    """
    return _SIGN.findall(_without_untold(text))


def differ_in_what_matters(one: str, other: str) -> bool:
    """Whether answers that are nearly equal differ in a name, a Latin word in Cyrillic text, or a negation.

    >>> differ_in_what_matters("Ол браузер iOS үшін жасалған", "Ол браузер Android үшін жасалған")
    True
    >>> differ_in_what_matters("Енді қақпақты ашыңыз", "Енді қақпақты ашпаңыз")
    True
    >>> differ_in_what_matters("Ол жеті жыл бұрын жасалған екен", "Ол Жеті жыл бұрын жасалған")
    False
    """
    words = [{word.lower() for word in _WORD.findall(text)} for text in (one, other)]
    if any(_deny_each_other(word, like) for word in words[0] - words[1] for like in words[1] - words[0]):
        return True
    return any(
        word.lower() in words[side] - words[1 - side] and _matters(word, match.start(), text)
        for side, text in enumerate((one, other))
        for match in _WORD.finditer(text)
        if (word := match[0])
    )


def _deny_each_other(one: str, other: str) -> bool:
    """Whether one of two words of small letters is the other with the suffix, or the Russian prefix, that denies it."""
    if one[:2] != other[:2] and "не" not in (one[:2], other[:2]):
        return False
    return _denies(one, other) or _denies(other, one)


def _denies(negative: str, positive: str) -> bool:
    if negative == f"не{positive}" or (negative[:-2] == positive and _NEGATIVE_SUFFIX.match(negative, len(positive))):
        return True
    return negative[-2:] == positive[-2:] and any(
        positive.startswith(negative[: suffix.start()]) and not positive.startswith(negative[: suffix.end()])
        for suffix in _NEGATIVE_SUFFIX.finditer(negative)
    )


def _matters(word: str, start: int, text: str) -> bool:
    if word.lower() in NEGATIONS or (_LATIN.search(word) and _CYRILLIC.search(text)):
        return True
    is_inside = bool(_WITHIN_SENTENCE.search(text, max(0, start - 4), start))
    return word != word.lower() and (is_inside or not word.istitle())


def _without_untold(text: str) -> str:
    told = _UNTOLD.sub(" ", text.strip())
    return told.replace("–", "-").replace("—", "-").replace("−", "-")


def _digest(*texts: str) -> bytes:
    return xxhash.xxh3_128_digest("\x1f".join(texts).encode("utf-8", "surrogatepass"))
