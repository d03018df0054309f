"""What is run for a set of requests: rows of tokens in which nothing is computed twice.

Requests with the same context share one row: the context is the trunk, each continuation a branch, which sees the trunk and itself.

    context s a b, continuations c d and e f g:     s a b | c | e f        asked: c, e after b;  d after c;  f after e, g after f
                                        segments    0 0 0   1   2 2        parents: 0 has none, 1 and 2 grow from 0

A continuation's last token is asked for and never read. Rows that begin alike (the same solved examples) have their common beginning run
once; what is left of them stands side by side in wide rows, which all see that beginning, and of each other nothing.

Too long a context loses its middle, for all its continuations alike. A continuation longer than the window is asked for in windows of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from qaz_llm.evals.scoring.encoding import Encoded

SHARED_TOKENS = 32
"""A common beginning of at least so many tokens, over at least SHARED_ROWS rows, is run once."""
SHARED_ROWS = 3

EQUAL_LENGTH = 1000
"""Tokens a row has when its attention costs about as much as its linear layers (135 M parameters, CPU: 800; larger models: more)."""

Target = tuple[int, int, int]
"""(request, index in the row, token): the log-probability of `token` after what stands at `index` counts for the request."""


@dataclass(frozen=True)
class Row:
    """One sequence to run. `segment_L` tells the segment of each token, and `parents` what each segment grows from: another, or the prefix (-1).

    Both are as they stand here for plain text: all of it one segment. `prefix` are the tokens before `input_ids` that are run once for several rows.
    """

    input_ids: tuple[int, ...]
    targets: tuple[Target, ...]
    segment_L: tuple[int, ...] = ()
    parents: tuple[int, ...] = (-1,)
    prefix: tuple[int, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Each token sees all before it."""
        return not self.segment_L

    @property
    def segments(self) -> tuple[int, ...]:
        return self.segment_L or (0,) * len(self.input_ids)

    @property
    def positions(self) -> list[int]:
        """Where each token stands in its own text."""
        ends = [len(self.prefix)] * len(self.parents)
        found = []
        for index, segment in enumerate(self.segments):
            parent = self.parents[segment]
            if (index == 0 or segment != self.segments[index - 1]) and parent >= 0:
                ends[segment] = ends[parent]
            found.append(ends[segment])
            ends[segment] += 1
        return found

    @property
    def seen(self) -> list[list[bool]]:
        """Whether a token of segment i sees one of segment j that stands before it: itself and all that it grows from."""
        table = []
        for segment in range(len(self.parents)):
            line = {segment}
            while (segment := self.parents[segment]) >= 0:
                line.add(segment)
            table.append([other in line for other in range(len(self.parents))])
        return table


def plan_rows(
    encoded: Sequence[Encoded], *, max_length: int, trees: bool, prefixes: bool, kept_prefix: Sequence[int] = ()
) -> list[Row]:
    """The rows of a set of requests; with `trees` one for each context, with `prefixes` common beginnings apart.

    `kept_prefix` is a beginning that need not be run, so even a single row may share it.
    """
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
    return _with_prefixes(asked, kept_prefix) if prefixes else asked


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


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts have in common at their beginning."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _alone(numbers: Sequence[int], encoded: Sequence[Encoded]) -> list[list[int]]:
    """Each longer continuation by itself; those of one token share a row without branches."""
    short = [number for number in numbers if len(encoded[number].continuation) == 1]
    return [*([short] if short else []), *([n] for n in numbers if len(encoded[n].continuation) != 1)]


def _together(
    context: tuple[int, ...], numbers: Sequence[int], encoded: Sequence[Encoded], max_length: int
) -> Iterator[list[int]]:
    """Continuations of one context, as many in a row as fit into the window with it and as it pays for, at least one."""
    some: list[int] = []
    size, trunk = 0, min(len(context), max_length)
    for number in sorted(numbers, key=lambda n: len(encoded[n].continuation)):
        branch = len(encoded[number].continuation) - 1
        if some and (trunk + size + branch > max_length or not _pays(trunk, trunk + size, branch)):
            yield some
            some, size = [], 0
        some.append(number)
        size += branch
    if some:
        yield some


def _pays(trunk: int, row: int, branch: int) -> bool:
    """Whether a branch is cheaper in a row of so many tokens than with a trunk of its own.

    Together the trunk's layers run once less, and attention, which is quadratic, runs over more. Four answers of 10 tokens to a question of
    50 go together: 50 × 1,000 > 100² − 90² − 60². Whole texts after the start token do not: 1 × 1,000 < 301² − 151² − 151².
    """
    return trunk * EQUAL_LENGTH >= (row + branch) ** 2 - row**2 - (trunk + branch) ** 2


def _tree(trunk: tuple[int, ...], numbers: Sequence[int], encoded: Sequence[Encoded]) -> Row:
    ids, segment_L = list(trunk), [0] * len(trunk)
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
        segment_L += [branches] * (len(continuation) - 1)
    if branches < 2:
        return Row(tuple(ids), tuple(targets))
    return Row(tuple(ids), tuple(targets), tuple(segment_L), (-1, *[0] * branches))


def _with_prefixes(rows: Sequence[Row], kept_prefix: Sequence[int]) -> list[Row]:
    """Rows that begin alike with their common beginning taken off; of each at least the last token of its trunk stays."""
    groups: dict[tuple[int, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.input_ids[:SHARED_TOKENS]].append(row)
    return [cut for group in groups.values() for cut in _cut(group, kept_prefix)]


def _cut(rows: Sequence[Row], kept_prefix: Sequence[int]) -> Sequence[Row]:
    shared = common_length(min(r.input_ids for r in rows), max(r.input_ids for r in rows))
    shared = min(shared, *(min((index for _r, index, _t in row.targets), default=0) for row in rows))
    if len(rows) < SHARED_ROWS:
        shared = min(shared, common_length(rows[0].input_ids, kept_prefix))
    return rows if shared < SHARED_TOKENS else behind_prefix(rows, shared)


def behind_prefix(rows: Sequence[Row], shared: int) -> list[Row]:
    """Rows that begin with the same `shared` tokens, which become their prefix."""
    return [
        replace(
            row,
            input_ids=row.input_ids[shared:],
            targets=tuple((request, index - shared, token) for request, index, token in row.targets),
            segment_L=row.segment_L[shared:],
            prefix=row.input_ids[:shared],
        )
        for row in rows
    ]


def side_by_side(rows: Sequence[Row]) -> Row:
    """Rows of one prefix as one row, in which none sees another.

    a b | c and d e as they grow from the same prefix:      a b | c | d e       segments 0 0 1 2 2, parents -1 0 -1
    """
    if len(rows) == 1:
        return rows[0]
    starts = list(accumulate((len(row.input_ids) for row in rows), initial=0))
    firsts = list(accumulate((len(row.parents) for row in rows), initial=0))
    return Row(
        tuple(token for row in rows for token in row.input_ids),
        tuple((r, at + start, t) for row, start in zip(rows, starts, strict=False) for r, at, t in row.targets),
        tuple(s + first for row, first in zip(rows, firsts, strict=False) for s in row.segments),
        tuple(p + first if p >= 0 else p for row, first in zip(rows, firsts, strict=False) for p in row.parents),
        rows[0].prefix,
    )
