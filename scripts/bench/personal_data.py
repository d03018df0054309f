"""Alarms of the rules for personal data on real sentences, and how many written numbers they find.

    python scripts/bench/personal_data.py --corpus DIR            (or QAZ_CORPUS_DIR)
    python scripts/bench/personal_data.py --corpus DIR --show     each alarm of the real sentences, to be judged by eye

The real sentences are lines with a digit out of every JSONL and TSV file of the corpus, each line once, at most `--per-source`
of a folder. Alarms are printed with each digit as # and each letter of an address as a, so that nothing of anybody is shown.
The numbers to be found and the sentences that have to stay come from written_numbers.py, which shares nothing with the rules.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from written_numbers import found, harmless

from qaz_llm.data.protect.pii import redact_texts
from qaz_llm.data.protect.pii_rules import KINDS, Span, find_personal_data
from qaz_llm.io import CORPUS_DIR_VARIABLE, open_text

NO_TEXT = frozenset({"id", "source", "file", "key", "lang", "tokens", "tags", "link", "score"})
NO_SENTENCES = ("qrels", "unimorph", "outputs_")
"""In names of files whose rows are ids, single words or answers of models."""
LONGEST_LINE = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=os.environ.get(CORPUS_DIR_VARIABLE), required=False)
    parser.add_argument("--sentences", type=int, default=10_000)
    parser.add_argument("--per-source", type=int, default=1_000)
    parser.add_argument("--show", action="store_true", help="each alarm with what stands beside it")
    parser.add_argument(
        "--rounds", type=int, default=2_000, help="of written numbers, and sentences of each kind that stays"
    )
    options = parser.parse_args()
    if options.corpus:
        print_alarms(sample(options.corpus, options.sentences, options.per_source), show=options.show)
    else:
        print("no corpus: real sentences are left out; name one by --corpus or QAZ_CORPUS_DIR")
    print_recall(options.rounds)
    print_stays(options.rounds)


# ------------------------------------------------------------------------------------------------------ real sentences


def sample(corpus: Path, count: int, per_source: int) -> list[tuple[str, str]]:
    """So many lines with a digit, with the folder each is from."""
    rng = random.Random(1)
    lines: dict[str, dict[str, None]] = defaultdict(dict)
    for path in sorted(corpus.rglob("*")):
        name = path.relative_to(corpus).as_posix()
        if (".jsonl" in name or name.endswith((".tsv", ".tsv.gz"))) and not any(part in name for part in NO_SENTENCES):
            folder = path.relative_to(corpus).parts[0]
            for line in _lines(path):
                if len(line) <= LONGEST_LINE and re.search("[0-9]", line):
                    lines[folder][line] = None
    chosen = [
        (name, line) for name, of in sorted(lines.items()) for line in rng.sample(list(of), min(per_source, len(of)))
    ]
    rng.shuffle(chosen)
    print(
        f"{sum(map(len, lines.values())):,} different lines with a digit; {min(count, len(chosen)):,} of them looked at"
    )
    return chosen[:count]


def _lines(path: Path) -> Iterator[str]:
    with open_text(path) as rows:
        for row in rows:
            texts = _strings(json.loads(row)) if ".jsonl" in path.name else [row]
            for text in texts:
                yield from (line.strip() for line in text.split("\n"))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in NO_TEXT:
                yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def print_alarms(lines: list[tuple[str, str]], *, show: bool) -> None:
    alarms: list[tuple[str, str, Span]] = []
    for folder, line in lines:
        alarms += [(folder, line, span) for span in find_personal_data(line, KINDS)]
    print(f"\n{len(alarms):,} alarms in {len({line for _, line, _ in alarms}):,} of {len(lines):,} lines")
    for kind, number in Counter(span.kind for _, _, span in alarms).most_common():
        sources = Counter(folder for folder, _, span in alarms if span.kind == kind)
        print(f"  {kind:10}{number:6,}   {', '.join(f'{name} {count}' for name, count in sources.most_common())}")
        shapes = Counter(_masked(line[span.start : span.end]) for _, line, span in alarms if span.kind == kind)
        if kind != "email":
            for shape, times in shapes.most_common(None if show else 40):
                print(f"      {times:4,} x {shape}")
    if show:
        for folder, line, span in sorted(alarms, key=lambda alarm: (alarm[2].kind, alarm[0])):
            print(
                f"{span.kind} | {folder} | {line[max(0, span.start - 40) : span.start]}[[{line[span.start : span.end]}]]{line[span.end : span.end + 20]}"
            )


def _masked(value: str) -> str:
    return re.sub(r"[^\W\d_]", "a", re.sub("[0-9]", "#", value))


# ------------------------------------------------------------------------------------------------------ written numbers


def print_recall(rounds: int) -> None:
    total: Counter[str] = Counter()
    right: Counter[str] = Counter()
    written = list(found(seed=1, count=rounds))
    for item, redacted in zip(written, redact_texts([item.text for item in written]), strict=True):
        total[item.kind] += 1
        right[item.kind] += item.kind in redacted.counts and not any(value in redacted.text for value in item.values)
    print("\nnumbers written by published formats, found whole:")
    for kind, number in total.items():
        print(f"  {kind:10}{right[kind]:8,} of {number:8,}   {100 * right[kind] / number:.2f} %")


def print_stays(rounds: int) -> None:
    total: Counter[str] = Counter()
    alarms: Counter[str] = Counter()
    written = list(harmless(seed=2, count=rounds))
    for item, redacted in zip(written, redact_texts([item.text for item in written]), strict=True):
        total[item.kind] += 1
        alarms[item.kind] += bool(redacted.counts)
    print(f"\nsentences that hold none, {rounds:,} of each of {len(total)} kinds: {alarms.total():,} with an alarm")
    for kind, number in alarms.most_common():
        if number:
            print(f"  {kind:30}{number:6,}   {1000 * number / total[kind]:.2f} in a thousand")


if __name__ == "__main__":
    main()
