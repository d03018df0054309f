"""How many bits a model needs for a sentence, token by token: python docs/lesson/bits.py "Балалар мектепке барады." """

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

RUN = "runs/demo"
if not Path(RUN, "cpt", "model").is_dir():
    sys.exit(f"{RUN}: алдымен / сначала / first: make demo")
MODELS = {"before": f"{RUN}/pretrain/model", "after": f"{RUN}/cpt/model"}
sentence = sys.argv[1] if len(sys.argv) > 1 else "Балалар мектепке барады."
logging.disable_progress_bar()

for name, folder in MODELS.items():
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(sentence, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        guesses = model(torch.tensor([[tokenizer.bos_token_id, *ids]])).logits[0].softmax(-1)
    total = 0.0
    print(name)
    for place, token in enumerate(ids):
        probability = float(guesses[place, token])  # what the model gave the right token, having read all before it
        bits = -math.log2(probability)
        total += bits
        piece = tokenizer.decode([token]).replace(" ", "·")
        print(f"  {piece:10} {probability:9.4%} {bits:6.2f} bits")
    size = len(sentence.encode())
    print(f"  {total:.1f} bits / {size} bytes = {total / size:.2f} bits per byte")
