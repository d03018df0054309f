"""Evaluations as pages for people and as tables for programs: HTML, Markdown and CSV beside the JSON they are made from."""

from qaz_llm.evals.report.comparison import render_comparison, write_comparison
from qaz_llm.evals.report.evaluation import first_examples, render_evaluation, write_report
from qaz_llm.evals.report.leaderboard import render_leaderboard, write_leaderboard

__all__ = [
    "first_examples",
    "render_comparison",
    "render_evaluation",
    "render_leaderboard",
    "write_comparison",
    "write_leaderboard",
    "write_report",
]
