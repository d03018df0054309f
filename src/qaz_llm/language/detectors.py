"""Language detectors: what is asked of a piece of text that letters and words leave in doubt.

pycld2 is asked first: some 40,000 sentences a second. py3langid, ten times slower, is asked where pycld2 is unsure, or in its
place a model in fastText's format (lid.176, GlotLID …) that the user has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from qaz_llm.errors import ConfigError
from qaz_llm.installed import how_to_install
from qaz_llm.language.langid_model import identifier

UNDETERMINED = "und"

_ISO_639_1 = {
    "kaz": "kk", "rus": "ru", "eng": "en", "kir": "ky", "tat": "tt", "bak": "ba", "uig": "ug", "mon": "mn", "khk": "mn",
    "tgk": "tg", "tuk": "tk", "tur": "tr", "ukr": "uk", "bel": "be", "bul": "bg", "srp": "sr", "mkd": "mk", "chv": "cv",
    "uzb": "uz", "uzn": "uz", "aze": "az", "azj": "az", "deu": "de", "fra": "fr", "spa": "es", "ita": "it", "por": "pt",
    "nld": "nl", "pol": "pl", "ces": "cs", "ara": "ar", "arb": "ar", "fas": "fa", "pes": "fa", "zho": "zh", "cmn": "zh",
    "jpn": "ja", "kor": "ko", "hin": "hi", "heb": "he", "kat": "ka", "hye": "hy", "oss": "os",
}  # fmt: skip
"""Three-letter codes of models that do not use ISO 639-1; a language that is not named here keeps its three letters."""


class Detector(Protocol):
    """Says which language a piece of lower-cased text is in, by ISO code; `und` where it cannot tell."""

    def __call__(self, text: str) -> str: ...


def detect_cld2(text: str) -> str:
    """The language by pycld2; `und` where it calls its own answer unreliable."""
    import pycld2

    try:
        reliable, _, details = pycld2.detect(text.encode("utf-8", "replace"), bestEffort=False)
    except pycld2.error:  # it refuses some control characters
        return UNDETERMINED
    code = details[0][1]
    return code if reliable and code != "un" else UNDETERMINED


def detect_langid(text: str) -> str:
    """The language by py3langid, which always names one."""
    return str(identifier().classify(text)[0])


@dataclass(frozen=True, slots=True)
class FastTextModel:
    """A detector from a file in fastText's format; read at the first question, once in each process.

    Below `min_score` (the model's probability) the answer is `und`. Raises ConfigError where the file is not such a model.
    """

    path: Path
    min_score: float = 0.3

    def __call__(self, text: str) -> str:
        line = " ".join(text.split()).encode("utf-8", "replace").decode() + "\n"
        # `.f`: the packages' own `predict` of fastText's first authors cannot be called with numpy 2
        scores = _load(self.path).f.predict(line, 1, 0.0, "strict")
        return label_code(scores[0][1]) if scores and scores[0][0] >= self.min_score else UNDETERMINED


def open_model(path: str | Path | None) -> FastTextModel | None:
    """The detector in a model file; None for no path.

    Raises ConfigError where the file is missing or the package that reads it is not installed.
    """
    if path is None:
        return None
    if not Path(path).is_file():
        raise ConfigError(
            f"languages.model: {path} is not a file",
            hint="give the path of a model in fastText's format, such as lid.176.ftz or GlotLID's model.bin",
        )
    _fasttext()
    return FastTextModel(Path(path))


def label_code(label: str) -> str:
    """The ISO 639-1 code of a model's label, or its own code where the language has none.

    >>> [label_code(label) for label in ("__label__kk", "__label__kaz_Cyrl", "__label__kaa_Latn", "__label__zxx_Zzzz")]
    ['kk', 'kk', 'kaa', 'und']
    """
    code = label.removeprefix("__label__").split("_")[0].lower()
    return UNDETERMINED if code in {"", "und", "zxx"} else _ISO_639_1.get(code, code)


@cache
def _load(path: Path) -> Any:
    fasttext = _fasttext()
    try:
        return fasttext.load_model(str(path))
    except ValueError as error:
        raise ConfigError(
            f"languages.model: {path} is not a model in fastText's format ({error})",
            hint="give the path of a model such as lid.176.ftz or GlotLID's model.bin",
        ) from error


def _fasttext() -> Any:
    try:
        return import_module("fasttext")
    except ImportError as error:
        raise ConfigError(
            "languages.model: reading a fastText model needs a package that is not installed",
            hint=how_to_install("fasttext"),
        ) from error
