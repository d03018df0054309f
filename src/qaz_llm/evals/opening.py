"""The model of an evaluation: loaded where a question comes that was not answered before, with what a reader has to know of how it was run."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.gathered import take_over
from qaz_llm.evals.identity import SCORING_VERSION, model_identity, setting_of, setting_of_config
from qaz_llm.evals.samples import PROMPTS, write_samples
from qaz_llm.evals.scoring.local import HFScorer, choose_device
from qaz_llm.evals.scoring.processes import ALONE, Processes
from qaz_llm.evals.scoring.remembered import RememberingScorer
from qaz_llm.evals.scoring.scorer import Scorer
from qaz_llm.evals.scoring.server import ServerScorer
from qaz_llm.evals.scoring.vllm import VllmScorer
from qaz_llm.io import fingerprint_value, read_json, read_jsonl, write_json, write_jsonl

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class OpenedModel:
    """The model of a config, with its answers so far in `out/answers`; its tokenizer and how it was run.

    Of several processes each loads it. What shares of the evaluation answered to `tasks` is taken over first (gathered.py).
    Raises InputError where it is no model.
    """

    def __init__(self, config: EvalConfig, processes: Processes = ALONE, *, tasks: Iterable[str] = ()) -> None:
        self._config, self._processes = config, processes
        self.identity = model_identity(config)
        kept = kept_answers(config, self.identity)
        self._facts = kept.with_suffix(".json")
        if processes.is_first:
            take_over(kept, config.out, tasks)
        self.scorer = RememberingScorer(lambda: self._loaded, kept, processes)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast | None:
        """None of a model behind a server, which has its own."""
        from qaz_llm.model.load import load_tokenizer

        if self._config.server is not None:
            return None
        return load_tokenizer(self._config.model, trust_remote_code=self._config.trust_remote_code)

    def samples(self) -> list[dict[str, Any]] | None:
        """Sample generations; kept as they are, since even to make their prompts a tokenizer has to be loaded. None behind a server."""
        if self._config.server is not None:
            return None
        length = self._config.sample_bytes
        path = self._facts.with_suffix(
            f".samples-{fingerprint_value([[asdict(p) for p in PROMPTS], length])[:8]}.jsonl"
        )
        if self._processes.of_first(path.is_file()):
            return list(read_jsonl(path))
        assert self.tokenizer is not None
        made = write_samples(self.scorer, self.tokenizer, max_bytes=length)
        if self._processes.is_first:
            write_jsonl(path, made)
        return made

    @cached_property
    def _loaded(self) -> Scorer:
        scorer = load_scorer(self._config, self._processes)
        if self._processes.is_first:
            write_json(self._facts, self._setting_of(scorer))
        return scorer

    def _setting_of(self, scorer: Scorer) -> dict[str, Any]:
        return _setting(scorer, self._config) | {"devices": self._processes.count, "revision": self.identity}

    @property
    def setting(self) -> dict[str, Any]:
        """As `identity.setting_of`; of answers that were there before, as it was when they were given."""
        if not self._facts.is_file():
            return self._setting_of(self._loaded)
        return {**read_json(self._facts), **setting_of_config(self._config)}


def kept_answers(config: EvalConfig, identity: str) -> Path:
    """Where the answers of this model are kept, by a name that changes with all that they depend on but the questions."""
    how = config.server.model_dump(include={"url", "api", "body"}) if config.server else config.backend
    depends = [identity, config.dtype, config.device, SCORING_VERSION, how]
    return config.out / "answers" / f"{fingerprint_value(depends)[:16]}.jsonl"


class Given:
    """A scorer that a caller brings; nothing of its answers is kept."""

    def __init__(self, scorer: Scorer, tokenizer: PreTrainedTokenizerFast | None, config: EvalConfig) -> None:
        self.identity = f"in memory {time.time_ns()}"
        self.tokenizer, self._length = tokenizer, config.sample_bytes
        self.setting = _setting(scorer, config)
        self.scorer = RememberingScorer(lambda: scorer, None)

    def samples(self) -> list[dict[str, Any]] | None:
        """Sample generations, where the caller brought a tokenizer for their prompts."""
        return write_samples(self.scorer, self.tokenizer, max_bytes=self._length) if self.tokenizer else None


def _setting(scorer: Scorer, config: EvalConfig) -> dict[str, Any]:
    return setting_of(scorer, config) if isinstance(scorer, HFScorer) else setting_of_config(config)


def load_scorer(config: EvalConfig, processes: Processes = ALONE) -> Scorer:
    """The model of the config as a scorer. Raises InputError where it is no model, or several processes would ask one server."""
    if processes.count > 1 and (config.server is not None or config.backend != "transformers"):
        raise InputError(
            f"{processes.count} processes cannot share a model that a server or {config.backend} runs",
            hint="leave devices at 1; a server and vLLM spread their work themselves",
        )
    if config.server is not None:
        return ServerScorer(config.server, config.model)
    from qaz_llm.model.load import load_model, load_tokenizer

    tokenizer = load_tokenizer(config.model, trust_remote_code=config.trust_remote_code)
    if config.backend == "vllm":
        return VllmScorer(
            config.model,
            tokenizer,
            dtype=config.dtype,
            seed=config.seed,
            trust_remote_code=config.trust_remote_code,
        )
    model = load_model(
        config.model,
        dtype=config.dtype,
        device=str(choose_device(config.device, number=processes.local_rank)),
        attn_implementation=config.attn_implementation,
        trust_remote_code=config.trust_remote_code,
    )
    return HFScorer(model, tokenizer, batch_tokens=config.batch_tokens, rank=processes.rank, processes=processes.count)
