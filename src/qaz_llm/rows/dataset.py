"""Text and dialogues made into packed rows on disk: part by part, in processes and on as many nodes as wished, then whole.

    make_rows([row_set(entry, tokenizer, shape, cache=…), …], tokenizer, workers=8)

Whatever ends it, the parts that are whole stay, and the next call goes on with the rest. `qaz data tokenize` and
`qaz train` both come here.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qaz_llm.cluster.stopping import stopped_by_signals
from qaz_llm.data.processes import here_or_in_processes
from qaz_llm.data.share import Share
from qaz_llm.errors import DataError, InputError
from qaz_llm.io import atomic_dir, facts_of_files, only_one, read_json, write_json
from qaz_llm.progress import get_logger, progress
from qaz_llm.rows.config import MixEntry, RowShape
from qaz_llm.rows.counts import Counts, lines_of
from qaz_llm.rows.maker import RowMaker
from qaz_llm.rows.order import MixedDataset, StepSampler, mix_rows
from qaz_llm.rows.packed import (
    FLAGS_FILE,
    LENGTHS_FILE,
    META_FILE,
    TOKENS_FILE,
    PackedDataset,
    decode_row,
    encode_row,
    pad_id_of,
)
from qaz_llm.rows.parts import (
    PART_FILE,
    RowPart,
    RowSet,
    damage_of_rows,
    dataset_fingerprint,
    is_part_done,
    row_set,
)
from qaz_llm.rows.sources import check_first_texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = [
    "MixedDataset",
    "NothingToTrainOnError",
    "PackedDataset",
    "StepSampler",
    "build_dataset",
    "dataset_fingerprint",
    "decode_row",
    "encode_row",
    "make_rows",
    "mix_rows",
    "pad_id_of",
    "row_set",
]

_logger = get_logger("rows")

COPIED_BYTES = 16 << 20
OTHERS_WAIT_S = 60
"""So long a job that has done its share waits for others to let go of the parts, to put them together."""


class NothingToTrainOnError(DataError):
    """The input was read, and nothing of it can be learned from."""

    exit_code = 2


def build_dataset(
    entry: MixEntry, tokenizer: PreTrainedTokenizerFast, shape: RowShape, *, cache: Path, workers: int = 1
) -> PackedDataset:
    """Open the packed rows of one part of the mix, making them first where that has not been done.

    Raises:
        InputError: its files have no text.
        NothingToTrainOnError: nothing is left to train on; the message counts why.
    """
    rows = row_set(entry, tokenizer, shape, cache=cache)
    make_rows([rows], tokenizer, workers=workers)
    return PackedDataset.open(rows.folder)


def make_rows(
    sets: Sequence[RowSet],
    tokenizer: PreTrainedTokenizerFast,
    *,
    workers: int,
    share: Share | None = None,
    check: bool = True,
) -> list[RowSet]:
    """Make what is missing of the rows of a mix; those whose rows are whole then.

    Rows that are there are read and compared with their hashes first; damaged ones are named, removed and made anew.

    Args:
        check: False: who calls has had them compared.
        share: only make this share of the parts; whoever makes the last one puts them together.

    Raises:
        InputError: files without text; another process makes the same rows.
        NothingToTrainOnError: nothing is left of one part of the mix.
        PreemptedError: a signal told it to stop.
    """
    if check:
        for rows in (rows for rows in sets if rows.is_done):
            _remove_if_damaged(rows.folder, META_FILE)
    todo = [rows for rows in sets if not rows.is_done]
    for rows in todo:
        if not rows.shape.chat:
            check_first_texts(rows.entry)
    jobs = _dealt(sets, share) if share is not None else all_parts(todo)
    if todo:
        with stopped_by_signals(partial(_what_is_saved, jobs)), _held(todo, share):
            _make_parts(jobs, RowMaker(tokenizer), workers)
            if share is None:
                for rows in todo:
                    _put_together(rows)
        for rows in todo if share is not None else ():
            _put_together_last(rows)
    return [rows for rows in sets if rows.is_done]


def all_parts(sets: Sequence[RowSet]) -> list[tuple[RowSet, int]]:
    """The parts of all sets, in the order that shares are dealt in."""
    return [(rows, number) for rows in sets for number in range(len(rows.parts))]


def _dealt(sets: Sequence[RowSet], share: Share) -> list[tuple[RowSet, int]]:
    """The parts of a share. All are dealt out, those of finished sets too: a share that begins late gets the same ones."""
    return [(rows, number) for rows, number in all_parts(sets)[share.index :: share.count] if not rows.is_done]


@contextmanager
def _held(todo: Sequence[RowSet], share: Share | None) -> Iterator[None]:
    """Keep others out: the shares of an array hold the parts together, each its own; else they are held alone."""
    with ExitStack() as held:
        for rows in todo:
            if share is not None:
                own = f".lock-share-{share.index}-of-{share.count}"
                held.enter_context(only_one(rows.work, name=own, key="share"))
            held.enter_context(only_one(rows.work, shared=share is not None, key="data.cache_dir"))
        yield


def _make_parts(jobs: Sequence[tuple[RowSet, int]], maker: RowMaker, workers: int) -> None:
    for rows, number in jobs:
        if (folder := rows.part_folder(number)).is_dir():
            _remove_if_damaged(folder, PART_FILE)
    missing = [(rows, number) for rows, number in jobs if not is_part_done(rows.part_folder(number))]
    if len(missing) < len(jobs):
        rest = "; going on with the rest" if missing else ""
        _logger.info(f"{len(jobs) - len(missing)} of {len(jobs)} parts were made before{rest}")
    for rows, number in missing:
        for unfinished in rows.work.glob(f".{number:05d}.*.tmp"):  # of a process that was killed
            shutil.rmtree(unfinished, ignore_errors=True)
    sizes = [rows.parts[number].text_bytes / 1e6 for rows, number in missing]
    if not missing:
        return
    names = ", ".join(dict.fromkeys(rows.entry.name for rows, _ in missing))
    _logger.info(f"tokenising {names}: {len(missing)} parts, about {sum(sizes):,.1f} MB of text")
    if (not missing[0][0].shape.chat) and (why := maker.encoder.why_plain):
        _logger.info(f"every text is tokenised whole, without a memo of words: {why}")
    with progress("tokenising", total=sum(sizes), unit="MB") as advance:
        jobs_left = [(rows.entry, rows.shape, rows.parts[number], rows.part_folder(number)) for rows, number in missing]
        for number, _ in here_or_in_processes(_make, maker, jobs_left, count=workers):
            advance(sizes[number])


def _remove_if_damaged(folder: Path, facts_file: str) -> None:
    problem = damage_of_rows(folder, facts_file)
    if problem is not None:
        _logger.warning("%s: damaged, %s; made anew", folder, problem)
        shutil.rmtree(folder, ignore_errors=True)


def _make(maker: RowMaker, job: tuple[MixEntry, RowShape, RowPart, Path]) -> None:
    maker.make(*job)


def _what_is_saved(jobs: Sequence[tuple[RowSet, int]], signal_name: str) -> str:
    """The one line of a run that was told to stop."""
    done = sum(rows.is_done or is_part_done(rows.part_folder(number)) for rows, number in jobs)
    return (
        f"stopped by {signal_name}: {done} of {len(jobs)} parts are made and stay where they are; "
        "run the same command again to go on"
    )


# --------------------------------------------------------------------------------------------------- putting together


def _put_together_last(rows: RowSet) -> None:
    """Put the parts together where all are there, once the other jobs have let go of them."""
    for _ in range(OTHERS_WAIT_S):
        if rows.is_done or not all(is_part_done(rows.part_folder(n)) for n in range(len(rows.parts))):
            return
        try:
            with only_one(rows.work, key="data.cache_dir"):
                if not rows.is_done:
                    _put_together(rows)
            return
        except InputError:  # another share is about to end, or puts them together
            time.sleep(1)
    _logger.warning(f"{rows.entry.name}: others still hold {rows.work}; the next run puts the parts together")


def _put_together(rows: RowSet) -> None:
    """The parts of a set as one folder, its meta.json written last; then the parts are removed."""
    folders = [rows.part_folder(number) for number in range(len(rows.parts))]
    facts = [read_json(folder / PART_FILE) for folder in folders]
    counts = Counts.none()
    for part in facts:
        counts.add(part)
    sums = {key: sum(part[key] for part in facts) for key in ("rows", "tokens", "learned_tokens")}
    meta: dict[str, Any] = {**sums, "seq_len": rows.shape.seq_len, **counts.to_dict(), "fingerprint": rows.fingerprint}
    if not meta["learned_tokens"]:
        shutil.rmtree(rows.work, ignore_errors=True)
        raise _nothing_left(rows, counts)
    with atomic_dir(rows.folder) as temporary:
        for name in (TOKENS_FILE, FLAGS_FILE):
            _join([folder / name for folder in folders], temporary / name)
        np.save(temporary / LENGTHS_FILE, np.concatenate([np.load(folder / LENGTHS_FILE) for folder in folders]))
        write_json(temporary / META_FILE, {**meta, "files": facts_of_files(temporary)})
    shutil.rmtree(rows.work, ignore_errors=True)
    for line in lines_of(rows.entry.name, meta):
        _logger.warning(line)
    _logger.info(
        "%s: %s examples, %s tokens in %s rows (%.1f %% full)",
        rows.entry.name, f"{counts.examples:,}", f"{meta['tokens']:,}", f"{meta['rows']:,}",
        100 * meta["tokens"] / (meta["rows"] * meta["seq_len"]),
    )  # fmt: skip


def _join(paths: Sequence[Path], target: Path) -> None:
    with target.open("wb") as joined:
        for path in paths:
            with path.open("rb") as stream:
                shutil.copyfileobj(stream, joined, COPIED_BYTES)


def _nothing_left(rows: RowSet, counts: Counts) -> NothingToTrainOnError:
    entry = rows.entry
    why = ", ".join(f"{n} {reason}" for reason, n in counts.dropped.items()) or "the files hold no rows"
    language = f" in language {entry.language!r}" if entry.language else ""
    first = next((counts.first[reason] for reason, _ in counts.dropped.most_common(1)), None)
    return NothingToTrainOnError(
        f"data.mix '{entry.name}' ({entry.path}): nothing to train on{language} ({why})"
        + (f"; for one: {first}" if first else ""),
        hint="docs/dialogues.md says what each reason means"
        if rows.shape.chat and counts.dropped
        else "check the path and the language, or raise seq_len",
    )
