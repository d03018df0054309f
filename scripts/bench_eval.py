"""Every bar of scoring in one run on one thread: the same texts through this package and through lm-evaluation-harness 0.4.13.

    python scripts/bench_eval.py --lm-eval PYTHON --corpus DIR [--model DIR] [--quick] [--json FILE] [--items N] [--tasks …]

lm-eval lives in an environment of its own; torch comes first, so that the same build serves both:

    python -m venv /some/where && cd /some/where
    bin/pip install torch==2.13.0
    bin/pip install lm-eval==0.4.13 transformers==5.23.0 accelerate
    python scripts/bench_eval.py --lm-eval /some/where/bin/python …

Asked are SIB-200, Belebele, TUMLU and XCOPA in Kazakh, by letters and by the words of the choices (cloze), without and with five
examples, of a random Llama of 50 million weights that is made on the spot, and of a real model with --model. lm-eval gets
byte for byte the same prompts. It adds no start token where the tokenizer adds none, and scores differ by whole nats without one,
so the start token is written before its prompts.

Processor seconds, with the model loaded: ours from items to scores (`score_task`), lm-eval's `simple_evaluate` without resampled
intervals. `needed` counts each distinct context once, of each continuation all but its last token, which nobody reads after, and
examples that several contexts begin with once; `run` is all that went through the model, padding included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent / "bench"))

from eval_lines import Line, make_lines, write_for_peer
from eval_models import make_random_model
from eval_peer import Counter

from qaz_llm.evals.asking import score_task
from qaz_llm.evals.scoring.local import HFScorer
from qaz_llm.evals.scoring.remembered import RememberingScorer
from qaz_llm.io import read_jsonl
from qaz_llm.model.load import load_model, load_tokenizer

TEXTS = ("common_voice/cv_sentences_kk.jsonl.gz", "apertium_kaz_rus/gov_corpus_kk.jsonl.gz")
TASKS = ("sib200", "belebele_kk", "tumlu_kk", "xcopa_kk")
PEER = Path(__file__).parent / "bench" / "eval_peer.py"
CLOSE = 1e-4
LEAST = {"text_0shot": 4.0, "letters_5shot": 3.0, "text_5shot": 10.0}
"""How many times faster than lm-eval the random model is to be scored."""
MOST_RUN = 1.1
"""Tokens run over tokens needed."""


@dataclass(frozen=True)
class Measured:
    """One line of the table."""

    model: str
    line: str
    items: int
    ours_cpu_s: float
    peer_cpu_s: float
    run_tokens: int
    peer_tokens: int
    needed_tokens: int
    largest_difference: float
    equal_choices: int

    def __str__(self) -> str:
        return (
            f"| {self.model} | {self.line} | {self.items} | {self.ours_cpu_s:.1f} | {self.peer_cpu_s:.1f} "
            f"| {self.peer_cpu_s / self.ours_cpu_s:.1f} | {self.largest_difference:.1g} | {self.equal_choices} of {self.items} "
            f"| {self.run_tokens / self.needed_tokens:.2f} | {self.peer_tokens / self.needed_tokens:.2f} |"
        )


HEAD = """| model | line | items | ours, CPU-s | lm-eval, CPU-s | times faster | largest difference | choices equal | run ÷ needed | lm-eval's |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


def main() -> int:
    arguments = parsed()
    import torch

    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    lines = list(make_lines(arguments.tasks, arguments.corpus, items=arguments.items))
    with tempfile.TemporaryDirectory() as made:
        models = {"random 50 M": Path(made) / "model"}
        make_random_model(models["random 50 M"], texts_of(arguments.corpus))
        if arguments.model is not None:
            models[arguments.model.name] = arguments.model
        print(HEAD, flush=True)
        measured = [found for name, path in models.items() for found in bench(name, path, lines, arguments)]
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(found) for found in measured], indent=1), encoding="utf-8")
    missed = [problem for found in measured for problem in short_of(found)]
    print("\n".join(["", *(missed or ["every bar holds"])]))
    return 1 if missed else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lm-eval", type=Path, required=True, help="the Python of the environment that has lm-eval")
    parser.add_argument("--corpus", type=Path, default=os.environ.get("QAZ_CORPUS_DIR"), help="folder with the sets")
    parser.add_argument("--model", type=Path, help="a real model's folder, to be measured beside the random one")
    parser.add_argument("--items", type=int, default=60, help="of each task (60)")
    parser.add_argument("--quick", action="store_true", help="16 items of each task")
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--json", type=Path, help="write all figures here too")
    arguments = parser.parse_args()
    if arguments.corpus is None:
        parser.error("name the folder of the sets: --corpus DIR, or QAZ_CORPUS_DIR")
    arguments.corpus = Path(arguments.corpus)
    arguments.items = 16 if arguments.quick else arguments.items
    return arguments


def texts_of(corpus: Path) -> list[str]:
    """Kazakh text for the random model's tokenizer, none of it asked: one that has seen the questions has their answers as tokens."""
    return [str(row["text"]) for path in TEXTS for row in read_jsonl(corpus / path)]


def bench(name: str, path: Path, lines: Sequence[Line], arguments: argparse.Namespace) -> list[Measured]:
    """All lines of one model, printed as they are measured."""
    tokenizer = load_tokenizer(str(path))
    scorer = HFScorer(load_model(str(path), dtype="float32"), tokenizer)
    start = tokenizer.convert_ids_to_tokens(scorer.start_id)
    peer = run_peer(lines, path, arguments.lm_eval, start=start)
    found = []
    for line in lines:
        found.append(measure(name, line, scorer, peer[line.name], start=start))
        print(found[-1], flush=True)
    return found


def run_peer(lines: Sequence[Line], model: Path, python: Path, *, start: str) -> dict[str, Any]:
    """What lm-eval took for each line and what it found."""
    with tempfile.TemporaryDirectory() as made:
        folder, out = Path(made), Path(made) / "out.json"
        for line in lines:
            write_for_peer(line, folder, start=start)
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": made, "TOKENIZERS_PARALLELISM": "false"}
        environment.pop("PYTHONPATH", None)
        command = [str(python), str(PEER), str(model), str(folder), str(out)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"lm-eval ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return dict(json.loads(out.read_text(encoding="utf-8")))


def measure(name: str, line: Line, scorer: HFScorer, peer: dict[str, Any], *, start: str) -> Measured:
    """Ours beside theirs. Raises SystemExit where the two were not asked the same."""
    tokens = Counter()
    hook = scorer.model.register_forward_pre_hook(tokens, with_kwargs=True)
    remembering = RememberingScorer(lambda: scorer, None)
    started = time.process_time()
    score_task(line.task, line.items, remembering, examples=line.examples)
    spent = time.process_time() - started
    hook.remove()
    groups = line.requests()
    asked = [[[start + request.context, request.continuation] for request in group] for group in groups]
    if asked != [item["asked"] for item in peer["items"]]:
        raise SystemExit(f"{line.name}: lm-eval was not asked the same")
    ours = [[one.logprob for one in remembering.loglikelihood(group)] for group in groups]
    theirs = [item["logprobs"] for item in peer["items"]]
    pairs = [(a, b) for one, other in zip(ours, theirs, strict=True) for a, b in zip(one, other, strict=True)]
    equal = sum(a.index(max(a)) == b.index(max(b)) for a, b in zip(ours, theirs, strict=True))
    return Measured(
        name, line.name, len(line.items), spent, peer["cpu_s"], tokens.count, peer["tokens"],
        needed(line, scorer), max(abs(a - b) for a, b in pairs), equal,
    )  # fmt: skip


def needed(line: Line, scorer: HFScorer) -> int:
    """The least number of tokens to run: counted from the texts, not from what the scorer plans."""

    def length(text: str) -> int:
        return len(scorer.tokenizer(text, add_special_tokens=False)["input_ids"])

    contexts: dict[str, set[str]] = defaultdict(set)
    users: dict[str, set[str]] = defaultdict(set)
    for item, group in zip(line.items, line.requests(), strict=True):
        contexts[group[0].context] |= {request.continuation for request in group}
        users[line.shared(item)].add(group[0].context)
    total = sum(
        1 + length(context) + sum(length(continuation) - 1 for continuation in continuations)
        for context, continuations in contexts.items()
    )
    return total - sum((1 + length(shared)) * (len(using) - 1) for shared, using in users.items() if shared)


def short_of(found: Measured) -> list[str]:
    """The bars that a line misses."""
    problems = []
    if found.largest_difference > CLOSE:
        problems.append(f"log-probabilities differ by {found.largest_difference:.2g}, at most {CLOSE:g} is allowed")
    if found.equal_choices < found.items:
        problems.append(f"{found.items - found.equal_choices} choices differ")
    if found.run_tokens > MOST_RUN * found.needed_tokens:
        problems.append(f"{found.run_tokens / found.needed_tokens:.2f} times the tokens needed, at most {MOST_RUN}")
    way = found.line.replace("cloze", "text")
    least = next((times for kind, times in LEAST.items() if way.endswith(kind)), 0.0)
    times = found.peer_cpu_s / found.ours_cpu_s
    if found.model.startswith("random") and times < least:
        problems.append(f"{times:.1f} times faster, at least {least:g} is asked")
    return [f"{found.model}, {found.line}: {problem}" for problem in problems]


if __name__ == "__main__":
    sys.exit(main())
