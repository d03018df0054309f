#!/usr/bin/env python
"""Count pairs of characters in the embedded texts of three languages:  scripts/letter_pairs.py > src/qaz_llm/language/letter_pairs.py

Each pair is smoothed with the frequency of its second character (Dirichlet prior, PRIOR imagined pairs for each first
character), and each class has a least probability, for characters that these texts happen to lack.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from math import log2
from pathlib import Path

import qaz_llm
from qaz_llm.language import likelihood
from qaz_llm.language.letter_pairs import CLASSES, CODE, LETTERS, SIGNS, STEP_BITS

PRIOR = 5.0
LEAST = {"latin": 3e-4, "cyrillic": 3e-5, "letter": 3e-5, "sign": 1e-4, "control": 1e-6}
NAMES = (*LETTERS, *SIGNS, *CLASSES)


def main() -> None:
    """Print the module with the table of the embedded texts."""
    pairs = count_pairs()
    firsts = Counter(first for first, _ in pairs.elements())
    alone = Counter(second for _, second in pairs.elements())
    total = alone.total()
    alone_frac = {name: max(alone[name] / total, LEAST.get(name, 1e-5)) for name in NAMES}
    source = Path(likelihood.__file__).with_name("letter_pairs.py").read_text(encoding="utf-8")
    print(source[: source.index('PAIR_BITS = """')], end='PAIR_BITS = """\n')
    for first in NAMES:
        fracs = [(pairs[first, second] + PRIOR * alone_frac[second]) / (firsts[first] + PRIOR) for second in NAMES]
        print("".join(CODE[min(round(-log2(frac) / STEP_BITS), len(CODE) - 1)] for frac in fracs))
    print('"""')


def count_pairs() -> Counter[tuple[str, str]]:
    """Pairs of classes side by side in the lines of the embedded documents."""
    pairs: Counter[tuple[str, str]] = Counter()
    for path in sorted((Path(qaz_llm.__file__).parent / "embedded").glob("documents_*.jsonl")):
        for row in path.read_text(encoding="utf-8").splitlines():
            for line in json.loads(row)["text"].split("\n"):
                names = ["newline", *map(likelihood.class_of, line), "newline"]
                pairs.update(itertools.pairwise(names))
    return pairs


if __name__ == "__main__":
    main()
