"""What all that looks at one sitting of a training shares: clock, status file, losses by part, and the evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.cluster.environment import Environment
from qaz_llm.train.config import WatchConfig
from qaz_llm.train.status import StatusFile
from qaz_llm.train.watching.best import best_so_far
from qaz_llm.train.watching.clock import PhaseClock
from qaz_llm.train.watching.part_losses import PartLosses
from qaz_llm.train.watching.rank_times import RankTimes, times_of
from qaz_llm.train.watching.texts import Fingerprints

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from qaz_llm.rows.config import MixEntry
    from qaz_llm.train.plan import TrainPlan

OnEval = Callable[["PreTrainedModel", "PreTrainedTokenizerFast", int], Mapping[str, float]]
"""(model, tokenizer, step) → named numbers, lower is better. Called on every rank, since a sharded model needs all of them."""


@dataclass(frozen=True)
class Sight:
    """What a caller hands to a training that it cannot have by itself: how to evaluate, and on which texts, by name."""

    on_eval: OnEval | None = None
    heldout: Mapping[str, Sequence[str]] = field(default_factory=dict)
    texts: Fingerprints = field(default_factory=dict)
    """By what the text behind each number is known."""


@dataclass(frozen=True)
class Watch:
    """Made once per sitting, when the parts of the mix are known."""

    run_dir: Path
    settings: WatchConfig
    status: StatusFile
    clock: PhaseClock
    losses: PartLosses
    sight: Sight = Sight()
    times: RankTimes = field(default_factory=lambda: RankTimes(Environment(), device="cpu"))

    @classmethod
    def begin(cls, plan: TrainPlan, status: StatusFile, entries: Sequence[MixEntry], sight: Sight) -> Watch:
        config, clock = plan.config, PhaseClock(status.phase)
        return cls(config.run_dir, config.watch, status, clock, PartLosses(entries), sight, times_of(plan))

    def spared_steps(self) -> set[int]:
        """The step of the best checkpoint, which is never pruned."""
        best = best_so_far(self.run_dir, self.settings)
        return set() if best is None else {best.step}

    def tell_status(self, row: Mapping[str, Any], left_s: float | None) -> None:
        """Put the numbers of a row of metrics into status.json."""
        names = ("step", "loss", "lr", "grad_norm", "tokens", "tokens_per_s", "mfu_frac", "seconds", "ranks")
        spent: dict[str, Any] = {f"{name}_s": round(seconds, 1) for name, seconds in self.clock.seconds.items()}
        values = {name: row[name] for name in names if name in row} | {"left_s": left_s} | spent
        values["stragglers"] = row.get("stragglers", [])
        self.status.set(**values)
