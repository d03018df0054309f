"""Which initialisation of new embeddings, and how many new tokens, give the fewest bits per byte after equal compute.

    python scripts/bench/warm_start.py --corpus DIR --heldout FILE --out DIR [--scale small|gpu]

A base model is pretrained on the Russian and English of a corpus that `qaz data build` made; its tokenizer is extended to several
sizes from the Kazakh; each extension is measured before any training, with each initialisation; then each is trained on Kazakh
with Russian and English beside it until it has cost as many FLOPs as every other. A larger vocabulary has dearer tokens and gets fewer
of them; the shares of the languages are in bytes, so that all see the same text per byte of it. Runs that are there are kept.

FLOPs of a token: 6 per weight that multiplies (the output table does, the input table is only looked up), and 6 · layers · hidden ·
seq_len for causal attention (Kaplan et al. 2020, arXiv 2001.08361, section 2.1, with the half of attention that the mask leaves).
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from qaz_llm.config import dump_yaml
from qaz_llm.io import read_json, read_jsonl, write_json

LANGUAGES = ("kk", "ru", "en")
BYTE_SHARE = {"kk": 0.7, "ru": 0.15, "en": 0.15}
INITS = ("blend", "mean", "weighted_mean", "similar", "random")
DEFAULT = INITS[0]
PEER = "transformers"
"""What `resize_token_embeddings` of transformers does by itself: all new rows near the mean of the old ones."""


@dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    architecture: dict[str, int]
    base_vocab: int
    sizes: tuple[int, ...]
    init_size: int
    seq_len: int
    micro_batch_size: int
    pretrain_tokens: int
    pretrain_lr: float
    lr: float
    flops: float
    precision: str
    seeds: tuple[int, ...]


SCALES = {
    "small": Scale(
        {"hidden_size": 160, "num_layers": 4, "num_heads": 5, "intermediate_size": 448, "max_position_embeddings": 512},
        8_000, (1_000, 4_000, 8_000, 16_000), 4_000, 256, 16, 2_400_000, 3e-3, 2e-3, 6e12, "fp32", (0, 1),
    ),
    "gpu": Scale(
        {"hidden_size": 768, "num_layers": 12, "num_heads": 12, "intermediate_size": 2048, "max_position_embeddings": 1024},
        16_000, (2_000, 4_000, 8_000, 16_000), 8_000, 1024, 16, 40_000_000, 6e-4, 3e-4, 6e15, "bf16", (0,),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One model to be made: which base, how many new tokens, how they start."""

    tied: bool
    num_new_tokens: int
    init: str
    seed: int = 0

    @property
    def name(self) -> str:
        return f"{'tied' if self.tied else 'untied'}-{self.num_new_tokens}-{self.init}-{self.seed}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="the `out` of a data build with kk, ru and en")
    parser.add_argument("--heldout", type=Path, required=True, help="JSONL of parallel sentences: fields kk, ru, en")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--sentences", type=int, default=300, help="held-out sentences per language")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at the same time, one thread each")
    parser.add_argument("--variants", action="store_true", help="and ways to start that are not offered")
    arguments = parser.parse_args()
    bench = Bench(SCALES[arguments.scale], arguments.corpus, arguments.out, read_heldout(arguments))
    bench.prepare()
    bench.print_untrained()
    runs = bench.runs()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(bench.train, runs))
    bench.print_trained(runs)
    if arguments.variants:
        bench.print_variants()
    return 0


def read_heldout(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Every n-th sentence, the same in all languages."""
    rows = list(read_jsonl(arguments.heldout))
    step = max(1, len(rows) // arguments.sentences)
    return {language: [row[language] for row in rows[::step]] for language in LANGUAGES}


def _equal(ids: list[int]) -> tuple[tuple[int, float], ...]:
    return tuple((index, 1 / len(ids)) for index in ids)


def _blend(spelled: Any, used: Any, share: float) -> tuple[tuple[int, float], ...]:
    """`share` of what a token is used like, the rest of what it is made of."""
    return (*((i, (1 - share) * s) for i, s in spelled), *((i, share * s) for i, s in used))


class Bench:
    """The models of one experiment in one folder."""

    def __init__(self, scale: Scale, corpus: Path, out: Path, heldout: dict[str, list[str]]) -> None:
        self.scale, self.corpus, self.out, self.heldout = scale, corpus, out, heldout

    # ------------------------------------------------------------------------------------------------------ models

    def texts(self, *languages: str) -> Any:
        from qaz_llm.tokenizer.corpus import corpus_texts

        return chain.from_iterable(corpus_texts([self.corpus], language=language) for language in languages)

    def base(self, tied: bool) -> Path:
        return self.out / f"base_{'tied' if tied else 'untied'}"

    def tokenizer(self, num_new_tokens: int) -> Path:
        return self.out / (f"tokenizer_{num_new_tokens}" if num_new_tokens else "tokenizer_base")

    def prepare(self) -> None:
        """Base tokenizer, base models, and an extension of each size."""
        from dataclasses import replace

        from qaz_llm.tokenizer.base import train_base_tokenizer
        from qaz_llm.tokenizer.extend import learn_from_corpus
        from qaz_llm.tokenizer.fast import load_fast_tokenizer
        from qaz_llm.tokenizer.merges import append_merges
        from qaz_llm.tokenizer.similar import similar_tokens

        if not self.tokenizer(0).is_dir():
            train_base_tokenizer(self.texts("ru", "en"), vocab_size=self.scale.base_vocab).save_pretrained(
                self.tokenizer(0)
            )
        for tied in (True, False):
            self.pretrain(tied)
        if all(self.tokenizer(size).is_dir() for size in self.scale.sizes):
            return
        base = load_fast_tokenizer(str(self.tokenizer(0)))
        learned = learn_from_corpus(base, self.texts("kk"), num_new_tokens=max(self.scale.sizes))
        for size in self.scale.sizes:
            extended = append_merges(learned, num_new_tokens=size)
            similar = similar_tokens(extended, self.texts(*LANGUAGES))
            replace(extended, similar=similar).save(self.tokenizer(size))

    def pretrain(self, tied: bool) -> None:
        scale = self.scale
        mix = [{"name": name, "path": str(self.corpus), "language": name, "weight": 0.5} for name in ("ru", "en")]
        self.train_config(
            self.base(tied),
            {
                "method": "pretrain",
                "model": {
                    "architecture": {**scale.architecture, "tie_embeddings": tied},
                    "tokenizer": str(self.tokenizer(0)),
                },
                "data": {"mix": mix, "total_tokens": scale.pretrain_tokens, "max_passes": 40},
                "lr": scale.pretrain_lr,
            },
        )

    def train_config(self, run_dir: Path, settings: dict[str, Any]) -> None:
        """Train as anyone would, by a config, in a process of its own; a run that is done is left alone."""
        if (run_dir / "model").is_dir():
            return
        scale = self.scale
        common = {
            "run_dir": str(run_dir), "seq_len": scale.seq_len, "micro_batch_size": scale.micro_batch_size,
            "warmup_steps": 40, "precision": scale.precision, "checkpoint_every_steps": None,
        }  # fmt: skip
        settings["data"]["cache_dir"] = str(self.out / "packed")
        run_dir.parent.mkdir(parents=True, exist_ok=True)
        config = run_dir.with_suffix(".yaml")
        config.write_text(dump_yaml(common | settings), encoding="utf-8")
        subprocess.run([sys.executable, "-m", "qaz_llm", "train", str(config)], check=True)

    def runs(self) -> list[Run]:
        """Every size with the default, and every initialisation at one size, tied and untied and with each seed."""
        scale = self.scale
        sizes = [Run(True, size, DEFAULT if size else "mean") for size in (0, *scale.sizes)]
        inits = [Run(True, scale.init_size, init, seed) for seed in scale.seeds for init in INITS]
        untied = [Run(False, scale.init_size, init) for init in INITS]
        return list(dict.fromkeys([*sizes, *inits, *untied]))

    def train(self, run: Run) -> None:
        scale = self.scale
        tokens = scale.flops / self.flops_per_token(run.num_new_tokens)
        tokens_per_step = scale.seq_len * scale.micro_batch_size
        steps = round(tokens / tokens_per_step)
        length = self.bytes_per_token(run.num_new_tokens)
        mix = [
            {"name": name, "path": str(self.corpus), "language": name, "weight": share / length[name]}
            for name, share in BYTE_SHARE.items()
        ]
        self.train_config(
            self.out / "runs" / run.name,
            {
                "method": "cpt",
                "model": {
                    "checkpoint": str(self.base(run.tied) / "model"),
                    "tokenizer": str(self.tokenizer(run.num_new_tokens)),
                    "embedding_init": run.init,
                },
                "data": {"mix": mix, "total_tokens": steps * tokens_per_step, "max_passes": 40},
                "max_steps": steps,
                "lr": scale.lr,
                "seed": run.seed,
            },
        )

    def flops_per_token(self, num_new_tokens: int) -> int:
        a = self.scale.architecture
        hidden, layers, inner = a["hidden_size"], a["num_layers"], a["intermediate_size"]
        body = layers * (4 * hidden * hidden + 3 * hidden * inner)
        rows = self.scale.base_vocab + num_new_tokens
        return 6 * (body + rows * hidden) + 6 * layers * hidden * self.scale.seq_len

    def bytes_per_token(self, num_new_tokens: int) -> dict[str, float]:
        """On the first megabyte or so of each language."""
        from qaz_llm.tokenizer.fast import load_fast_tokenizer
        from qaz_llm.tokenizer.fertility import measure_fertility

        tokenizer = load_fast_tokenizer(str(self.tokenizer(num_new_tokens)))
        return {
            language: measure_fertility(tokenizer, [text for _, text in zip(range(400), self.texts(language), strict=False)]).bytes_per_token
            for language in LANGUAGES
        }  # fmt: skip

    # ----------------------------------------------------------------------------------------------------- figures

    def bits_per_byte(self, model: Any, tokenizer: Any) -> dict[str, float]:
        """Over all held-out sentences of a language."""
        import torch

        from qaz_llm.evals.scoring.local import HFScorer
        from qaz_llm.records import Request

        device = "cuda" if torch.cuda.is_available() else "cpu"
        scorer = HFScorer(model.to(device), tokenizer, batch_tokens=16_384 if device == "cuda" else 2_048)
        bits = {}
        for language, lines in self.heldout.items():
            scored = scorer.loglikelihood([Request("", line) for line in lines])
            bits[language] = -sum(s.logprob for s in scored) / math.log(2) / sum(s.num_bytes for s in scored)
        return bits

    def untrained(self, run: Run) -> dict[str, float]:
        """Bits per byte right after the tables have grown."""
        return self.grown(self.base(run.tied), run)

    def knowing(self, run: Run) -> dict[str, float]:
        """The same over a base that knows some Kazakh: the one trained on it without new tokens."""
        return self.grown(self.out / "runs" / Run(True, 0, "mean").name, run)

    def grown(self, base: Path, run: Run) -> dict[str, float]:
        from qaz_llm.model.load import load_model, load_tokenizer
        from qaz_llm.model.vocabulary import extension_of, fit_vocabulary

        folder = self.tokenizer(run.num_new_tokens)
        model, tokenizer = load_model(base / "model", dtype="float32"), load_tokenizer(folder)
        if run.init == PEER:
            model.resize_token_embeddings(len(tokenizer))
        else:
            fit_vocabulary(model, tokenizer, extension_of(folder), init=run.init, seed=run.seed)  # type: ignore[arg-type]
        return self.bits_per_byte(model, tokenizer)

    def print_variants(self) -> None:
        """Before any training, tables tied, one size: other shares, and a blend drawn towards the mean of all rows."""
        from dataclasses import replace

        import torch

        from qaz_llm.model.embeddings import mixing_shares, resize_embeddings
        from qaz_llm.model.load import load_model
        from qaz_llm.model.vocabulary import extension_of

        extended = extension_of(self.tokenizer(self.scale.init_size))
        assert extended is not None
        spelled, used = mixing_shares(extended, "weighted_mean"), extended.similar
        five = {
            new: _equal([i for i, _ in sorted(pairs, key=lambda pair: -pair[1])[:5]]) for new, pairs in used.items()
        }
        shares = {
            "first sub-token": {new: ((old[0], 1.0),) for new, old in extended.sub_tokens.items()},
            "last sub-token": {new: ((old[-1], 1.0),) for new, old in extended.sub_tokens.items()},
            "five similar, equal": five,
            "blend, .7 similar": {new: _blend(spelled[new], used[new], 0.7) for new in used},
            **{
                f"blend, drawn to {s}": {new: _blend(spelled[new], used[new], 0.5) for new in used}
                for s in (0.9, 0.75, 0.6)
            },
        }
        print(f"\nother ways to start, {self.scale.init_size:,} new tokens, before any training\n")
        for name, made in shares.items():
            model = load_model(self.base(True) / "model", dtype="float32")
            resize_embeddings(model, replace(extended, similar=made), init="similar")
            if "drawn to" in name:
                with torch.no_grad():
                    table_VD, new = model.get_input_embeddings().weight, list(extended.new_ids)
                    mean_D = table_VD[: extended.base_size].mean(0)
                    table_VD[new] = mean_D + float(name.split()[-1]) * (table_VD[new] - mean_D)
            bits = self.bits_per_byte(model, extended.tokenizer)
            print(f"{name:34} " + " ".join(f"{bits[language]:8.4f}" for language in LANGUAGES), flush=True)
        print("\nover a base that knows some Kazakh, before any training\n")
        for size in (self.scale.init_size, max(self.scale.sizes)):
            for init in (*INITS, PEER):
                bits = self.kept("knowing", run := Run(True, size, init), self.knowing)
                print(f"{run.name:34} " + " ".join(f"{bits[language]:8.4f}" for language in LANGUAGES), flush=True)

    def print_untrained(self) -> None:
        """Every initialisation with every size where tables are tied, with one size where not; the base first."""
        print("\nbits per byte before any training\n")
        print(f"{'model':34} " + " ".join(f"{language:>8}" for language in LANGUAGES))
        for tied in (True, False):
            for size in (0, *(self.scale.sizes if tied else [self.scale.init_size])):
                for init in (*INITS, PEER) if size else ("mean",):
                    run = Run(tied, size, init)
                    bits = self.kept("untrained", run, self.untrained)
                    print(f"{run.name:34} " + " ".join(f"{bits[language]:8.4f}" for language in LANGUAGES), flush=True)

    def trained(self, run: Run) -> dict[str, float]:
        from qaz_llm.model.load import load_model, load_tokenizer

        folder = self.out / "runs" / run.name / "model"
        return self.bits_per_byte(load_model(folder, dtype="float32"), load_tokenizer(folder))

    def print_trained(self, runs: list[Run]) -> None:
        print(f"\nbits per byte after {self.scale.flops:.1e} FLOPs of training each\n")
        print(f"{'model':34} {'MFLOP/token':>12} {'M tokens':>9} " + " ".join(f"{name:>8}" for name in LANGUAGES))
        for run in runs:
            bits, cost = self.kept("trained", run, self.trained), self.flops_per_token(run.num_new_tokens)
            figures = " ".join(f"{bits[language]:8.4f}" for language in LANGUAGES)
            print(f"{run.name:34} {cost / 1e6:12.1f} {self.scale.flops / cost / 1e6:9.3f} {figures}", flush=True)

    def kept(self, kind: str, run: Run, measure: Any) -> dict[str, float]:
        """A figure from an earlier run of this script, or a new one."""
        file = self.out / kind / f"{run.name}.json"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, measure(run))
        return dict(read_json(file))


if __name__ == "__main__":
    print(json.dumps({"argv": sys.argv[1:]}))
    sys.exit(main())
