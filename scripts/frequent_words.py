"""Make language/frequent_words/{kk,ru,en}.txt: the words that answers in simple words are made of.

    python scripts/frequent_words.py CORPUS_DIR

Counted are the embedded documents and the sentences of Common Voice (both CC0). A word is a form as it stands in lower case, with
no ending taken off. Of each language the COMMONEST forms are kept, those that stand in at least two texts.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from qaz_llm.io import embedded_path, read_jsonl, write_text
from qaz_llm.language.readability import lettered_words

COMMONEST = 1500
TARGET = Path(__file__).parents[1] / "src" / "qaz_llm" / "language" / "frequent_words"
EMBEDDED = {
    "kk": ("documents_kk_a.jsonl", "documents_kk_b.jsonl"),
    "ru": ("documents_ru.jsonl",),
    "en": ("documents_en.jsonl",),
}
COMMON_VOICE = {
    "kk": "common_voice/cv_sentences_kk.jsonl.gz",
    "ru": "common_voice/cv_sentences_ru.jsonl",
    "en": "common_voice/cv_sentences_en.jsonl.gz",
}


def texts(language: str, corpus: Path) -> Iterator[str]:
    """The texts that are counted."""
    for name in EMBEDDED[language]:
        yield from (str(row["text"]) for row in read_jsonl(embedded_path(name)))
    yield from (str(row["text"]) for row in read_jsonl(corpus / COMMON_VOICE[language]))


def commonest(language: str, corpus: Path) -> list[str]:
    """The COMMONEST forms, the most frequent first, equals by alphabet."""
    count: Counter[str] = Counter()
    holding: Counter[str] = Counter()
    for text in texts(language, corpus):
        words = lettered_words(text.lower())
        count.update(words)
        holding.update(set(words))
    known = [word for word in count if holding[word] > 1]
    return sorted(known, key=lambda word: (-count[word], word))[:COMMONEST]


def main() -> None:
    """Write the three files."""
    for language in EMBEDDED:
        words = commonest(language, Path(sys.argv[1]))
        lines = [" ".join(words[start : start + 15]) for start in range(0, len(words), 15)]
        write_text(TARGET / f"{language}.txt", "\n".join(lines) + "\n")
        print(f"{language}: {len(words)} forms")


if __name__ == "__main__":
    main()
