"""Draw articles in Kazakh and Russian from the acts of Kazakhstan, to be kept out of training and measured on (law_bpb).

    python scripts/law_slice.py CORPUS_DIR [ARTICLES]       # reads CORPUS_DIR/kazakhstan-law, writes CORPUS_DIR/law/articles.jsonl

Of an article those points are taken that have a certain counterpart, so both languages say the same; it has LEAST_WORDS to MOST_WORDS
words in either. Which articles is decided by a hash of act and article, at most PER_ACT of an act, so that the same clone gives the
same slice. Repealed acts are left out.

A corpus that is to be measured on them names the file under `decontaminate.paths`, as configs/recipes/law.yaml does. Its points stand
in the file one by one, too (`points`): a pair to learn translation from is a single point, shorter than the runs of words that
documents are compared by, and is looked for whole.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import xxhash

from qaz_llm.data.readers.acts.find import act_folders, open_act
from qaz_llm.data.readers.acts.read import read_pairs
from qaz_llm.errors import QazError
from qaz_llm.io import write_jsonl
from qaz_llm.language.repair import repair
from qaz_llm.language.segment import words

ARTICLES = 300
PER_ACT = 3
LEAST_WORDS, MOST_WORDS = 40, 400

Article = dict[str, Any]


def articles_of(folder: Path, skipped: Counter[str]) -> Iterator[Article]:
    """The articles of an act: id, act, article, kk, ru, points, url. What is passed over is counted by its reason."""
    rows = [row.fields for row in read_pairs([open_act(folder)]) if row.problem is None]
    for article, of_article in groupby(rows, key=lambda row: str(row["id"]).split("/")[1]):
        points = list(of_article)
        if not article.startswith("st") or points[0]["repealed"]:
            skipped["repealed" if points[0]["repealed"] else "of no article"] += 1
            continue
        each = {code: [repair(str(point[code])).text for point in points] for code in ("kk", "ru")}
        texts = {code: "\n".join(of_language) for code, of_language in each.items()}
        if all(LEAST_WORDS <= len(words(text)) <= MOST_WORDS for text in texts.values()):
            act = str(points[0]["act"])
            yield {
                "id": f"{act}/{article}",
                "act": act,
                "article": article,
                **texts,
                "points": [*each["kk"], *each["ru"]],
                "url": str(points[0]["url"] or ""),
            }
        else:
            skipped["shorter or longer"] += 1


def draw(articles: Sequence[Article], count: int) -> list[Article]:
    """So many by the hash of their id, at most PER_ACT of an act."""
    taken: Counter[str] = Counter()
    drawn: list[Article] = []
    for article in sorted(articles, key=lambda one: xxhash.xxh3_64_intdigest(one["id"].encode())):
        if len(drawn) < count and taken[article["act"]] < PER_ACT:
            taken[article["act"]] += 1
            drawn.append(article)
    return sorted(drawn, key=lambda one: one["id"])


def main() -> None:
    """Write the slice and say what it is made of."""
    corpus, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else ARTICLES
    skipped: Counter[str] = Counter()
    folders = act_folders(corpus / "kazakhstan-law")
    articles = [article for folder in folders for article in articles_of(folder, skipped)]
    drawn = draw(articles, count)
    if not drawn:
        sys.exit(
            f"error: none of {len(folders)} acts has an article of {LEAST_WORDS} to {MOST_WORDS} words: {dict(skipped)}"
        )
    write_jsonl(corpus / "law" / "articles.jsonl", drawn)
    print(f"{len(drawn)} of {len(articles)} articles, from {len({one['act'] for one in drawn})} of {len(folders)} acts")
    for reason, number in skipped.most_common():
        print(f"passed over, {reason}: {number}")


if __name__ == "__main__":
    try:
        main()
    except QazError as error:
        sys.exit(f"error: {error}")
