#!/usr/bin/env python3
"""How fast and how rightly languages are told: beside pycld2 and py3langid alone, on the real text of a corpus folder.

    QAZ_CORPUS_DIR=DIR scripts/bench/identify.py [--corpus DIR] [--neighbours DIR] [--model FILE] [--show 5]

Speeds are megabytes of UTF-8 per second of CPU time on one core, best of three, on documents in batches of 256; encoding and
finding words (buffer.py) is not counted, a build does that once for all its steps. `--neighbours` is a folder of files named
SET.CODE.txt with a sentence a line (`sib.ky.txt`); without it only kk, ru and en are scored. `--show N` prints N misjudged
sentences of each set. `--model` is a fastText model, asked in the place of py3langid.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from qaz_llm.language.buffer import ScannedTexts, scan_texts
from qaz_llm.language.detectors import Detector, detect_cld2, detect_langid, open_model
from qaz_llm.language.identify import identify_texts, label_pieces
from qaz_llm.language.segment import sentences

MIN_LETTERS = 12
OWN = ("kk", "ru", "en")
LINE_SETS = (
    ("sib200", "sib200/sib200_{}_train.jsonl", "text", OWN),
    ("flores200", "flores200/flores200_devtest_kk_ru_en.jsonl", "{}", OWN),
    ("kaznerd", "kaznerd/kaznerd_valid.jsonl.gz", "text", ("kk",)),
    ("common voice", "common_voice/cv_sentences_{}.jsonl*", "text", OWN),
    ("apertium", "apertium_kaz/segmentation_corpus.jsonl.gz", "text", ("kk",)),
    ("government", "apertium_kaz_rus/gov_corpus_{}.jsonl.gz", "text", ("kk", "ru")),
    ("ud gsd", "ud_ru_gsd/ud_ru_gsd.jsonl", "text", ("ru",)),
    ("ud taiga", "ud_ru_taiga/ud_ru_taiga.jsonl", "text", ("ru",)),
    ("ud ewt", "ud_en_ewt/ud_en_ewt.jsonl.gz", "text", ("en",)),
)
"""Sets of sentences: name, files (`{}` is the language), field, languages."""

DOCUMENT_SETS = (
    ("kazqad", "kazqad/kazqad_rc_validation.jsonl.gz", "context", "kk", 1),
    ("government", "apertium_kaz_rus/gov_corpus_kk.jsonl.gz", "text", "kk", 12),
    ("rust book", "rust_book_kk/rust_book_kk.jsonl", "text", "kk", 1),
    ("russian prose", "ruslit/ruslit_prose.jsonl.gz", "text", "ru", 1),
    ("government", "apertium_kaz_rus/gov_corpus_ru.jsonl.gz", "text", "ru", 12),
    ("english novels", "english_novels/english_novels_to1900.jsonl.gz", "text", "en", 1),
)
"""Sets of documents: name, file, field, language, rows of the file that make one document."""

DOCUMENT_CHARS = 3000
MAX_BYTES = 2_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default=os.environ.get("QAZ_CORPUS_DIR"), help="folder of real text")
    parser.add_argument("--neighbours", type=Path, help="folder of SET.CODE.txt")
    parser.add_argument("--model", type=Path, help="a model in fastText's format")
    parser.add_argument("--show", type=int, default=0, help="misjudged sentences to print of each set")
    arguments = parser.parse_args()
    if not arguments.corpus:
        parser.error("give --corpus DIR or set QAZ_CORPUS_DIR")
    corpus, model = Path(arguments.corpus), open_model(arguments.model)
    identify_texts(scan_texts(["Қазақ тілі мен әдебиеті."]))  # compile
    print_speeds(corpus, model)
    sets = [*own_sentences(corpus), *neighbour_sentences(arguments.neighbours)]
    print_accuracy(sets, model, arguments.show)


def print_speeds(corpus: Path, model: Detector | None) -> None:
    print("| documents | language | MB | MB/s | pieces | asked pycld2 | asked second | pycld2 alone, MB/s |")
    print("|---|---|---|---|---|---|---|---|")
    for name, file, field, language, rows_per_document in DOCUMENT_SETS:
        texts = documents(corpus / file, field, rows_per_document)
        size = sum(len(text.encode()) for text in texts)
        batches = [scan_texts(texts[start : start + 256]) for start in range(0, len(texts), 256)]
        seconds = best_of_three(lambda scanned: identify_texts(scanned, model), batches)
        plain = best_of_three(cld2_by_sentence, batches)
        labelled = [label_pieces(scanned, model) for scanned in batches]
        pieces = sum(len(part.languages_P) for part in labelled)
        asked = [sum(part.asked[detector] for part in labelled) / pieces for detector in ("pycld2", "second")]
        print(
            f"| {name} | {language} | {size / 1e6:.2f} | {size / seconds / 1e6:.1f} | {pieces:,} "
            f"| {asked[0]:.2%} | {asked[1]:.2%} | {size / plain / 1e6:.1f} |"
        )


def cld2_by_sentence(scanned: ScannedTexts) -> None:
    for text in scanned.texts:
        for sentence in sentences(text):
            detect_cld2(sentence)


def best_of_three(step: Callable[[ScannedTexts], object], batches: Sequence[ScannedTexts]) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for scanned in batches:
            step(scanned)
        best = min(best, time.process_time() - start)
    return best


def print_accuracy(sets: Iterable[tuple[str, str, list[str]]], model: Detector | None, show: int) -> None:
    print(
        "\n| sentences | language | n | ours | pycld2 | py3langid | ours taken for kk / ru / en | pycld2 | py3langid |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, language, lines in sets:
        ours = [shares.main for shares in identify_texts(scan_texts(lines), model)]
        peers = [[detect(line.lower()) for line in lines] for detect in (detect_cld2, detect_langid)]
        right = [sum(code == language for code in found) / len(lines) for found in (ours, *peers)]
        leaks = [
            " / ".join(str(Counter(found)[code] if code != language else "–") for code in OWN)
            for found in (ours, *peers)
        ]
        cells = [f"{share:.4f}" for share in right] + leaks
        print(f"| {name} | {language} | {len(lines)} | {' | '.join(cells)} |")
        wrong = [(code, line) for code, line in zip(ours, lines, strict=True) if code != language]
        for code, line in random.Random(0).sample(wrong, min(show, len(wrong))):
            print(f"    {code}: {line[:150]}")


def own_sentences(corpus: Path) -> Iterable[tuple[str, str, list[str]]]:
    for name, pattern, field, languages in LINE_SETS:
        for language in languages:
            path = next(iter(sorted(corpus.glob(pattern.format(language)))))
            yield name, language, long_enough(row[field.format(language)] for row in rows_of(path))
    for name, file, field, language, rows in DOCUMENT_SETS:
        if rows == 1:
            texts = documents(corpus / file, field, 1)[:1000]
            yield name, language, long_enough(sentence for text in texts for sentence in sentences(text))


def neighbour_sentences(folder: Path | None) -> Iterable[tuple[str, str, list[str]]]:
    for path in sorted(folder.glob("*.*.txt")) if folder else []:
        name, language = path.name.split(".")[:2]
        lines = long_enough(path.read_text(encoding="utf-8").splitlines())
        if lines:
            yield name, language, lines


def long_enough(lines: Iterable[str], most: int = 1500) -> list[str]:
    """At most so many different lines with enough letters to tell a language by."""
    found = sorted({line.strip() for line in lines if sum(map(str.isalpha, line)) >= MIN_LETTERS})
    return random.Random(0).sample(found, min(most, len(found)))


def documents(path: Path, field: str, rows_per_document: int) -> list[str]:
    """Documents of some three thousand characters, two megabytes at most."""
    texts = list(dict.fromkeys(str(row[field]) for row in rows_of(path)))
    joined = ("\n".join(texts[start : start + rows_per_document]) for start in range(0, len(texts), rows_per_document))
    found, size = [], 0
    for text in joined:
        for start in range(0, min(len(text), 100_000), DOCUMENT_CHARS):
            if size < MAX_BYTES:
                found.append(text[start : start + DOCUMENT_CHARS])
                size += len(found[-1].encode())
    return found


def rows_of(path: Path) -> list[dict[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main()
