"""The model of an evaluation: loaded where a question comes that was not answered before, with what a reader has to know of how it was run."""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.identity import SCORING_VERSION, model_identity, setting_of, setting_of_config
from qaz_llm.evals.part import answered_by_shares, missing_answers
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

    Of several processes each loads it. Raises InputError where it is no model.
    """

    def __init__(self, config: EvalConfig, processes: Processes = ALONE, *, merge_only: bool = False) -> None:
        self._config, self._processes, self._merge_only = config, processes, merge_only
        self.identity = model_identity(config)
        how = config.server.model_dump(include={"url", "api", "body"}) if config.server else config.backend
        depends = [self.identity, config.dtype, config.device, SCORING_VERSION, how]
        kept = config.out / "answers" / fingerprint_value(depends)[:16]
        self._facts = kept.with_suffix(".json")
        by_shares = answered_by_shares(config.out, f"{kept.name}*.jsonl")
        by_shares = [path for path in by_shares if ".samples-" not in path.name]
        self.scorer = RememberingScorer(lambda: self._loaded, kept.with_suffix(".jsonl"), processes, also=by_shares)

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
        if kept := self._processes.of_first(self._found(path)):
            return list(read_jsonl(kept))
        assert self.tokenizer is not None
        made = write_samples(self.scorer, self.tokenizer, max_bytes=length)
        if self._processes.is_first:
            write_jsonl(path, made)
        return made

    def _found(self, path: Path) -> Path | None:
        """A file of this evaluation, or of a share of it; None where there is neither."""
        return next((file for file in (path, *answered_by_shares(self._config.out, path.name)) if file.is_file()), None)

    @cached_property
    def _loaded(self) -> Scorer:
        if self._merge_only:
            missing_answers(self._config.out)
        scorer = load_scorer(self._config, self._processes)
        if self._processes.is_first:
            write_json(self._facts, self._setting_of(scorer))
        return scorer

    def _setting_of(self, scorer: Scorer) -> dict[str, Any]:
        return _setting(scorer, self._config) | {"devices": self._processes.count, "revision": self.identity}

    @property
    def setting(self) -> dict[str, Any]:
        """As `identity.setting_of`; of answers that were there before, as it was when they were given."""
        facts = self._found(self._facts)
        if facts is None:
            return self._setting_of(self._loaded)
        return {**read_json(facts), **setting_of_config(self._config)}


class Given:
    """A scorer that a caller brings; nothing of its answers is kept."""

    def __init__(
        self,
        scorer: Scorer,
        tokenizer: PreTrainedTokenizerFast | None,
        config: EvalConfig,
        identity: str | None = None,
    ) -> None:
        self.identity = identity or f"in memory {time.time_ns()}"
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
