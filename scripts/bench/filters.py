#!/usr/bin/env python3
"""How fast the quality filters are beside datatrove, and what they keep of good and of bad text.

    QAZ_CORPUS_DIR=DIR scripts/bench/filters.py [--corpus DIR] [--justify] [--show 10]

Speeds are megabytes of UTF-8 per second of CPU time on one core, in one run, on the same documents, compilation of the
kernels left out; ours take batches of 256 and encode and scan the texts too. datatrove runs FineWeb-2's filters with words
by `\\w+|[^\\w\\s]`, since its own Kazakh words need a download. `--justify` prints the tables of docs/results/data_filters.md
instead, `--show N` N kept and N dropped documents of each preset.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from qaz_llm.data.config import FilterConfig
from qaz_llm.data.quality.facts import measure
from qaz_llm.data.quality.filters import Filter, make_filters, quality_scores
from qaz_llm.data.quality.fineweb2.preset import THRESHOLDS, FineWeb2Thresholds
from qaz_llm.data.quality.rules import first_reasons, thresholds_of
from qaz_llm.language.alphabet import FUNCTION_WORDS
from qaz_llm.language.buffer import scan_texts
from qaz_llm.records import Document

BATCH_DOCUMENTS = 256
SEED = 11
Texts = list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=os.environ.get("QAZ_CORPUS_DIR"))
    parser.add_argument("--justify", action="store_true", help="print what each preset keeps of good and of bad text")
    parser.add_argument("--show", type=int, default=0, help="print so many kept and dropped documents of each preset")
    arguments = parser.parse_args()
    if arguments.corpus is None or not Path(arguments.corpus).is_dir():
        parser.error("name the folder of real text by --corpus DIR or QAZ_CORPUS_DIR")
    corpus = Corpus(Path(arguments.corpus))
    if arguments.justify:
        justify(corpus)
    elif arguments.show:
        show(corpus, arguments.show)
    else:
        compare_speed(corpus)


# ------------------------------------------------------------------------------------------------------------- texts


class Corpus:
    """Documents made of the real text in a folder: passages as they are, lines joined, books cut."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def rows(self, *parts: str) -> list[dict[str, Any]]:
        path = self.root.joinpath(*parts)
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def passages(self) -> Texts:
        return sorted({row["context"] for row in self.rows("kazqad", "kazqad_rc_validation.jsonl.gz")})

    def government(self, language: str) -> Texts:
        return [row["text"] for row in self.rows("apertium_kaz_rus", f"gov_corpus_{language}.jsonl.gz")]

    def interface(self, language: str, most_words: int) -> Texts:
        strings = [row[language] for row in self.rows("l10n_po", "gnome_cinnamon_en_kk_ru.jsonl.gz")]
        return [text for text in strings if 0 < len(text.split()) <= most_words]

    def good(self) -> dict[str, Texts]:
        news = [row["text"] for row in self.rows("kaznerd", "kaznerd_valid.jsonl.gz")]
        return {
            "encyclopaedia passages": self.passages(),
            "encyclopaedia articles": cut_all(self.rows("apertium_kaz", "texts_raw_wikipedia.jsonl")),
            "government pages": join(self.government("kk"), 15),
            "news sentences": join(news, 10, " "),
            "news (SIB-200)": join([row["text"] for row in self.rows("sib200", "sib200_kk_train.jsonl")], 8, " "),
            "book on programming": cut_all(self.rows("rust_book_kk", "rust_book_kk.jsonl")),
            "web site texts": join(
                [row["kk"] for row in self.rows("mozilla_www", "mozilla_www_en_kk_ru.jsonl.gz")], 15
            ),
        }

    def bad(self) -> dict[str, Texts]:
        """Text that no model should learn from, all of it judged as Kazakh."""
        rng = random.Random(SEED)
        russian = [word for row in self.rows("ud_ru_taiga", "ud_ru_taiga.jsonl") for word in row["text"].split()]
        frequent = [
            line.split()[0] for line in (self.root / "frequencywords" / "kk.txt").read_text("utf-8").splitlines()
        ]
        with gzip.open(self.root / "unimorph_kaz" / "kaz.noun.tsv.gz", "rt", encoding="utf-8") as lines:
            forms = [line.split("\t")[1] for line in lines if "\t" in line]
        rng.shuffle(forms)
        rows = [f"{form}\t{rng.randrange(1000)}\t{rng.randrange(100)},{rng.randrange(10)}" for form in forms[:8000]]
        library = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:80]
        code = [part for path in library for part in cut(path.read_text("utf-8", errors="replace"), 200)]
        return {
            "Russian words, shuffled": cut(" ".join(rng.sample(russian, len(russian))), 250),
            "frequent words": join(frequent, 150, " "),
            "word forms": join(forms[:30000], 150, " "),
            "tables of numbers": join(rows, 40),
            "menus, a line each": join(self.interface("kk", 3), 40),
            "menus, one line": join(self.interface("kk", 3), 40, " | "),
            "interface strings, one line": join(self.interface("kk", 6), 40, " "),
            "program code": code[:400],
            "passages three times": ["\n".join([text] * 3) for text in self.passages()],
            "passages and half again": [f"{text} {text[: len(text) // 2]}" for text in self.passages()],
        }

    def other_languages(self) -> dict[str, dict[str, Texts]]:
        return {
            "ru": {
                "classic prose": cut_all(self.rows("ruslit", "ruslit_prose.jsonl.gz")[::4]),
                "government pages": join(self.government("ru"), 15),
                "web and verse (Taiga)": join(
                    [row["text"] for row in self.rows("ud_ru_taiga", "ud_ru_taiga.jsonl")], 8, " "
                ),
                "encyclopaedia (GSD)": join([row["text"] for row in self.rows("ud_ru_gsd", "ud_ru_gsd.jsonl")], 8, " "),
                "menus, one line": join(self.interface("ru", 3), 40, " | "),
            },
            "en": {
                "classic novels": cut_all(self.rows("english_novels", "english_novels_to1900.jsonl.gz")[::4]),
                "web (EWT)": join([row["text"] for row in self.rows("ud_en_ewt", "ud_en_ewt.jsonl.gz")], 8, " "),
                "menus, one line": join(self.interface("en", 3), 40, " | "),
            },
        }

    def mixture(self) -> Texts:
        """Real documents of all sizes, and each twice more with a fault of the web."""
        rng = random.Random(SEED)
        texts = self.passages()
        for lines in (self.government("kk"), self.interface("kk", 100)):
            start = 0
            while start < len(lines):
                size = rng.choice([2, 5, 10, 20, 60])
                texts.append("\n".join(lines[start : start + size]))
                start += size
        return texts + [damage(text, rng) for text in texts for _ in range(2)]


def join(lines: Sequence[str], size: int, separator: str = "\n") -> Texts:
    return [separator.join(lines[start : start + size]) for start in range(0, len(lines) - size + 1, size)]


def cut(text: str, size: int) -> Texts:
    pieces = text.split(" ")
    return [" ".join(pieces[start : start + size]) for start in range(0, len(pieces) - size + 1, size)]


def cut_all(rows: Sequence[Mapping[str, Any]]) -> Texts:
    return [part for row in rows for part in cut(row["text"], 250)]


def damage(text: str, rng: random.Random) -> str:
    pieces = text.split(" ")
    faults: list[Callable[[], str]] = [
        lambda: " ".join(rng.sample(pieces, len(pieces))),
        lambda: f"{text}\n{text}",
        lambda: f"{text[: len(text) // rng.randint(2, 9)]} {text}",
        lambda: text.replace(". ", "\n"),
        lambda: text.replace(". ", "…\n"),
        lambda: "\n".join(f"- {part}" for part in text.split(". ")),
        lambda: " # ".join(pieces),
        lambda: "".join(rng.choice("\r\x0b\x85\u2028 ") if rng.random() < 0.02 else letter for letter in text),
        lambda: re.sub(r"(\S+ \S+ \S+) ", r"\1. \1 ", text),
    ]
    return rng.choice(faults)()


# ------------------------------------------------------------------------------------------------------------- speed


def compare_speed(corpus: Corpus) -> None:
    for name, texts in (
        ("clean passages", corpus.passages() * 3),
        ("documents of all sizes, whole and damaged", corpus.mixture()),
    ):
        documents = [Document(str(number), text, "bench", "kk", "Cyrl", "unknown") for number, text in enumerate(texts)]
        megabytes = sum(len(text.encode()) for text in texts) / 1e6
        print(f"\n{name}: {len(texts):,} documents, {megabytes:.1f} MB")
        (qaz,), (fineweb2,) = make_filters(FilterConfig()), make_filters(FilterConfig(preset="fineweb2"))
        scanned = [
            scan_texts(texts[start : start + BATCH_DOCUMENTS]) for start in range(0, len(texts), BATCH_DOCUMENTS)
        ]
        report("scan_texts alone", megabytes, lambda: run_scan(texts))  # noqa: B023
        report("quality_scores, scanned before", megabytes, lambda: run_scores(scanned))  # noqa: B023
        report("preset qaz", megabytes, lambda: run(qaz, documents))  # noqa: B023
        ours, our_seconds = report("preset fineweb2", megabytes, lambda: run(fineweb2, documents))  # noqa: B023
        judge = datatrove_judge(THRESHOLDS["kk"])
        start = time.process_time()
        theirs = [judge(text) for text in texts]
        seconds = time.process_time() - start
        print(f"{'datatrove, regex words':34}{megabytes / seconds:8.2f} MB/s")
        equal = sum(mine == other for mine, other in zip(ours, theirs, strict=True))
        print(f"ratio {seconds / our_seconds:.1f}; verdicts and reasons equal {equal:,} of {len(texts):,}")
        print("reasons:", dict(Counter(str(reason) for reason in theirs).most_common()))


def report(name: str, megabytes: float, work: Callable[[], list[Any]]) -> tuple[list[Any], float]:
    """What the work gives, and the CPU seconds of its second run, the first having compiled or loaded the kernels."""
    work()
    start = time.process_time()
    result = work()
    seconds = time.process_time() - start
    print(f"{name:34}{megabytes / seconds:8.2f} MB/s")
    return result, seconds


def run(rule: Filter, documents: Sequence[Document]) -> list[str | None]:
    batches = [documents[start : start + BATCH_DOCUMENTS] for start in range(0, len(documents), BATCH_DOCUMENTS)]
    return [verdict.reason for batch in batches for verdict in rule(batch)]


def run_scan(texts: Texts) -> list[Any]:
    return [scan_texts(texts[start : start + BATCH_DOCUMENTS]) for start in range(0, len(texts), BATCH_DOCUMENTS)]


def run_scores(scanned: Sequence[Any]) -> list[Any]:
    return [score for batch in scanned for score in quality_scores(batch, ["kk"] * len(batch))]


class RegexWords:
    """What datatrove asks a word tokenizer for."""

    def __init__(self) -> None:
        self.word_tokenize = re.compile(r"\w+|[^\w\s]").findall


def datatrove_judge(limits: FineWeb2Thresholds) -> Callable[[str], str | None]:
    """The three filters of datatrove with the values that FineWeb-2's pipeline passes."""
    filters_room = import_module("datatrove.pipeline.filters")
    make_document = import_module("datatrove.data").Document
    word_tokenizers: Any = import_module("datatrove.utils.word_tokenizers")
    tokenizer = RegexWords()
    word_tokenizers.load_word_tokenizer = lambda language: tokenizer
    filters = [
        filters_room.GopherRepetitionFilter(
            dup_para_frac=0,
            dup_line_char_frac=0,
            dup_para_char_frac=0,
            dup_line_frac=limits.dup_line_frac,
            top_n_grams=tuple(zip((2, 3, 4), limits.top_n_grams, strict=True)),
            dup_n_grams=tuple(zip(range(5, 11), limits.dup_n_grams, strict=True)),
        ),
        filters_room.FineWebQualityFilter(
            short_line_thr=999,
            char_duplicates_ratio=0.1,
            line_punct_thr=limits.line_punct_thr,
            new_line_ratio=limits.new_line_ratio,
        ),
        filters_room.GopherQualityFilter(
            max_avg_word_length=limits.max_avg_word_length,
            min_avg_word_length=limits.min_avg_word_length,
            stop_words=list(limits.stopwords),
            max_non_alpha_words_ratio=limits.max_non_alpha_words_ratio,
            min_stop_words=2,
        ),
    ]

    def judge(text: str) -> str | None:
        document = make_document(text=text, id="")
        for rule in filters:
            answer = rule.filter(document)
            if answer is not True:
                return str(answer[1])
        return None

    return judge


# ----------------------------------------------------------------------------------------------------- justification


def justify(corpus: Corpus) -> None:
    """The tables of docs/results/data_filters.md."""
    print("\n### Good Kazakh text: per cent rejected\n")
    table(corpus.good())
    print("\n### Bad text, judged as Kazakh: per cent kept\n")
    table(corpus.bad(), kept=True)
    print("\n### Russian and English, preset qaz\n")
    print(
        "| text | documents | rejected | reasons | function words, middle document |\n| --- | --- | --- | --- | --- |"
    )
    for language, sets in corpus.other_languages().items():
        for name, texts in sets.items():
            facts = measure(scan_texts(texts), [language] * len(texts))
            reasons = first_reasons(facts, thresholds_of(FilterConfig(), language))
            middle = np.median(facts.function_words_D / np.maximum(facts.words_D, 1))
            rejected = percent([reason is not None for reason in reasons])
            print(f"| {language}: {name} | {len(texts):,} | {rejected} | {common(reasons)} | {100 * middle:.0f} % |")
    print("\n### Scores of preset qaz: 5 %, middle, 95 % of the documents\n")
    print("| text | 5 % | middle | 95 % |\n| --- | --- | --- | --- |")
    for name, texts in {**corpus.good(), **corpus.bad()}.items():
        low, middle, high = np.quantile(quality_scores(scan_texts(texts), ["kk"] * len(texts)), [0.05, 0.5, 0.95])
        print(f"| {name} | {low:.2f} | {middle:.2f} | {high:.2f} |")


def table(sets: Mapping[str, Texts], *, kept: bool = False) -> None:
    """A line for each kind of text: rules alone, then whole presets."""
    print(
        "| text | documents | FineWeb-2's stop words | our list, two words | our list, 1 % of the words | line ends |"
        " words per sentence | preset fineweb2 | preset qaz | reasons of qaz |\n|" + " --- |" * 10
    )
    (fineweb2,) = make_filters(FilterConfig(preset="fineweb2"))
    limits = thresholds_of(FilterConfig(), "kk")
    for name, texts in sets.items():
        scanned = scan_texts(texts)
        facts = measure(scanned, ["kk"] * len(texts))
        reasons = first_reasons(facts, limits)
        enough = facts.words_D >= 60
        shares = facts.function_words_D / np.maximum(facts.words_D, 1)
        sentences = np.maximum(facts.sentences_D + facts.open_lines_D, 1)
        theirs = [not verdict.keep for verdict in fineweb2.judge(scanned, ["kk"] * len(texts))]
        columns = [
            [lacks_stop_words(text, frozenset(THRESHOLDS["kk"].stopwords)) for text in texts],
            [lacks_stop_words(text, FUNCTION_WORDS["kk"]) for text in texts],
            (enough & (shares < limits.min_function_words_frac)).tolist(),
            [lacks_line_ends(text, THRESHOLDS["kk"].line_punct_thr) for text in texts],
            (enough & (facts.words_D / sentences > limits.max_words_per_sentence)).tolist(),
            theirs,
            [reason is not None for reason in reasons],
        ]
        shown = [percent([not value for value in column] if kept else column) for column in columns]
        print(f"| {name} | {len(texts):,} | {' | '.join(shown)} | {common(reasons)} |")


def lacks_stop_words(text: str, words: frozenset[str]) -> bool:
    return len(words & set(re.findall(r"\w+", text))) < 2


def lacks_line_ends(text: str, least: float) -> bool:
    lines = [line for line in text.split("\n") if line.strip()]
    return not lines or sum(line.endswith((".", "!", "?")) for line in lines) / len(lines) < least


def percent(values: Sequence[bool]) -> str:
    return f"{100 * sum(values) / max(len(values), 1):.1f}"


def common(reasons: Sequence[str | None]) -> str:
    counts = Counter(reason for reason in reasons if reason is not None).most_common(3)
    return ", ".join(f"{name} {count}" for name, count in counts)


def show(corpus: Corpus, number: int) -> None:
    """Documents of government pages and interface texts, kept and dropped, by each preset."""
    texts = join(corpus.government("kk"), 12) + corpus.passages() + join(corpus.interface("kk", 100), 12)
    random.Random(SEED).shuffle(texts)
    documents = [Document(str(place), text, "bench", "kk", "Cyrl", "unknown") for place, text in enumerate(texts)]
    for preset in ("qaz", "fineweb2"):
        (rule,) = make_filters(FilterConfig.model_validate({"preset": preset}))
        verdicts = list(zip(rule(documents), texts, strict=True))
        for kept in (True, False):
            chosen = [(verdict.reason, text) for verdict, text in verdicts if verdict.keep is kept]
            print(f"\n{preset}: {len(chosen)} of {len(texts)} {'kept' if kept else 'dropped'}")
            for reason, text in chosen[:number]:
                print(f"  [{reason or 'kept'}] {text[:220]!r}")


if __name__ == "__main__":
    main()
