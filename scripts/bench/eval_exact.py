"""How far log-probabilities in float32 are from float64: ours, and one text at a time as lm-evaluation-harness asks.

    python scripts/bench/eval_exact.py MODEL --corpus DIR [--items N] [--tasks …]

Two programs' float32 differ by rounding; where they differ by more than the bar of bench_eval.py, this says whose rounding it is.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

from eval_lines import make_lines

from qaz_llm.evals.scoring.encoding import Encoded, encode_requests
from qaz_llm.evals.scoring.local import HFScorer
from qaz_llm.model.load import load_model, load_tokenizer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--corpus", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--items", type=int, default=6, help="of each task (6)")
    parser.add_argument("--tasks", nargs="+", default=("xcopa_kk", "tumlu_kk"))
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    tokenizer = load_tokenizer(str(arguments.model))
    model = load_model(str(arguments.model), dtype="float32")
    exact = load_model(str(arguments.model), dtype="float32").double()
    scorer = HFScorer(model, tokenizer)
    print("| line | texts | longest answer, tokens | least sum | ours − float64 | one at a time − float64 |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for line in make_lines(arguments.tasks, arguments.corpus, items=arguments.items):
        if line.examples.shots:
            continue
        requests = [request for group in line.requests() for request in group]
        encoded = encode_requests(tokenizer, scorer.start_id, requests)
        ours = [found.logprob for found in scorer.loglikelihood(requests)]
        plain, truth = one_at_a_time(model, encoded), one_at_a_time(exact, encoded)
        print(
            f"| {line.name} | {len(requests)} | {max(len(one.continuation) for one in encoded)} | {min(truth):.0f} "
            f"| {farthest(ours, truth):.1g} | {farthest(plain, truth):.1g} |",
            flush=True,
        )
    return 0


def one_at_a_time(model: Any, encoded: Sequence[Encoded]) -> list[float]:
    """The log-probability of each continuation, a text and a pass each, by log_softmax in the model's precision."""
    import torch

    found = []
    with torch.inference_mode():
        for one in encoded:
            ids_1L = torch.tensor([[*one.context, *one.continuation]])
            asked = len(one.continuation)
            logprobs_TV = model(input_ids=ids_1L[:, :-1]).logits[0, -asked:].log_softmax(-1)
            found.append(float(logprobs_TV.gather(1, ids_1L[0, -asked:, None]).double().sum()))
    return found


def farthest(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


if __name__ == "__main__":
    sys.exit(main())
