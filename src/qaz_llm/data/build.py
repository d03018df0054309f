"""A data build from config to folder.

    OUT/documents-*.jsonl.zst       what is kept: id, text, source, language, script, licence, meta
    OUT/dropped-*.jsonl.zst         what is not: id, source, reason, language, the beginning of the text
    OUT/conversations-*.jsonl.zst   instruction data; OUT/dropped_conversations-*.jsonl.zst what is not
    OUT/report.html, README.md      for people;  OUT/manifest.json, written last, for programs

Cleaning runs in as many processes as asked for, a task each; all that depends on order (duplicates, shards) happens in one
process, in the order of the config, so the bytes written do not depend on the number of processes.
"""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from qaz_llm.data.card import write_card
from qaz_llm.data.clean import Cleaner, make_cleaner
from qaz_llm.data.config import DataConfig
from qaz_llm.data.decontaminate import make_decontaminator, read_items
from qaz_llm.data.gather import gather_conversations
from qaz_llm.data.manifest import MANIFEST, OUTPUT_PATTERNS, Ledger, is_build
from qaz_llm.data.merge import merge_documents
from qaz_llm.data.plan import BuildPlan, Task, make_build_plan
from qaz_llm.data.report import write_report
from qaz_llm.data.spool import Spooled, run_task, task_folder
from qaz_llm.errors import InputError
from qaz_llm.io import check_writable, write_json
from qaz_llm.progress import format_duration, get_logger, progress

SPOOL = ".spool"
UNREADABLE = {"no_messages", "no_answer"}
"""Reasons that say a row has not the fields it was said to have."""
_logger = get_logger("data")


@dataclass(frozen=True)
class BuildResult:
    """A build that was planned (`manifest` is None) or done."""

    out: Path
    plan: BuildPlan
    manifest: Mapping[str, Any] | None = None

    def summary(self) -> dict[str, Any]:
        """The counts that a stage's manifest or a report shows; empty where the build was only planned."""
        keys = ("documents_in", "documents_out", "bytes_out", "dropped", "pii", "languages", "scripts", "sources")
        if self.manifest is None:
            return {}
        conversations = {key: self.manifest["conversations"][key] for key in ("in", "out", "dropped", "languages")}
        return {**{key: self.manifest[key] for key in keys}, "conversations": conversations}

    def to_dict(self) -> dict[str, Any]:
        """For --json: the manifest, or what the plan says."""
        if self.manifest is not None:
            return dict(self.manifest)
        parts = [
            {"source": t.source.name, "files": list(map(str, t.paths)), "bytes": t.text_bytes} for t in self.plan.tasks
        ]
        return {"out": str(self.out), "estimated_s": round(self.plan.estimated_s, 1), "tasks": parts}

    def describe(self) -> str:
        """What was done, or would be, as a person reads it."""
        if self.manifest is None:
            return "\n".join([f"would write {self.out}", *self.plan.lines()])
        made = self.manifest
        dropped = ", ".join(f"{reason} {count:,}" for reason, count in made["dropped"].items()) or "none"
        shares = ", ".join(f"{code} {values['documents']:,}" for code, values in made["languages"].items())
        return "\n".join(
            [
                f"{made['documents_out']:,} of {made['documents_in']:,} documents kept ({shares}), "
                f"{made['conversations']['out']:,} of {made['conversations']['in']:,} conversations",
                f"dropped: {dropped}",
                f"report: {self.out / 'report.html'}",
            ]
        )


def build(config: DataConfig, *, dry_run: bool = False) -> BuildResult:
    """Read, clean, deduplicate and write; with `dry_run` only look up what there is to read.

    Raises:
        InputError: sources that leave nothing to write; a source or evaluation file that is not there, a wrong field, an output folder that cannot be
            written to or holds files of that name which no build wrote.
        DataError: a damaged input; counts that do not add up.
        WriteError: the disk fills up. What is done stays in OUT/.spool, and the next run goes on from there.
    """
    plan = make_build_plan(config)
    texts = list(read_items(config.decontaminate, root=config.root))
    if dry_run:
        return BuildResult(config.out, plan)
    _check_out(config.out)
    for line in plan.lines():
        _logger.info(line)
    started = time.monotonic()
    decontaminator = make_decontaminator(texts, config.decontaminate)
    cleaner = make_cleaner(config, decontaminator)
    try:
        spooled = _clean_all(plan, cleaner, config.out / SPOOL)
    except BaseException:
        _remove_if_empty(config.out / SPOOL, config.out)
        raise
    staging = config.out / SPOOL / "result"
    shutil.rmtree(staging, ignore_errors=True)
    ledger = Ledger(config, plan, decontaminator)
    merge_documents(spooled, config, ledger, staging)
    gather_conversations(config, cleaner, ledger, staging)
    manifest = ledger.to_manifest()
    try:
        _check_not_empty(manifest)
    except InputError:
        shutil.rmtree(config.out / SPOOL, ignore_errors=True)
        raise
    write_json(staging / MANIFEST, manifest)
    write_report(staging)
    write_card(staging, manifest)
    _move_into_place(staging, config.out)
    shutil.rmtree(config.out / SPOOL, ignore_errors=True)
    seconds = time.monotonic() - started
    rate = manifest["bytes_in"] / 1e6 / max(seconds, 1e-9)
    _logger.info(
        f"{manifest['documents_out']:,} documents, {manifest['bytes_out'] / 1e6:,.1f} MB, in {config.out}: "
        f"{format_duration(seconds)}, {rate:.2f} MB/s"
    )
    return BuildResult(config.out, plan, manifest)


# ----------------------------------------------------------------------------------------------------------- output


def _check_out(out: Path) -> None:
    """Raises InputError where the folder cannot be written to, or holds files this build would replace but none wrote."""
    if out.is_dir() and not is_build(out) and not (out / SPOOL).is_dir():
        foreign = sorted(path.name for pattern in OUTPUT_PATTERNS for path in out.glob(pattern))
        if foreign:
            raise InputError(
                f"{out} holds {foreign[0]}, which no data build wrote (there is no {MANIFEST} of one beside it)",
                hint="choose another folder with out=DIR, or move these files away",
            )
    check_writable(out)


def _check_not_empty(manifest: Mapping[str, Any]) -> None:
    """Raises InputError where no document is left, or no row of a source of conversations could become one."""
    for name, source in manifest["conversations"]["sources"].items():
        if source["in"] and set(source["dropped"]) <= UNREADABLE and not source["out"]:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in source["dropped"].items())
            raise InputError(
                f"conversations {name}: none of its {source['in']:,} rows became a dialogue ({reasons})",
                hint="check its kind and the names of its fields",
            )
    if manifest["documents_out"]:
        return
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in manifest["dropped"].items()) or "nothing was read"
    raise InputError(
        f"no document is left of {manifest['documents_in']:,} ({reasons})",
        hint="check text_field and language of the sources, or loosen filters (filters.preset=none keeps all)",
    )


def _move_into_place(staging: Path, out: Path) -> None:
    """The old manifest goes first and the new one comes last, so a folder with a manifest is always whole."""
    (out / MANIFEST).unlink(missing_ok=True)
    for pattern in OUTPUT_PATTERNS:
        for old in out.glob(pattern):
            old.unlink()
    for made in sorted(staging.iterdir(), key=lambda path: path.name == MANIFEST):
        made.replace(out / made.name)


def _remove_if_empty(*folders: Path) -> None:
    """After a failure nothing is left behind that no later run has a use for."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # it is not there, or something of worth is in it
            pass


# --------------------------------------------------------------------------------------------------------- cleaning


def _clean_all(plan: BuildPlan, cleaner: Cleaner, spool: Path) -> list[Spooled]:
    """The results of all tasks, in the order of the plan."""
    for unfinished in spool.glob(".*.tmp"):  # of processes that were killed
        shutil.rmtree(unfinished, ignore_errors=True)
    folders = [task_folder(spool, task, cleaner.config) for task in plan.tasks]
    done = sum((folder / "stats.json").exists() for folder in folders)
    if done:
        _logger.info(f"{done} of {len(folders)} parts were done before; going on with the rest")
    with progress("cleaning", total=plan.text_bytes / 1e6, unit="MB") as advance:
        results = []
        for task, result in zip(plan.tasks, _run(plan.tasks, folders, cleaner, plan.workers), strict=True):
            results.append(result)
            advance(task.text_bytes / 1e6)
    return results


def _run(tasks: Sequence[Task], folders: Sequence[Path], cleaner: Cleaner, workers: int) -> Iterator[Spooled]:
    if workers == 1 or len(tasks) == 1:
        for task, folder in zip(tasks, folders, strict=True):
            yield run_task(task, folder, cleaner)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of numpy and arrow half-way
    with ProcessPoolExecutor(min(workers, len(tasks)), context, _remember_cleaner, (cleaner,)) as pool:
        try:
            yield from pool.map(_run_in_worker, tasks, folders)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@cache
def _worker_state() -> dict[str, Cleaner]:
    return {}


def _remember_cleaner(cleaner: Cleaner) -> None:
    _worker_state()["cleaner"] = cleaner


def _run_in_worker(task: Task, folder: Path) -> Spooled:
    return run_task(task, folder, _worker_state()["cleaner"])
