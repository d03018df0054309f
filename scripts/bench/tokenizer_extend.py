"""Extending published tokenizers: fertility at each size, time and memory, beside a tokenizer trained from nothing.

    python scripts/bench/tokenizer_extend.py --corpus DIR --texts DIR --tiktoken FILE --sentencepiece FILE [--bound]

`--corpus` is the `out` of a data build (its Kazakh is learned from), `--texts` a folder of real text with FLORES, Tatoeba and KazQAD, which
a data build decontaminates against. `--tiktoken` is Llama-3's tokenizer.model (meta-llama/llama-models, models/llama3), `--sentencepiece`
Llama-2's (for instance karpathy/llama2.c, tokenizer.model); neither is part of this project. The peer is transformers'
`train_new_from_iterator`: the same pre-tokenizer, a vocabulary learned from nothing, which no trained model can read.

`--bound` measures the largest input that memory ever sees, however large the corpus: as many different chunks as are kept, invented from
the parts of real words.
"""

from __future__ import annotations

import argparse
import itertools
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.io import read_jsonl
from qaz_llm.tokenizer.base import LLAMA3_PATTERN
from qaz_llm.tokenizer.corpus import corpus_texts
from qaz_llm.tokenizer.fertility import measure_fertility
from qaz_llm.tokenizer.merges import append_merges, learn_merges
from qaz_llm.tokenizer.swap import swappable_tokens
from qaz_llm.tokenizer.words import MAX_DISTINCT_CHUNKS, count_chunks, cut_words, words_of_chunks

SIZES = (4_000, 8_000, 16_000, 31_510, 32_000)
BAR_SIZE = 31_510
BARS = {8_000: {"kk": 1.95}, BAR_SIZE: {"kk": 1.65, "ru": 2.234, "en": 1.241}}
"""Tokens per word on FLORES devtest that Llama-3 with so many new tokens must not exceed."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--tiktoken", type=Path)
    parser.add_argument("--sentencepiece", type=Path)
    parser.add_argument("--bound", action="store_true")
    arguments = parser.parse_args()
    texts = list(corpus_texts([arguments.corpus], language="kk"))
    all_texts = list(corpus_texts([arguments.corpus]))
    heldout = read_heldout(arguments.texts)
    met = True
    if arguments.tiktoken:
        base = from_tiktoken(arguments.tiktoken)
        met = measure("Llama-3", base, texts, heldout, bars=BARS)
        print(f"\n{len(swappable_tokens(base, all_texts)):,} tokens of the base can be swapped")
        from_nothing(base, texts, heldout)
        slope(base, texts)
        if arguments.bound:
            at_the_bound(base, texts)
    if arguments.sentencepiece:
        base = from_sentencepiece(arguments.sentencepiece)
        measure("Llama-2", base, texts, heldout, bars={})
        print(f"\n{len(swappable_tokens(base, all_texts)):,} tokens of the base can be swapped")
    return 0 if met else 1


# -------------------------------------------------------------------------------------------------------------- tokenizers


def from_tiktoken(path: Path) -> Any:
    """Llama-3's tokenizer as transformers has it, special tokens and all."""
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import TikTokenConverter

    named = ["<|begin_of_text|>", "<|end_of_text|>"]
    specials = named + [f"<|reserved_special_token_{n}|>" for n in range(254)]
    backend = TikTokenConverter(str(path), pattern=LLAMA3_PATTERN, extra_special_tokens=specials).converted()
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=named[0], eos_token=named[1])


def from_sentencepiece(path: Path) -> Any:
    """Llama-2's tokenizer: BPE with byte fallback."""
    import shutil
    import tempfile

    from transformers import LlamaTokenizer

    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, Path(folder) / "tokenizer.model")
        return LlamaTokenizer.from_pretrained(folder)


def read_heldout(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Text that no token was learned from: `{set: {language: texts}}`."""
    flores = list(read_jsonl(folder / "flores200/flores200_devtest_kk_ru_en.jsonl"))
    kk_ru = [row for row in read_jsonl(folder / "tatoeba/tatoeba_kk_ru.jsonl") if "Cyrl" in str(row["kk_label"])]
    kk_en = list(read_jsonl(folder / "tatoeba/tatoeba_en_kk.jsonl"))
    passages = {row["context"] for row in read_jsonl(folder / "kazqad/kazqad_rc_validation.jsonl.gz")}
    return {
        "FLORES devtest": {language: [row[language] for row in flores] for language in ("kk", "ru", "en")},
        "Tatoeba": {
            "kk": [row["kk"] for row in kk_ru], "ru": [row["ru"] for row in kk_ru], "en": [row["en"] for row in kk_en]
        },
        "KazQAD": {"kk": sorted(passages)},
    }  # fmt: skip


# ----------------------------------------------------------------------------------------------------------------- figures


def measure(
    name: str,
    base: Any,
    texts: Sequence[str],
    heldout: Mapping[str, Mapping[str, list[str]]],
    *,
    bars: Mapping[int, Mapping[str, float]],
) -> bool:
    """Learn once, print the fertility of each size, and whether the bars are met."""
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    columns = [(title, language) for title, by_language in heldout.items() for language in by_language]
    print(f"\n=== {name}: {len(base):,} tokens, learning from {megabytes:.1f} MB\n")
    wall, cpu = time.perf_counter(), time.process_time()
    words = cut_words(base, words_of_chunks(base, count_chunks(texts)))
    learned = learn_merges(base, words, num_new_tokens=max(SIZES))
    append_merges(learned, num_new_tokens=BAR_SIZE)
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{max(SIZES):,} tokens learned, {BAR_SIZE:,} appended: {seconds:.1f} s, {cpu_seconds:.1f} s of processor")
    print("tokens per word\n" + f"{'new tokens':>12} " + " ".join(f"{f'{t} {g}':>18}" for t, g in columns))
    met = True
    for size in (0, *SIZES):
        tokenizer = append_merges(learned, num_new_tokens=size).tokenizer if size else base
        found = {key: measure_fertility(tokenizer, heldout[key[0]][key[1]]) for key in columns}
        print(f"{size:>12,} " + " ".join(f"{found[key].tokens_per_word:>18.4f}" for key in columns), flush=True)
        for language, bar in bars.get(size, {}).items():
            figure = found["FLORES devtest", language].tokens_per_word
            met &= figure <= bar
            print(f"{'':>12} bar: {language} at most {bar}: {'met' if figure <= bar else 'NOT MET'}")
    return met


def from_nothing(base: Any, texts: Sequence[str], heldout: Mapping[str, Mapping[str, list[str]]]) -> None:
    """The peer: how long a tokenizer of its own takes, and how few tokens Kazakh needs when it has all of them."""
    started = time.perf_counter()
    made = base.train_new_from_iterator(texts, vocab_size=BAR_SIZE)
    seconds = time.perf_counter() - started
    found = {language: measure_fertility(made, lines) for language, lines in heldout["FLORES devtest"].items()}
    figures = ", ".join(f"{language} {fertility.tokens_per_word:.3f}" for language, fertility in found.items())
    print(f"\npeer, train_new_from_iterator, {BAR_SIZE:,} tokens from nothing: {seconds:.1f} s; FLORES {figures}")


def slope(base: Any, texts: Sequence[str]) -> None:
    """Seconds of each part by megabytes; all but the counting grow with the number of different chunks."""
    print(f"\n{'MB':>6} {'chunks':>9} {'words':>8}   seconds: count  pre-tokenise  cut  learn")
    for share in (8, 4, 2, 1):
        part = texts[::share]
        marks = [time.process_time()]
        chunks = count_chunks(part)
        marks.append(time.process_time())
        counts = words_of_chunks(base, chunks)
        marks.append(time.process_time())
        words = cut_words(base, counts)
        marks.append(time.process_time())
        learn_merges(base, words, num_new_tokens=8_000)
        marks.append(time.process_time())
        spent = "  ".join(f"{b - a:.2f}" for a, b in itertools.pairwise(marks))
        size = sum(len(text.encode()) for text in part) / 1e6
        print(f"{size:6.2f} {len(chunks):9,} {len(words):8,}   {spent}", flush=True)


def at_the_bound(base: Any, texts: Sequence[str]) -> None:
    """As many different chunks as count_chunks ever keeps, with counts that fall as 1 / rank."""
    rng = random.Random(0)
    real = [chunk for chunk in count_chunks(texts) if not chunk.isascii() and len(chunk) > 6]
    invented: Counter[str] = Counter()
    for word in _invent(real, rng):
        invented[word] = 1 + 10_000_000 // (len(invented) + 1)
        if len(invented) == MAX_DISTINCT_CHUNKS:
            break
    print(f"\n{len(invented):,} different chunks, {invented.total():,} in all", flush=True)
    started = time.perf_counter()
    counts = words_of_chunks(base, invented)
    words = cut_words(base, counts)
    print(f"words cut: {time.perf_counter() - started:.0f} s, {_peak_gb():.1f} GB", flush=True)
    learned = learn_merges(base, words, num_new_tokens=BAR_SIZE)
    append_merges(learned, num_new_tokens=BAR_SIZE)
    print(f"with {BAR_SIZE:,} tokens learned: {time.perf_counter() - started:.0f} s, {_peak_gb():.1f} GB", flush=True)


def _invent(real: Sequence[str], rng: random.Random) -> Iterator[str]:
    """The first half of one word and the second half of another."""
    while True:
        head, tail = rng.choice(real), rng.choice(real)
        yield head[: rng.randint(3, len(head))] + tail[rng.randint(2, len(tail) - 1) :].strip()


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    sys.exit(main())
