"""Stages: skipped when nothing changed, run again when something did, resumed where they stopped, never half-trusted."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.errors import InputError, WorkError
from qaz_llm.pipeline import stages as engine
from qaz_llm.pipeline.stages import Stage, StageRunner

WAIT_S = 120
"""Far above what any step here takes: a disk that is busy elsewhere may hold a write back for many seconds."""


class Job:
    """Three stages in a row, corpus → model → report, and one aside, extra; each writes what its settings say."""

    def __init__(self, run_dir: Path, source: Path) -> None:
        self.run_dir = run_dir
        self.source = source
        self.settings: dict[str, Any] = {"corpus": "c", "model": "m", "extra": "e", "report": "r"}
        self.calls: list[str] = []
        self.before: dict[str, Callable[[], None]] = {}
        self.distributed: set[str] = set()

    def stage(self, name: str, after: tuple[str, ...], inputs: tuple[Path, ...] = ()) -> Stage:
        folder = self.run_dir / name
        settings = {"value": self.settings[name]}

        def work() -> dict[str, Any]:
            self.calls.append(name)
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "attempts").open("a") as attempts:
                attempts.write("x")
            if name in self.before:
                self.before[name]()
            read = [(self.run_dir / other / "out.txt").read_text() for other in after]
            read += [path.read_text() for path in inputs]
            (folder / "out.txt").write_text(json.dumps([settings["value"], read]))
            (folder / "attempts").unlink()
            return {"made": name, "rows": 1234, "parts": [1]}

        return Stage(
            name=name, folder=folder, rooms=("report",), after=after, settings=settings, work=work,
            size=lambda: f"size of {name}", estimate_s=lambda: 60.0, inputs=lambda: inputs,
            distributed=name in self.distributed,
        )  # fmt: skip

    def runner(self) -> StageRunner:
        stages = [
            self.stage("corpus", (), (self.source,)),
            self.stage("model", ("corpus",)),
            self.stage("extra", ("corpus",)),
            self.stage("report", ("model", "extra")),
        ]
        return StageRunner(self.run_dir, stages)

    def run(self, first: str | None = None, last: str | None = None, *forced: str) -> dict[str, str]:
        self.calls.clear()
        runner = self.runner()
        return {result.name: result.status for result in runner.run(runner.select(first, last), forced)}

    def plan(self, first: str | None = None, last: str | None = None, *forced: str) -> dict[str, tuple[str, str]]:
        runner = self.runner()
        return {p.name: (p.action, p.reason) for p in runner.plan(runner.select(first, last), forced)}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "source.txt").write_text("text")
    return Job(tmp_path / "run", tmp_path / "source.txt")


ALL = ["corpus", "model", "extra", "report"]


def test_each_stage_that_has_work_is_told_of(job: Job) -> None:
    told: list[tuple[str, int, int]] = []
    runner = job.runner()
    runner.on_stage = lambda *stage: told.append(stage)
    runner.run(runner.select(None, None), ("report",))
    assert told == [("corpus", 1, 4), ("model", 2, 4), ("extra", 3, 4), ("report", 4, 4)]
    told.clear()
    runner.run(runner.select(None, None), ("report",))
    assert told == [("report", 4, 4)]


def test_a_second_run_skips_everything(job: Job) -> None:
    assert job.run() == dict.fromkeys(ALL, "done")
    assert job.calls == ALL
    assert job.run() == dict.fromkeys(ALL, "unchanged")
    assert job.calls == []
    assert {action for action, _reason in job.plan().values()} == {"unchanged"}


def test_results_of_skipped_stages_are_those_of_the_run_that_made_them(job: Job) -> None:
    job.before["model"] = lambda: threading.Event().wait(0.05) and None  # type: ignore[func-returns-value]
    runner = job.runner()
    made = runner.run(runner.stages, ())
    kept = job.runner().run(runner.stages, ())
    assert [(r.name, r.seconds, dict(r.summary)) for r in kept] == [(r.name, r.seconds, dict(r.summary)) for r in made]
    assert kept[1].seconds >= 0.05


def test_changed_settings_run_the_stage_and_what_reads_from_it(job: Job) -> None:
    job.run()
    job.settings["model"] = "m2"
    assert job.plan()["model"] == ("run", "changed: settings")
    assert job.plan()["extra"][0] == "unchanged"
    assert job.plan()["report"] == ("run", "model will have changed")
    assert job.run() == {"corpus": "unchanged", "model": "done", "extra": "unchanged", "report": "done"}
    assert json.loads((job.run_dir / "report" / "out.txt").read_text())[1][0] == '["m2", ["[\\"c\\", [\\"text\\"]]"]]'


def test_a_changed_input_file_is_noticed_by_its_bytes(job: Job) -> None:
    job.run()
    job.source.write_text("texy")  # the same length
    assert job.plan()["corpus"] == ("run", "changed: input files")
    assert job.run() == dict.fromkeys(ALL, "done")
    job.source.touch()
    assert job.run() == dict.fromkeys(ALL, "unchanged")


def test_changed_code_is_noticed(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    job.run()
    monkeypatch.setattr(engine, "code_fingerprint", lambda *rooms: f"new {rooms}")
    assert job.plan()["corpus"] == ("run", "changed: code")


def test_equal_outputs_leave_what_comes_after_alone(job: Job) -> None:
    job.run()
    assert job.run(None, None, "corpus") == {
        "corpus": "done", "model": "unchanged", "extra": "unchanged", "report": "unchanged",
    }  # fmt: skip
    assert job.calls == ["corpus"]


def test_a_missing_or_shortened_output_is_made_again(job: Job) -> None:
    job.run()
    output = job.run_dir / "model" / "out.txt"
    whole = output.read_text()
    for damage in (output.unlink, lambda: output.write_text(""), lambda: shutil.rmtree(output.parent)):
        damage()
        assert job.plan()["model"] == ("run", "model/out.txt is missing or was changed")
        assert job.run() == {"corpus": "unchanged", "model": "done", "extra": "unchanged", "report": "unchanged"}
        assert output.read_text() == whole


def test_a_changed_upstream_output_reaches_downstream_only_if_its_bytes_changed(job: Job) -> None:
    job.run()
    job.settings["corpus"] = "c2"
    assert job.run() == dict.fromkeys(ALL, "done")


# ---------------------------------------------------------------------------------------------------------- interruption


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_stage_goes_on_in_its_folder(job: Job, stop: type[BaseException]) -> None:
    def interrupt() -> None:
        raise stop

    job.before["model"] = interrupt
    with pytest.raises(stop):
        job.run()
    assert job.calls == ["corpus", "model"]
    assert job.plan()["model"] == ("resume", "was interrupted")
    assert (job.run_dir / "model" / "attempts").read_text() == "x"
    seen: list[str] = []
    job.before["model"] = lambda: seen.append((job.run_dir / "model" / "attempts").read_text())
    assert job.run() == {"corpus": "unchanged", "model": "resumed", "extra": "done", "report": "done"}
    assert seen == ["xx"]  # what the first attempt left was still there
    assert job.run() == dict.fromkeys(ALL, "unchanged")


def _interrupt(job: Job, name: str, *forced: str) -> None:
    def stop() -> None:
        raise RuntimeError

    job.before[name] = stop
    with pytest.raises(RuntimeError):
        job.run(None, None, *forced)
    del job.before[name]


def test_an_interrupted_stage_with_other_settings_starts_afresh(job: Job) -> None:
    _interrupt(job, "model")
    job.settings["model"] = "other"
    seen: list[str] = []
    job.before["model"] = lambda: seen.append((job.run_dir / "model" / "attempts").read_text())
    assert job.run()["model"] == "done"
    assert seen == ["x"]


def test_a_forced_stage_starts_afresh_even_where_it_was_interrupted(job: Job) -> None:
    _interrupt(job, "model")
    seen: list[str] = []
    job.before["model"] = lambda: seen.append((job.run_dir / "model" / "attempts").read_text())
    assert job.run(None, None, "model")["model"] == "done"
    assert seen == ["x"]


def test_what_was_interrupted_is_not_trusted_although_it_ended_well_before(job: Job) -> None:
    job.run()
    _interrupt(job, "model", "model")
    assert job.plan()["model"][0] == "resume"
    assert job.run()["model"] == "resumed"


def test_a_half_written_manifest_is_not_trusted(job: Job) -> None:
    job.run()
    manifest = job.run_dir / "stages" / "model.json"
    whole = manifest.read_text()
    for half in ("", whole[: len(whole) // 2], "[]", "{}", "\x00\xff"):
        manifest.write_bytes(half.encode("latin-1"))
        assert job.plan()["model"][0] == "run"
        assert job.run()["model"] == "done"
        assert manifest.read_text() != half
    (job.run_dir / "stages" / "model.started.json").write_text('{"finger')
    manifest.unlink()
    assert job.plan()["model"] == ("run", "not run before")


def test_no_temporary_or_started_files_are_left(job: Job) -> None:
    job.run()
    assert sorted(p.name for p in (job.run_dir / "stages").iterdir()) == sorted(f"{name}.json" for name in ALL)


def test_a_stage_that_made_nothing_is_an_error(job: Job) -> None:
    stage = replace(job.stage("corpus", ()), work=dict)
    with pytest.raises(WorkError, match="made nothing"):
        StageRunner(job.run_dir, [stage]).run([stage], ())
    assert not (job.run_dir / "stages" / "corpus.json").exists()


def test_checkpoints_do_not_belong_to_the_outputs_but_the_run_may_lie_below_such_a_folder(tmp_path: Path) -> None:
    (tmp_path / "source.txt").write_text("text")
    job = Job(tmp_path / "checkpoints" / "run", tmp_path / "source.txt")
    checkpoint = job.run_dir / "model" / "checkpoints" / "step-1"

    def save() -> None:
        checkpoint.mkdir(parents=True)
        (checkpoint / "state").write_text("1")

    job.before["model"] = save
    assert job.run() == dict.fromkeys(ALL, "done")
    shutil.rmtree(checkpoint.parent)
    assert job.run() == dict.fromkeys(ALL, "unchanged")


# ------------------------------------------------------------------------------------------------------------- selection


def test_from_and_until(job: Job) -> None:
    assert job.run(None, "model") == {"corpus": "done", "model": "done"}
    assert job.plan("extra", "extra") == {
        "corpus": ("skip", "outside --from/--until"),
        "model": ("skip", "outside --from/--until"),
        "extra": ("run", "not run before"),
        "report": ("skip", "outside --from/--until"),
    }
    assert job.run("extra") == {"extra": "done", "report": "done"}
    assert job.run("model", "extra") == {"model": "unchanged", "extra": "unchanged"}


def test_from_needs_what_it_reads_from_and_nothing_else(job: Job) -> None:
    for name in ("model", "extra", "report"):
        with pytest.raises(InputError, match=f"'{name}' needs '(corpus|model)', which was not run"):
            job.run(name)
        with pytest.raises(InputError, match="needs"):
            job.plan(name)
    job.run(None, "corpus")
    assert job.run("extra", "extra") == {"extra": "done"}  # it does not read from model
    with pytest.raises(InputError, match="'report' needs 'model'"):
        job.run("extra")
    assert job.calls == []


def test_unknown_stages_and_empty_ranges(job: Job) -> None:
    for first, last in (("modle", None), (None, "modle")):
        with pytest.raises(InputError, match="modle: no such stage") as caught:
            job.run(first, last)
        assert "corpus, model, extra, report" in str(caught.value.hint)
    with pytest.raises(InputError, match="--from report comes after --until model"):
        job.run("report", "model")


def test_a_dry_run_does_nothing(job: Job) -> None:
    planned = job.plan()
    assert planned["corpus"] == ("run", "not run before")
    assert [action for action, _reason in planned.values()] == ["run"] * 4
    assert job.calls == []
    assert not job.run_dir.exists()
    runner = job.runner()
    plan = runner.plan(runner.stages, ())
    assert [(stage.size, stage.estimate_s) for stage in plan] == [(f"size of {name}", 60.0) for name in ALL]
    job.run()
    assert job.plan(None, None, "model") == {
        "corpus": ("unchanged", "same settings, code and inputs"),
        "model": ("run", "forced"),
        "extra": ("unchanged", "same settings, code and inputs"),
        "report": ("run", "model will have changed"),
    }


# ----------------------------------------------------------------------------------------------------- several processes


def test_other_processes_wait_and_work_only_where_all_do(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads stand for two processes; `extra` is distributed, so both do it, and the second waits for the first."""
    monkeypatch.setattr(engine.time, "sleep", lambda _s: threading.Event().wait(0.005))
    main = threading.local()
    monkeypatch.setattr(engine, "is_main_process", lambda: getattr(main, "yes", False))
    written_by_main: list[bool] = []
    write = engine.write_json
    monkeypatch.setattr(engine, "write_json", lambda *args: written_by_main.append(main.yes) or write(*args))  # type: ignore[func-returns-value]
    job.distributed.add("extra")
    both_in_extra = threading.Barrier(2, timeout=WAIT_S)
    other_is_done = threading.Event()

    def meet() -> None:
        both_in_extra.wait()
        if main.yes:
            other_is_done.wait(0.2)  # the main process is the slower one: it still has to write the manifest

    job.before["extra"] = meet
    results: dict[bool, dict[str, str]] = {}
    calls: dict[bool, list[str]] = {True: [], False: []}

    def process(is_main: bool) -> None:
        main.yes = is_main
        runner = job.runner()
        wrapped = [replace(s, work=lambda s=s: calls[is_main].append(s.name) or s.work()) for s in runner.stages]  # type: ignore[misc, func-returns-value]
        if not is_main:  # the second process must not touch files: its part of `extra` is the meeting alone
            wrapped[2] = replace(wrapped[2], work=lambda: calls[False].append("extra") or meet() or {})  # type: ignore[func-returns-value]
        results[is_main] = {r.name: r.status for r in StageRunner(job.run_dir, wrapped).run(wrapped, ())}
        if not is_main:
            other_is_done.set()

    threads = [threading.Thread(target=process, args=(is_main,), daemon=True) for is_main in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=WAIT_S)
    assert not any(thread.is_alive() for thread in threads), "a process waits for a manifest that never comes"
    assert calls == {True: ALL, False: ["extra"]}
    assert set(results) == {True, False}
    assert written_by_main == [True] * 8  # four stages, each started and done


def test_waiting_ends_only_when_the_outputs_are_there(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    job.run()
    output = job.run_dir / "model" / "out.txt"
    whole = output.read_text()
    output.unlink()
    monkeypatch.setattr(engine, "is_main_process", lambda: False)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            output.write_text(whole)
        assert len(waits) < 10

    monkeypatch.setattr(engine.time, "sleep", wait)
    assert job.run()["model"] == "done"
    assert len(waits) == 3
    assert job.calls == []


# ------------------------------------------------------------------------------------------------------------ shares


def test_a_fresh_start_keeps_what_shares_made_and_nothing_else(job: Job) -> None:
    """What shares make is named by what it was made of; all else in a stage's folder may be of other settings."""
    folder = job.run_dir / "model"
    parts = folder / "inside" / "parts"

    def with_shares() -> StageRunner:
        runner = job.runner()
        shared = engine.Shared((parts,), lambda share: f"made {share.index}", lambda _count: ())
        runner.stages = tuple(replace(s, shared=shared) if s.name == "model" else s for s in runner.stages)
        return runner

    for path in (parts / "kept.bin", folder / "old.txt", folder / "inside" / "old.txt", folder / "more" / "old.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    runner = with_shares()
    runner.run(runner.stages, ())
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert left == ["inside/parts/kept.bin", "out.txt"]
    assert runner.look(runner.stages[1]) == "unchanged"
