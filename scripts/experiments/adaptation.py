"""The main experiment: two real models, equal compute, what others do beside what is done here.

    python scripts/experiments/adaptation.py WORK --models DIR --corpus DIR --texts DIR [--only ARM …] [--seeds 0 1]
    python scripts/experiments/adaptation.py WORK --table          prints what there is as Markdown

WORK gets the grown models, the trainings and their evaluations (gigabytes; may be interrupted anywhere, the same command goes on).
Each arm and seed leaves one small file, RESULTS/ARM-sSEED.json (docs/results/adaptation by default): settings, tokens, FLOPs,
processor seconds and the bits per byte of every sentence, which the table takes its intervals from.

Equal compute: each arm has BUDGET_FLOPS, counted per token as `qaz plan` counts them. Growing a vocabulary is paid from it: its
processor seconds, at what one core of the machine trains with in a second (FLOPS_PER_CPU_S).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from arms import MAIN_LR, Arm, all_arms
from table import print_table

from qaz_llm.io import read_json, read_jsonl, write_json, write_text

ROOT = Path(__file__).parents[2]

BUDGET_FLOPS = 2e14
"""About 230 thousand tokens of SmolLM2 with 8,000 tokens more: a quarter of an hour on two cores with bf16."""

TRL_VERSION = "1.16.0"
"""What the arms of others were trained with; it is no part of `make setup`."""

FLOPS_PER_CPU_S = 1.5e11
SEQ_LEN, ROWS = 512, 4
TOKENS_PER_STEP = SEQ_LEN * ROWS
WARM_UP_FRAC = 0.1
TASKS = ("flores_bpb", "xwmt_bpb_ru", "xwmt_bpb_en")
ITEMS = 150
"""Sentences of each task: intervals of the paired differences are then a few thousandths of a bit."""

WATCHED = 24
"""Sentences of FLORES, from the end that is not scored, whose bits per byte are watched while training."""

NATIVE = ("kaznerd", "common_voice_kk", "segmentation_kk", "wikipedia_kk")
"""Sources of the corpus that were written in Kazakh; the others are translated, or of offices that write in two languages."""


@dataclass(frozen=True)
class Place:
    """Where everything lies."""

    work: Path
    models: Path
    corpus: Path
    texts: Path
    results: Path

    def result(self, arm: str, seed: int) -> Path:
        return self.results / f"{arm}-s{seed}.json"


def measured(*command: str, log: Path) -> tuple[str, float]:
    """A process's standard output and processor seconds, its children's among them. Raises CalledProcessError where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stream, text=True, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def qaz(*arguments: str, log: Path) -> float:
    return measured(sys.executable, "-m", "qaz_llm", *arguments, log=log)[1]


def start_of(place: Place, arm: Arm) -> tuple[Path, float]:
    """The folder that an arm starts from, made where it is not there, and the processor seconds it took to make."""
    if not arm.new_tokens:
        return place.models / arm.model, 0.0
    folder, cost = place.work / "starts" / arm.base, place.work / "starts" / f"{arm.base}.json"
    if not cost.is_file():
        for left in (folder, folder.with_name(folder.name + "-tokenizer")):
            shutil.rmtree(left, ignore_errors=True)
        script = str(Path(__file__).with_name("starts.py"))
        options = ["--new-tokens", str(arm.new_tokens), *(["--swap"] if arm.swap else [])]
        _, seconds = measured(
            sys.executable, script, str(place.models / arm.model), str(place.corpus), str(folder), *options,
            log=place.work / "starts" / f"{arm.base}.log",
        )  # fmt: skip
        write_json(cost, {"cpu_s": round(seconds, 1)})
    return folder, float(read_json(cost)["cpu_s"])


def flops_per_token(config: Path, *overrides: str) -> float:
    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.config import load_config
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.plan import make_plan

    return make_plan(load_config(TrainConfig, config, overrides), read_environment()).flops_per_token


def sentences(place: Place) -> dict[str, str]:
    """Files of held-out sentences to watch, by language: the last ones of FLORES, which are not scored."""
    rows = list(read_jsonl(place.texts / "flores200/flores200_devtest_kk_ru_en.jsonl"))[-WATCHED:]
    files = {}
    for code in ("kk", "ru", "en"):
        path = place.work / f"watched_{code}.txt"
        write_text(path, "".join(f"{row[code]}\n" for row in rows))
        files[code] = str(path)
    return files


def mix_of(place: Place, arm: Arm, *, native: bool = False) -> list[dict[str, Any]]:
    """Parts of the corpus with their weights; `native`: of the Kazakh only what was written in it."""
    parts = [{"name": code, "path": str(place.corpus), "language": code, "weight": w} for code, w in arm.mix.items()]
    if not native:
        return parts
    kazakh, others = parts[0], parts[1:]
    each = kazakh["weight"] / len(NATIVE)
    return [{**kazakh, "name": name, "source": name, "weight": each} for name in NATIVE] + others


def write_config(place: Place, arm: Arm, seed: int, start: Path, steps: int, name: str, **more: Any) -> Path:
    """A training config of `steps` steps. Keys of the arm win over those of all arms, `more` over both."""
    from qaz_llm.config import dump_yaml

    values: dict[str, Any] = {
        "method": "cpt", "run_dir": str(place.work / "runs" / name), "model": {"checkpoint": str(start)},
        "data": {"mix": mix_of(place, arm), "total_tokens": steps * TOKENS_PER_STEP},
        "seq_len": SEQ_LEN, "micro_batch_size": ROWS, "max_steps": steps, "lr": MAIN_LR, "schedule": "wsd",
        "warmup_steps": max(1, round(WARM_UP_FRAC * steps)), "seed": seed, "device": "cpu", "log_every_steps": 5,
        "checkpoint_every_steps": 20, "keep_checkpoints": 1, "eval_every_steps": max(1, steps // 4),
        "heldout": sentences(place),
    }  # fmt: skip
    values |= arm.settings | more
    path = place.work / "configs" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, dump_yaml(values))
    return path


def train_ours(place: Place, arm: Arm, seed: int) -> dict[str, Any]:
    start, grown_cpu_s = start_of(place, arm)
    name = f"{arm.name}-s{seed}"
    per_token = flops_per_token(write_config(place, arm, seed, start, 100, name))
    left = BUDGET_FLOPS - grown_cpu_s * FLOPS_PER_CPU_S
    steps = int(left / (per_token * TOKENS_PER_STEP))
    log = place.work / "runs" / f"{name}.log"
    if arm.native_last:
        cpu_s = train_in_two(place, arm, seed, start, steps, log)
    else:
        cpu_s = qaz("train", str(write_config(place, arm, seed, start, steps, name)), log=log)
    run = place.work / "runs" / name
    return {
        "tokens": steps * TOKENS_PER_STEP, "steps": steps, "flops_per_token": per_token, "grown_cpu_s": grown_cpu_s,
        "train_cpu_s": round(cpu_s, 1), "model_dir": str(run / "model"), "watched": list(read_jsonl(run / "evals.jsonl")),
        "loss": [[row["step"], round(row["loss"], 4)] for row in read_jsonl(run / "metrics.jsonl")],
    }  # fmt: skip


def train_in_two(place: Place, arm: Arm, seed: int, start: Path, steps: int, log: Path) -> float:
    """Four fifths on the whole mix at a constant rate, then native text alone (and replay) while the rate falls."""
    last = max(1, round(0.2 * steps))
    first = f"{arm.name}-first-s{seed}"
    begun = write_config(place, arm, seed, start, steps - last, first, schedule="constant")
    data = {"mix": mix_of(place, arm, native=True), "total_tokens": last * TOKENS_PER_STEP}
    ended = write_config(
        place, arm, seed, place.work / "runs" / first / "model", last, f"{arm.name}-s{seed}",
        schedule="linear", warmup_steps=1, data=data,
    )  # fmt: skip
    return qaz("train", str(begun), log=log) + qaz("train", str(ended), log=log)


def put_back(place: Place, arm: Arm, seed: int) -> dict[str, Any]:
    """The model of another arm, which is trained where it is not there, with some of the base put back."""
    assert arm.back is not None
    name, weight = arm.back
    run_arm(place, next(other for other in all_arms() if other.name == name), seed)
    trained = read_json(place.result(name, seed))
    out = place.work / "runs" / f"{arm.name}-s{seed}"
    shutil.rmtree(out, ignore_errors=True)
    merged_cpu_s = qaz(
        "merge", str(place.work / "runs" / f"{name}-s{seed}" / "model"), str(out / "model"),
        "--add", f"{place.models / arm.model}={weight}", log=place.work / "runs" / f"{arm.name}-s{seed}.log",
    )  # fmt: skip
    kept = {key: trained[key] for key in ("tokens", "steps", "flops_per_token", "grown_cpu_s")}
    return {**kept, "train_cpu_s": round(trained["train_cpu_s"] + merged_cpu_s, 1), "model_dir": str(out / "model")}


def train_peer(place: Place, arm: Arm, seed: int) -> dict[str, Any]:
    start, _ = start_of(place, arm)
    name = f"{arm.name}-s{seed}"
    per_token = flops_per_token(write_config(place, Arm(arm.name, arm.model, new_tokens=0), seed, start, 100, name))
    out = place.work / "runs" / name
    spec = place.work / "configs" / f"{name}.json"
    tokens = int(BUDGET_FLOPS / per_token)
    write_json(spec, {
        "checkpoint": str(start), "corpus": str(place.corpus), "mix": arm.mix, "seed": seed, "tokens": tokens,
        "scratch": str(out / "scratch"), "out": str(out / "model"), **arm.settings,
    })  # fmt: skip
    said, cpu_s = measured(
        sys.executable, str(Path(__file__).with_name("peer.py")), str(spec), log=place.work / "runs" / f"{name}.log"
    )
    found = json.loads(next(line for line in said.splitlines() if line.startswith("RESULT ")).removeprefix("RESULT "))
    facts = {"flops_per_token": per_token, "grown_cpu_s": 0.0, "train_cpu_s": round(cpu_s, 1)}
    return found | facts | {"model_dir": str(out / "model")}


def scores_of(place: Place, model: str, name: str) -> dict[str, dict[str, dict[str, list[float]]]]:
    """By task and language, bits and bytes of each sentence, in the order of their ids."""
    out = place.work / "evals" / name
    qaz(
        "eval", "run", "--model", model, "--suite", "own", *(word for task in TASKS for word in ("--tasks", task)),
        "--out", str(out), f"root={place.texts}", f"max_items={ITEMS}", "dtype=float32", "samples=false", "batch_tokens=2048",
        "device=cpu", log=place.work / "evals" / f"{name}.log",
    )  # fmt: skip
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for row in sorted(read_jsonl(out / "items.jsonl"), key=lambda row: (row["task"], row["language"], row["item_id"])):
        if row["metric"] == "bits_per_byte":
            of_language = found.setdefault(row["task"], {}).setdefault(row["language"], {"bits": [], "bytes": []})
            of_language["bits"].append(round(row["score"], 3))
            of_language["bytes"].append(row["weight"])
    return found


def run_arm(place: Place, arm: Arm, seed: int) -> None:
    """Train and score one arm, and write its result; a result that is there is kept."""
    path = place.result(arm.name, seed)
    if path.is_file():
        return
    print(f"{arm.name}, seed {seed}", flush=True)
    make = train_peer if arm.is_peer else put_back if arm.back else train_ours
    facts = make(place, arm, seed)
    model = facts.pop("model_dir")
    scores = scores_of(place, model, f"{arm.name}-s{seed}")
    shutil.rmtree(place.work / "runs" / f"{arm.name}-s{seed}" / "checkpoints", ignore_errors=True)
    write_json(path, {"arm": asdict(arm), "seed": seed, "budget_flops": BUDGET_FLOPS, **facts, "scores": scores})


def score_starts(place: Place, arms: Sequence[Arm]) -> None:
    """The models as training finds them, bases and grown ones."""
    for arm in {arm.base: arm for arm in arms}.values():
        for base in dict.fromkeys((arm.model, arm.base)):
            path = place.results / f"start-{base}.json"
            if not path.is_file():
                folder, cpu_s = start_of(place, Arm(base, arm.model, 0) if base == arm.model else arm)
                scores = scores_of(place, str(folder), f"start-{base}")
                write_json(path, {"start": base, "cpu_s": cpu_s, "scores": scores})


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """What every part of the experiment is told: where things lie, or that its table is wanted."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK")
    parser.add_argument("--models", type=Path, help="folder with smollm2-135m and gemma-3-270m")
    parser.add_argument("--corpus", type=Path, help="a build of configs/data/real_small.yaml")
    parser.add_argument("--texts", type=Path, default=os.environ.get("QAZ_CORPUS_DIR"))
    parser.add_argument("--results", type=Path, default=ROOT / "docs/results/adaptation")
    parser.add_argument("--table", action="store_true")
    return parser


def place_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Place:
    """Where everything lies; ends the program where something that training needs was not said."""
    if None in (options.models, options.corpus, options.texts):
        parser.error("--models, --corpus and --texts are needed to train")
    return Place(
        *(Path(p).resolve() for p in (options.work, options.models, options.corpus, options.texts, options.results))
    )


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--only", nargs="*", help="names of arms; by default all, in their order")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    options = parser.parse_args()
    if options.table:
        print_table(options.results)
        return 0
    place = place_of(parser, options)
    known = {arm.name: arm for arm in all_arms()}
    unknown = set(options.only or ()) - set(known)
    if unknown:
        parser.error(f"no arm {', '.join(sorted(unknown))}; the arms are {', '.join(known)}")
    chosen = [known[name] for name in options.only] if options.only else list(known.values())
    if any(arm.is_peer for arm in chosen) and find_spec("trl") is None:
        parser.error(
            f"the arms {', '.join(arm.name for arm in chosen if arm.is_peer)} need TRL: pip install --constraint constraints.txt 'trl=={TRL_VERSION}'"
        )
    place.results.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        for arm in chosen:
            run_arm(place, arm, seed)
            score_starts(place, [arm])
    return 0


if __name__ == "__main__":
    sys.exit(main())
