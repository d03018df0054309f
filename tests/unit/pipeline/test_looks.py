"""Nodes are looked at by either kind of config."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from qaz_llm.cli import app
from qaz_llm.errors import ConfigError
from qaz_llm.pipeline.looks import look_of_config

ROOT = Path(__file__).parents[3]


def run_config(tmp_path: Path, more: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(f"base: {ROOT / 'configs/demo.yaml'}\nrun_dir: {tmp_path / 'run'}\n{more}", encoding="utf-8")
    return path


def test_both_kinds_and_none_are_understood(tmp_path: Path) -> None:
    training = look_of_config(ROOT / "configs/train/tiny.yaml")
    limits = "{shm_gb: 0.125}"
    path = run_config(tmp_path, "".join(f"{name}: {{preflight: {limits}}}\n" for name in ("pretrain", "cpt", "sft")))
    run = look_of_config(path)
    assert run.config.shm_gb == 0.125 and run.folders == {"run_dir": tmp_path} and run.fingerprints["config"]
    assert training.fingerprints["config"] != run.fingerprints["config"] and look_of_config(None).folders == {}
    shown = CliRunner().invoke(app, ["doctor", "--nodes", "--config", str(path)])
    assert "run_dir" in shown.stdout and not isinstance(shown.exception, ConfigError)


def test_limits_that_differ_between_stages_and_unknown_keys_are_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`preflight` differs between its stages"):
        look_of_config(run_config(tmp_path, "cpt: {preflight: {shm_gb: 0.125}}\n"))
    with pytest.raises(ConfigError, match="shm_gbb"):
        look_of_config(run_config(tmp_path, "cpt: {preflight: {shm_gbb: 1}}\n"))
