"""Instruction tuning on the adapted model, and putting some of the old model back: what answers are like before and after.

    python scripts/experiments/tuning.py WORK --models DIR --corpus DIR --texts DIR [--only NAME …] [--seed 0]
    python scripts/experiments/tuning.py WORK --table          prints what there is as Markdown

WORK is the one of adaptation.py, whose arm `main` is what is tuned. Each way leaves RESULTS/tuning/NAME.json
(docs/results/adaptation by default): bits per byte, chrF++ of each translated sentence, the language of each answer, English
instructions done, and the first answers as they came.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from adaptation import ROOT, ROWS, SEQ_LEN, Place, measured, parser_of, place_of, qaz, scores_of, sentences
from arms import SMOLLM2
from table import bits_per_byte

from qaz_llm.io import read_json, read_jsonl, write_json, write_text

TUNING_TOKENS = 200_000
"""Of dialogues: a quarter to a half of those of configs/data/real_small.yaml, a quarter of an hour on one core."""

DIRECTIONS = ("en_kk", "ru_kk", "kk_ru", "kk_en", "en_ru", "ru_en")
TRANSLATED = 30
"""Sentences of FLORES in each direction."""

ASKED_TO_TRANSLATE = {
    "en_kk": "Translate this into Kazakh.\n{text}", "en_ru": "Translate this into Russian.\n{text}",
    "ru_kk": "Переведи это на казахский язык.\n{text}", "ru_en": "Переведи это на английский язык.\n{text}",
    "kk_ru": "Мұны орыс тіліне аудар.\n{text}", "kk_en": "Мұны ағылшын тіліне аудар.\n{text}",
}  # fmt: skip
"""Not the words of any template that dialogues are made by; in the language of the text."""

ANSWER_BYTES = 400
"""Of English, twice as many in Cyrillic; the longest sentence of FLORES has about so many."""

SHOWN_ANSWERS = 10

ONE_LANGUAGE = ROOT / "configs/real_smollm2.yaml"
"""Whose `sft.shares` by source the ways in one language take: seven tenths of the tokens are asked and answered in one, four of them Kazakh.
Without continuations and as they lie, one conversation in 130 is a Kazakh question with a Kazakh answer, and one in seven a Kazakh request for
Russian."""


CONTINUED = "_continued"
"""How the names of sources of kind continuation end in configs/data/real_small.yaml."""


def base(place: Place, seed: int) -> Path:
    return place.models / SMOLLM2


def adapted(place: Place, seed: int) -> Path:
    return place.work / "runs" / f"main-s{seed}" / "model"


def merged(place: Place, seed: int, name: str, start: Callable[[Place, int], Path], *options: str) -> Path:
    """`start` with some of the base put back by `qaz merge`."""
    out = place.work / "tuned" / f"{name}-s{seed}"
    if not (out / "config.json").is_file():
        qaz("merge", str(start(place, seed)), str(out), *options, log=place.work / "tuned" / f"{name}-s{seed}.log")
    return out


def tuned(
    place: Place, seed: int, name: str, start: Callable[[Place, int], Path], shares: Mapping[str, float] | None = None
) -> Path:
    """`start` after TUNING_TOKENS of the corpus's dialogues, by `shares` of their sources (see `dialogue_mix`)."""
    from qaz_llm.config import dump_yaml

    run_dir = place.work / "tuned" / f"{name}-s{seed}"
    steps = TUNING_TOKENS // (SEQ_LEN * ROWS * 2)
    values = {
        "method": "sft", "run_dir": str(run_dir), "model": {"checkpoint": str(start(place, seed))},
        "data": {"mix": dialogue_mix(place, shares)}, "seq_len": SEQ_LEN,
        "micro_batch_size": ROWS, "grad_accum_steps": 2, "max_steps": steps, "lr": 5e-5, "warmup_steps": max(1, steps // 10),
        "seed": seed, "device": "cpu", "log_every_steps": 5, "checkpoint_every_steps": 20, "keep_checkpoints": 1,
        "eval_every_steps": steps, "heldout": sentences(place),
    }  # fmt: skip
    path = place.work / "configs" / f"{name}-s{seed}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, dump_yaml(values))
    qaz("train", str(path), log=place.work / "tuned" / f"{name}-s{seed}.log")
    return run_dir / "model"


def dialogue_mix(place: Place, shares: Mapping[str, float] | None) -> list[dict[str, Any]]:
    """Parts with their weights; without shares all sources but continuations, each by its size."""
    path = str(place.corpus)
    if shares is None:
        sources = read_json(place.corpus / "manifest.json")["conversations"]["sources"]
        shares = {name: made["words_out"] for name, made in sources.items() if not name.endswith(CONTINUED)}
    return [{"name": source, "path": path, "source": source, "weight": share} for source, share in shares.items()]


def shares_in_one_language() -> dict[str, float]:
    from ruamel.yaml import YAML

    shares: dict[str, float] = YAML(typ="safe", pure=True).load(ONE_LANGUAGE)["sft"]["shares"]
    return shares


def heldout_options(place: Place, *order: str) -> list[str]:
    files = sentences(place)
    return [word for code in order for word in ("--heldout", f"{code}={files[code]}")]


def sft(place: Place, seed: int) -> Path:
    return tuned(place, seed, "sft", adapted)


def sft_one_language(place: Place, seed: int) -> Path:
    return tuned(place, seed, "sft-one-language", adapted, shares_in_one_language())


def sft_of_base(place: Place, seed: int) -> Path:
    return tuned(place, seed, "sft-of-base", base, shares_in_one_language())


def quarter_back(place: Place, seed: int) -> Path:
    return merged(place, seed, "quarter-back", adapted, "--add", f"{base(place, seed)}=0.25")


def half_back(place: Place, seed: int) -> Path:
    return merged(place, seed, "half-back", adapted, "--add", f"{base(place, seed)}=0.5")


def searched_back(place: Place, seed: int) -> Path:
    options = ("--add", str(base(place, seed)), *heldout_options(place, "en", "kk", "ru"))
    return merged(place, seed, "searched-back", adapted, *options)


def layers_back(place: Place, seed: int) -> Path:
    options = ("--revert", "layers 10-19", "--ref", str(base(place, seed)))
    return merged(place, seed, "layers-back", adapted, *options)


def sft_quarter_back(place: Place, seed: int) -> Path:
    return merged(place, seed, "sft-quarter-back", sft_one_language, "--add", f"{base(place, seed)}=0.25")


WAYS: dict[str, Callable[[Place, int], Path]] = {
    "base": base,
    "adapted": adapted,
    "sft": sft,
    "sft-one-language": sft_one_language,
    "quarter-back": quarter_back,
    "half-back": half_back,
    "searched-back": searched_back,
    "layers-back": layers_back,
    "sft-quarter-back": sft_quarter_back,
    "sft-of-base": sft_of_base,
}


def translation_tasks(place: Place) -> Path:
    """The project's FLORES directions, asked for as one asks an assistant."""
    from ruamel.yaml import YAML

    from qaz_llm.config import dump_yaml

    folder = place.work / "tasks"
    folder.mkdir(parents=True, exist_ok=True)
    for direction in DIRECTIONS:
        task = YAML(typ="safe", pure=True).load(ROOT / f"src/qaz_llm/evals/tasks/flores_{direction}.yaml")
        target = direction.split("_")[1]
        asked = {
            "name": f"asked_{direction}",
            "prompts": {target: ASKED_TO_TRANSLATE[direction]},
            "max_answer_bytes": ANSWER_BYTES,
        }
        write_text(folder / f"asked_{direction}.yaml", dump_yaml(task | asked))
    return folder


def translations(place: Place, model: Path, name: str) -> dict[str, list[float]]:
    """chrF++ of each sentence by direction, in the order of their ids."""
    out = place.work / "evals" / f"{name}-translation"
    qaz(
        "eval", "run", "--model", str(model), "--suite", "own", "--tasks", str(translation_tasks(place)), "--out", str(out),
        f"root={place.texts}", f"max_items={TRANSLATED}", "dtype=float32", "samples=false", "batch_tokens=16384", "device=cpu",
        "chat_template=auto", log=place.work / "evals" / f"{name}-translation.log",
    )  # fmt: skip
    found: dict[str, list[float]] = {}
    for row in sorted(read_jsonl(out / "items.jsonl"), key=lambda row: (row["task"], row["item_id"])):
        if row["metric"] == "chrf":
            found.setdefault(row["task"].removeprefix("asked_"), []).append(round(row["score"], 5))
    return found


def answers(place: Place, model: Path, name: str) -> dict[str, Any]:
    """What answers.py finds, of the answers the first few of each language."""
    out = place.work / "answers" / f"{name}.json"
    if not out.is_file():
        script = str(Path(__file__).with_name("answers.py"))
        log = place.work / "answers" / f"{name}.log"
        measured(
            sys.executable, script, str(model), str(out), "--texts", str(place.texts), "--questions", "100", log=log
        )
    found: dict[str, Any] = read_json(out)
    return found | {"answers": {code: rows[:SHOWN_ANSWERS] for code, rows in found["answers"].items()}}


def run_way(place: Place, name: str, seed: int) -> None:
    """Make one model, ask it everything and write what came out; a result that is there is kept."""
    path = place.results / "tuning" / f"{name}-s{seed}.json"
    if path.is_file():
        return
    print(f"{name}, seed {seed}", flush=True)
    model = WAYS[name](place, seed)
    found = {
        "way": name,
        "seed": seed,
        "scores": scores_of(place, str(model), f"{name}-s{seed}"),
        "chrf": translations(place, model, f"{name}-s{seed}"),
        **answers(place, model, f"{name}-s{seed}"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, found)


def more_than(base_scores: list[float], scores: list[float], *, draws: int = 20_000, seed: int = 0) -> float:
    """The p of a paired sign-flip test that the second has no higher mean than the first (one-sided; (1 + as large) / (1 + draws))."""
    differences = np.asarray(scores) - np.asarray(base_scores)
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(draws, len(differences)))
    return float((1 + np.sum((signs * differences).mean(1) >= differences.mean() - 1e-12)) / (1 + draws))


def print_table(results: Path) -> None:
    rows = {row["way"]: row for row in (read_json(path) for path in sorted((results / "tuning").glob("*.json")))}
    columns = " | ".join(direction.replace("_", "→") for direction in DIRECTIONS)
    print(f"| way | kk bits | ru bits | en bits | {columns} | kk in kk | ru in ru | en in en | instructions |")
    print("| --- " * (8 + len(DIRECTIONS)) + "|")
    for name in (name for name in WAYS if name in rows):
        row = rows[name]
        bits = [f"{bits_per_byte([row], 'flores_bpb', code):.3f}" for code in ("kk", "ru", "en")]
        chrf = [translated(rows, name, direction) for direction in DIRECTIONS]
        said = [
            f"{row['languages'][code].get(code, 0) / row['languages'][code]['n']:.0%}" for code in ("kk", "ru", "en")
        ]
        done = f"{row['instructions']['done']} of {row['instructions']['n']}"
        print("| " + " | ".join([name, *bits, *chrf, *said, done]) + " |")


def translated(rows: dict[str, Any], name: str, direction: str) -> str:
    """Mean chrF++ of a direction, with p against the base where there is one."""
    scores = rows[name]["chrf"][direction]
    shown = f"{100 * np.mean(scores):.1f}"
    if name == "base" or "base" not in rows:
        return shown
    return f"{shown} (p {more_than(rows['base']['chrf'][direction], scores):.4f})"


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--only", nargs="*", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.table:
        print_table(options.results)
        return 0
    place = place_of(parser, options)
    for name in options.only:
        run_way(place, name, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
