"""How a chat model answers: in which language, and whether it does what an English instruction says.

    python scripts/experiments/answers.py MODEL OUT.json --texts DIR [--questions 200]

Questions: Kazakh ones of KazQAD's test topics, Russian and English ones of MGSM, each as a user's message in the model's own chat template,
greedy answers of at most MAX_TOKENS tokens. The language of an answer is what the project's detector says of the whole answer;
what it cannot tell (names, numbers) is counted by itself. OUT.json keeps all answers.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path
from typing import Any

from instructions import instructions

from qaz_llm.io import write_json

MAX_TOKENS, BATCH = 64, 20


def questions(texts: Path, count: int) -> dict[str, list[str]]:
    """By language the first so many questions."""
    with (texts / "kazqad/kazqad-topics-v1.0-kk-test.tsv").open(encoding="utf-8", newline="") as stream:
        kazakh = [row[1] for row in csv.reader(stream, delimiter="\t")]
    found = {"kk": kazakh}
    for code in ("ru", "en"):
        with (texts / f"mgsm/mgsm_{code}.tsv").open(encoding="utf-8", newline="") as stream:
            found[code] = [row[0] for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)]
    return {code: rows[:count] for code, rows in found.items()}


def answer_all(model: Any, tokenizer: Any, prompts: list[str]) -> list[str]:
    """Greedy answers, several prompts at once, padded on the left."""
    import torch

    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    told = [
        tokenizer.apply_chat_template([{"role": "user", "content": p}], add_generation_prompt=True, tokenize=False)
        for p in prompts
    ]
    answers: list[str] = []
    for start in range(0, len(told), BATCH):
        batch = tokenizer(told[start : start + BATCH], return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.no_grad():
            made = model.generate(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=MAX_TOKENS, do_sample=False,
                repetition_penalty=1.0, pad_token_id=tokenizer.pad_token_id,
            )  # fmt: skip
        answers += tokenizer.batch_decode(made[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return answers


def languages_of(answers: list[str]) -> dict[str, int]:
    from qaz_llm.language.identify import UNDETERMINED, identify

    found = Counter(identify(text).main for text in answers)
    return {"not told" if code == UNDETERMINED else code: count for code, count in found.most_common()}


def main() -> None:
    from qaz_llm.model.load import load_model, load_tokenizer

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=200)
    options = parser.parse_args()
    model, tokenizer = load_model(options.model, dtype="float32"), load_tokenizer(options.model)
    found: dict[str, Any] = {"languages": {}, "answers": {}}
    for code, asked in questions(options.texts, options.questions).items():
        answers = answer_all(model, tokenizer, asked)
        found["languages"][code] = {"n": len(answers), **languages_of(answers)}
        found["answers"][code] = [{"question": q, "answer": a} for q, a in zip(asked, answers, strict=True)]
        print(code, found["languages"][code], flush=True)
    asked_en = instructions()
    answers = answer_all(model, tokenizer, [one.prompt for one in asked_en])
    done = [one.is_done(answer) for one, answer in zip(asked_en, answers, strict=True)]
    kinds = Counter(one.kind for one, ok in zip(asked_en, done, strict=True) if ok)
    found["instructions"] = {"n": len(done), "done": sum(done), "by_kind": dict(kinds)}
    found["answers"]["instructions"] = [
        {"question": o.prompt, "answer": a, "done": d} for o, a, d in zip(asked_en, answers, done, strict=True)
    ]
    print("instructions", found["instructions"], flush=True)
    write_json(options.out, found)


if __name__ == "__main__":
    main()
