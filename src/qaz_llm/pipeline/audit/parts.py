"""The parts of an audit: what of a run is shown, where it lies, and what it means that one is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qaz_llm.errors import InputError

LIBRARIES = "libraries"
MODEL = "model"
EVALUATION = "evaluation"
CONFIGS = "configs"
STAGES = "stages"
VERSIONS = "versions"
SUMMARY = "audit.json"
"""What an audit's folder is known by."""


@dataclass(frozen=True)
class Found:
    """A file that is shown: where it lies, and its place in the audit's folder."""

    source: Path
    place: str


@dataclass(frozen=True)
class Part:
    """One part by its name in words.py; nothing in `files` means that the run has none, which the index says."""

    name: str
    files: tuple[Found, ...]


def find_parts(run_dir: Path, *, data: Sequence[Path] = (), evaluations: Sequence[Path] = ()) -> tuple[Part, ...]:
    """The parts of a run of `qaz run` or `qaz train`; `data` and `evaluations` name folders that lie elsewhere.

    Texts, weights and answers are left where they are: what is shown is what is known about them.

    Raises:
        InputError: `run_dir` is no run, or a folder named holds not what it is named for.
    """
    if not any((run_dir / name).is_file() for name in ("run.json", "config.yaml")):
        raise InputError(
            f"{run_dir}: no run, it holds neither run.json nor config.yaml",
            hint="name the run_dir of `qaz run` or `qaz train`",
        )
    builds = [*_with(run_dir, "manifest.json"), *_named(data, "manifest.json", "--data")]
    scored = [*_with(run_dir, "parity.json"), *_named(evaluations, "parity.json", "--eval")]
    return (
        Part("data_card", _files(run_dir, LIBRARIES, builds, "README.md")),
        Part("manifest", _files(run_dir, LIBRARIES, builds, "manifest.json")),
        Part("ledger", _files(run_dir, LIBRARIES, builds, "licences.json")),
        Part("model_card", _files(run_dir, MODEL, _models(run_dir), "README.md", "qaz_card.json", "config.json", "generation_config.json")),
        Part("evaluation", _files(run_dir, EVALUATION, scored, "parity.json", "report.csv")),
        Part("comparison", _files(run_dir, EVALUATION, _with(run_dir, "comparison.json"), "comparison.json")),
        Part("configs", _files(run_dir, CONFIGS, _with(run_dir, "config.yaml"), "config.yaml")),
        Part("versions", _files(run_dir, VERSIONS, _with(run_dir, "run.json"), "run.json")),
        Part("stages", _files(run_dir, STAGES, [run_dir / "stages"], *sorted(p.name for p in run_dir.glob("stages/*.json")))),
    )  # fmt: skip


def model_of(run_dir: Path) -> Path | None:
    """The folder of the model that a run made last; None where it has none yet."""
    return next(iter(_models(run_dir)), None)


def of_run(run_dir: Path, *patterns: str) -> list[Path]:
    """What lies in a run by patterns of names, in the order of these: not what lies in an audit of it, nor in folders that are being written.

    An audit may be kept in the run it is of, and holds copies of the run's own files.
    """
    found = (path for pattern in patterns for path in sorted(run_dir.glob(pattern)))
    return [path for path in found if not _is_beside(path, run_dir)]


def _is_beside(path: Path, run_dir: Path) -> bool:
    inside = path.relative_to(run_dir).parts
    folders = [run_dir.joinpath(*inside[:depth]) for depth in range(1, len(inside) + 1)]
    return any(part.startswith(".") and part.endswith(".tmp") for part in inside) or any(
        (folder / SUMMARY).is_file() for folder in folders
    )


def _models(run_dir: Path) -> list[Path]:
    whole = [run_dir / name for name in ("model", "adapter") if (run_dir / name).is_dir()]
    return whole[:1] or of_run(run_dir, "*/model")[-1:]


def _with(run_dir: Path, name: str) -> list[Path]:
    """Folders of a run with such a file, three levels down at most; checkpoints and packed rows are passed over."""
    passed = {"checkpoints", "packed", "trackers", "answers"}
    found = of_run(run_dir, *(f"{depth}{name}" for depth in ("", "*/", "*/*/")))
    return [path.parent for path in found if not passed & set(path.relative_to(run_dir).parts)]


def _named(folders: Sequence[Path], name: str, option: str) -> list[Path]:
    for folder in folders:
        if not (folder / name).is_file():
            raise InputError(
                f"{option} {folder}: holds no {name}", hint="name the folder that a build or evaluation wrote"
            )
        if any((above / SUMMARY).is_file() for above in folder.resolve().parents):
            raise InputError(
                f"{option} {folder}: lies in an audit, as a copy",
                hint="name the folder that a build or evaluation wrote",
            )
    return list(folders)


def _files(run_dir: Path, top: str, folders: Sequence[Path], *names: str) -> tuple[Found, ...]:
    """Files of these names that are there, each under its folder's place in the run."""
    found = []
    for folder in dict.fromkeys(folders):
        inside = folder.relative_to(run_dir) if folder.is_relative_to(run_dir) else Path(folder.name)
        inside = Path(*inside.parts[1:]) if inside.parts[:1] == (top,) else inside
        found += [Found(folder / name, str(Path(top) / inside / name)) for name in names if (folder / name).is_file()]
    return tuple(found)
