"""What commands print: JSON for programs, tables and plans for people.

No password or token of an address is in it, and nothing that a terminal obeys: what is printed may be somebody else's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from qaz_llm.train.plan import TrainPlan
    from qaz_llm.train.rate.range_test import RangeTest


def print_json(value: Any) -> None:
    from qaz_llm.io.secrets import safe_values

    print_row(safe_values(value), indent=2)


def print_row(value: Any, *, indent: int | None = None) -> None:
    """JSON as it is, on one line: for rows of a user's own texts, which an address more or less is a part of."""
    from qaz_llm.labels.names import safe_json

    typer.echo(safe_json(json.dumps(value, ensure_ascii=False, indent=indent, default=str)))


def print_plan_of_training(made: TrainPlan, as_json: bool) -> None:
    if as_json:
        print_json(made.to_dict())
    else:
        from qaz_llm.train.plan import describe_plan

        typer.echo("\n".join([describe_plan(made), *made.mix_lines()]))


def print_table(headers: list[str], rows: list[list[str]]) -> None:
    """The cells as they are and whole: what looks like rich's markup or names of emoji is text, and may be somebody else's."""
    from rich.console import Console
    from rich.table import Column, Table

    from qaz_llm.io.secrets import safe_to_show
    from qaz_llm.labels.names import safe_lines

    table = Table(
        *(Column(header, overflow="fold") for header in headers), box=None, header_style="bold", pad_edge=False
    )
    for row in rows:
        table.add_row(*(safe_lines(safe_to_show(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160, markup=False, emoji=False).print(table)


def print_range_test(found: RangeTest) -> None:
    """Every so many steps a line, with the held-out numbers that were looked at last; then what is suggested."""
    names = [name for name in (found.held_out[0] if found.held_out else {}) if name not in ("step", "lr")]
    every, rows = max(1, len(found.rows) // 15), []
    for row in found.rows[::every]:
        seen = [one for one in found.held_out if one["step"] <= row["step"]]
        bits = [f"{seen[-1][name]:.3f}" if seen else "" for name in names]
        rows.append([f"{row['lr']:.1e}", f"{row['smoothed']:.3f}", f"{row['grad_norm']:.2f}", *bits])
    print_table(["lr", "loss (smoothed)", "gradient", *(f"held-out {name}" for name in names)], rows)
    if found.diverged_at is not None:
        typer.echo(f"diverged at {found.diverged_at:.1e}")
    typer.echo(f"lr={found.suggestion.lr:.1e}   {found.suggestion.why}; a guess: try half and twice of it too")


def print_stages(planned: list[Mapping[str, Any]]) -> None:
    from qaz_llm.progress import format_duration

    rows = []
    for stage in planned:
        estimate = stage["estimate_s"]
        time = format_duration(estimate) if estimate is not None else "not known"
        rows.append(
            [stage["name"], stage["action"], stage["reason"], stage["size"], time if stage["action"] != "skip" else ""]
        )
    print_table(["stage", "action", "why", "on what, how big", "time"], rows)
