"""What others do: TRL's SFTTrainer with its own defaults on the same documents, until its FLOPs are spent.

    python scripts/experiments/peer.py SPEC.json

Only what the experiment needs is said: where to stop, one CPU, the seed. Left as they come: learning rate 2e-5 falling linearly, 8 texts
a batch, cut at 1,024 tokens, no packing, AdamW without decay, bf16. A spec with `lr` sets that one. Tokens of text count as its compute,
padding does not, which is in its favour. The schedule is that of the steps it makes: a first pass counts them.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_LENGTH, BATCH = 1024, 8


def documents(spec: dict[str, Any], tokenizer: Any) -> Iterator[tuple[str, int]]:
    """Texts by turns of the languages, so that their tokens keep the shares of the mix; with the tokens that are trained on."""
    from qaz_llm.tokenizer.corpus import read_texts

    queues = {}
    for code in spec["mix"]:
        texts = list(read_texts(Path(spec["corpus"]), language=code))
        random.Random(spec["seed"]).shuffle(texts)
        queues[code] = iter(texts)
    seen = dict.fromkeys(spec["mix"], 0)
    while True:
        code = min(seen, key=lambda name: seen[name] / spec["mix"][name])
        text = next(queues[code])
        length = min(len(tokenizer(text)["input_ids"]), MAX_LENGTH)
        seen[code] += length
        yield text, length


def chosen_texts(spec: dict[str, Any], tokenizer: Any) -> tuple[list[str], int]:
    """The texts that `spec["tokens"]` pays for, whole batches of them, and their tokens."""
    texts, tokens = [], 0
    for text, length in documents(spec, tokenizer):
        if tokens + length > spec["tokens"] and len(texts) % BATCH == 0:
            return texts, tokens
        texts.append(text)
        tokens += length
    raise AssertionError("documents never end")


def main() -> None:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(spec["checkpoint"])
    model = AutoModelForCausalLM.from_pretrained(spec["checkpoint"], dtype="float32")
    texts, tokens = chosen_texts(spec, tokenizer)
    chosen = {"learning_rate": spec["lr"]} if "lr" in spec else {}
    arguments = SFTConfig(
        output_dir=spec["scratch"], num_train_epochs=1, use_cpu=True, seed=spec["seed"], save_strategy="no", report_to=[],
        disable_tqdm=True, logging_steps=5, **chosen,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=model, args=arguments, train_dataset=Dataset.from_dict({"text": texts}), processing_class=tokenizer
    )
    trainer.train()
    trainer.save_model(spec["out"])
    print("RESULT " + json.dumps({"tokens": tokens, "steps": trainer.state.global_step, "texts": len(texts)}))


if __name__ == "__main__":
    main()
