"""What a judge is asked, and how its verdict is read from what it says."""

from __future__ import annotations

import re
from pathlib import Path

from qaz_llm.config import LanguageCode, StrictModel, read_raw
from qaz_llm.errors import InputError
from qaz_llm.evals.answers.thinking import without_thinking

_BETWEEN = " \t\n*_«\"':=–—-"
"""What may stand between a mark and its verdict."""
_SIGN = re.compile(r"[-−][*_«\"']*$")
"""A minus right before a grade: a number that is none of them."""
_ENDED = re.compile(r"[\s*_»\"'”`)\]]*(?:$|[.,;:!?(]|[-–—]\s)")
"""Behind a verdict the line ends, or a reason follows."""

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
        """The verdict behind the last mark; None where there is none, or where more stands there than one verdict.

        "Verdict: unsafe, it says how."   unsafe        "Verdict: safe or unsafe"      None, as it says both
        "Баға: 5-тен 2", "Score: 2/5"     2             "Баға: 4.5", "Баға: 1-5"       None
        "Үкім: қауіпті емес"              None          "<think>Үкім: қауіпсіз"        None, as the thought is not ended
        """
        of_scale = rf"\b{self._highest}\s*-?\s*[тд]ен\s+(\d+)\b"  # 5-тен 2: two of five
        text = re.sub(of_scale, r"\1", without_thinking(said).casefold())
        marks = list(re.finditer("|".join(self.mark), text))
        line = text[marks[-1].end() :].lstrip(_BETWEEN).partition("\n")[0] if marks else ""
        found = re.match(rf"({self._spelled})(?![\w])(?![.,]\d)", line)
        if found is None or _SIGN.search(text[: text.rfind(line)] if line else ""):
            return None
        scale = rf"^\s*(?:/|из\s|out of\s|of\s)\s*{self._highest}\b|^\s*(?:балл\w*|points?)\b"
        after = re.sub(scale, "", line[found.end() :], count=1)
        if not _ENDED.match(after) or re.search(rf"(?<!\w)({self._spelled})(?!\w)", after):
            return None
        return next(name for name, words in self.words.items() if " ".join(found[1].split()) in words)

    @property
    def _highest(self) -> str:
        """The best grade, as in "2 of 5"."""
        return re.escape(max(self.values, key=self.values.__getitem__))

    @property
    def _spelled(self) -> str:
        words = sorted((word for own in self.words.values() for word in own), key=len, reverse=True)
        return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words)


def load_criterion(name: str) -> Criterion:
    """Raises InputError, with those that there are, for a name that is none."""
    known = read_raw(PROMPTS).values
    if name not in known:
        raise InputError(f"{name}: no such criterion", hint=f"there are: {', '.join(known)}")
    return Criterion.model_validate(known[name])
