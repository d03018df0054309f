"""Stages that are skipped when nothing they depend on has changed, and that go on where they stopped.

A stage's fingerprint is made of its settings, the source of the rooms it uses, the files it reads and the outputs of
the stages before it. While a stage runs, `stages/NAME.started.json` holds that fingerprint; when it has ended well,
`stages/NAME.json` holds it too, with what was made. So on the next run

    NAME.json has this fingerprint, outputs are there      → skipped, "unchanged"
    NAME.started.json has it, the code's version aside     → goes on in the same folder (training resumes)
    anything else                                          → the folder is emptied first

Only the first process of a distributed run carries out stages that are not distributed; the others wait for the manifest.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from qaz_llm.cluster.job import note_progress
from qaz_llm.data.share import Share
from qaz_llm.errors import DataError, InputError, WorkError
from qaz_llm.io import code_fingerprint, fingerprint_input, fingerprint_value, read_json, write_json
from qaz_llm.pipeline.waiting import FirstProcess, wait_for_stage
from qaz_llm.progress import format_duration, get_logger, is_main_process

Status = Literal["done", "unchanged", "resumed"]

STAGES_FOLDER = "stages"
TIMED_FILES = ("metrics.jsonl", "run.json", "complete.json", "status.json")
"""Outputs that say how long something took, and so differ between two runs that make the same."""

NO_OUTPUTS = frozenset({"checkpoints", "trackers", "packed"})
"""Folders below a stage's whose files no other stage reads."""

_logger = get_logger("run")


@dataclass(frozen=True)
class Shared:
    """The part of a stage's work that many jobs can do before the stage itself, each a share.

    Attributes:
        folders: where the shares leave what they make, below the stage's folder. It is known by what it was made of, so a
            fresh start of the stage keeps it, and makes nothing twice.
        make: makes a share, and says what was made.
        missing: the numbers of the shares that are not made, of so many; asked once the stages before are done.
    """

    folders: tuple[Path, ...]
    make: Callable[[Share], str]
    missing: Callable[[int], Sequence[int]]


@dataclass(frozen=True)
class Stage:
    """One step of the main job.

    Attributes:
        folder: what the stage makes; emptied before a fresh start.
        rooms: packages whose source decides the result.
        after: names of the stages whose outputs it reads.
        settings: the part of the config that decides the result, as JSON values.
        inputs: files from outside the run folder.
        work: does the work and returns a summary of what was made.
        size: what would be done, in words, for a dry run.
        estimate_s: how long it will take, in seconds, or None where that is not known.
        distributed: every process takes part.
        also: further folders that belong to what the stage makes.
        shared: work that can be shared out among jobs beforehand.
    """

    name: str
    folder: Path
    rooms: tuple[str, ...]
    after: tuple[str, ...]
    settings: Mapping[str, Any]
    work: Callable[[], Mapping[str, Any]]
    size: Callable[[], str]
    estimate_s: Callable[[], float | None]
    inputs: Callable[[], Sequence[Path]] = field(default=lambda: ())
    distributed: bool = False
    also: tuple[Path, ...] = ()
    shared: Shared | None = None


@dataclass(frozen=True)
class StageResult:
    """How a stage ended. `seconds` is the time its work took, also when it was done in an earlier run."""

    name: str
    status: Status
    seconds: float
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class PlannedStage:
    """What a dry run says of a stage."""

    name: str
    action: Literal["run", "resume", "skip", "unchanged"]
    reason: str
    size: str
    estimate_s: float | None


class StageRunner:
    """Runs stages in order below one run folder; `on_stage` is told name, number and total of each that has work to do."""

    def __init__(
        self, run_dir: Path, stages: Sequence[Stage], *, on_stage: Callable[[str, int, int], None] | None = None
    ) -> None:
        self.run_dir = run_dir
        self.stages = tuple(stages)
        self.on_stage = on_stage or (lambda _name, _number, _total: None)

    def select(self, first: str | None, last: str | None) -> tuple[Stage, ...]:
        """The stages from `first` until `last`. Raises InputError for unknown names or an empty range."""
        names = [stage.name for stage in self.stages]
        for option, name in (("--from", first), ("--until", last)):
            if name is not None:
                self.check_name(option, name)
        start = names.index(first) if first else 0
        end = names.index(last) + 1 if last else len(names)
        if start >= end:
            raise InputError(f"--from {first} comes after --until {last}", hint=f"the order is: {', '.join(names)}")
        return self.stages[start:end]

    def check_name(self, option: str, name: str) -> None:
        """Raise InputError where no stage has this name."""
        names = [stage.name for stage in self.stages]
        if name not in names:
            raise InputError(f"{option} {name}: no such stage in this run", hint=f"the stages are: {', '.join(names)}")

    def plan(self, selected: Sequence[Stage], forced: Sequence[str]) -> list[PlannedStage]:
        """What `run` would do, without doing it. A stage after one that would run is planned to run too."""
        self.check_ready(selected)
        planned: list[PlannedStage] = []
        changed: set[str] = set()
        for stage in self.stages:
            if stage not in selected:
                planned.append(PlannedStage(stage.name, "skip", "outside --from/--until", "", None))
                continue
            stale = [name for name in stage.after if name in changed]
            if stage.name in forced:
                action, reason = "run", "forced"
            elif stale:
                action, reason = "run", f"{stale[0]} will have changed"
            else:
                action, reason = self._look(stage)
            if action != "unchanged":
                changed.add(stage.name)
            estimate = stage.estimate_s() if action != "unchanged" else 0.0
            planned.append(PlannedStage(stage.name, action, reason, stage.size(), estimate))  # type: ignore[arg-type]
        return planned

    def run(self, selected: Sequence[Stage], forced: Sequence[str]) -> list[StageResult]:
        """Carry out the stages that are not up to date. Raises InputError where one they read from was never run."""
        self.check_ready(selected)
        return [self._run_stage(stage, n, len(selected), stage.name in forced) for n, stage in enumerate(selected, 1)]

    def look(self, stage: Stage) -> str:
        """What `run` would do about a stage, given that those before it are up to date: unchanged, resume or run."""
        return self._look(stage)[0]

    def check_ready(self, selected: Sequence[Stage]) -> None:
        """Raise InputError where a selected stage reads from one that is neither selected nor was run before."""
        names = {stage.name for stage in selected}
        for stage in selected:
            for needed in stage.after:
                if needed not in names and self.manifest(needed) is None:
                    raise InputError(
                        f"stage '{stage.name}' needs '{needed}', which was not run in {self.run_dir}",
                        hint=f"leave out --from, or use --from {needed}",
                    )

    # ------------------------------------------------------------------------------------------------- one stage

    def _run_stage(self, stage: Stage, number: int, total: int, force: bool) -> StageResult:
        label = f"[{number}/{total}] {stage.name}"
        action, reason = self._look(stage)
        if action == "unchanged" and not force:
            manifest = self.manifest(stage.name) or {}
            _logger.info("%s: unchanged, skipped", label)
            return StageResult(stage.name, "unchanged", manifest["seconds"], manifest["summary"])
        self.on_stage(stage.name, number, total)
        parts = self._parts(stage)
        if not is_main_process() and not stage.distributed:
            return self._wait_for(stage, parts)
        resume = action == "resume" and not force
        if is_main_process():
            self._prepare(stage, parts, keep=resume)
            estimate = stage.estimate_s()
            expected = f", about {format_duration(estimate)}" if estimate is not None else ""
            _logger.info(
                "%s: %s%s (%s)", label, stage.size(), expected, "goes on where it stopped" if resume else reason
            )
        started = time.monotonic()
        summary = dict(stage.work())
        seconds = round(time.monotonic() - started, 2)
        if not is_main_process():  # the next stage's fingerprint needs this one's manifest
            return self._wait_for(stage, parts)
        status: Status = "resumed" if resume else "done"
        self._complete(stage, parts, summary, seconds, status)
        _logger.info("%s: done in %s; %s", label, format_duration(seconds), _in_words(summary))
        return StageResult(stage.name, status, seconds, summary)

    def _look(self, stage: Stage) -> tuple[str, str]:
        """What is to be done about a stage, and why: unchanged, resume or run."""
        if any(self.manifest(name) is None for name in stage.after):
            return "run", "not run before"
        fingerprint = self.fingerprint(stage)
        manifest = self.manifest(stage.name)
        if manifest is not None and manifest["fingerprint"] == fingerprint:
            missing = self._missing(manifest)
            if not missing:
                return "unchanged", "same settings, code and inputs"
            return "run", f"{missing[0]} is missing or was changed"
        started = self._started(stage.name)
        if started is not None and _differs(started, self._parts(stage)) <= {"code"}:
            return "resume", "was interrupted"
        if manifest is None:
            return "run", "not run before"
        return "run", f"changed: {', '.join(sorted(_differs(manifest['parts'], self._parts(stage))))}"

    def _missing(self, manifest: Mapping[str, Any]) -> list[str]:
        """The outputs of a manifest that are not there, or not with the size they had."""
        return [name for name, size in manifest["outputs"].items() if _size(self.run_dir / name) != size]

    def _prepare(self, stage: Stage, parts: Mapping[str, str], *, keep: bool) -> None:
        self._manifest_path(stage.name).unlink(missing_ok=True)
        if not keep and stage.folder.exists():
            _empty(stage.folder, stage.shared.folders if stage.shared is not None else ())
        write_json(self._started_path(stage.name), {"fingerprint": fingerprint_value(parts), "parts": parts})

    def _complete(
        self, stage: Stage, parts: Mapping[str, str], summary: Mapping[str, Any], seconds: float, status: Status
    ) -> None:
        made = [(path, folder) for folder in (stage.folder, *stage.also) for path in folder.rglob("*")]
        files = sorted(
            p
            for p, top in made
            if p.is_file() and not p.name.startswith(".") and not NO_OUTPUTS & set(p.relative_to(top).parts)
        )
        if not files:
            raise WorkError(f"stage '{stage.name}' made nothing in {stage.folder}")
        outputs = {str(p.relative_to(self.run_dir)): p.stat().st_size for p in files}
        manifest = {
            "stage": stage.name,
            "status": status,
            "fingerprint": fingerprint_value(parts),
            "parts": parts,
            "settings": stage.settings,
            "seconds": seconds,
            "summary": summary,
            "outputs": outputs,
            "outputs_fingerprint": _outputs_fingerprint(files, self.run_dir),
        }
        write_json(self._manifest_path(stage.name), manifest)
        self._started_path(stage.name).unlink(missing_ok=True)
        note_progress(f"stage {stage.name}")

    def _wait_for(self, stage: Stage, parts: Mapping[str, str]) -> StageResult:
        manifest = wait_for_stage(
            stage.name,
            parts,
            lambda: _read_if_whole(self._started_path(stage.name)),
            lambda: self.manifest(stage.name),
            is_whole=lambda manifest: not self._missing(manifest),
            first=FirstProcess(self.run_dir),
        )
        return StageResult(stage.name, "done", manifest["seconds"], manifest["summary"])

    # ----------------------------------------------------------------------------------------------- fingerprints

    def fingerprint(self, stage: Stage) -> str:
        """One value that changes when anything the stage depends on does."""
        return fingerprint_value(self._parts(stage))

    def _parts(self, stage: Stage) -> dict[str, str]:
        before = {f"output of {n}": (self.manifest(n) or {}).get("outputs_fingerprint", "") for n in stage.after}
        # by name and bytes, not by where they lie: a checkout or a corpus that was moved is the same
        inputs = [[path.name, fingerprint_input(path)] for path in stage.inputs()]
        return {
            "settings": fingerprint_value(stage.settings),
            "code": code_fingerprint(*stage.rooms),
            "input files": fingerprint_value(inputs),
            **before,
        }

    def manifest(self, name: str) -> dict[str, Any] | None:
        """The manifest of a stage that ended well, or None."""
        return _read_if_whole(self._manifest_path(name))

    def _started(self, name: str) -> dict[str, str] | None:
        """What an interrupted stage depended on when it was started, by part; None where none was interrupted."""
        started = _read_if_whole(self._started_path(name))
        return started.get("parts") if started else None

    def _manifest_path(self, name: str) -> Path:
        return self.run_dir / STAGES_FOLDER / f"{name}.json"

    def _started_path(self, name: str) -> Path:
        return self.run_dir / STAGES_FOLDER / f"{name}.started.json"


def read_stage_manifests(run_dir: Path) -> dict[str, dict[str, Any]]:
    """The manifests of all stages that have ended well, in the order they ended; `status` says whether a stage was done or resumed."""
    paths = (p for p in (run_dir / STAGES_FOLDER).glob("*.json") if not p.name.endswith(".started.json"))
    ordered = sorted(paths, key=lambda path: path.stat().st_mtime_ns)
    return {p.stem: {"status": "done", **manifest} for p in ordered if (manifest := _read_if_whole(p)) is not None}


def _read_if_whole(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where the file is missing or damaged, which both mean: do the work again."""
    if not path.is_file():
        return None
    try:
        value = read_json(path)
    except DataError:
        return None
    return value if isinstance(value, dict) and "fingerprint" in value else None


def _empty(folder: Path, kept: Sequence[Path]) -> None:
    """Remove a folder and all in it but those below that are `kept`."""
    if folder in kept:
        return
    if not any(path.is_relative_to(folder) and path.exists() for path in kept):
        shutil.rmtree(folder)
        return
    for inside in folder.iterdir():
        if inside.is_dir() and not inside.is_symlink():
            _empty(inside, kept)
        else:
            inside.unlink()


def _differs(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    """The parts in which two fingerprints differ, those that only one of them has included."""
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _outputs_fingerprint(files: Sequence[Path], run_dir: Path) -> str:
    """Of the files' names and bytes, without what differs from run to run: logs and timings."""
    steady = [p for p in files if p.suffix not in {".log", ".html"} and p.name not in TIMED_FILES]
    return fingerprint_value([[str(p.relative_to(run_dir)), fingerprint_input(p)] for p in steady])


def _in_words(summary: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key.replace('_', ' ')} {_number(value)}"
        for key, value in summary.items()
        if not isinstance(value, (dict, list))
    )


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
