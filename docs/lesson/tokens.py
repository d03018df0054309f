"""Cut sentences into tokens, before and after Kazakh tokens were added: python docs/lesson/tokens.py "Сәлем, әлем!" """

from __future__ import annotations

import sys
from pathlib import Path

from transformers import AutoTokenizer

RUN = "runs/demo"
if not Path(RUN, "cpt", "model").is_dir():
    sys.exit(f"{RUN}: алдымен / сначала / first: make demo")
SENTENCES = (
    "Біз мектепте қазақ тілін үйренеміз.",
    "Мы учим казахский язык в школе.",
    "We learn the Kazakh language at school.",
)

for sentence in sys.argv[1:] or SENTENCES:
    print(
        f"{sentence}  ({len(sentence.split())} words, {len(sentence)} letters and signs, {len(sentence.encode())} bytes)"
    )
    for name in ("base", "extended"):
        tokenizer = AutoTokenizer.from_pretrained(f"{RUN}/tokenizer/{name}")
        ids = tokenizer(sentence, add_special_tokens=False)["input_ids"]
        print(f"  {name}, {len(ids)} tokens: " + "|".join(tokenizer.decode([token]).replace(" ", "·") for token in ids))
