"""`qaz --help` shows each command under its task; `qaz doctor` says what to type, and ends with 1 where nothing can be run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qaz_llm.cli.entry import COMMANDS, app
from qaz_llm.cluster import readiness
from qaz_llm.cluster.environment import Environment


def test_commands_stand_under_their_task_in_the_order_of_the_table() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"}).stdout
    lines = [line.strip("│╭╮─╯╰ ") for line in shown.splitlines()]
    places = [lines.index(task) for task in COMMANDS]
    assert places == sorted(places)
    for start, end, commands in zip(places, [*places[1:], len(lines)], COMMANDS.values(), strict=True):
        found = [line.split()[0] for line in lines[start + 1 : end] if line.split()[:1] and line.split()[0] in commands]
        assert found == list(commands)
        assert all(len(line.split()) > 1 for line in lines[start:end] if line.split()[:1] == found[-1:])


@pytest.mark.parametrize(("memory_gib", "code"), [(16, 0), (1, 1)])
def test_doctor_ends_with_a_verdict(memory_gib: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = Environment(cpus=2, memory_bytes=memory_gib << 30)
    facts = readiness.Facts(environment=environment, clone=Path.cwd(), free_bytes=100 << 30)
    monkeypatch.setattr(readiness, "read_facts", lambda: facts)
    said = CliRunner().invoke(app, ["doctor"])
    assert said.exit_code == code
    *_, verdict, to_type = said.stdout.strip().splitlines()
    assert verdict.startswith("verdict: this machine " + ("can " if code == 0 else "cannot "))
    assert to_type.startswith("type: ")
    values = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert values["ready"] is (code == 0) and [one["name"] for one in values["abilities"]] == [
        "demo",
        "cpu",
        "gpu",
        "cluster",
    ]
    assert (
        values["environment"]["memory_bytes"] == memory_gib << 30 and (values["to_type"] or "nothing helps") in to_type
    )
