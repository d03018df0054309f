"""A judging as a few lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qaz_llm.report.figures import interval_text


def describe(values: Mapping[str, Any]) -> str:
    """Scores, what could not be read, agreement, and what it cost; `values` are those of judgement.json."""
    lines = [f"{values['criterion']} by {', '.join(values['judges'])}, prompt version {values['prompt_version']}"]
    for task, by in values["scores"].items():
        for code, score in by.items():
            left = f"{score['no_answer']} without an answer, {score['unread']} verdicts unread"
            lines.append(f"  {task} {code}: {interval_text(score, 'score')} of {score['n']:,} ({left})")
    for pair, found in values["agreement"].items():
        kappa = "not defined" if found["kappa"] is None else f"{found['kappa']:.3f}"
        lines.append(f"  {pair}: kappa {kappa} on {found['n']:,} answers")
    lines.append(f"  {len(values['disagreements']):,} answers are judged in two ways")
    for judge, usage in values["usage"].items():
        cost = "no price given" if usage["cost"] is None else f"cost {usage['cost']}"
        untold = usage.get("uncounted", 0)
        more = f"; {untold:,} of {usage['requests']:,} requests came without a count, so it is more" if untold else ""
        lines.append(f"  {judge}: {usage['tokens_in']:,} tokens read, {usage['tokens_out']:,} written, {cost}{more}")
    return "\n".join(lines)
