#!/usr/bin/env python3
"""Is the watermark found in what a served model writes, and in nothing else?

    python scripts/check_watermark.py --model DIR --corpus DIR [--answers 12] [--tokens 100] [--texts 2000] [--json FILE]

`qaz serve --watermark` answers questions with new keys, at temperatures 1, 0.7 and 0. Each answer is scored with
these keys, with other keys, and after its first third was cut off. Kazakh texts of the files below --corpus, which nobody marked, are
scored with five keys each. `--answers 0` scores the texts alone. The exit code is 1 where a text or an answer under other keys is called
marked; which answers are found is printed for each temperature.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "bench"))
from answering import wait_until_well

from check_labels import kazakh_texts
from qaz_llm.cluster.environment import free_port
from qaz_llm.io import write_json
from qaz_llm.labels.watermark import SECRET_BYTES, keys_of, make_watermark_keys, read_watermark_keys
from qaz_llm.labels.watermark_score import THRESHOLD_Z, score_text
from qaz_llm.tokenizer.fast import load_fast_tokenizer

SEED = 11
START_S, ASK_S = 900, 1800
KEY = "check-check-check-check"
TEMPERATURES = (1.0, 0.7, 0.0)
QUESTIONS = (
    "Қазақстан туралы әңгімелеп бер.",
    "Write a story about a horse in the steppe.",
    "Расскажи сказку о лисе.",
    "Describe the city where you live.",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--answers", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    made: dict[str, Any] = {"texts": of_texts(arguments), "answers": []}
    print(f"unmarked Kazakh texts: {made['texts']}", flush=True)
    if arguments.answers:
        made["answers"] = list(of_answers(arguments))
        for temperature in TEMPERATURES:
            rows = [row for row in made["answers"] if row["temperature"] == temperature]
            if rows:
                print(f"temperature {temperature:g}: {_summary(rows)}")
    if arguments.json:
        write_json(arguments.json, made)
    is_wrong = made["texts"]["found"] or any(row["z_other_keys"] >= THRESHOLD_Z for row in made["answers"])
    return int(bool(is_wrong))


def of_texts(arguments: argparse.Namespace) -> dict[str, Any]:
    """What scores texts have that nobody marked."""
    tokenizer = load_fast_tokenizer(str(arguments.model))
    texts = list(dict.fromkeys(kazakh_texts(arguments.corpus)))
    random.Random(SEED).shuffle(texts)
    keys = [keys_of(secrets.token_bytes(SECRET_BYTES)) for _ in range(5)]
    scores = [score_text(text, tokenizer, key) for text in texts[: arguments.texts] for key in keys]
    values = [score.z for score in scores if score.z is not None]
    return {
        "texts": len(texts[: arguments.texts]),
        "keys": len(keys),
        "scored": len(values),
        "too_short": len(scores) - len(values),
        "tokens_median": statistics.median(score.tokens for score in scores),
        "z_mean": round(statistics.fmean(values), 3),
        "z_standard_deviation": round(statistics.stdev(values), 3),
        "z_max": max(values),
        "found": sum(score.verdict == "found" for score in scores),
    }


def of_answers(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The scores of marked answers."""
    tokenizer = load_fast_tokenizer(str(arguments.model))
    other = keys_of(secrets.token_bytes(SECRET_BYTES))
    with tempfile.TemporaryDirectory() as folder:
        make_watermark_keys(Path(folder) / "watermark.key")
        keys = read_watermark_keys(Path(folder) / "watermark.key")
        with gateway(arguments.model, Path(folder)) as url:
            turns = itertools.cycle(itertools.product(QUESTIONS, TEMPERATURES))
            for number, (question, temperature) in zip(range(arguments.answers), turns, strict=False):
                text = answer(url, question, temperature, arguments.tokens)
                score = score_text(text, tokenizer, keys)
                row = {
                    "temperature": temperature,
                    "tokens": score.tokens,
                    "z": score.z or 0.0,
                    "verdict": score.verdict,
                    "z_other_keys": score_text(text, tokenizer, other).z or 0.0,
                    "z_without_first_third": score_text(text[len(text) // 3 :], tokenizer, keys).z or 0.0,
                }
                print(number + 1, row, flush=True)
                yield row


def answer(url: str, question: str, temperature: float, tokens: int) -> str:
    """The text of an answer, which has to say that it is marked."""
    body = {"model": "check", "messages": [{"role": "user", "content": question}], "max_tokens": tokens}
    headers = {"authorization": f"Bearer {KEY}"}
    made = httpx2.post(
        f"{url}/v1/chat/completions", json={**body, "temperature": temperature}, headers=headers, timeout=ASK_S
    )
    made.raise_for_status()
    value = made.json()
    if value["qaz_label"].get("watermark") is None:
        sys.exit("the answer does not say that it is marked")
    return str(value["choices"][0]["message"]["content"])


@contextmanager
def gateway(model: Path, folder: Path) -> Iterator[str]:
    """`qaz serve --watermark` while the block runs."""
    port, log = free_port(), folder / "log"
    command = [sys.executable, "-m", "qaz_llm", "serve", str(model), "--name", "check", "--port", str(port)]
    command += ["--watermark", str(folder / "watermark.key"), "--request-s", str(ASK_S)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file, env={**os.environ, "QAZ_API_KEYS": KEY})
    try:
        wait_until_well(f"http://127.0.0.1:{port}", process, log, within_s=START_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _summary(rows: Sequence[dict[str, Any]]) -> str:
    found = sum(row["verdict"] == "found" for row in rows)
    values = sorted(row["z"] for row in rows)
    others = [abs(row["z_other_keys"]) for row in rows]
    return (
        f"{found} of {len(rows)} found, z {values[0]:.1f} to {values[-1]:.1f}, median {statistics.median(values):.1f};"
        f" other keys at most {max(others):.1f} from 0"
    )


if __name__ == "__main__":
    sys.exit(main())
