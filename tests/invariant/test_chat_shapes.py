"""Training on a shape of instruction data is training on the dialogues in it, step by step."""

import json
from pathlib import Path

from small_runs import Settings, losses, run_here

ASKED = [(f"{one} санына {other} қос.", f"Жауабы: {one + other}") for one in range(6) for other in range(4)]


def test_alpaca_and_sharegpt_train_as_openai_does(settings: Settings, tmp_path: Path) -> None:
    shapes = {
        "openai.jsonl": [
            {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in ASKED
        ],
        "sharegpt.jsonl": [
            {"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]} for q, a in ASKED
        ],
        "alpaca.json": [{"instruction": q, "input": "", "output": a} for q, a in ASKED],
    }
    found = {}
    for name, rows in shapes.items():
        path = tmp_path / name
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        path.write_text(json.dumps(rows) if path.suffix == ".json" else lines)
        values = settings(f"run of {name}", data={"mix": [{"name": "chat", "path": str(path)}]}, max_steps=2)
        run_here(values)
        found[name] = losses(values)
    assert found["alpaca.json"] == found["sharegpt.jsonl"] == found["openai.jsonl"]
