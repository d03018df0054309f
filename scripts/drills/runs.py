"""Training runs for drills: the public command in processes forked from one that has everything imported.

A run begins some 8 CPU seconds after its command is typed, nearly all of them imports; a drill begins dozens. What is
forked is a process of its own, killed as any other, and runs `qaz train CONFIG` from its first line.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qaz_llm.cluster.environment import free_port
from qaz_llm.config import dump_yaml

PATIENCE_S = 600
SHAPE = {
    "hidden_size": 32,
    "num_layers": 2,
    "num_heads": 4,
    "num_kv_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 256,
}


@dataclass(frozen=True)
class Started:
    """The processes of one start of a run, and where they write what they say."""

    pids: tuple[int, ...]
    log: Path

    def kill(self, *, apart_s: float = 0.0, first: int = 0) -> None:
        """Kill -9: one of them first, the others `apart_s` later."""
        for number, pid in enumerate(self.pids[first:] + self.pids[:first]):
            if number == 1:
                time.sleep(apart_s)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait()

    def hold(self) -> None:
        """Stop them where they are."""
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)

    def let_go(self) -> None:
        for pid in self.pids:
            os.kill(pid, signal.SIGCONT)

    def wait(self) -> int:
        """Wait for all to end; the first exit code that is not 0, or 0."""
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in self.pids]
        return next((code for code in codes if code != 0), 0)

    def is_running(self) -> bool:
        return all(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None for pid in self.pids)


def import_all() -> None:
    """What a training imports, so that the forked processes have it."""
    import deepspeed  # noqa: F401
    import transformers.modeling_utils
    import transformers.trainer  # noqa: F401


def make_base(folder: Path) -> Path:
    """A tiny model with fresh weights and a tokenizer, made in a process of its own."""

    def make() -> None:
        from qaz_llm.io import embedded_path, read_jsonl
        from qaz_llm.model.architecture import make_model
        from qaz_llm.model.config import ArchitectureConfig
        from qaz_llm.model.export import write_model
        from qaz_llm.tokenizer.base import train_base_tokenizer

        texts = [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))]
        tokenizer = train_base_tokenizer(texts, vocab_size=600)
        model = make_model(ArchitectureConfig(**SHAPE), tokenizer, seed=1, attn_implementation="sdpa")
        write_model(model, tokenizer, folder, facts={})

    if _fork(make, folder.parent / "base.log", {}).wait() != 0:
        raise RuntimeError((folder.parent / "base.log").read_text()[-3000:])
    return folder


def settings(base: Path, run_dir: Path, **overrides: Any) -> dict[str, Any]:
    """Values of a run that saves every 5 of its 200 steps. Overrides have dotted names."""
    values: dict[str, Any] = {
        "run_dir": str(run_dir),
        "method": "cpt",
        "model": {"checkpoint": str(base)},
        "data": {"mix": [{"name": "kk", "path": "embedded:documents_kk_a.jsonl"}], "max_passes": 1000.0},
        "seq_len": 64,
        "micro_batch_size": 2,
        "max_steps": 200,
        "lr": 1e-3,
        "log_every_steps": 1,
        "checkpoint_every_steps": 5,
        "device": "cpu",
    }
    for key, value in overrides.items():
        *sections, name = key.split(".")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return values


def start(values: dict[str, Any], *, processes: int) -> Started:
    """`qaz train CONFIG`, by as many processes as torchrun would start."""
    run_dir = Path(values["run_dir"])
    config = run_dir.with_suffix(".yaml")
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(dump_yaml(values), encoding="utf-8")
    port = str(free_port())
    pids: list[int] = []
    for rank in range(processes):
        variables = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        if processes > 1:
            names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
            variables |= {name: str(value) for name, value in names.items()}
            variables |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        pids += _fork(lambda: _train(config), run_dir.with_suffix(".log"), variables).pids
    return Started(tuple(pids), run_dir.with_suffix(".log"))


def run_to_end(values: dict[str, Any], *, processes: int = 1) -> int:
    """Its exit code."""
    return start(values, processes=processes).wait()


def steps_done(values: dict[str, Any]) -> int:
    """The last step in metrics.jsonl; 0 where there is none."""
    try:
        return (Path(values["run_dir"]) / "metrics.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def kill_when(
    started: Started, is_time: Callable[[], bool], dice: random.Random, *, at_most_s: float = PATIENCE_S
) -> bool:
    """Kill all its processes once it is time, one of them a little before the others. False where it ended before."""
    until = time.monotonic() + at_most_s
    while time.monotonic() < until:
        if not started.is_running():
            started.kill()  # one may have failed while the others wait for it
            return False
        if is_time():
            started.kill(apart_s=dice.uniform(0, 0.2), first=dice.randrange(len(started.pids)))
            return True
        time.sleep(0.001)
    started.kill()
    raise TimeoutError(f"{started.log}: nothing happened in {at_most_s:.0f} s")


def result_of(values: dict[str, Any]) -> dict[str, bytes]:
    """The bytes of all weights that the run has written at its end, by name."""
    run_dir = Path(values["run_dir"])
    files = sorted([*(run_dir / "model").glob("*.safetensors"), *(run_dir / "adapter").glob("*.safetensors")])
    return {str(path.relative_to(run_dir)): path.read_bytes() for path in files}


def _train(config: Path) -> None:
    sys.argv = ["qaz", "train", str(config)]
    from qaz_llm.cli import main

    main()


def _fork(work: Callable[[], None], log: Path, variables: dict[str, str]) -> Started:
    pid = os.fork()
    if pid:
        return Started((pid,), log)
    code = 1
    try:
        with _output_to(log):
            os.environ.update(variables)
            try:
                work()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                import traceback

                traceback.print_exc()
    finally:
        os._exit(code)


@contextlib.contextmanager
def _output_to(log: Path) -> Iterator[None]:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    yield
    sys.stdout.flush()
    sys.stderr.flush()
