"""An evaluation shared out among the jobs of an array, a task at a time.

    answer_share(config, Share(0, 16)) … answer_share(config, Share(15, 16))     in as many jobs
    run_eval(config)                                                             takes their answers over, and reports

The last is the evaluation itself: it asks what no share has answered, so a share that failed costs time and no score.
"""

from __future__ import annotations

from qaz_llm.data.share import Share
from qaz_llm.errors import QazError
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.gathered import DONE, share_folder
from qaz_llm.evals.identity import model_identity
from qaz_llm.evals.items.load import task_fingerprints
from qaz_llm.evals.opening import kept_answers
from qaz_llm.evals.run import answer_task
from qaz_llm.evals.scoring.processes import ALONE, Processes
from qaz_llm.evals.summary.family import Family
from qaz_llm.evals.summary.gaps import pairs_to_test
from qaz_llm.evals.task import TaskConfig, as_generated, choose_tasks
from qaz_llm.io import read_json, write_json


def answer_share(config: EvalConfig, share: Share, processes: Processes = ALONE) -> tuple[str, ...]:
    """Ask the model about a share of the tasks; their names. Raises as `run_eval`."""
    tasks = choose_tasks(config)
    Family(config.family).check(pairs_to_test(tasks))
    chosen = tasks[share.index :: share.count]
    for task in chosen:
        folder = share_folder(config.out, task.name)
        known = answer_task(config.model_copy(update={"out": folder, "family": None}), task, processes)
        if processes.is_first:
            write_json(folder / DONE, known)
    return tuple(task.name for task in chosen)


def missing_shares(config: EvalConfig, count: int) -> list[int]:
    """The numbers of the shares of which an answer is missing, as far as that shows without asking.

    Raises InputError where the model is none, or data is not there.
    """
    key = kept_answers(config, model_identity(config)).stem
    tasks = choose_tasks(config)
    return [n for n in range(count) if not all(_is_done(config, task, key) for task in tasks[n::count])]


def _is_done(config: EvalConfig, task: TaskConfig, key: str) -> bool:
    try:
        known = read_json(share_folder(config.out, task.name) / DONE)
    except (QazError, OSError):
        return False
    asked = as_generated(task) if config.formats == "generate" else task
    return bool(known == {"answers": key, **task_fingerprints(asked, config.root)})
