"""A data build from config to folder.

    OUT/documents-*.jsonl.zst       what is kept: id, text, source, language, script, licence, meta
    OUT/dropped-*.jsonl.zst         what is not: id, source, reason, language, the beginning of the text
    OUT/conversations-*.jsonl.zst   instruction data; OUT/dropped_conversations-*.jsonl.zst what is not
    OUT/report.html, README.md      for people;  OUT/licences.json and OUT/manifest.json, written last, for programs

It has two halves. Cleaning takes the input in parts, each on its own, in as many processes as asked for, or on as many
nodes (`Share`); merging sees all parts, in the order of the config, in one process. So the bytes written depend neither on
the number of processes nor on where or when a part was cleaned.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from qaz_llm.cluster.stopping import stopped_by_signals
from qaz_llm.data.card import write_card
from qaz_llm.data.chat.first_rows import check_conversation_sources
from qaz_llm.data.chat.gather import gather_conversations
from qaz_llm.data.chat.languages import answered_otherwise
from qaz_llm.data.clean import Cleaner, make_cleaner
from qaz_llm.data.cleaning import clean_parts
from qaz_llm.data.config import DataConfig
from qaz_llm.data.first_rows import check_first_rows
from qaz_llm.data.licence_ledger import write_ledger
from qaz_llm.data.manifest import MANIFEST, OUTPUT_PATTERNS, Ledger, is_build
from qaz_llm.data.merge import merge_documents
from qaz_llm.data.notices import lines_of
from qaz_llm.data.opt_outs import opt_out_files, read_opt_outs
from qaz_llm.data.plan import BuildPlan, make_build_plan
from qaz_llm.data.protect.decontaminate import evaluation_files, make_decontaminator, read_items
from qaz_llm.data.report import write_report
from qaz_llm.data.share import Share
from qaz_llm.data.spool import Spooled, is_done, task_folder
from qaz_llm.errors import InputError, WorkError
from qaz_llm.io import check_writable, fingerprint_paths, fingerprint_value, make_dir, only_one, write_json
from qaz_llm.language.kernels import were_compiled
from qaz_llm.progress import format_duration, get_logger
from qaz_llm.records import Document

WORK = ".work"
"""Beside the output, where the config names no other folder; removed when the build is done."""

UNREADABLE = {
    "no_messages",
    "no_answer",
    "missing_text",
    "bad_json",
    "bad_encoding",
    "bad_csv",
    "wrong_columns",
    "empty_file",
}
"""Reasons that say a row has not the fields it was said to have, or a file not the format."""
_logger = get_logger("data")


@dataclass(frozen=True)
class BuildResult:
    """A build that was planned, or of which a share was cleaned (`manifest` is None), or that is done."""

    out: Path
    plan: BuildPlan
    manifest: Mapping[str, Any] | None = None
    cleaned: str | None = None
    """What was cleaned, where only a share was."""

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
        if self.cleaned is not None:
            return self.cleaned
        if self.manifest is None:
            return "\n".join([f"would write {self.out}", *self.plan.lines()])
        made = self.manifest
        conversations = made["conversations"]
        shares = ", ".join(f"{code} {values['documents']:,}" for code, values in made["languages"].items())
        documents = f"{made['documents_out']:,} of {made['documents_in']:,} documents kept ({shares})"
        kept = f"{conversations['out']:,} of {conversations['in']:,} conversations"
        return "\n".join(
            [
                f"{documents}, {kept}" if made["sources"] else f"{kept} kept",
                *([f"dropped: {_reasons(made['dropped'])}"] if made["sources"] else []),
                *([f"conversations dropped: {_reasons(conversations['dropped'])}"] if conversations["in"] else []),
                *(
                    f"note: {line}"
                    for line in (*lines_of(made["notices"]), *answered_otherwise(conversations["sources"]))
                ),
                f"report: {self.out / 'report.html'}",
            ]
        )


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in dropped.items()) or "none"


def build(
    config: DataConfig, *, dry_run: bool = False, share: Share | None = None, merge_only: bool = False
) -> BuildResult:
    """Read, clean, deduplicate and write.

    Args:
        dry_run: only look up what there is to read.
        share: clean this share of the parts and leave them in the work folder; nothing is written to `out`.
        merge_only: all parts have been cleaned before; go on from there.

    Raises:
        InputError: sources that leave nothing to write; a source or evaluation file that is not there, a wrong field, an output folder that cannot be
            written to or holds files of that name which no build wrote, or that another build works in.
        DataError: a damaged input; counts that do not add up.
        WorkError: parts that are not there, with `merge_only`.
        WriteError: the disk fills up.
        PreemptedError: a signal told it to stop.

    Whatever ends it, the parts that are cleaned stay in the work folder, and the next run goes on from there.
    """
    plan = make_build_plan(config)
    check_conversation_sources(config)
    items = evaluation_files(config.decontaminate, root=config.root)
    read_opt_outs(config.opt_outs.lists, root=config.root)  # a fault in a list is found before any work
    check_first_rows(config, plan.tasks)
    if dry_run:
        return BuildResult(config.out, plan)
    _check_out(config.out)
    work = config.work or config.out / WORK
    folders = _part_folders(config, plan, items)
    if merge_only:
        _check_all_done(plan, folders)
    chosen = slice(share.index, None, share.count) if share is not None else slice(None)
    try:
        with (
            stopped_by_signals(partial(_what_is_saved, folders[chosen], work)),
            _held(config, work, folders[chosen], share, merge_only),
        ):
            return _build(config, plan, folders, work, share, chosen)
    finally:
        _remove_if_empty(work, config.out / WORK, config.out)


def cleaned(config: DataConfig) -> list[bool]:
    """Of each part of the build, in their order, whether it is cleaned. Raises InputError as `build`."""
    plan = make_build_plan(config)
    items = evaluation_files(config.decontaminate, root=config.root)
    return [is_done(folder) for folder in _part_folders(config, plan, items)]


def _part_folders(config: DataConfig, plan: BuildPlan, items: Sequence[Path]) -> list[Path]:
    """Where each part of the build lies once it is cleaned; its name changes with the evaluation `items` too."""
    model = [Path(config.languages.model)] if config.languages.model is not None else []
    closed = opt_out_files(config.opt_outs.lists, root=config.root)
    outside = fingerprint_paths([*items, *model, *closed])
    work = config.work or config.out / WORK
    return [task_folder(work, task, config, outside) for task in plan.tasks]


def _build(
    config: DataConfig, plan: BuildPlan, folders: Sequence[Path], work: Path, share: Share | None, chosen: slice
) -> BuildResult:
    for line in replace(plan, tasks=plan.tasks[chosen]).lines():
        _logger.info(line)
    is_first = not were_compiled()
    if is_first:
        _logger.info("compiling kernels, once per version of this program: about a minute")
    decontaminator = make_decontaminator(read_items(config.decontaminate, root=config.root), config.decontaminate)
    for line in decontaminator.lines():
        _logger.info(line)
    cleaner = make_cleaner(config, decontaminator)
    if is_first:  # before processes are started that would all compile the same
        cleaner([Document("compile", "Қар еріп, су ақты.", "compile", "kk", "Zyyy", "CC0-1.0")])
    started = time.monotonic()
    spooled = clean_parts(plan.tasks[chosen], folders[chosen], cleaner, plan.workers)
    if share is not None:
        done = f"share {share.index}/{share.count}: {len(spooled)} of {len(folders)} parts cleaned, in {work}"
        return BuildResult(config.out, plan, cleaned=done)
    manifest = _merge(config, plan, cleaner, spooled, work)
    seconds = time.monotonic() - started
    rate = manifest["bytes_in"] / 1e6 / max(seconds, 1e-9)
    _logger.info(
        f"{manifest['documents_out']:,} documents, {manifest['bytes_out'] / 1e6:,.1f} MB, in {config.out}: "
        f"{format_duration(seconds)}, {rate:.2f} MB/s"
    )
    return BuildResult(config.out, plan, manifest)


@contextmanager
def _held(
    config: DataConfig, work: Path, folders: Sequence[Path], share: Share | None, merge_only: bool
) -> Iterator[None]:
    """Keep others out: of `out`, and of the parts that are cleaned here.

    A build holds `out` and the work folder alone. The shares of an array hold the work folder together, each its own parts;
    a merge changes no part and holds `out` and, with them, the work folder.
    """
    with ExitStack() as held:
        if share is None:
            held.enter_context(only_one(config.out / WORK, name=".lock-out", key="out"))
        else:
            own = f".lock-share-{fingerprint_value([folder.name for folder in folders])[:16]}"
            held.enter_context(only_one(work, name=own, key="share"))
        held.enter_context(only_one(work, shared=share is not None or merge_only, key="work or out"))
        yield


def _what_is_saved(folders: Sequence[Path], work: Path, signal_name: str) -> str:
    """The one line of a build that was told to stop."""
    done = sum(map(is_done, folders))
    return (
        f"stopped by {signal_name}: {done} of {len(folders)} parts are cleaned and stay in {work}; "
        "run the same command again to go on"
    )


def _merge(
    config: DataConfig, plan: BuildPlan, cleaner: Cleaner, spooled: Sequence[Spooled], work: Path
) -> Mapping[str, Any]:
    """From cleaned parts to the output folder; the manifest. The parts are removed when all is in place, not before."""
    staging, scratch = (
        config.out / WORK / "result",
        work / f"scratch-{fingerprint_value(str(config.out.absolute()))[:8]}",
    )
    for folder in (staging, scratch):
        shutil.rmtree(folder, ignore_errors=True)
        make_dir(folder)
    try:
        ledger = Ledger(config, plan, cleaner.decontaminator, cleaner.opt_outs)
        merge_documents(spooled, config, ledger, staging=staging, scratch=scratch)
        gather_conversations(config, cleaner, ledger, staging)
        manifest = ledger.to_manifest()
        _check_not_empty(manifest)
        write_json(staging / MANIFEST, manifest)
        write_ledger(staging, manifest)
        write_report(staging)
        write_card(staging, manifest)
        _move_into_place(staging, config.out)
    except Exception:
        _logger.info(f"the cleaned parts stay in {work}; the next run goes on from there")
        raise
    finally:
        for folder in (staging, scratch):
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(config.out / WORK, ignore_errors=True)  # unless the config names it, it holds the parts
    return manifest


def _check_all_done(plan: BuildPlan, folders: Sequence[Path]) -> None:
    """Raises WorkError where a part is missing."""
    missing = [index for index, folder in enumerate(folders) if not is_done(folder)]
    if missing:
        names = ", ".join(plan.tasks[index].label for index in missing[:5])
        raise WorkError(
            f"{len(missing)} of {len(folders)} parts are not there: {names}{' …' if len(missing) > 5 else ''}",
            hint="run the jobs that failed again (--share I/N), or build without --merge-only to clean them here",
        )


# ----------------------------------------------------------------------------------------------------------- output


def _check_out(out: Path) -> None:
    """Raises InputError where the folder cannot be written to, or holds files this build would replace but none wrote."""
    if out.is_dir() and not is_build(out) and not (out / WORK).is_dir():
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
            raise InputError(
                f"conversations {name}: none of its {source['in']:,} rows became a dialogue ({_reasons(source['dropped'])})",
                hint="check its kind and the names of its fields",
            )
    if manifest["documents_out"]:
        return
    conversations = manifest["conversations"]
    if not manifest["sources"] and conversations["sources"]:
        if conversations["out"]:
            return
        raise InputError(
            f"no conversation is left of {conversations['in']:,} ({_reasons(conversations['dropped'])})",
            hint="check the kind and the fields of the sources; dropped_conversations-* of an earlier build shows rows",
        )
    reasons = _reasons(manifest["dropped"]) if manifest["dropped"] else "nothing was read"
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
