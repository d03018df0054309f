"""What a judge is asked, and how its verdict is read from what it says."""

from __future__ import annotations

import re
from pathlib import Path

from qaz_llm.config import LanguageCode, StrictModel, read_raw
from qaz_llm.errors import InputError

PROMPTS = Path(__file__).parent / "prompts.yaml"


class Criterion(StrictModel):
    """One kind of judging. `values`: verdict → value in 0 … 1; `words`: how a verdict may be said, in any language; `mark`: what it stands behind."""

    version: int
    values: dict[str, float]
    words: dict[str, tuple[str, ...]]
    mark: tuple[str, ...]
    prompts: dict[LanguageCode, str]

    def prompt(self, language: str, question: str, answer: str) -> str:
        """In the language of the question, so that a judge reads one language. Braces in question and answer stay as they are.

        Raises InputError where there is no prompt in that language.
        """
        if language not in self.prompts:
            raise InputError(f"judges are asked in {', '.join(self.prompts)}, not in {language}")
        before, rest = self.prompts[language].split("{question}")
        between, after = rest.split("{answer}")
        return f"{before}{question}{between}{answer}{after}"

    def read(self, said: str) -> str | None:
        """The verdict behind the last mark; None where there is none, or a word that is no verdict.

        A number with more to it ("4.5", "10") is none, and "4/5" is 4.
        """
        found = self._pattern.findall(said.casefold())
        if not found:
            return None
        return next(name for name, words in self.words.items() if " ".join(found[-1].split()) in words)

    @property
    def _pattern(self) -> re.Pattern[str]:
        words = sorted((word for own in self.words.values() for word in own), key=len, reverse=True)
        spelled = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words)
        return re.compile(rf"(?:{'|'.join(self.mark)})[\s*_«\"':=–—-]*({spelled})(?![\w])(?![.,]\d)")


def load_criterion(name: str) -> Criterion:
    """Raises InputError, with those that there are, for a name that is none."""
    known = read_raw(PROMPTS).values
    if name not in known:
        raise InputError(f"{name}: no such criterion", hint=f"there are: {', '.join(known)}")
    return Criterion.model_validate(known[name])
