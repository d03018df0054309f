"""A text in more than one language as one text for each run of sentences in one language."""

from __future__ import annotations

from collections.abc import Sequence

from qaz_llm.language.buffer import scan_texts
from qaz_llm.language.detectors import UNDETERMINED, Detector
from qaz_llm.language.identify import label_pieces


def split_by_language(text: str, model: Detector | None = None) -> list[tuple[str, str]]:
    """The runs of a text in order, as (language code, text); put together they are the whole text but for white space.

    Pieces that cannot be told go with what comes before them, at the beginning with what follows. A text without anything
    that can be told is one run of `und`; a text without a character that shows has none. `model` as in `identify_texts`.

    >>> split_by_language("Қар еріп, көктем келді.\\nСнег растаял, и пришла весна.")
    [('kk', 'Қар еріп, көктем келді.'), ('ru', 'Снег растаял, и пришла весна.')]
    """
    labelled = label_pieces(scan_texts([text]), model)
    codes = _told([labelled.codes[number] for number in labelled.languages_P])
    runs: list[tuple[str, str]] = []
    start = 0
    for piece, code in enumerate(codes):
        if piece + 1 == len(codes) or codes[piece + 1] != code:
            end = int(labelled.pieces.ends_P[piece])
            runs.append((code, text[start:end].strip()))
            start = end
    return [run for run in runs if run[1]]


def _told(codes: Sequence[str]) -> list[str]:
    """The codes with each `und` replaced by its neighbour's."""
    last = next((code for code in codes if code != UNDETERMINED), UNDETERMINED)
    told = []
    for code in codes:
        last = last if code == UNDETERMINED else code
        told.append(last)
    return told
