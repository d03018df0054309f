"""What is run for a set of requests: rows of tokens in which nothing is computed twice.

Requests with the same context share one row: the context is the trunk, each continuation a branch, which sees the trunk and itself.

    context s a b, continuations c d and e f g:     s a b | c | e f        asked: c, e after b;  d after c;  f after e, g after f

A continuation's last token is asked for and never read. Rows that begin alike (the same solved examples) have their common beginning run
once, and its keys and values are given to all of them.

Too long a context loses its middle, for all its continuations alike. A continuation longer than the window is asked for in windows of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from qaz_llm.evals.scoring.encoding import Encoded

SHARED_TOKENS = 32
"""A common beginning of at least so many tokens, over at least SHARED_ROWS rows, is run once."""
SHARED_ROWS = 3

Target = tuple[int, int, int]
"""(request, index in the row, token): the log-probability of `token` after what stands at `index` counts for the request."""


@dataclass(frozen=True)
class Row:
    """One sequence to run. `branch_L` tells the trunk (0) and the branches (1, 2 …) of each token, and is empty without branches.

    `prefix` are the tokens before `input_ids` that are run once for several rows.
    """

    input_ids: tuple[int, ...]
    targets: tuple[Target, ...]
    branch_L: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()

    @property
    def positions(self) -> list[int]:
        """Where each token stands in its own text."""
        start = len(self.prefix)
        if not self.branch_L:
            return list(range(start, start + len(self.input_ids)))
        trunk = self.branch_L.count(0)
        found, seen = [], 0
        for index, branch in enumerate(self.branch_L):
            seen = seen + 1 if index and branch == self.branch_L[index - 1] else 1
            found.append(start + (index if branch == 0 else trunk + seen - 1))
        return found


def plan_rows(encoded: Sequence[Encoded], *, max_length: int, trees: bool, prefixes: bool) -> list[Row]:
    """The rows of a set of requests; with `trees` one for each context, with `prefixes` common beginnings apart."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    rows: list[Row] = []
    for number, one in enumerate(encoded):
        if len(one.continuation) <= max_length:
            groups[one.context].append(number)
        else:
            rows += windows(number, one.context, one.continuation, max_length)
    for context, numbers in groups.items():
        for some in _together(context, numbers, encoded, max_length) if trees else _alone(numbers, encoded):
            longest = max(len(encoded[number].continuation) for number in some)
            rows.append(_tree(kept(context, max_length - longest + 1), some, encoded))
    asked = [row for row in rows if row.targets]  # nothing is asked of an empty continuation
    return _with_prefixes(asked) if prefixes else asked


def kept(ids: tuple[int, ...], room: int) -> tuple[int, ...]:
    """The start token and the end of a context, in all at most `room` tokens, of which there is at least one."""
    return ids if len(ids) <= room else (ids[0], *ids[len(ids) - room + 1 :])


def windows(number: int, context: tuple[int, ...], continuation: tuple[int, ...], max_length: int) -> Iterator[Row]:
    """Windows over context + continuation in which each continuation token is asked for once.

    One window where it fits, with as much context as fits. A longer continuation takes several, each starting half
    a length before its first question, so every token is predicted from at least that much text. For length 4, the
    start token s and the continuation a b c d e f:

        [s a b c] → a b c d        [b c d e] → e f
    """
    ids = context + continuation
    asked = len(context)
    fits = len(continuation) <= max_length
    start = max(0, len(ids) - 1 - max_length if fits else asked - max(max_length // 2, 1))
    while asked < len(ids):
        end = min(start + max_length, len(ids) - 1)
        targets = tuple((number, n - 1 - start, ids[n]) for n in range(asked, end + 1))
        yield Row(ids[start:end], targets)
        asked = end + 1
        start = max(start + 1, end - max_length // 2)


def _alone(numbers: Sequence[int], encoded: Sequence[Encoded]) -> list[list[int]]:
    """Each longer continuation by itself; those of one token share a row without branches."""
    short = [number for number in numbers if len(encoded[number].continuation) == 1]
    return [*([short] if short else []), *([n] for n in numbers if len(encoded[n].continuation) != 1)]


def _together(
    context: tuple[int, ...], numbers: Sequence[int], encoded: Sequence[Encoded], max_length: int
) -> Iterator[list[int]]:
    """Continuations of one context, as many in a row as fit into the window with it, at least one."""
    some: list[int] = []
    size = 0
    for number in sorted(numbers, key=lambda n: len(encoded[n].continuation)):
        branch = len(encoded[number].continuation) - 1
        if some and min(len(context), max_length) + size + branch > max_length:
            yield some
            some, size = [], 0
        some.append(number)
        size += branch
    if some:
        yield some


def _tree(trunk: tuple[int, ...], numbers: Sequence[int], encoded: Sequence[Encoded]) -> Row:
    ids, branch_L = list(trunk), [0] * len(trunk)
    targets: list[Target] = []
    branches = 0
    for number in numbers:
        continuation = encoded[number].continuation
        if not continuation:
            continue
        targets.append((number, len(trunk) - 1, continuation[0]))
        targets += [(number, len(ids) + n, token) for n, token in enumerate(continuation[1:])]
        branches += len(continuation) > 1
        ids += continuation[:-1]
        branch_L += [branches] * (len(continuation) - 1)
    return Row(tuple(ids), tuple(targets), tuple(branch_L) if branches > 1 else ())


def _with_prefixes(rows: Sequence[Row]) -> list[Row]:
    """Rows that begin alike with their common beginning taken off; of each at least the last token of its trunk stays."""
    groups: dict[tuple[int, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.input_ids[:SHARED_TOKENS]].append(row)
    return [cut for group in groups.values() for cut in _cut(group)]


def _cut(rows: Sequence[Row]) -> Sequence[Row]:
    first, last = min(r.input_ids for r in rows), max(r.input_ids for r in rows)
    shared = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    shared = min(shared, *(min((index for _r, index, _t in row.targets), default=0) for row in rows))
    if len(rows) < SHARED_ROWS or shared < SHARED_TOKENS:
        return rows
    return [
        replace(
            row,
            input_ids=row.input_ids[shared:],
            targets=tuple((request, index - shared, token) for request, index, token in row.targets),
            branch_L=row.branch_L[shared:],
            prefix=row.input_ids[:shared],
        )
        for row in rows
    ]


def batches(rows: Sequence[Row], *, batch_tokens: int, batch_logits: int, vocab_size: int) -> Iterator[list[Row]]:
    """Rows of one prefix and of like length together, at most `batch_tokens` with padding, and `batch_logits` numbers for their targets.

    Longest first, so that the largest batch comes first and memory trouble shows at once.
    """
    batch: list[Row] = []
    asked = 0
    for row in sorted(rows, key=lambda r: (r.prefix, -len(r.input_ids), r.input_ids)):
        longest = len(batch[0].input_ids) if batch else len(row.input_ids)
        full = longest * (len(batch) + 1) > batch_tokens or (asked + len(row.targets)) * vocab_size > batch_logits
        if batch and (full or row.prefix != batch[0].prefix):
            yield batch
            batch, asked = [], 0
        batch.append(row)
        asked += len(row.targets)
    if batch:
        yield batch
